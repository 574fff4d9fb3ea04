"""Events: numbered after commit, dense, in order, each once, whoever writes and numbers at the same time."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Event

import pytest
import sqlalchemy as sa
from google.rpc.error_details_pb2 import ResourceInfo
from hypothesis import given
from hypothesis import strategies as st

from chassis.database import Database, Text, Tx
from chassis.events import PARTITIONS, AnotherSequencer, Change, EventsGone, partition_of
from chassis.feed import sequence
from chassis.ids import uuid7
from chassis.tests.events import (
    LOG,
    TABLES,
    at_once,
    begin,
    change,
    check_dense,
    everything,
    new_id,
    number_of,
    read,
    tell,
)
from tests.databases import MakeDatabase

BLANK = "00000000-0000-0000-0000-000000000000"
NAMES = sa.Table("names", sa.MetaData(), sa.Column("id", Text, primary_key=True), sa.Column("wanted", sa.Boolean))


@pytest.fixture
def database(make_database: MakeDatabase) -> Database:
    """Make an empty log, on each engine in turn."""

    def create(new: Database) -> None:
        begin(new)
        NAMES.create(new.writer)

    return make_database(create, __name__)


def number_all(database: Database) -> int:
    """Number until nothing is left."""
    done = 0
    while more := sequence(database, LOG):
        done += more
    return done


def test_events_are_numbered_per_partition(database: Database) -> None:
    """Positions begin at 1 in each partition and have no holes; an event holds what was told."""
    keys = [f"customers/{number}" for number in range(40)]
    tell(database, *(change(key, number) for number, key in enumerate(keys * 3, 1)))
    assert number_all(database) == 120
    check_dense(database, range(1, 121))
    log = everything(database)
    event = log[partition_of(keys[0])][0]
    assert (event.subject, event.partition_key, event.source) == ("records/1", keys[0], "owner.shuke")
    assert event.type == "google.type.Date"
    assert event.epoch
    assert len({event.id for events in log.values() for event in events}) == 120


def test_one_change_of_many_is_what_each_would_tell(database: Database) -> None:
    """Written in one statement, events differ from those written one by one in their ids alone, which are UUIDv7."""
    ids = sorted(str(uuid.uuid5(uuid.NAMESPACE_OID, str(number))) for number in range(100))

    def about(one: str) -> Change:
        data = ResourceInfo(resource_name=f"customers/{one}", owner="银卡\\x00", description=f"{one}, {one}")
        return Change(f"schemes/s/members/{one}", f"customers/{one}", data)

    def written() -> list[tuple[object, ...]]:
        with database.read() as tx:
            rows = tx.execute(sa.select(LOG.outbox).order_by(LOG.outbox.c.id)).all()
        told.update(row.event_id for row in rows)
        return sorted((row.subject, row.key, row.partition, row.type, row.time, row.data) for row in rows)

    told: set[str] = set()
    make = uuid7(lambda: 1_772_000_000_000_000)
    with database.write() as tx:
        LOG.add(tx, map(about, ids), 7, make)
    one_by_one = written()
    with database.write() as tx:
        tx.execute(sa.delete(LOG.outbox))
        tx.execute(sa.insert(NAMES), [{"id": one, "wanted": True} for one in ids])
        tx.execute(sa.insert(NAMES).values(id="none", wanted=False))
        wanted = sa.select(NAMES.c.id).where(NAMES.c.wanted)
        assert LOG.add_for_each(tx, about(BLANK), BLANK, wanted, 7, make) == 100
    assert written() == one_by_one
    assert len(told) == 200
    assert all(uuid.UUID(one).version == 7 and uuid.UUID(one).variant == uuid.RFC_4122 for one in told)


def test_the_order_of_a_key_is_kept(database: Database) -> None:
    """Events of one key stand in the order in which their transactions were committed."""
    for number in range(1, 31):
        tell(database, change(f"customers/{number % 3}", number))
        if number % 7 == 0:
            number_all(database)
    number_all(database)
    for key in ("customers/0", "customers/1", "customers/2"):
        events = [event for event in everything(database)[partition_of(key)] if event.partition_key == key]
        assert [number_of(event) for event in events] == sorted(number_of(event) for event in events)
        assert len(events) == 10


def test_a_transaction_that_fails_tells_nothing(database: Database) -> None:
    """An event lives and dies with its change."""

    def fail(tx: Tx) -> None:
        LOG.add(tx, [change("customers/1", 1)], 0, new_id)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.transact(fail)
    assert number_all(database) == 0
    check_dense(database, [])


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_late_commit_is_numbered_later(database: Database) -> None:
    """A transaction that wrote first and commits last gets the positions behind, and nobody is skipped."""
    with database.write() as late:
        LOG.add(late, [change("customers/1", 1)], 0, new_id)
        for number in range(2, 6):
            tell(database, change("customers/1", number))
            assert number_all(database) == 1
        with database.read() as tx:
            assert LOG.waiting(tx) == 0
    assert number_all(database) == 1
    check_dense(database, range(1, 6))
    assert [number_of(event) for event in everything(database)[partition_of("customers/1")]] == [2, 3, 4, 5, 1]


def test_many_writers_and_two_sequencers(database: Database) -> None:
    """While six threads write and two number, every event is numbered once and per-key order holds."""
    done = Event()

    def write(writer: int) -> None:
        for number in range(25):
            tell(database, change(f"customers/{writer}", writer * 100 + number), change("stores/A", writer + 1000))

    def keep_numbering() -> None:
        while not done.is_set():
            sequence(database, LOG)

    def write_all() -> None:
        try:
            at_once(*(partial(write, writer) for writer in range(1, 7)))
        finally:
            done.set()

    at_once(write_all, keep_numbering, keep_numbering)
    number_all(database)
    own = [writer * 100 + number for writer in range(1, 7) for number in range(25)]
    check_dense(database, own + [writer + 1000 for writer in range(1, 7) for _ in range(25)])
    for writer in range(1, 7):
        key = f"customers/{writer}"
        numbers = [number_of(event) for event in everything(database)[partition_of(key)] if event.partition_key == key]
        assert numbers == sorted(numbers)


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
@pytest.mark.parametrize("statements", [1, 2])
def test_an_overtaken_sequencer_numbers_nothing(database: Database, statements: int) -> None:
    """Wherever a second sequencer comes in between the reads of a first one, no event is numbered twice."""
    tell(database, change("customers/1", 1), change("customers/2", 2))

    def overtaken(tx: Tx) -> int:
        after_statements(tx, statements, lambda: sequence(database, LOG))
        return LOG.number(tx)

    with suppress(AnotherSequencer):
        assert database.transact(overtaken) == 0
    tell(database, change("customers/1", 3))
    number_all(database)
    check_dense(database, [1, 2, 3])


def after_statements(tx: Tx, statements: int, then: Callable[[], object]) -> None:
    """Do something as soon as a transaction has run so many statements."""
    seen = 0

    def count(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == statements:
            then()

    sa.event.listen(tx, "after_cursor_execute", count)


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_the_loser_of_a_race_between_sequencers_leaves_nothing(database: Database) -> None:
    """A sequencer whose head has moved rolls back and numbers nothing; nothing is lost either."""
    tell(database, change("customers/1", 1))

    def overtaken(tx: Tx) -> int:
        after_statements(tx, 2, lambda: sequence(database, LOG))
        return LOG.number(tx)

    with pytest.raises(AnotherSequencer):
        database.transact(overtaken)
    check_dense(database, [1])


def test_a_log_begins_once(database: Database) -> None:
    """Beginning again, as each start does, keeps the epoch and the heads."""
    tell(database, change("customers/1", 1))
    number_all(database)
    with database.read() as tx:
        before = (LOG.epoch(tx), LOG.positions(tx, range(PARTITIONS)))
    database.transact(lambda tx: LOG.begin(tx, new_id))
    with database.read() as tx:
        assert (LOG.epoch(tx), LOG.positions(tx, range(PARTITIONS))) == before


def test_replicas_that_start_at_once_begin_one_log(make_database: MakeDatabase) -> None:
    """However many replicas begin the log at the same time, it has one epoch."""
    database = make_database(lambda new: TABLES.create_all(new.writer), f"{__name__} empty")
    at_once(*[lambda: database.transact(lambda tx: LOG.begin(tx, new_id))] * 4)
    with database.read() as tx:
        assert LOG.epoch(tx)
        assert LOG.positions(tx, range(PARTITIONS)) == dict.fromkeys(range(PARTITIONS), 0)


@given(st.text())
def test_a_key_has_one_of_sixteen_partitions(key: str) -> None:
    """The partition of a name is fixed for ever."""
    assert 0 <= partition_of(key) < PARTITIONS == 16
    assert partition_of(key) == partition_of(key)


def test_partitions_are_those_of_the_contract() -> None:
    """The first byte of the name's SHA-256, modulo 16: readers may compute it too."""
    assert [partition_of(key) for key in ("", "customers/1", "客户")] == [0xE3 % 16, 0xF1 % 16, 0xAD % 16]


def forget(database: Database, partition: int, up_to: int) -> None:
    """Delete the oldest events of a partition, as a chain does that keeps them for a while only."""
    table = LOG.events
    with database.write() as tx:
        tx.execute(sa.delete(table).where(table.c.partition == partition, table.c.position <= up_to))


def test_a_reader_below_the_horizon_is_told(database: Database) -> None:
    """Who asks for events that are gone is refused, and not given the ones behind; who is beyond them reads on."""
    tell(database, *(change("customers/1", number) for number in range(1, 6)))
    number_all(database)
    partition = partition_of("customers/1")
    forget(database, partition, 3)
    with database.read() as tx:
        for position in (0, 1, 2):
            with pytest.raises(EventsGone) as gone:
                read(tx, {partition: position}, 10)
            assert gone.value.metadata == {"partition": str(partition), "horizon": "4"}
        assert [event.position for event in read(tx, {partition: 3}, 10)] == [4, 5]


def test_a_reader_is_told_too_when_nothing_is_left(database: Database) -> None:
    """Where all events of a partition are gone, who has not read them is refused and does not wait for ever."""
    tell(database, *(change("customers/1", number) for number in range(1, 4)))
    number_all(database)
    partition = partition_of("customers/1")
    forget(database, partition, 3)
    with database.read() as tx:
        with pytest.raises(EventsGone):
            read(tx, {partition: 2}, 10)
        assert read(tx, {partition: 3}, 10) == []


def test_a_limit_holds_over_all_partitions(database: Database) -> None:
    """However many partitions are read, there are no more events than asked for, and reading on gives the rest."""
    tell(database, *(change(f"customers/{number}", number) for number in range(1, 51)))
    number_all(database)
    cursors, found = dict.fromkeys(range(PARTITIONS), 0), []
    while True:
        with database.read() as tx:
            events = read(tx, cursors, 7)
        if not events:
            break
        assert len(events) <= 7
        for event in events:
            assert event.position == cursors[event.partition] + 1
            cursors[event.partition] = event.position
        found += [number_of(event) for event in events]
    assert sorted(found) == list(range(1, 51))
