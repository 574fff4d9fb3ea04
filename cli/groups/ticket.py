"""`shuke ticket`: the desk's work on complaints, fault reports and inquiries."""

from __future__ import annotations

import datetime as dt
from typing import Any

import click

from cli.api import Json
from cli.caller import TIME, Caller, calling, paged
from cli.failures import Problem
from cli.groups.ticket_verbs import OPERATOR, VERBS
from cli.sheets import Cell, Sheet, facts, joined, moment
from shuke.ticketing.v1.ticket_pb2 import Ticket

TYPE, CHANNEL, SEVERITY, STATE = (
    click.Choice(enum.keys()[1:], case_sensitive=False)
    for enum in (Ticket.Type, Ticket.Channel, Ticket.Severity, Ticket.State)
)


@click.group()
def ticket() -> None:
    """Open tickets, list them, and lead them to a satisfied customer.

    TICKET is a ticket's number, such as 261122-0007, or its name.
    """


@ticket.command("open")
@click.argument("type", type=TYPE)
@click.argument("subject")
@click.option("--channel", type=CHANNEL, required=True, help="How the matter came in.")
@click.option("--customer", help='Whose matter it is, "customers/...".')
@click.option("--phone", help="Or the customer's telephone number.")
@click.option("--email", help="Or the customer's e-mail address.")
@click.option("--member-code", "member_code", help="Or the customer's member code.")
@click.option("--staff", help='Or the member of staff who reports, "staff/...".')
@click.option("--store", help="Code of the store that it concerns.")
@click.option("--queue", help='The department in charge, "queues/..."; by the chain\'s rules when not given.')
@click.option("--description", help="The matter in the customer's words.")
@click.option("--severity", type=SEVERITY, help="NORMAL by default.")
@click.option("--reported", type=TIME, help="When it was reported, in this machine's zone; now by default.")
@click.option("--answer", help="The answer that was given on the spot.")
@click.option("--satisfied", is_flag=True, help="With --answer: the customer is satisfied, and the matter ended.")
@calling
def open_ticket(caller: Caller, /, *, operator: str | None, **told: Any) -> None:  # noqa: ANN401  (click's values)
    """Register a matter of TYPE, with its SUBJECT in one line."""
    lookup = {name: told.pop(name) for name in ("phone", "email", "member_code")}
    staff, reported, answer, satisfied = (told.pop(name) for name in ("staff", "reported", "answer", "satisfied"))
    matter = {
        **told,
        "customerLookup": {name: value for name, value in lookup.items() if value},
        "staffReporter": staff,
        "reportTime": _instant(reported),
        "closeNow": {"answer": answer, "satisfied": satisfied} if answer else None,
    }
    opened = caller.post("/v1/tickets", {name: value for name, value in matter.items() if value}, **_as(operator))
    caller.answer(opened, _list([opened]))
    for name in opened["similarOpen"]:
        click.echo(f"similar and open: {name}", err=True)


open_ticket.params.append(OPERATOR)


@ticket.command("list")
@click.option("--owner", help='Who answers for it, "staff/...".')
@click.option("--assignee", help='Who works on it, "staff/...".')
@click.option("--customer", help='Whose it is, "customers/...".')
@click.option("--queue", help='Which department has it, "queues/...".')
@click.option("--store", help="Code of the store.")
@click.option("--type", type=TYPE, help="Only of this type.")
@click.option("--state", "states", type=STATE, multiple=True, help="Only in this state; may be given again.")
@paged
@calling
def list_tickets(caller: Caller, /, **asked: Any) -> None:  # noqa: ANN401  (click's values)
    """List tickets, the most pressing first: without any choice your own that are open."""
    answer = caller.get("/v1/tickets", **asked)
    caller.answer(answer, _list(answer["tickets"]))


@ticket.command()
@click.argument("ticket")
@calling
def show(caller: Caller, ticket: str) -> None:
    """Show TICKET with its clocks, promises and solutions."""
    found = caller.get(f"/v1/{_name(caller, ticket)}")
    caller.answer(found, *_whole(found))


@ticket.command()
@click.argument("ticket")
@paged
@calling
def timeline(caller: Caller, ticket: str, page_size: int | None, page_token: str | None) -> None:
    """List all that happened to TICKET, the first entry first."""
    answer = caller.get(f"/v1/{_name(caller, ticket)}/timeline", pageSize=page_size, pageToken=page_token)
    rows = [
        (
            moment(entry["time"]),
            entry["verb"],
            entry["actor"],
            entry["toState"],
            joined(f"{name}={value}" for name, value in sorted(entry["details"].items())),
            entry["text"],
        )
        for entry in answer["entries"]
    ]
    caller.answer(answer, Sheet(ticket, ("time", "what", "who", "state", "details", "text"), rows))


def _add(name: str) -> None:
    """Make a command of a verb."""
    verb = VERBS[name]

    @calling
    def act(caller: Caller, /, *, ticket: str, operator: str | None, **told: Any) -> None:  # noqa: ANN401  (click's values)
        body = {field: _instant(value) for field, value in told.items() if value is not None}
        acted = caller.post(f"/v1/{_name(caller, ticket)}:{verb.path}", body, **_as(operator))
        caller.answer(acted, _list([acted]))

    command = ticket.command(name, help=verb.help)(act)
    command.params = [click.Argument(["ticket"]), *verb.params, OPERATOR, *command.params]


for _verb in VERBS:
    _add(_verb)


def _as(operator: str | None) -> dict[str, str]:
    return {"x-operator": operator} if operator else {}


def _instant(value: object) -> object:
    return value.astimezone().isoformat() if isinstance(value, dt.datetime) else value


def _name(caller: Caller, ticket: str) -> str:
    """Find the name of a ticket that people call by its number."""
    if "/" in ticket:
        return ticket
    found = caller.get("/v1/tickets", number=ticket)["tickets"]
    if not found:
        raise Problem(f"there is no ticket {ticket} that you may see")
    name: str = found[0]["name"]
    return name


def _due(found: Json) -> Cell:
    return moment(found["priority"].get("deadline"))


def _list(found: list[Json]) -> Sheet:
    headings = ("number", "type", "severity", "state", "due", "owner", "assignee", "store", "subject")
    return Sheet("tickets", headings, [_row(one) for one in found])


def _row(one: Json) -> tuple[Cell, ...]:
    where = (one["owner"], one["assignee"], one["store"], one["subject"])
    return one["number"], one["type"], one["severity"], one["state"], _due(one), *where


def _whole(one: Json) -> tuple[Sheet, ...]:
    told = {
        name: one[name]
        for name in ("name", "number", "type", "severity", "state", "channel", "customer", "reporter", "store", "queue")
    }
    told |= {"subject": one["subject"], "description": one["description"], "owner": one["owner"]}
    told |= {"assignee": one["assignee"], "reported": moment(one["reportTime"]), "due": _due(one)}
    clocks = [
        (clock["kind"], clock["state"], moment(clock.get("dueTime")), moment(clock.get("breachTime")))
        for clock in one["clocks"]
    ]
    promises = [(one["number"], one["state"], moment(one["promisedTime"]), one["staff"]) for one in one["commitments"]]
    solutions = [
        (one["number"], one["state"], one["description"], one["explanation"], one["staff"]) for one in one["solutions"]
    ]
    sheets = (
        facts(one["number"], told),
        Sheet("clocks", ("clock", "state", "due", "breached"), clocks),
        Sheet("promises", ("promise", "state", "time", "staff"), promises),
        Sheet("solutions", ("solution", "state", "what", "explanation", "staff"), solutions),
    )
    return tuple(sheet for sheet in sheets if sheet.rows)
