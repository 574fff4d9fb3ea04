"""The storage of clocks: states that equal the replay of their events, alerts found when they are due."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings

from chassis.database import Database, Tx
from chassis.migrations import upgrade
from services.ticketing.clocks import repository
from services.ticketing.clocks.domain import ClockEvent, Kind, alerts, drop, pause, replay, resume, start
from services.ticketing.server import PROGRAM
from services.ticketing.tables import METADATA
from services.ticketing.tests.test_clocks_domain import HOUR, MOVES, RULE, STARTS, began, clock_of, played
from tests.databases import MakeDatabase

ONE, TWO, THREE = "ticket-1", "ticket-2", "ticket-3"


@pytest.fixture
def database(make_database: MakeDatabase) -> Database:
    """Make the tables of ticketing."""
    return make_database(lambda new: upgrade(new, PROGRAM.revisions, METADATA), PROGRAM.name)


def write(tx: Tx, ticket_id: str, *answers: list[ClockEvent]) -> None:
    """Write the answers of verbs one by one, with the clocks as they stand after each."""
    for answer in answers:
        clocks = replay([*repository.history(tx, ticket_id), *answer])
        repository.save(
            tx, ticket_id, answer, [clocks[key] for key in {(event.kind, event.number) for event in answer}]
        )


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STARTS, MOVES)
@pytest.mark.requirement("X-14")
def test_what_is_stored_is_the_replay_of_the_events(
    database: Database, begin: tuple[int, int | None], moves: list[tuple[int, str, int]]
) -> None:
    """Events are read as they were written, and the stored clocks of a ticket are what they add up to."""
    answers = [*played(begin, moves), began(Kind.COMMITMENT)]
    with database.writer.connect() as tx:
        write(tx, ONE, *answers)
        write(tx, TWO, began())
        history = repository.history(tx, ONE)
        stored = repository.of(tx, [ONE, TWO, THREE])
        tx.rollback()
    assert history == [event for answer in answers for event in answer]
    assert {clock.key: clock for clock in stored[ONE]} == replay(history)
    assert (stored[TWO], stored[THREE]) == ([clock_of(began())], [])


def test_clocks_come_in_the_order_in_which_they_began(database: Database) -> None:
    """Of the clocks of a ticket the one that began first comes first."""
    with database.write() as tx:
        write(tx, ONE, began(Kind.RESPOND), began(Kind.CONFIRM))
        write(tx, ONE, start(Kind.ACKNOWLEDGE, 0, limit=0, warning=None, time=1, now=1, cause=RULE, actor="s1"))
    with database.read() as tx:
        kinds = [clock.kind for clock in repository.of(tx, [ONE])[ONE]]
    assert kinds == [Kind.CONFIRM, Kind.RESPOND, Kind.ACKNOWLEDGE]


@pytest.mark.requirement("X-14")
def test_what_is_due_is_found_longest_due_first(database: Database) -> None:
    """A ticket is found from its next alert on, once, until that is fired, and never while its clocks do not run."""
    with database.write() as tx:
        write(tx, ONE, began(hours=20, warning=10), began(Kind.RESPOND, hours=12, warning=None))
        write(tx, TWO, began(hours=20, warning=8))
        paused = pause(clock_of(began()), time=HOUR, cause="NO_PARTS", party="PARTS", actor="s1")
        write(tx, THREE, began(), paused)

        def due(hour: int, limit: int = 10) -> list[str]:
            return repository.due(tx, hour * HOUR, limit)

        assert [due(hour) for hour in (7, 8, 10, 12)] == [[], [TWO], [TWO, ONE], [TWO, ONE]]
        assert due(12, limit=1) == [TWO]
        assert [repository.count_due(tx, hour * HOUR) for hour in (7, 8, 10)] == [0, 1, 2]
        write(tx, TWO, alerts(clock_of(began(hours=20, warning=8)), 12 * HOUR))
        assert (due(12), due(20)) == ([ONE], [ONE, TWO])
        resumed = resume(clock_of(began(), paused), time=90 * HOUR, actor="s1")
        write(tx, THREE, resumed)
        assert THREE in due(200)
        write(tx, THREE, drop(clock_of(began(), paused, resumed), now=91 * HOUR, cause="CANCEL", actor="s1"))
        assert THREE not in due(200)


@pytest.mark.requirement("X-14")
def test_of_those_who_add_at_once_nobody_is_lost(database: Database) -> None:
    """Who finds that somebody else has added to a ledger meanwhile adds behind that, though nobody locked anything."""

    def promise(number: int) -> None:
        events = start(Kind.COMMITMENT, number, limit=HOUR, warning=None, time=0, now=0, cause="", actor="s1")
        database.transact(lambda tx: write(tx, ONE, events))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(promise, range(1, 9)))
    with database.read() as tx:
        assert sorted(event.number for event in repository.history(tx, ONE)) == list(range(1, 9))
        assert len(repository.of(tx, [ONE])[ONE]) == 8
