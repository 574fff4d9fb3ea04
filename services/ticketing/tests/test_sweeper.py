"""The sweeper: each alert is fired once, when its time comes or when somebody looks again, whoever else is at work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from chassis import names
from chassis.vault import Vault
from chassis.workers import MOST_PAUSE, Worker
from services.ticketing.cases.tables import TICKETS
from services.ticketing.tables import VAULT_KEYS
from services.ticketing.tests.clerk import HOUR, Clerk, clock_of
from shuke.ticketing.v1 import events_pb2
from shuke.ticketing.v1.ticket_pb2 import Clock, Commitment, Ticket

MANY = 5


def step_of(clerk: Clerk) -> Callable[[], int]:
    """Find the step of the service's own sweeper. It may have been faster: then there is nothing left to do."""
    found = (worker for worker in clerk.running.service.workers if isinstance(worker, Worker))
    return next(worker.step for worker in found if worker.name == "clocks")


def alerts(clerk: Clerk) -> list[tuple[str, str]]:
    """Read which alerts were told since the last look: the event and the clock."""
    kinds = (events_pb2.ClockAtRisk, events_pb2.ClockBreached)
    events = [event for event in clerk.told() if isinstance(event, kinds)]
    return [(type(event).__name__, Clock.Kind.Name(event.clock)) for event in events]


@pytest.mark.requirement("X-14", "K-73")
def test_an_alert_is_there_when_its_time_has_come(clerk: Clerk) -> None:
    """A report is warned of and breached at its very time and not before, with an entry and an event, each once."""
    ticket, sweep = clerk.open(type=Ticket.REPAIR), step_of(clerk)
    start = clerk.clock.now
    clerk.clock.now = start + 3 * HOUR // 2 - 1
    sweep()
    assert alerts(clerk) == []
    clerk.clock.now += 1
    sweep()
    warned = clerk.get(ticket)
    assert clock_of(warned, Clock.CONFIRM).at_risk_time == clerk.at(0)
    assert warned.update_time == clerk.at(0)
    assert warned.etag == ticket.etag
    assert alerts(clerk) == [("ClockAtRisk", "CONFIRM")]
    clerk.clock.now = start + 2 * HOUR
    sweep()
    breached = clock_of(clerk.get(ticket), Clock.CONFIRM)
    assert (breached.breach_time, breached.due_time) == (clerk.at(0), clerk.at(0))
    assert alerts(clerk) == [("ClockBreached", "CONFIRM")]
    assert sweep() == 0
    assert clerk.verbs(ticket) == ["OPEN", "CLOCK_AT_RISK", "CLOCK_BREACHED"]
    assert [dict(entry.details) for entry in clerk.timeline(ticket)[1:]] == [{"clock": "CONFIRM"}] * 2
    assert {entry.actor for entry in clerk.timeline(ticket)[1:]} == {""}


def test_nobody_waits_a_second_for_an_alert() -> None:
    """A worker that has found nothing to do looks again within a quarter of a second."""
    assert MOST_PAUSE <= 0.25


@pytest.mark.requirement("K-75")
def test_an_emergency_is_told_with_its_registration(clerk: Clerk) -> None:
    """What allows no time is breached in the transaction that registers it."""
    ticket = clerk.open(severity=Ticket.EMERGENCY)
    assert clock_of(ticket, Clock.ACKNOWLEDGE).breach_time == ticket.report_time
    assert alerts(clerk) == [("ClockBreached", "ACKNOWLEDGE")]


@pytest.mark.requirement("N-14", "K-35", "K-36")
def test_a_promise_is_reminded_of_and_then_breached(clerk: Clerk) -> None:
    """Before a promised time the responsible person is reminded; when it has passed unanswered, that is told once."""
    ticket, sweep = clerk.open(type=Ticket.INQUIRY), step_of(clerk)
    clerk.act("complaints", "CommitTime", ticket, promised_time=clerk.at(5 * HOUR))
    clerk.later(9 * HOUR // 2)
    sweep()
    assert alerts(clerk) == [("ClockAtRisk", "COMMITMENT")]
    clerk.later(HOUR // 2)
    sweep()
    assert alerts(clerk) == [("ClockBreached", "COMMITMENT")]
    assert clerk.timeline(ticket)[-1].details == {"clock": "COMMITMENT", "commitment": "1"}
    (promise,) = clerk.get(ticket).commitments
    assert promise.state == Commitment.OPEN


@pytest.mark.requirement("X-14", "K-74")
def test_after_days_of_standstill_nothing_is_lost(clerk: Clerk) -> None:
    """When nobody swept for days, every limit that was passed is told, as of the time at which it was passed."""
    tickets, sweep = [clerk.open() for _ in range(MANY)], step_of(clerk)
    opened = clerk.clock.now
    clerk.later(100 * HOUR)
    sweep()
    expected = {
        Clock.ACKNOWLEDGE: opened + 2 * HOUR,
        Clock.RESPOND: opened + 24 * HOUR,
        Clock.RESOLVE: opened + 24 * HOUR,
    }
    for ticket in tickets:
        found = {clock.kind: clock.breach_time.ToMicroseconds() for clock in clerk.get(ticket).clocks}
        assert found == expected
    assert Counter(alerts(clerk)) == {("ClockBreached", Clock.Kind.Name(kind)): MANY for kind in expected}


@pytest.mark.requirement("X-14")
def test_sweepers_and_staff_at_once_lose_and_double_nothing(clerk: Clerk) -> None:
    """Four sweepers and two members of staff work on the same tickets: each alert once, no note lost, no gap."""
    tickets, sweep = [clerk.open() for _ in range(MANY)], step_of(clerk)
    clerk.told()
    clerk.later(3 * HOUR)
    with ThreadPoolExecutor(6) as pool:
        notes = [
            pool.submit(clerk.act, "tickets", "AddNote", ticket, text=f"Note {number}")
            for ticket in tickets
            for number in range(2)
        ]
        sweeps = [pool.submit(sweep) for _ in range(4)]
        for note in notes:
            note.result()
        for swept in sweeps:
            swept.result()
    for ticket in tickets:
        entries = clerk.timeline(ticket)
        assert [entry.number for entry in entries] == [1, 2, 3, 4]
        assert Counter(clerk.verbs(ticket)) == {"OPEN": 1, "CLOCK_BREACHED": 1, "ADD_NOTE": 2}
    assert alerts(clerk) == [("ClockBreached", "ACKNOWLEDGE")] * MANY


def test_a_customer_whose_key_is_gone_keeps_no_alert_back(clerk: Clerk) -> None:
    """What people said can no longer be written for an erased customer; the clocks of the ticket go on all the same."""
    ticket, sweep = clerk.open(), step_of(clerk)
    config: Any = clerk.running.service.foundation.config
    vault = Vault(VAULT_KEYS, config.vault_keys, config.index_keys)
    clerk.running.database.transact(lambda tx: vault.erase(tx, ticket.customer))
    clerk.later(3 * HOUR)
    sweep()
    assert alerts(clerk) == [("ClockBreached", "ACKNOWLEDGE")]


def test_a_ticket_that_cannot_be_read_keeps_no_other_waiting(clerk: Clerk) -> None:
    """The fault of one ticket is raised after all others had their alerts."""
    broken, sweep = clerk.open(), step_of(clerk)
    clerk.later(1)
    whole = clerk.open()
    spoil = sa.update(TICKETS).where(TICKETS.c.id == names.identity(broken.name)).values(commitments="{")
    clerk.running.database.transact(lambda tx: tx.execute(spoil))
    clerk.later(3 * HOUR)
    with pytest.raises(ValueError, match="Expecting"):
        sweep()
    assert clock_of(clerk.get(whole), Clock.ACKNOWLEDGE).HasField("breach_time")
