"""Follow-ups over the channel: who has which to make, what came of them, and who may not."""

from __future__ import annotations

from itertools import chain

import pytest
import sqlalchemy as sa

from chassis import wire
from services.ticketing.followups import repository
from services.ticketing.tables import METADATA
from services.ticketing.tests.calling import DAY, Caller
from services.ticketing.tests.clerk import ALICE, EVA, LEEDS, MARY, YORK, Clerk
from services.ticketing.tests.neighbours import ANNA, BERT
from shuke.ticketing.v1 import tickets_pb2 as tickets
from shuke.ticketing.v1.followups_pb2 import FollowUp
from shuke.ticketing.v1.ticket_pb2 import Ticket
from tests.running import Refusal

NOBODY = "followUps/0190a8f0-0000-7000-8000-000000000000"
OPINION = "欧阳: please ring before you come"


@pytest.fixture
def caller(clerk: Clerk) -> Caller:
    """Make a client for follow-ups, beside that for tickets."""
    return Caller(clerk)


@pytest.mark.requirement("K-20", "K-39", "K-45", "X-18")
def test_the_owner_is_to_call_after_a_complaint(caller: Caller) -> None:
    """A complaint that was handled gives its owner the calls that the policy asks for, the earliest due first."""
    ticket = caller.closed()
    first, second = caller.tasks()
    closed = wire.instant(ticket.close_time)
    assert [wire.instant(task.due_time) - closed for task in (first, second)] == [DAY, 7 * DAY]
    assert first == FollowUp(
        name=first.name,
        ticket=ticket.name,
        ticket_number=ticket.number,
        customer=ANNA,
        owner=f"staff/{ALICE}",
        number=1,
        state=FollowUp.PLANNED,
        due_time=wire.timestamp(closed + DAY),
    )
    assert (second.number, caller.tasks(staff=EVA)) == (2, [])


@pytest.mark.requirement("K-39", "X-18")
def test_an_unsatisfied_customer_is_called_too(caller: Caller) -> None:
    """A ticket that a manager closes with the customer unsatisfied is followed up; one that is cancelled is not."""
    clerk = caller.clerk
    unsatisfied, cancelled = clerk.open(), clerk.open(customer=BERT)
    clerk.act("tickets", "AcknowledgeTicket", unsatisfied, restatement="Kettle leaks", apologised=True)
    clerk.act("complaints", "VerifyFacts", unsatisfied, finding=Ticket.NOT_CONFIRMED, report="It is dry")
    ending = tickets.CloseTicketRequest.Ending
    clerk.act("tickets", "CloseTicket", unsatisfied, ending=ending.UNSATISFIED, reason="No agreement", staff=MARY)
    clerk.act("tickets", "CloseTicket", cancelled, ending=ending.CANCELLED, reason="Withdrawn")
    assert {task.ticket for task in caller.tasks(states=[FollowUp.PLANNED, FollowUp.DROPPED])} == {unsatisfied.name}


def test_lists_show_what_is_asked_for(caller: Caller) -> None:
    """Without a filter the caller's own open ones, else those of an owner, a ticket, a state, or due before."""
    hers = caller.closed()
    his = caller.closed(customer=BERT, staff=EVA)
    first = caller.tasks()[0]
    caller.complete(first, FollowUp.REACHED)
    assert [task.number for task in caller.tasks()] == [2]
    assert {task.ticket for task in caller.tasks(owner=f"staff/{EVA}")} == {his.name}
    assert [task.number for task in caller.tasks(ticket=his.name, staff=MARY)] == [1, 2]
    assert [task.name for task in caller.tasks(states=[FollowUp.DONE], staff=MARY)] == [first.name]
    soon = caller.tasks(due_before=caller.clerk.at(2 * DAY), staff=MARY)
    assert [(task.ticket, task.number) for task in soon] == [(his.name, 1)]
    assert hers.name not in {task.ticket for task in soon}


def test_pages_follow_each_other(caller: Caller) -> None:
    """Each task stands on one page, in order, and a token fits its own query alone."""
    for _ in range(3):
        caller.closed()
    ordered = [task.name for task in caller.tasks()]
    listed: list[str] = []
    token = ""
    for _ in range(3):
        page = caller.page(page_size=2, page_token=token)
        listed += [task.name for task in page.tasks]
        token = page.next_page_token
    assert (listed, token, len(listed)) == (ordered, "", 6)
    token = caller.page(page_size=2).next_page_token
    assert refused(caller, page_token=token, owner=f"staff/{EVA}").fields == {"page_token": "PAGE_TOKEN_INVALID"}


@pytest.mark.requirement("K-20", "K-39")
def test_what_the_customer_said_stands_on_the_ticket(caller: Caller) -> None:
    """A call that reached the customer ends the follow-up; the opinion stands in the timeline under who called."""
    ticket = caller.closed()
    task = caller.tasks()[0]
    caller.clerk.later(DAY)
    done = caller.complete(task, FollowUp.REACHED, satisfied=False, remark=OPINION, staff=EVA)
    assert (done.state, done.outcome, done.tries, done.satisfied) == (FollowUp.DONE, FollowUp.REACHED, 1, False)
    assert wire.instant(done.complete_time) == caller.clerk.clock.now
    entry = caller.clerk.timeline(ticket)[-1]
    assert (entry.verb, entry.actor, entry.text) == (tickets.COMPLETE_FOLLOW_UP, f"staff/{EVA}", OPINION)
    assert dict(entry.details) == {"follow_up": "1", "outcome": "REACHED", "satisfied": "no"}
    assert caller.clerk.get(ticket).state == Ticket.CLOSED_SATISFIED


@pytest.mark.requirement("G-22")
def test_an_opinion_stands_nowhere_in_clear(caller: Caller) -> None:
    """What a customer said of the handling is in no column of any table as it was said, and in no event."""
    caller.closed()
    caller.complete(caller.tasks()[0], FollowUp.REACHED, remark=OPINION, request_id="call-1")
    with caller.clerk.running.database.read() as tx:
        for table in METADATA.sorted_tables:
            for cell in chain.from_iterable(tx.execute(sa.select(table))):
                kept = cell if isinstance(cell, bytes) else str(cell).encode()
                # JSON writes the characters before these in another way.
                assert b"ring before you come" not in kept, table.name


@pytest.mark.requirement("K-39")
def test_without_an_answer_the_call_is_tried_again(caller: Caller) -> None:
    """Tries without an answer are counted and the follow-up stays open; then a wrong number ends it."""
    caller.closed()
    task = caller.tasks()[0]
    for tries in (1, 2):
        tried = caller.complete(task, FollowUp.NO_ANSWER)
        assert (tried.state, tried.outcome, tried.tries) == (FollowUp.PLANNED, FollowUp.NO_ANSWER, tries)
        assert not tried.HasField("complete_time")
    assert caller.complete(task, FollowUp.WRONG_NUMBER).state == FollowUp.DONE
    assert [left.number for left in caller.tasks()] == [2]


@pytest.mark.requirement("K-39")
def test_a_reopened_ticket_is_not_followed_up_until_it_ends_again(caller: Caller) -> None:
    """Reopening drops the calls that are open; the next closing plans them anew, from its own time."""
    ticket = caller.closed()
    made, left = caller.tasks()
    caller.complete(made, FollowUp.REACHED, satisfied=False)
    caller.clerk.act("tickets", "ReopenTicket", ticket, reason="The customer called again")
    assert caller.tasks() == []
    [dropped] = caller.tasks(ticket=ticket.name, states=[FollowUp.DROPPED])
    assert (dropped.name, wire.instant(dropped.complete_time)) == (left.name, caller.clerk.clock.now)
    with pytest.raises(Refusal) as refusal:
        caller.complete(left, FollowUp.REACHED)
    assert (refusal.value.code, refusal.value.reason) == ("FAILED_PRECONDITION", "FOLLOW_UP_ENDED")
    assert refusal.value.metadata == {"name": left.name, "state": "DROPPED"}
    caller.clerk.later(DAY)
    ending = tickets.CloseTicketRequest.UNSATISFIED
    closed = caller.clerk.act("tickets", "CloseTicket", ticket, ending=ending, reason="No agreement", staff=MARY)
    again = caller.tasks()
    assert [task.number for task in again] == [1, 2]
    assert wire.instant(again[0].due_time) - wire.instant(closed.close_time) == DAY


def test_a_try_is_recorded_once(caller: Caller) -> None:
    """A request that comes again answers the first result; the same id with other content is refused."""
    caller.closed()
    task = caller.tasks()[0]
    answers = [caller.complete(task, FollowUp.NO_ANSWER, request_id="call-1") for _ in range(2)]
    assert answers[0] == answers[1]
    assert caller.tasks()[0].tries == 1
    with pytest.raises(Refusal) as refusal:
        caller.complete(task, FollowUp.REACHED, request_id="call-1")
    assert refusal.value.reason == "REQUEST_ID_REUSED"


def test_wrong_calls_are_refused(caller: Caller) -> None:
    """Each refusal says what was wrong, and the follow-up stays as it was."""
    caller.closed()
    task = caller.tasks()[0]
    unknown = completing(caller, NOBODY, FollowUp.REACHED)
    assert (unknown.code, unknown.reason, unknown.metadata) == ("NOT_FOUND", "FOLLOW_UP_NOT_FOUND", {"name": NOBODY})
    unasked = completing(caller, task.name, FollowUp.REFUSED, satisfied=True)
    assert (unasked.code, unasked.fields) == ("INVALID_ARGUMENT", {"satisfied": "SATISFIED_UNASKED"})
    shape = completing(caller, "followUps/1", FollowUp.OUTCOME_UNSPECIFIED, remark="x" * 10_001)
    assert (shape.code, set(shape.fields)) == ("INVALID_ARGUMENT", {"name", "outcome", "remark"})
    nobody = completing(caller, task.name, FollowUp.REACHED, staff="")
    assert (nobody.code, nobody.reason) == ("PERMISSION_DENIED", "ACTOR_MISSING")
    assert refused(caller, states=[FollowUp.STATE_UNSPECIFIED], owner="S-1").fields.keys() == {"states[0]", "owner"}
    assert caller.tasks()[0] == task


def test_a_foreign_stores_follow_ups_are_out_of_reach(caller: Caller) -> None:
    """Whoever belongs to another store neither sees nor completes them; their owner does, wherever she works now."""
    caller.closed(store=LEEDS)
    task = caller.tasks()[0]
    assert caller.tasks(stores=(YORK,), owner=f"staff/{ALICE}", staff=EVA) == []
    foreign = completing(caller, task.name, FollowUp.REACHED, stores=(YORK,), staff=EVA)
    assert (foreign.code, foreign.reason) == ("PERMISSION_DENIED", "STORE_FOREIGN")
    assert len(caller.tasks(stores=(YORK,))) == 2
    assert caller.complete(task, FollowUp.NO_ANSWER, stores=(YORK,)).tries == 1
    assert caller.complete(task, FollowUp.REACHED, stores=(LEEDS,), staff=EVA).state == FollowUp.DONE
    with caller.clerk.running.database.write() as tx:
        repository.hand_over(tx, leaver=ALICE, superior=MARY)
    [left] = caller.tasks(stores=(YORK,), staff=MARY)
    assert caller.complete(left, FollowUp.REACHED, stores=(YORK,), staff=MARY).state == FollowUp.DONE


def completing(caller: Caller, name: str, outcome: FollowUp.Outcome.ValueType, **fields: object) -> Refusal:
    """Answer why a try is not recorded."""
    with pytest.raises(Refusal) as refusal:
        caller.complete(name, outcome, **fields)
    return refusal.value


def refused(caller: Caller, **fields: object) -> Refusal:
    """Answer why a list is refused."""
    with pytest.raises(Refusal) as refusal:
        caller.page(**fields)
    return refusal.value
