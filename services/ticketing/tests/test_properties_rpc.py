"""Whatever is done to a ticket in whatever order: the table of states holds over the wire, and all is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ticketing.states.domain import State, Verb, allowed
from services.ticketing.tests.clerk import ALICE, EVA, HOUR, MARY, Clerk, clock_of
from services.ticketing.tests.test_concurrency import whole
from services.ticketing.tests.test_tickets_rpc import gbp
from shuke.ticketing.v1 import tickets_pb2 as pb
from shuke.ticketing.v1.ticket_pb2 import Clock, Ticket
from tests.running import Refusal

TYPES = (Ticket.COMPLAINT, Ticket.REPAIR, Ticket.INQUIRY)
ENDING = pb.CloseTicketRequest
# The states in which the matter is unsettled, so that its time limit counts or stands still.
UNSOLVED = (Ticket.NEW, Ticket.ACKNOWLEDGED, Ticket.IN_PROGRESS, Ticket.WAITING)

# How a verb is called: the service, the method and the fields.
Said = tuple[str, str, dict[str, Any]]


def said(clerk: Clerk, ticket: Ticket) -> Mapping[Verb, Said]:
    """Write each verb but UPDATE, whose request is of another form, as a call that only its time can make wrong."""
    last = {"solution": len(ticket.solutions) or 1}
    carried_out = last if ticket.type == Ticket.COMPLAINT else {}
    offered = {"description": "A voucher", "explanation": "Worn.", "compensation": gbp(500)}
    return {
        Verb.ACKNOWLEDGE: ("tickets", "AcknowledgeTicket", {"restatement": "Yes.", "apologised": True}),
        Verb.CLASSIFY: ("tickets", "ClassifyTicket", {"severity": Ticket.LOW}),
        Verb.ASSIGN: ("tickets", "AssignTicket", {"assignee": f"staff/{ALICE}"}),
        Verb.TRANSFER: ("tickets", "TransferTicket", {"queue": "queues/repairs", "reason": "Theirs."}),
        Verb.CHANGE_OWNER: ("tickets", "ChangeOwner", {"owner": f"staff/{EVA}", "reason": "Leave."}),
        Verb.ADD_NOTE: ("tickets", "AddNote", {"text": "Hm."}),
        Verb.NOTE_CONTACT_ATTEMPT: ("tickets", "AddNote", {"kind": pb.AddNoteRequest.CONTACT_ATTEMPT, "text": "No."}),
        Verb.ESCALATE: ("tickets", "EscalateTicket", {"reason": "Help."}),
        Verb.CONFIRM_REPORT: ("clocks", "ConfirmReport", {"agreed_time": clerk.at(HOUR)}),
        Verb.VERIFY_FACTS: ("complaints", "VerifyFacts", {"finding": Ticket.CONFIRMED, "report": "So it is."}),
        Verb.PROPOSE_SOLUTION: ("complaints", "ProposeSolution", offered),
        Verb.ACCEPT_SOLUTION: ("complaints", "AnswerSolution", {"accepted": True, **last}),
        Verb.DECLINE_SOLUTION: ("complaints", "AnswerSolution", {"accepted": False, **last}),
        Verb.COMMIT_TIME: ("complaints", "CommitTime", {"promised_time": clerk.at(HOUR)}),
        Verb.REPORT_PROGRESS: ("complaints", "ReportProgress", {"progress": "On.", "next_time": clerk.at(HOUR)}),
        Verb.RECORD_COMPENSATION: ("complaints", "RecordCompensation", {"amount": gbp(100), **last}),
        Verb.PAUSE: ("clocks", "PauseClock", {"reason": "PARTS_ORDERED", "waiting_for": Ticket.PARTS}),
        Verb.RESUME: ("clocks", "ResumeClock", {}),
        Verb.SOLVE: ("tickets", "SolveTicket", {"result": "Done.", **carried_out}),
        Verb.CONFIRM_SATISFACTION: ("tickets", "ConfirmSatisfaction", {"satisfied": True}),
        Verb.OBJECT: ("tickets", "ConfirmSatisfaction", {"satisfied": False}),
        Verb.CLOSE_UNSATISFIED: ("tickets", "CloseTicket", {"ending": ENDING.UNSATISFIED, "reason": "No way."}),
        Verb.CLOSE_NO_CONTACT: ("tickets", "CloseTicket", {"ending": ENDING.NO_CONTACT}),
        Verb.CANCEL: ("tickets", "CloseTicket", {"ending": ENDING.CANCELLED, "reason": "A slip."}),
        Verb.REOPEN: ("tickets", "ReopenTicket", {"reason": "Again."}),
    }


def act(clerk: Clerk, ticket: Ticket, verb: Verb) -> Ticket | Refusal:
    """Act on a ticket as the manager, who may do everything; answer it as it stands since, or why not."""
    try:
        if verb is Verb.UPDATE:
            changed, mask = Ticket(name=ticket.name, subject="Jug"), FieldMask(paths=["subject"])
            request = pb.UpdateTicketRequest(ticket=changed, update_mask=mask)
            answer: Ticket = clerk.call("tickets", "UpdateTicket", request, staff=MARY)
            return answer
        service, method, fields = said(clerk, ticket)[verb]
        return clerk.act(service, method, ticket, staff=MARY, **fields)
    except Refusal as refusal:
        return refusal


VERBS = sorted({verb for state in State for kind in TYPES for verb in allowed(state, Ticket.Type.Name(kind))})
WALKS = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 2 * HOUR), st.booleans()), min_size=6, max_size=12)


@pytest.mark.requirement("K-28", "K-48", "X-14", "X-19")
@pytest.mark.parametrize("engine", ["sqlite"])
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(TYPES), WALKS)
def test_whatever_is_done_is_allowed_and_recorded(
    clerk: Clerk, kind: Ticket.Type.ValueType, walk: list[tuple[int, int, bool]]
) -> None:
    """What the table allows is entered once; what it or another rule forbids changes nothing and tells what is allowed.

    A ticket always has somebody who answers for it, and, until it is solved, a limit.
    """
    ticket, expected = clerk.open(type=kind), ["OPEN"]
    assert {*said(clerk, ticket), Verb.UPDATE} == set(VERBS)
    for pick, pause, wild in walk:
        clerk.later(pause)
        may = allowed(State(Ticket.State.Name(ticket.state)), Ticket.Type.Name(kind))
        # A walk that only stumbles gets nowhere.
        choice = VERBS if wild else may
        verb = choice[pick % len(choice)]
        outcome = act(clerk, ticket, verb)
        if isinstance(outcome, Refusal):
            assert (outcome.reason == "TICKET_STATE_FORBIDS") == (verb not in may)
            assert outcome.metadata.get("allowed", ", ".join(may)) == ", ".join(may)
            assert clerk.get(ticket).etag == ticket.etag
        else:
            assert verb in may
            ticket = outcome
            expected.append(verb)
        assert ticket.owner
        assert ticket.state not in UNSOLVED or clock_of(ticket, Clock.RESOLVE).state in (Clock.RUNNING, Clock.PAUSED)
    entered = [pb.Verb.Name(entry.verb) for entry in whole(clerk, ticket)]
    assert [verb for verb in entered if not verb.startswith("CLOCK_")] == expected
