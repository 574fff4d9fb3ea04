"""Consumers: each event takes effect once and in order, however it is delivered and whatever breaks off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Barrier, BrokenBarrierError, Event

import pytest
import sqlalchemy as sa
from google.protobuf.any_pb2 import Any
from google.type.date_pb2 import Date
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.consumer import Consumer, EpochChanged, cursors_table
from chassis.database import Database, Text, Tx, metadata
from chassis.ids import NewId
from chassis.tests.events import at_once, number_of
from shuke.event.v1 import event_pb2

TABLES = metadata()
CURSORS = cursors_table(TABLES)
SUMS = sa.Table("sums", TABLES, sa.Column("key", Text, primary_key=True), sa.Column("events", Text, nullable=False))
EPOCH = "epoch-1"


def event(position: int, partition: int = 0, epoch: str = EPOCH) -> event_pb2.Event:
    """Make an event."""
    data = Any()
    data.Pack(Date(year=position))
    key = f"customers/{partition}"
    return event_pb2.Event(id=f"{partition}-{position}", partition=partition, position=position, partition_key=key,
                           epoch=epoch, data=data)  # fmt: skip


class CrashError(BaseException):
    """The process ends here."""


@dataclass
class Reader:
    """A consumer whose effect writes down every event in the order in which it took effect, and may crash."""

    database: Database
    crash_before: bool = False
    crash_after: bool = False
    applied: list[int] = field(default_factory=list)
    wait: Callable[[], object] = lambda: None

    @property
    def consumer(self) -> Consumer:
        """Make the consumer; a process that starts again makes it anew."""
        return Consumer(self.database, CURSORS, "owner.shuke", self.effect, clock=lambda: 0, new_id=lambda: "id")

    def effect(self, tx: Tx, events: Sequence[event_pb2.Event], _now: int, _new_id: NewId) -> None:
        """Append each event to what its key has seen."""
        self.wait()
        if self.crash_before:
            raise CrashError
        for each in events:
            self.applied.append(each.position)
            row = tx.scalar(sa.select(SUMS.c.events).where(SUMS.c.key == each.partition_key))
            seen = f"{row} {number_of(each)}" if row else str(number_of(each))
            if row:
                tx.execute(sa.update(SUMS).where(SUMS.c.key == each.partition_key).values(events=seen))
            else:
                tx.execute(sa.insert(SUMS).values(key=each.partition_key, events=seen))
        if self.crash_after:
            raise CrashError

    def deliver(self, *events: event_pb2.Event, epoch: str = EPOCH) -> int:
        """Deliver events."""
        return self.consumer.deliver(events, epoch)

    def seen(self, partition: int = 0) -> list[int]:
        """Read what took effect in a partition, in order."""
        with self.database.read() as tx:
            row = tx.scalar(sa.select(SUMS.c.events).where(SUMS.c.key == f"customers/{partition}"))
        return [int(number) for number in (row or "").split()]

    def position(self, partition: int = 0) -> int:
        """Read a cursor."""
        with self.database.read() as tx:
            return self.consumer.positions(tx)[partition]


@pytest.fixture
def reader(database: Database) -> Reader:
    """Make a reader that has read nothing."""
    return Reader(database)


def test_events_take_effect_in_order(reader: Reader) -> None:
    """What comes next in each partition is applied, and the cursor stands behind it."""
    assert reader.deliver(event(1), event(2), event(1, 5)) == 3
    assert reader.deliver(event(3), event(2, 5), event(3, 5)) == 3
    assert (reader.seen(), reader.seen(5)) == ([1, 2, 3], [1, 2, 3])
    assert (reader.position(), reader.position(5), reader.position(7)) == (3, 3, 0)


def test_duplicates_are_skipped(reader: Reader) -> None:
    """What is in already is not applied again, alone, within a delivery, or overlapping it."""
    reader.deliver(event(1), event(2))
    assert reader.deliver(event(1)) == 0
    assert reader.deliver(event(1), event(2)) == 0
    assert reader.deliver(event(3), event(3), event(2), event(4)) == 2
    assert reader.seen() == [1, 2, 3, 4]


def test_what_lies_beyond_a_gap_waits(reader: Reader) -> None:
    """Behind a hole nothing is applied until the hole is filled, and other partitions do not wait for it."""
    assert reader.deliver(event(1), event(3), event(1, 5)) == 2
    assert (reader.seen(), reader.position()) == ([1], 1)
    assert reader.deliver(event(4)) == 0
    assert reader.deliver(event(2), event(3), event(4)) == 3
    assert reader.seen() == [1, 2, 3, 4]


def test_a_delivery_may_be_out_of_order(reader: Reader) -> None:
    """Within a delivery the positions count, not the order of arrival."""
    assert reader.deliver(event(3), event(1), event(2)) == 3
    assert reader.seen() == [1, 2, 3]


@pytest.mark.parametrize("where", ["crash_before", "crash_after"])
def test_an_effect_that_raises_moves_no_cursor(reader: Reader, where: str) -> None:
    """Effect and cursor are one transaction: when one is undone, so is the other, and the next try brings both."""
    reader.deliver(event(1))
    setattr(reader, where, True)
    with pytest.raises(CrashError):
        reader.deliver(event(2))
    assert (reader.seen(), reader.position()) == ([1], 1)
    setattr(reader, where, False)
    assert reader.deliver(event(2)) == 1
    assert reader.seen() == [1, 2]


def test_two_consumers_at_once(database: Database) -> None:
    """Two replicas that apply the same events at the same moment apply each once."""
    for start in (1, 4):
        gate = Barrier(2)

        def meet(gate: Barrier = gate) -> None:
            with suppress(BrokenBarrierError):
                gate.wait(0.3)

        readers = [Reader(database, wait=meet) for _ in range(2)]
        events = [event(position) for position in range(start, start + 3)]
        applied = at_once(*(partial(reader.deliver, *events) for reader in readers))
        assert sorted(applied) == [0, 3]
        assert readers[0].seen() == list(range(1, start + 3))


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
@pytest.mark.parametrize("begun", [0, 1])
def test_an_overtaken_consumer_rolls_back(database: Database, begun: int) -> None:
    """Wherever another consumer comes in after the cursors were read, the effect takes place once."""
    first, second = Reader(database), Reader(database)
    first.deliver(*(event(position) for position in range(1, begun + 1)))
    overtaken = False

    def overtake(*_: object) -> None:
        nonlocal overtaken
        if not overtaken:
            overtaken = True
            assert second.deliver(event(begun + 1)) == 1

    sa.event.listen(database.writer, "after_cursor_execute", overtake)
    assert first.deliver(event(begun + 1)) == 0
    sa.event.remove(database.writer, "after_cursor_execute", overtake)
    assert first.seen() == list(range(1, begun + 2))
    assert first.position() == begun + 1


def test_another_epoch_stops_the_reader(reader: Reader) -> None:
    """Events of a log that is not the one read so far change nothing, and the reader is told."""
    reader.deliver(event(1), event(1, 5))
    with pytest.raises(EpochChanged, match=r"owner\.shuke: epoch-1 became epoch-2"):
        reader.deliver(event(2), event(2, 5), epoch="epoch-2")
    with pytest.raises(EpochChanged):
        reader.deliver(event(1, 9), epoch="epoch-2")
    assert (reader.seen(), reader.position()) == ([1], 1)


@dataclass
class Owner:
    """A feed over events that a test holds."""

    events: list[event_pb2.Event]
    epoch: str = EPOCH

    def read_events(self, cursors: Mapping[int, int], limit: int) -> event_pb2.ReadEventsResponse:
        """Read events behind cursors."""
        behind = [each for each in self.events if each.position > cursors[each.partition]]
        return event_pb2.ReadEventsResponse(events=behind[:limit], epoch=self.epoch)


def test_polling_reads_everything_once(reader: Reader) -> None:
    """Polling goes on where the last one ended, in steps of the limit, and says how much took effect."""
    owner = Owner([event(position, partition) for partition in (0, 5) for position in range(1, 8)])
    counts = [reader.consumer.poll(owner, 4) for _ in range(5)]
    assert counts == [4, 4, 4, 2, 0]
    assert reader.seen() == reader.seen(5) == list(range(1, 8))


def test_a_restored_owner_is_met_at_once(reader: Reader) -> None:
    """An owner that was restored to an earlier time is known by its epoch, before it has anything new to tell."""
    owner = Owner([event(position) for position in range(1, 4)])
    reader.consumer.poll(owner)
    owner.events, owner.epoch = owner.events[:1], "epoch-2"
    with pytest.raises(EpochChanged):
        reader.consumer.poll(owner)


def test_sources_have_cursors_of_their_own(database: Database) -> None:
    """Two owners' events of the same position are two events."""
    done: list[event_pb2.Event] = []

    def effect(_tx: Tx, events: Sequence[event_pb2.Event], _now: int, _new_id: NewId) -> None:
        done.extend(events)

    for source in ("one.shuke", "two.shuke"):
        consumer = Consumer(database, CURSORS, source, effect, clock=lambda: 0, new_id=lambda: "id")
        assert consumer.deliver([event(1)], f"epoch of {source}") == 1
    assert len(done) == 2


DELIVERIES = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(1, 6), st.integers(0, 2)), max_size=8),
        st.sampled_from(["", "", "crash_before", "crash_after"]),
        st.integers(0, 1),
    ),
    max_size=12,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deliveries=DELIVERIES)
def test_whatever_is_delivered_takes_effect_once(
    database: Database, deliveries: Iterable[tuple[list[tuple[int, int]], str, int]]
) -> None:
    """Through any deliveries to two replicas, with crashes around the effect, each key sees 1, 2, 3 and so on."""
    with database.write() as tx:
        tx.execute(sa.delete(SUMS))
        tx.execute(sa.delete(CURSORS))
    readers = [Reader(database), Reader(database)]
    for events, crash, replica in deliveries:
        reader = readers[replica]
        reader.crash_before = reader.crash_after = False
        if crash:
            setattr(reader, crash, True)
        with suppress(CrashError):
            reader.deliver(*(event(position, partition) for position, partition in events))
        for partition in range(3):
            assert reader.seen(partition) == list(range(1, reader.position(partition) + 1))
    rest = Reader(database)
    rest.deliver(*(event(position, partition) for position in range(1, 7) for partition in range(3)))
    for partition in range(3):
        assert rest.seen(partition) == list(range(1, 7))


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
@pytest.mark.parametrize("begun", [0, 1])
def test_a_consumer_of_an_epoch_that_is_over_rolls_back(database: Database, begun: int) -> None:
    """Who read in one epoch and writes when the cursors stand in another fails, at the same position too."""
    late, other = Reader(database), Reader(database)
    late.deliver(*(event(position) for position in range(1, begun + 1)))
    overtaken = False

    def overtake(*_: object) -> None:
        nonlocal overtaken
        if not overtaken:
            overtaken = True
            with database.write() as tx:
                other.consumer.stand(tx, {0: begun}, "epoch-2")

    sa.event.listen(database.writer, "after_cursor_execute", overtake)
    assert late.deliver(event(begun + 1)) == 0
    sa.event.remove(database.writer, "after_cursor_execute", overtake)
    assert (late.seen(), late.position()) == (list(range(1, begun + 1)), begun)


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_who_holds_the_cursors_waits_for_a_partition_that_is_begun(database: Database) -> None:
    """What another consumer is just applying is in, and nothing more comes, before the cursors are told."""
    begun, told = Event(), Event()

    def meet() -> None:
        begun.set()
        told.wait(0.3)

    Reader(database).deliver(event(1, 5))
    reader = Reader(database, wait=meet)

    def hold() -> int:
        begun.wait(10)
        with database.write() as tx:
            held, _ = Reader(database).consumer.hold(tx)
            told.set()
        return held[0]

    assert at_once(lambda: reader.deliver(event(1)), hold) == [1, 1]
