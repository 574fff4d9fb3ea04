"""What a desk does to a ticket: each verb with its path and with what it is told, named as the contract's fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click

from cli.caller import TIME
from shuke.ticketing.v1.ticket_pb2 import Ticket
from shuke.ticketing.v1.tickets_pb2 import CloseTicketRequest

NUMBER = click.IntRange(1, 100)


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb: the end of its path, its help, and the arguments and options that become fields of its request."""

    path: str
    help: str
    params: tuple[click.Parameter, ...] = ()


def _word(name: str, kind: click.ParamType[Any] | None = None) -> click.Argument:
    """Make an argument that has to be given."""
    return click.Argument([name], type=kind)


def _option(flag: str, name: str, help_text: str, kind: click.ParamType[Any] | None = None) -> click.Option:
    return click.Option([flag, name], type=kind, help=help_text)


def _flag(flag: str, name: str, help_text: str) -> click.Option:
    """Make an option of which one side or the other has to be given."""
    return click.Option([flag, name], required=True, help=help_text)


def _choice(enum: type) -> click.Choice[str]:
    return click.Choice(enum.keys()[1:], case_sensitive=False)  # type: ignore[attr-defined]


OPERATOR = _option("--operator", "operator", "Staff code of whom a till's or a system's key acts for.")
REASON = _option("--reason", "reason", "Why.")
REMARK = _option("--remark", "remark", "What the customer says to it.")

VERBS = {
    "acknowledge": Verb(
        "acknowledge",
        "Record that the customer knows that TICKET is being handled.",
        (
            _option("--restatement", "restatement", "How the matter was repeated, and what the customer said to it."),
            click.Option(["--apologised", "apologised"], is_flag=True, help="The customer was offered an apology."),
        ),
    ),
    "classify": Verb(
        "classify",
        "Change what TICKET is; what is not given stays.",
        (
            _option("--type", "type", "Type.", _choice(Ticket.Type)),
            _option("--severity", "severity", "Severity.", _choice(Ticket.Severity)),
            _option("--category", "category", "Category of the chain's catalogue."),
            _option("--cause", "cause_code", "Cause code of the chain's catalogue."),
        ),
    ),
    "assign": Verb("assign", "Give the work to ASSIGNEE, as staff/CODE; the owner stays.", (_word("assignee"), REASON)),
    "transfer": Verb(
        "transfer",
        "Pass the work to QUEUE, as queues/CODE, for a REASON; the owner stays.",
        (_word("queue"), _word("reason"), _option("--assignee", "assignee", "Who works on it there, as staff/CODE.")),
    ),
    "own": Verb(
        "changeOwner", "Make OWNER, as staff/CODE, answer for TICKET, for a REASON.", (_word("owner"), _word("reason"))
    ),
    "note": Verb(
        "addNote",
        "Add a note to the timeline.",
        (
            _word("text"),
            click.Option(
                ["--not-reached", "kind"],
                flag_value="CONTACT_ATTEMPT",
                help="It tells of an attempt to reach the customer that failed.",
            ),
        ),
    ),
    "escalate": Verb("escalate", "Hand the work to the superior, for a REASON.", (_word("reason"),)),
    "pause": Verb(
        "pauseClock",
        "Let clocks stand still for a REASON of the chain's rules, and say who is waited for.",
        (_word("reason"), _word("waiting_for", _choice(Ticket.Party)), REMARK),
    ),
    "resume": Verb("resumeClock", "Let clocks count on.", (REMARK,)),
    "confirm-report": Verb(
        "confirmReport",
        "Confirm a fault report, and the time of the visit, in this machine's zone.",
        (_word("agreed_time", TIME), REMARK),
    ),
    "verify": Verb(
        "verifyFacts",
        "Record a FINDING on the facts of a complaint, and a REPORT of how it was come by.",
        (_word("finding", _choice(Ticket.Finding)), _word("report")),
    ),
    "propose": Verb(
        "proposeSolution",
        "Propose a solution, with the EXPLANATION that the customer gets.",
        (_word("description"), _word("explanation")),
    ),
    "answer": Verb(
        "answerSolution",
        "Record what the customer says to the solution of that number.",
        (_word("solution", NUMBER), _flag("--accepted/--declined", "accepted", "What the customer says."), REMARK),
    ),
    "promise": Verb(
        "commitTime",
        "Promise the customer an answer by a time, in this machine's zone.",
        (_word("promised_time", TIME), REMARK),
    ),
    "progress": Verb(
        "reportProgress",
        "Record what the customer was told of the progress.",
        (_word("progress"), _option("--next", "next_time", "The next promised time, in this machine's zone.", TIME)),
    ),
    "solve": Verb(
        "solve",
        "Record the RESULT: what was done, and what the customer was told.",
        (_word("result"), _option("--solution", "solution", "Number of the accepted solution of a complaint.", NUMBER)),
    ),
    "confirm": Verb(
        "confirmSatisfaction",
        "Record the customer's word on a solved ticket.",
        (_flag("--satisfied/--unsatisfied", "satisfied", "What the customer says."), REMARK),
    ),
    "close": Verb(
        "close",
        "End TICKET without a satisfied customer.",
        (_word("ending", _choice(CloseTicketRequest.Ending)), REASON),
    ),
    "reopen": Verb("reopen", "Take up a ticket that had ended, for a REASON.", (_word("reason"),)),
}
