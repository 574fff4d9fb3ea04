"""Wrong calls are answered in the caller's language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from string import Formatter
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from chassis import names
from chassis.texts import LANGUAGES, Texts
from chassis.vault import Vault
from services.ticketing.cases.domain import Solution
from services.ticketing.cases.repository import Cases
from services.ticketing.tables import VAULT_KEYS
from services.ticketing.tests.calling import Caller
from services.ticketing.tests.clerk import ALICE, EVA, HOUR, LEEDS, MARY, Clerk, houses
from services.ticketing.tests.neighbours import STRANGER
from services.ticketing.tests.rulebook import AUTHOR, MANAGER, POLICIES, bare, example
from services.ticketing.tests.test_improvements_rpc import Improver
from services.ticketing.tests.test_tickets_bad_input import LOOKUP, NOWHERE
from services.ticketing.tests.test_tickets_rpc import gbp
from shuke.ticketing.v1 import errors_pb2, policies_pb2
from shuke.ticketing.v1 import tickets_pb2 as pb
from shuke.ticketing.v1.followups_pb2 import FollowUp
from shuke.ticketing.v1.ticket_pb2 import Ticket
from tests.running import Refusal

TEXTS = Texts("ticketing", errors_pb2.ErrorReason.DESCRIPTOR)
ENDING = pb.CloseTicketRequest
NOBODY = names.identity(NOWHERE)

# A wrong call, which is told who calls in which language.
Wrong = Callable[..., object]


def of_intake(clerk: Clerk) -> dict[str, Wrong]:
    """Register what cannot be registered."""

    def opened(**fields: Any) -> Wrong:  # noqa: ANN401
        return lambda **caller: clerk.open(**fields | caller)

    def bare_request(**caller: Any) -> object:  # noqa: ANN401
        request = pb.OpenTicketRequest(type=Ticket.SUGGESTION, channel=Ticket.INTERNAL, store=LEEDS, subject="Shelves")
        return clerk.call("tickets", "OpenTicket", request, **caller)

    on_the_spot = pb.OpenTicketRequest.CloseNow(answer="So.")
    return {
        "REPORTER_MISSING": bare_request,
        "TICKET_CUSTOMER_UNKNOWN": opened(customer=STRANGER),
        "CUSTOMER_AMBIGUOUS": opened(customer_lookup=LOOKUP(phone="+447700900102")),
        "STORE_UNKNOWN": opened(store="PARIS"),
        "QUEUE_UNKNOWN": opened(queue="queues/nobody"),
        "STAFF_UNKNOWN": opened(customer="", staff_reporter="staff/NOBODY"),
        "OWNER_MISSING": opened(staff=""),
        "TIME_IN_FUTURE": opened(report_time=clerk.at(1)),
        "TIME_TOO_OLD": opened(report_time=clerk.at(-31 * 24 * HOUR)),
        "TYPE_NOT_ON_THE_SPOT": opened(type=Ticket.REPAIR, close_now=on_the_spot),
    }


def of_handling(clerk: Clerk) -> dict[str, Wrong]:
    """Do to tickets what cannot be done, each as far on its way as it takes."""

    def act(ticket: Ticket | str, method: str, service: str = "tickets", **fields: Any) -> Wrong:  # noqa: ANN401
        return lambda **caller: clerk.act(service, method, ticket, **fields | caller)

    def update(**caller: Any) -> object:  # noqa: ANN401
        mask = FieldMask(paths=["owner"])
        request = pb.UpdateTicketRequest(ticket=Ticket(name=new.name), update_mask=mask)
        return clerk.call("tickets", "UpdateTicket", request, **caller)

    new, begun, settled, full = (clerk.open() for _ in range(4))
    for ticket in (begun, settled, full):
        clerk.act("tickets", "AcknowledgeTicket", ticket, restatement="Yes.", apologised=True)
    solution = {"description": "A voucher", "explanation": "We are sorry.", "compensation": gbp(1000)}
    for ticket in (settled, full):
        clerk.act("complaints", "VerifyFacts", ticket, finding=Ticket.CONFIRMED, report="So.")
        clerk.act("complaints", "ProposeSolution", ticket, **solution)
    clerk.act("complaints", "AnswerSolution", settled, solution=1, accepted=True)
    clerk.act("complaints", "CommitTime", settled, promised_time=clerk.at(HOUR))
    offer(clerk, full, 100)
    clerk.act("tickets", "AssignTicket", new, assignee=f"staff/{MARY}")
    return {
        "TICKET_NOT_FOUND": act(NOWHERE, "EscalateTicket", reason="So."),
        "TICKET_STATE_FORBIDS": act(settled, "AcknowledgeTicket"),
        "TICKET_CHANGED": act(new, "AddNote", text="Hm.", etag='"99"'),
        "ACTOR_MISSING": act(new, "AddNote", text="Hm.", staff=""),
        "OWNER_REQUIRED": act(new, "ChangeOwner", owner=f"staff/{EVA}", reason="So.", staff=EVA),
        "MANAGER_REQUIRED": act(settled, "CloseTicket", ending=ENDING.UNSATISFIED, reason="No way."),
        "SUPERIOR_MISSING": act(new, "EscalateTicket", reason="So."),
        "UPDATE_PATH_WRONG": update,
        "TEXT_MISSING": act(new, "AcknowledgeTicket", apologised=True),
        "APOLOGY_MISSING": act(new, "AcknowledgeTicket", restatement="Yes."),
        "FACTS_NOT_VERIFIED": act(begun, "ProposeSolution", "complaints", **solution),
        "SOLUTION_UNKNOWN": act(settled, "SolveTicket", result="Done.", solution=2),
        "SOLUTION_NOT_ACCEPTED": act(full, "SolveTicket", result="Done.", solution=1),
        "SOLUTION_ANSWERED": act(settled, "AnswerSolution", "complaints", solution=1, accepted=False),
        "SOLUTIONS_TOO_MANY": act(full, "ProposeSolution", "complaints", **solution),
        "COMPENSATION_TOO_HIGH": act(settled, "RecordCompensation", "complaints", solution=1, amount=gbp(1001)),
        "AMOUNT_NOT_POSITIVE": act(settled, "RecordCompensation", "complaints", solution=1, amount=gbp(0)),
        "COMMITMENT_OPEN": act(settled, "CommitTime", "complaints", promised_time=clerk.at(2 * HOUR)),
        "COMMITMENT_TOO_LATE": act(begun, "CommitTime", "complaints", promised_time=clerk.at(25 * HOUR)),
        "TIME_IN_PAST": act(begun, "CommitTime", "complaints", promised_time=clerk.at(0)),
        "NEXT_TIME_MISSING": act(settled, "ReportProgress", "complaints", progress="On its way."),
        "ENDING_MISSING": act(new, "CloseTicket", reason="So."),
        "ATTEMPTS_MISSING": act(new, "CloseTicket", ending=ENDING.NO_CONTACT),
        "PARTY_MISSING": act(begun, "PauseClock", "clocks", reason="PARTS_ORDERED"),
        "PAUSE_REASON_UNKNOWN": act(begun, "PauseClock", "clocks", reason="LUNCH", waiting_for=Ticket.PARTS),
    }


def of_follow_ups(clerk: Clerk) -> dict[str, Wrong]:
    """Record calls on customers that cannot be recorded."""
    caller = Caller(clerk)
    caller.closed()
    made, planned = caller.tasks()
    caller.complete(made, FollowUp.REACHED)
    return {
        "FOLLOW_UP_NOT_FOUND": lambda **who: caller.complete(f"followUps/{NOBODY}", FollowUp.REACHED, **who),
        "FOLLOW_UP_ENDED": lambda **who: caller.complete(made, FollowUp.REACHED, **who),
        "SATISFIED_UNASKED": lambda **who: caller.complete(planned, FollowUp.REFUSED, satisfied=True, **who),
    }


def of_improvements(clerk: Clerk) -> dict[str, Wrong]:
    """End improvement actions that there are not, or not any more."""
    improver = Improver(clerk)
    ended = improver.end(improver.add(clerk.open()))
    return {
        "IMPROVEMENT_ACTION_NOT_FOUND": lambda **who: improver.end(f"improvementActions/{NOBODY}", **who),
        "IMPROVEMENT_ACTION_ENDED": lambda **who: improver.end(ended, **who),
    }


def of_policies(clerk: Clerk) -> dict[str, Wrong]:
    """Write policies that cannot hold, and act where none does."""

    def call(method: str, request: Any, staff: str = AUTHOR) -> Wrong:  # noqa: ANN401
        return lambda **caller: clerk.running.call(POLICIES, method, request, **{"staff": staff} | caller)

    def draft(kind: str, policy: policies_pb2.Policy) -> policies_pb2.DraftPolicyRequest:
        return policies_pb2.DraftPolicyRequest(parent=f"policies/{kind}", policy=policy)

    twice = example("priority")
    twice.priority.bonuses.append(twice.priority.bonuses[0])
    incomplete: Any = call("DraftPolicy", draft("closing", bare("closing")))()
    queues = houses()["queues"]
    del queues.queues.queues[-1]
    clerk.enforce("queues", queues, since=date(2026, 2, 1))
    retire = policies_pb2.RetirePolicyRequest(name="policies/closing/versions/1")
    call("RetirePolicy", retire, MANAGER)()
    ticket = clerk.open()
    return {
        "POLICY_KIND_WRONG": call("DraftPolicy", draft("sla", bare("queues"))),
        "POLICY_ENTRY_REPEATED": call("DraftPolicy", draft("priority", twice)),
        "POLICY_INCOMPLETE": call("SubmitPolicy", policies_pb2.SubmitPolicyRequest(name=incomplete.name)),
        "QUEUE_MISSING": lambda **caller: clerk.open(type=Ticket.INQUIRY, **caller),
        "POLICY_MISSING": lambda **caller: clerk.act(
            "tickets", "CloseTicket", ticket, ending=ENDING.NO_CONTACT, **caller
        ),
    }


def offer(clerk: Clerk, ticket: Ticket, number: int) -> None:
    """Let a ticket have so many solutions."""
    config: Any = clerk.running.service.foundation.config
    cases = Cases(Vault(VAULT_KEYS, config.vault_keys, config.index_keys))
    solutions = tuple(Solution(one, "A voucher", "So.", 0, ALICE, 0) for one in range(1, number + 1))
    with clerk.running.database.write() as tx:
        cases.save(tx, replace(cases.get(tx, names.identity(ticket.name)), solutions=solutions))


@pytest.mark.requirement("K-28")
@pytest.mark.parametrize("engine", ["sqlite"])
def test_every_refusal_is_told_in_the_caller_s_language(clerk: Clerk) -> None:
    """Each reason of the contract is given in Chinese and in English, with nothing left open and nothing cut short."""
    calls = {}
    for group in (of_intake, of_handling, of_follow_ups, of_improvements, of_policies):
        for reason, call in group(clerk).items():
            calls[reason] = {language: refused(call, language) for language in LANGUAGES}
    assert set(calls) == set(errors_pb2.ErrorReason.keys()[1:])
    for reason, answers in calls.items():
        sentence = TEXTS.of(reason)
        assert sentence
        asked = {field for text in (sentence.zh, sentence.en) for _, field, _, _ in Formatter().parse(text) if field}
        for language, answer in answers.items():
            assert answer.reason == reason
            assert asked <= {key for key, value in answer.metadata.items() if value}, reason
            assert answer.localized == sentence.say(language, answer.metadata)
            assert not answer.localized.endswith("...")
            assert not any(value.endswith("...") for value in answer.metadata.values()), answer.metadata
        assert answers["en"].message == answers["zh-CN"].message == answers["en"].localized


def refused(call: Wrong, language: str) -> Refusal:
    """Answer how a wrong call is refused."""
    with pytest.raises(Refusal) as refusal:
        call(language=language)
    return refusal.value
