"""An event log for tests, and small changes to put into it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier, Event
from typing import TypeVar

import sqlalchemy as sa
from google.type.date_pb2 import Date

from chassis.database import Database, Tx, metadata
from chassis.events import PARTITIONS, Change, EventLog
from chassis.relay import relay_table
from shuke.event.v1 import event_pb2

T = TypeVar("T")

TABLES = metadata()
LOG = EventLog(TABLES, "owner.shuke")
RELAYED = relay_table(TABLES)
_IDS = count(1)


def new_id() -> str:
    """Make an id that no other row of the run has."""
    return f"id-{next(_IDS)}"


def change(key: str, number: int) -> Change:
    """Make a change of a key; its number stands in the event's data."""
    return Change(subject=f"records/{number}", key=key, data=Date(year=number))


def number_of(event: event_pb2.Event) -> int:
    """Read the number of a change back."""
    date = Date()
    assert event.data.Unpack(date)
    return date.year


def begin(database: Database) -> None:
    """Make an empty log."""
    TABLES.create_all(database.writer)
    database.transact(lambda tx: LOG.begin(tx, new_id))


def tell(database: Database, *changes: Change) -> None:
    """Commit changes."""
    database.transact(lambda tx: LOG.add(tx, changes, 0, new_id))


def everything(database: Database) -> dict[int, list[event_pb2.Event]]:
    """Read the whole log, by partition."""
    found = defaultdict(list)
    with database.read() as tx:
        for event in read(tx, dict.fromkeys(range(PARTITIONS), 0), 1_000_000):
            found[event.partition].append(event)
    return found


def read(tx: Tx, cursors: dict[int, int], limit: int) -> list[event_pb2.Event]:
    """Read events behind cursors."""
    return LOG.read(tx, cursors, LOG.positions(tx, list(cursors)), limit)


def check_dense(database: Database, expected: Iterable[int]) -> None:
    """Hold the log against what was told: every change once, positions without a hole, heads at the last ones."""
    log = everything(database)
    for events in log.values():
        assert [event.position for event in events] == list(range(1, len(events) + 1))
    assert sorted(number_of(event) for events in log.values() for event in events) == sorted(expected)
    with database.read() as tx:
        heads = LOG.positions(tx, range(PARTITIONS))
        left = tx.scalar(sa.select(sa.func.count()).select_from(LOG.outbox))
    assert heads == {partition: len(log[partition]) for partition in range(PARTITIONS)}
    assert left == 0


def at_once(*works: Callable[[], T]) -> list[T]:
    """Run works in threads that begin together; answer what they answer."""
    gate = Barrier(len(works))

    def run(work: Callable[[], T]) -> T:
        gate.wait(10)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result(30) for future in [pool.submit(run, work) for work in works]]


def until(true: Callable[[], bool]) -> None:
    """Wait for something that a thread brings about."""
    for _ in range(5000):
        if true():
            return
        Event().wait(0.002)
    raise TimeoutError("it never came about")
