"""When the time of a follow-up comes it is due and told, once, whoever looks and however many look at once."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from chassis import names
from chassis.calls import Calls
from chassis.database import Tx
from chassis.events import Change, EventLog
from chassis.ids import NewId, uuid7
from chassis.vault import Vault
from services.ticketing.cases.repository import Cases
from services.ticketing.desk.rpc import Desk
from services.ticketing.followups import repository
from services.ticketing.followups.rpc import BATCH, DueFollowUps
from services.ticketing.policies.convert import rules_of
from services.ticketing.policies.repository import Policies
from services.ticketing.tables import LOG, REQUESTS, VAULT_KEYS
from services.ticketing.tests.calling import DAY, Caller, wait_for
from services.ticketing.tests.clerk import ALICE, LEEDS, Clerk
from services.ticketing.tests.neighbours import ANNA
from services.ticketing.timeline.repository import Timeline
from shuke.ticketing.v1.events_pb2 import FollowUpDue
from shuke.ticketing.v1.followups_pb2 import FollowUp
from shuke.ticketing.v1.ticket_pb2 import Ticket
from tests.running import Clock


class CrashError(BaseException):
    """The process ends here."""


class DyingLog(EventLog):
    """Ends the process when all is written and nothing committed."""

    def __init__(self) -> None:
        """Keep no log of its own."""

    def add(self, tx: Tx, changes: Iterable[Change], now: int, new_id: NewId) -> None:
        """Write, and end."""
        LOG.add(tx, changes, now, new_id)
        raise CrashError


@pytest.fixture
def caller(clerk: Clerk) -> Caller:
    """Make a client for follow-ups, beside that for tickets."""
    return Caller(clerk)


def worker(caller: Caller, later: int, log: EventLog = LOG) -> DueFollowUps:
    """Make a worker whose clock goes ahead, so that the one of the service itself finds nothing to do."""
    running = caller.clerk.running
    config, clock = running.service.foundation.config, Clock(running.clock.now + later)
    vault = Vault(VAULT_KEYS, config.vault_keys, config.index_keys)  # type: ignore[attr-defined]  # ticketing's settings
    calls = Calls(running.database, REQUESTS, clock, uuid7(clock), str.encode)
    chain = running.service.foundation.chain
    desk = Desk(calls, running.database, Cases(vault), Timeline(vault), Policies(rules_of), log, chain)
    return DueFollowUps(desk)


def plan(caller: Caller, number: int) -> None:
    """Plan calls, all after one ticket and within a week."""
    caller.closed()
    due_last = names.identity(caller.tasks()[-1].name)
    with caller.clerk.running.database.write() as tx:
        last = repository.get(tx, due_last)
        # The ticket itself has two.
        repository.add(tx, [replace(last, id=str(uuid.uuid4())) for _ in range(number - 2)])


def told(caller: Caller) -> list[FollowUpDue]:
    """Read which follow-ups were told to be due since the last look."""
    return [event for event in caller.clerk.told() if isinstance(event, FollowUpDue)]


def states(caller: Caller) -> list[FollowUp.State.ValueType]:
    """Read the states of the caller's open follow-ups, the earliest first."""
    return [task.state for task in caller.tasks()]


@pytest.mark.requirement("K-39", "X-18")
def test_the_service_tells_when_a_follow_up_is_due(caller: Caller) -> None:
    """Once its time has come a follow-up stands as due, and an event names it, its owner and its ticket."""
    ticket = caller.closed()
    caller.clerk.later(DAY)
    wait_for(lambda: states(caller) == [FollowUp.DUE, FollowUp.PLANNED])
    [event] = told(caller)
    assert (event.follow_up, event.owner) == (caller.tasks()[0].name, f"staff/{ALICE}")
    facts = event.ticket
    assert (facts.name, facts.number, facts.customer, facts.store) == (ticket.name, ticket.number, ANNA, LEEDS)
    assert (facts.type, facts.state) == (Ticket.COMPLAINT, Ticket.CLOSED_SATISFIED)


@pytest.mark.requirement("X-18")
def test_a_follow_up_is_due_at_its_time(caller: Caller) -> None:
    """A microsecond earlier it is planned still; then it is told once, however often somebody looks."""
    caller.closed()
    assert worker(caller, DAY - 1).step() == 0
    assert states(caller) == [FollowUp.PLANNED, FollowUp.PLANNED]
    assert worker(caller, DAY).step() == 1
    assert states(caller) == [FollowUp.DUE, FollowUp.PLANNED]
    assert worker(caller, 2 * DAY).step() == 0
    assert len(told(caller)) == 1
    assert worker(caller, 7 * DAY).step() == 1
    assert len(told(caller)) == 1


def test_a_worker_that_dies_leaves_nothing_half_done(caller: Caller) -> None:
    """What was not committed did not happen: the next worker tells it, and it is told once."""
    caller.closed()
    with pytest.raises(CrashError):
        worker(caller, DAY, DyingLog()).step()
    assert (states(caller), told(caller)) == ([FollowUp.PLANNED, FollowUp.PLANNED], [])
    assert worker(caller, DAY).step() == 1
    assert len(told(caller)) == 1


@pytest.mark.parametrize("engine", ["postgresql"])
def test_many_workers_tell_each_follow_up_once(caller: Caller) -> None:
    """Of follow-ups that fall due together each is told once, whichever of several workers takes it."""
    plan(caller, 24)
    workers = [worker(caller, 7 * DAY) for _ in range(4)]
    with ThreadPoolExecutor(len(workers)) as pool:
        taken = sum(pool.map(lambda each: each.step(), workers))
    # Whoever came too late found the rest in other hands.
    taken += worker(caller, 7 * DAY).step()
    assert taken == 24
    assert Counter(event.follow_up for event in told(caller)) == Counter(
        task.name for task in caller.tasks(page_size=200)
    )


def test_a_batch_is_bounded(caller: Caller) -> None:
    """A worker takes a limited number at a time, and goes on until none is left."""
    plan(caller, BATCH + 2)
    hand = worker(caller, 7 * DAY)
    assert [hand.step() for _ in range(3)] == [BATCH, 2, 0]


def test_an_early_call_is_not_told_any_more(caller: Caller) -> None:
    """Nobody is reminded of a follow-up that was made, or dropped, before its time; of one that was tried, yes."""
    caller.closed()
    made, tried = caller.tasks()
    caller.complete(made, FollowUp.REACHED)
    caller.complete(tried, FollowUp.NO_ANSWER)
    dropped = caller.closed()
    caller.clerk.act("tickets", "ReopenTicket", dropped, reason="Again")
    assert worker(caller, 7 * DAY).step() == 1
    [event] = told(caller)
    assert names.identity(event.follow_up) == names.identity(tried.name)
    assert caller.complete(tried, FollowUp.NO_ANSWER).state == FollowUp.DUE
