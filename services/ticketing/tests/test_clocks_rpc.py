"""ClockService over the channel: reports are confirmed, tickets wait and go on."""

from __future__ import annotations

import pytest

from services.ticketing.tests.clerk import EVA, HOUR, MARY, Clerk, clock_of
from shuke.ticketing.v1 import clocks_pb2 as pb
from shuke.ticketing.v1 import events_pb2
from shuke.ticketing.v1.ticket_pb2 import Clock, Commitment, Ticket
from shuke.ticketing.v1.tickets_pb2 import CloseTicketRequest
from tests.running import Refusal

CANCELLED = CloseTicketRequest.CANCELLED


def repair(clerk: Clerk) -> Ticket:
    """Report a fault."""
    return clerk.open(type=Ticket.REPAIR)


def confirmed(clerk: Clerk, ticket: Ticket, hours: float = 5, **fields: object) -> Ticket:
    """Confirm a report as the engineer, with a repair time so many hours from now."""
    agreed = clerk.at(int(hours * HOUR))
    return clerk.act("clocks", "ConfirmReport", ticket, agreed_time=agreed, **{"staff": EVA} | fields)


def waiting(clerk: Clerk, ticket: Ticket, **fields: object) -> Ticket:
    """Let a ticket wait for parts."""
    usual = {"reason": "PARTS_ORDERED", "waiting_for": Ticket.PARTS}
    return clerk.act("clocks", "PauseClock", ticket, **usual | fields)


@pytest.mark.requirement("K-73", "K-35")
def test_an_engineer_confirms_a_report_and_agrees_the_repair_time(clerk: Clerk) -> None:
    """A confirmed report has its CONFIRM clock met, is in progress, and the agreed time is a promise with a clock."""
    ticket = repair(clerk)
    assert clock_of(ticket, Clock.CONFIRM).limit.seconds == 2 * 3600
    clerk.later(HOUR)
    clerk.told()
    after = confirmed(clerk, ticket, remark="Needs a fuse")
    assert after.state == Ticket.IN_PROGRESS
    assert clock_of(after, Clock.CONFIRM).state == Clock.MET
    promise = clock_of(after, Clock.COMMITMENT, 1)
    assert (promise.state, promise.due_time) == (Clock.RUNNING, clerk.at(5 * HOUR))
    (commitment,) = after.commitments
    assert (commitment.state, commitment.promised_time) == (Commitment.OPEN, clerk.at(5 * HOUR))
    assert commitment.staff == f"staff/{EVA}"
    (told,) = (event for event in clerk.told() if isinstance(event, events_pb2.CommitmentMade))
    assert (told.number, told.promised_time) == (1, clerk.at(5 * HOUR))
    assert clerk.verbs(ticket) == ["OPEN", "CONFIRM_REPORT"]


@pytest.mark.requirement("K-73", "X-21")
def test_a_repair_time_is_in_the_future_and_within_the_limit(clerk: Clerk) -> None:
    """A repair time that has passed is refused by its field; one beyond the limit takes a manager."""
    ticket = repair(clerk)
    with pytest.raises(Refusal) as past:
        confirmed(clerk, ticket, -1)
    assert (past.value.code, past.value.fields) == ("INVALID_ARGUMENT", {"agreed_time": "TIME_IN_PAST"})
    with pytest.raises(Refusal) as late:
        confirmed(clerk, ticket, 30, permissions=("ticketing.reports.confirm",))
    assert (late.value.code, late.value.reason) == ("FAILED_PRECONDITION", "COMMITMENT_TOO_LATE")
    assert clerk.get(ticket) == ticket
    after = confirmed(clerk, ticket, 30, staff=MARY)  # whose key may do everything
    assert clock_of(after, Clock.RESOLVE).due_time == clerk.at(30 * HOUR)


def test_only_a_fault_report_is_confirmed(clerk: Clerk) -> None:
    """A complaint is no fault report: the refusal tells what may be done instead."""
    with pytest.raises(Refusal) as refusal:
        confirmed(clerk, clerk.open(type=Ticket.COMPLAINT))
    assert (refusal.value.code, refusal.value.reason) == ("FAILED_PRECONDITION", "TICKET_STATE_FORBIDS")
    assert "CONFIRM_REPORT" not in refusal.value.metadata["allowed"]
    assert "ACKNOWLEDGE" in refusal.value.metadata["allowed"]


@pytest.mark.requirement("X-14", "K-36")
def test_a_ticket_that_waits_counts_on_later(clerk: Clerk) -> None:
    """The clocks of the reason stand still while parts are waited for, what was promised does not; both go on after."""
    ticket = confirmed(clerk, repair(clerk))
    clerk.later(HOUR)
    paused = waiting(clerk, ticket, remark="Fuse is ordered")
    assert (paused.state, paused.waiting_for) == (Ticket.WAITING, Ticket.PARTS)
    resolve = clock_of(paused, Clock.RESOLVE)
    assert (resolve.state, resolve.counted.seconds) == (Clock.PAUSED, 3600)
    assert not resolve.HasField("due_time")
    assert clock_of(paused, Clock.COMMITMENT, 1).state == Clock.RUNNING
    clerk.later(48 * HOUR)
    resumed = clerk.act("clocks", "ResumeClock", ticket, remark="Fuse is here")
    assert (resumed.state, resumed.waiting_for) == (Ticket.IN_PROGRESS, Ticket.PARTY_UNSPECIFIED)
    assert clock_of(resumed, Clock.RESOLVE).due_time == clerk.at(23 * HOUR)
    assert [verb for verb in clerk.verbs(ticket) if "CLOCK" not in verb] == [
        "OPEN",
        "CONFIRM_REPORT",
        "PAUSE",
        "RESUME",
    ]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"waiting_for": Ticket.PARTY_UNSPECIFIED}, {"waiting_for": "PARTY_MISSING"}),
        ({"reason": "HOLIDAYS"}, {"reason": "PAUSE_REASON_UNKNOWN"}),
        ({"waiting_for": Ticket.CUSTOMER}, {"reason": "PAUSE_REASON_UNKNOWN"}),
    ],
)
@pytest.mark.requirement("X-14")
def test_a_pause_has_a_reason_of_the_policy(clerk: Clerk, fields: dict[str, object], wrong: dict[str, str]) -> None:
    """Without a party, and for a reason that the policy does not have for this party, nothing is paused."""
    ticket = confirmed(clerk, repair(clerk))
    with pytest.raises(Refusal) as refusal:
        waiting(clerk, ticket, **fields)
    assert (refusal.value.code, refusal.value.fields) == ("INVALID_ARGUMENT", wrong)
    assert clerk.get(ticket) == ticket


def test_what_does_not_wait_is_not_resumed(clerk: Clerk) -> None:
    """A ticket that is being worked on is not resumed, and one that waits is not paused again."""
    ticket = confirmed(clerk, repair(clerk))
    with pytest.raises(Refusal) as running:
        clerk.act("clocks", "ResumeClock", ticket)
    assert running.value.reason == "TICKET_STATE_FORBIDS"
    waiting(clerk, ticket)
    with pytest.raises(Refusal) as paused:
        waiting(clerk, ticket)
    assert paused.value.reason == "TICKET_STATE_FORBIDS"


def test_a_pause_repeated_is_one_pause(clerk: Clerk) -> None:
    """The same request again gets the first answer; one on an older version of the ticket is refused."""
    ticket = confirmed(clerk, repair(clerk))
    first = waiting(clerk, ticket, request_id="p1", etag=ticket.etag)
    assert waiting(clerk, ticket, request_id="p1", etag=ticket.etag) == first
    with pytest.raises(Refusal) as refusal:
        clerk.act("clocks", "ResumeClock", ticket, etag=ticket.etag)
    assert (refusal.value.code, refusal.value.reason) == ("ABORTED", "TICKET_CHANGED")


def test_the_ticket_must_be_there(clerk: Clerk) -> None:
    """What names no ticket is told so, by each method."""
    name = "tickets/00000000-0000-7000-8000-000000000000"
    for method, fields in (("ResumeClock", {}), ("ConfirmReport", {"agreed_time": clerk.at(HOUR)})):
        with pytest.raises(Refusal) as refusal:
            clerk.act("clocks", method, name, **fields)
        assert (refusal.value.code, refusal.value.reason) == ("NOT_FOUND", "TICKET_NOT_FOUND")
    with pytest.raises(Refusal) as unexplained:
        clerk.call("clocks", "ExplainSla", pb.ExplainSlaRequest(name=name))
    assert unexplained.value.reason == "TICKET_NOT_FOUND"


@pytest.mark.requirement("X-14", "K-13")
def test_a_limit_that_applies_again_counts_on(clerk: Clerk) -> None:
    """Taken for a complaint for a while, a fault report keeps what its clock had counted, and not the time between."""
    ticket = repair(clerk)
    clerk.later(HOUR)
    complaint = clerk.act("tickets", "ClassifyTicket", ticket, type=Ticket.COMPLAINT)
    assert clock_of(complaint, Clock.CONFIRM).state == Clock.DROPPED
    clerk.later(5 * HOUR)
    again = clock_of(clerk.act("tickets", "ClassifyTicket", ticket, type=Ticket.REPAIR), Clock.CONFIRM)
    assert (again.state, again.counted.seconds, again.due_time) == (Clock.RUNNING, 3600, clerk.at(HOUR))


@pytest.mark.requirement("X-14")
def test_the_clock_of_a_reopened_ticket_counts_on(clerk: Clerk) -> None:
    """A ticket that was cancelled by mistake has as much time left as when it was."""
    ticket = repair(clerk)
    clerk.later(4 * HOUR)
    cancelled = clerk.act("tickets", "CloseTicket", ticket, ending=CANCELLED, reason="Mistaken")
    assert clock_of(cancelled, Clock.RESOLVE).state == Clock.DROPPED
    clerk.later(30 * HOUR)
    reopened = clerk.act("tickets", "ReopenTicket", ticket, reason="Was none")
    assert clock_of(reopened, Clock.RESOLVE).due_time == clerk.at(20 * HOUR)
