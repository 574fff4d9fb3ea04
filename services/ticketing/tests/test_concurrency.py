"""Many at once: of those who act on what they saw one wins, nothing is lost or half done, and nothing is done twice."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa

from chassis import names
from services.ticketing.cases.tables import TICKETS
from services.ticketing.clocks import repository as clocks
from services.ticketing.clocks.domain import replay
from services.ticketing.clocks.tables import EVENTS
from services.ticketing.states.domain import State, allowed
from services.ticketing.tests.calling import Caller
from services.ticketing.tests.clerk import EVA, HOUR, MARY, Clerk
from services.ticketing.tests.test_sweeper import alerts, step_of
from services.ticketing.timeline.tables import ENTRIES
from shuke.ticketing.v1 import tickets_pb2 as pb
from shuke.ticketing.v1.followups_pb2 import FollowUp
from shuke.ticketing.v1.ticket_pb2 import Clock, Ticket
from tests.running import Refusal

TURNS = 3
APOLOGY = {"restatement": "Yes.", "apologised": True}

Act = Callable[[], Any]


def at_once(*acts: Act) -> list[Any]:
    """Do all of it, starting at the same moment; answer the results or refusals in order."""
    start = threading.Barrier(len(acts))

    def one(act: Act) -> object:
        start.wait()
        try:
            return act()
        except Refusal as refusal:
            return refusal

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(one, acts))


def split(outcomes: list[Any]) -> tuple[list[Any], list[Refusal]]:
    """Tell answers from refusals."""
    refusals = [one for one in outcomes if isinstance(one, Refusal)]
    return [one for one in outcomes if not isinstance(one, Refusal)], refusals


def whole(clerk: Clerk, ticket: Ticket) -> list[pb.TimelineEntry]:
    """Answer the timeline, each state following from the one before; hold the ledgers against what they add up to."""
    key = names.identity(ticket.name)
    with clerk.running.database.read() as tx:
        numbers = list(tx.scalars(sa.select(ENTRIES.c.number).where(ENTRIES.c.ticket_id == key)))
        positions = list(tx.scalars(sa.select(EVENTS.c.position).where(EVENTS.c.ticket_id == key)))
        counted = tx.scalar(sa.select(TICKETS.c.entries).where(TICKETS.c.id == key))
        stored, history = clocks.of(tx, [key])[key], clocks.history(tx, key)
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    assert sorted(positions) == list(range(1, len(positions) + 1))
    assert counted == len(numbers)
    assert {clock.key: clock for clock in stored} == replay(history)
    entries = clerk.timeline(ticket)
    assert [after.from_state for _, after in pairwise(entries)] == [before.to_state for before, _ in pairwise(entries)]
    assert entries[-1].to_state == clerk.get(ticket).state
    return entries


@pytest.mark.requirement("X-17", "K-28")
def test_of_desks_that_saw_the_same_one_wins(clerk: Clerk) -> None:
    """Of five who act on what they saw one does; the others learn how it stands, and have changed and told nothing."""
    for _ in range(TURNS):
        ticket = clerk.open()
        clerk.told()
        seen = {"etag": ticket.etag}
        acts = {
            "ACKNOWLEDGE": partial(clerk.act, "tickets", "AcknowledgeTicket", ticket, **APOLOGY, **seen),
            "ESCALATE": partial(clerk.act, "tickets", "EscalateTicket", ticket, reason="So.", staff=MARY, **seen),
            "ASSIGN": partial(clerk.act, "tickets", "AssignTicket", ticket, assignee=f"staff/{EVA}", **seen),
            "CLASSIFY": partial(clerk.act, "tickets", "ClassifyTicket", ticket, severity=Ticket.LOW, **seen),
            "COMMIT_TIME": partial(clerk.act, "complaints", "CommitTime", ticket, promised_time=clerk.at(HOUR), **seen),
        }
        outcomes = at_once(*acts.values())
        [winner], refusals = split(outcomes)
        assert clerk.get(ticket) == winner
        assert {(one.code, one.reason) for one in refusals} == {("ABORTED", "TICKET_CHANGED")}
        stands = {"name": ticket.name, "state": Ticket.State.Name(winner.state), "etag": winner.etag}
        assert [one.metadata for one in refusals] == [stands] * (len(acts) - 1)
        won = list(acts)[outcomes.index(winner)]
        assert [pb.Verb.Name(entry.verb) for entry in whole(clerk, ticket)] == ["OPEN", won]
        told = {"ACKNOWLEDGE": "TicketAcknowledged", "COMMIT_TIME": "CommitmentMade", "CLASSIFY": ""}
        expected = told.get(won, "TicketTransferred")
        assert [type(event).__name__ for event in clerk.told()] == [expected] * bool(expected)


@pytest.mark.requirement("K-48")
def test_who_comes_second_is_told_what_is_still_allowed(clerk: Clerk) -> None:
    """Whoever names no version acts on the ticket as it stands, or learns what it allows; each act is recorded once."""
    for _ in range(TURNS):
        ticket = clerk.open()
        acts: list[Act] = [partial(clerk.act, "tickets", "AcknowledgeTicket", ticket, **APOLOGY)] * 2
        acts += [partial(clerk.act, "tickets", "AddNote", ticket, text=f"Note {number}.") for number in range(2)]
        cancelled = pb.CloseTicketRequest.CANCELLED
        acts.append(partial(clerk.act, "tickets", "CloseTicket", ticket, ending=cancelled, reason="A slip."))
        outcomes = at_once(*acts)
        done, refusals = split(outcomes)
        assert refusals
        for one in refusals:
            assert (one.code, one.reason) == ("FAILED_PRECONDITION", "TICKET_STATE_FORBIDS")
            assert one.metadata["allowed"] == ", ".join(allowed(State(one.metadata["state"]), "COMPLAINT"))
        verbs = Counter(pb.Verb.Name(entry.verb) for entry in whole(clerk, ticket))
        acknowledged = len(split(outcomes[:2])[0])
        expected = Counter({"OPEN": 1, "ACKNOWLEDGE": acknowledged, "ADD_NOTE": 2, "CANCEL": 1})
        assert verbs == +expected
        assert len({answer.name for answer in done}) == 1


@pytest.mark.requirement("K-48")
def test_tickets_opened_at_once_are_numbered_without_a_gap(clerk: Clerk) -> None:
    """Sixteen who open tickets get sixteen numbers that follow each other, though others are refused in between."""
    opening: list[Act] = [*[clerk.open] * 4, partial(clerk.open, staff="")]
    opened, refusals = split(at_once(*opening * 4))
    assert sorted(ticket.number for ticket in opened) == [f"260302-{number:04d}" for number in range(1, 17)]
    assert [one.reason for one in refusals] == ["OWNER_MISSING"] * 4
    assert clerk.open().number == "260302-0017"


@pytest.mark.requirement("X-14", "X-17")
def test_an_alert_and_a_desk_at_once_lose_neither(clerk: Clerk) -> None:
    """While limits are passed, desks act with the etag that they saw: each act counts, and each breach is told once."""
    tickets, sweep = [clerk.open() for _ in range(TURNS)], step_of(clerk)
    clerk.told()
    clerk.later(3 * HOUR)
    acts: list[Act] = [
        partial(clerk.act, "tickets", "AcknowledgeTicket", one, **APOLOGY, etag=one.etag) for one in tickets
    ]
    _, refusals = split(at_once(*acts, sweep, sweep))
    assert refusals == []
    for ticket in tickets:
        verbs = Counter(pb.Verb.Name(entry.verb) for entry in whole(clerk, ticket))
        assert verbs == {"OPEN": 1, "ACKNOWLEDGE": 1, "CLOCK_BREACHED": 1}
        found = next(clock for clock in clerk.get(ticket).clocks if clock.kind == Clock.ACKNOWLEDGE)
        assert (found.state, found.breach_time) == (Clock.MET, clerk.at(-HOUR))
    assert alerts(clerk) == [("ClockBreached", "ACKNOWLEDGE")] * TURNS


def test_a_request_id_used_at_once_acts_once(clerk: Clerk) -> None:
    """Of equal calls under one request id one acts and all answer alike; of different ones all but one are refused."""
    same = partial(clerk.open, request_id="open-1")
    opened, refusals = split(at_once(*[same] * 8))
    assert (len({ticket.name for ticket in opened}), refusals) == (1, [])
    ticket = opened[0]
    note = partial(clerk.act, "tickets", "AddNote", ticket)
    _, refusals = split(at_once(*[partial(note, text="Hm.", request_id="note-1")] * 8))
    assert refusals == []
    others = [partial(note, text=f"Note {number}.", request_id="note-2") for number in range(8)]
    assert [one.reason for one in split(at_once(*others))[1]] == ["REQUEST_ID_REUSED"] * 7
    assert [pb.Verb.Name(entry.verb) for entry in whole(clerk, ticket)] == ["OPEN", "ADD_NOTE", "ADD_NOTE"]
    assert [type(event).__name__ for event in clerk.told()] == ["TicketOpened"]


@pytest.mark.requirement("K-48")
def test_a_call_on_a_customer_is_made_once_or_dropped(clerk: Clerk) -> None:
    """Of two who record one call while the ticket is taken up again one at most counts, and the ticket says which."""
    caller = Caller(clerk)
    for _ in range(TURNS):
        ticket = caller.closed()
        first, second = caller.tasks(ticket=ticket.name)
        made = partial(caller.complete, first, FollowUp.REACHED, remark="Fine.")
        outcomes = at_once(made, made, partial(clerk.act, "tickets", "ReopenTicket", ticket, reason="Again."))
        assert outcomes[2].state == Ticket.IN_PROGRESS
        done, refusals = split(outcomes[:2])
        assert {one.reason for one in refusals} == {"FOLLOW_UP_ENDED"}
        ended = {
            task.name: task.state for task in caller.tasks(ticket=ticket.name, states=[FollowUp.DONE, FollowUp.DROPPED])
        }
        assert ended == {first.name: FollowUp.DONE if done else FollowUp.DROPPED, second.name: FollowUp.DROPPED}
        verbs = Counter(pb.Verb.Name(entry.verb) for entry in whole(clerk, ticket))
        assert verbs["COMPLETE_FOLLOW_UP"] == len(done) == 2 - len(refusals)
