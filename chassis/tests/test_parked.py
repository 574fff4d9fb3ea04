"""Parking: an event whose effect fails holds up its own subject and nobody else, and can be replayed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Thread

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from chassis.consumer import TRIES, Consumer, EpochChanged, cursors_table
from chassis.database import Contention, Database, Text, Tx, metadata
from chassis.errors import DeadlinePassed, Overloaded, Unavailable
from chassis.ids import NewId
from chassis.tests.events import at_once
from shuke.event.v1 import event_pb2

TABLES = metadata()
CURSORS = cursors_table(TABLES)
SEEN = sa.Table("seen", TABLES, sa.Column("subject", Text, primary_key=True), sa.Column("ids", Text, nullable=False))
EPOCH = "epoch-1"
NOW = 1_000_000
SUBJECTS = ("a", "b", "c")
PARTITION = {"a": 0, "b": 0, "c": 5}


class PoisonError(Exception):
    """What the effect of a poison event raises."""


def events_of(subjects: str) -> list[event_pb2.Event]:
    """Number events of subjects as their owner does; an event's id tells its subject and its place among its own."""
    positions: dict[int, int] = defaultdict(int)
    counts: dict[str, int] = defaultdict(int)
    events = []
    for subject in subjects:
        partition = PARTITION[subject]
        positions[partition] += 1
        counts[subject] += 1
        events.append(
            event_pb2.Event(
                id=f"{subject}{counts[subject]}",
                partition_key=subject,
                partition=partition,
                position=positions[partition],
                epoch=EPOCH,
            )
        )
    return events


@dataclass
class Reader:
    """A consumer that writes down what took effect, and fails at the events that are poison."""

    database: Database
    poison: dict[str, Exception | type[Exception]] = field(default_factory=dict)
    tried: list[str] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None

    @property
    def consumer(self) -> Consumer:
        """Make the consumer; a process that starts again makes it anew."""
        return Consumer(self.database, CURSORS, "owner.shuke", self.effect, clock=lambda: NOW, new_id=lambda: "id")

    def effect(self, tx: Tx, events: Sequence[event_pb2.Event], _now: int, _new_id: NewId) -> None:
        """Append each event's id to what its subject has seen."""
        self.meanwhile()
        for event in events:
            mine = SEEN.c.subject == event.partition_key
            seen = tx.scalar(sa.select(SEEN.c.ids).where(mine))
            if seen is None:
                tx.execute(sa.insert(SEEN).values(subject=event.partition_key, ids=event.id))
            else:
                tx.execute(sa.update(SEEN).where(mine).values(ids=f"{seen} {event.id}"))
            if event.id in self.poison:
                self.tried.append(event.id)
                raise self.poison[event.id]

    def deliver(self, events: Sequence[event_pb2.Event]) -> int:
        """Deliver events, quietly."""
        with capture_logs():
            return self.consumer.deliver(events, EPOCH)

    def replay(self, subject: str) -> tuple[int, str]:
        """Replay a subject, quietly."""
        with capture_logs():
            return self.consumer.replay(subject)

    def seen(self) -> dict[str, list[str]]:
        """Read what took effect, in order."""
        with self.database.read() as tx:
            return {row.subject: row.ids.split() for row in tx.execute(sa.select(SEEN))}

    def parked(self) -> dict[str, int]:
        """Tell how many events wait, by subject."""
        with self.database.read() as tx:
            found = {each.subject: each.events for each in self.consumer.parked.list(tx)}
            assert self.consumer.parked.count(tx) == sum(found.values())
        return found

    def positions(self) -> list[int]:
        """Read the cursors of the partitions in use."""
        with self.database.read() as tx:
            positions = self.consumer.positions(tx)
        return [positions[0], positions[5]]


@pytest.fixture
def reader(database: Database) -> Reader:
    """Make a reader that has read nothing."""
    return Reader(database)


def test_a_poison_event_parks_its_subject_and_nobody_else(reader: Reader) -> None:
    """What came before it is in, what comes behind it queues up, and others of the same partition go on."""
    reader.poison["a2"] = PoisonError
    assert reader.deliver(events_of("abacab")) == 6
    assert reader.seen() == {"a": ["a1"], "b": ["b1", "b2"], "c": ["c1"]}
    assert (reader.parked(), reader.positions()) == ({"a": 2}, [5, 1])
    assert reader.deliver(events_of("abacababc")[6:]) == 3
    assert reader.seen() == {"a": ["a1"], "b": ["b1", "b2", "b3"], "c": ["c1", "c2"]}
    assert (reader.parked(), reader.positions()) == ({"a": 3}, [7, 2])


def test_three_tries_and_no_more(reader: Reader) -> None:
    """The effect of an event is tried three times alone, and those that queue up behind it not at all."""
    reader.poison |= {"a1": PoisonError, "a2": PoisonError}
    reader.deliver(events_of("a"))
    assert reader.tried == ["a1"] * TRIES
    reader.deliver(events_of("aa"))
    assert reader.tried == ["a1"] * TRIES


def test_what_passes_at_the_second_try_is_not_parked(reader: Reader) -> None:
    """An effect that fails once and then works is in."""
    reader.poison["a1"] = PoisonError
    failed: list[str] = []

    def recover() -> None:
        if reader.tried:
            reader.poison.clear()
            failed.extend(reader.tried)

    reader.meanwhile = recover
    assert reader.deliver(events_of("a")) == 1
    assert (reader.seen(), reader.parked(), failed) == ({"a": ["a1"]}, {}, ["a1"])


@pytest.mark.parametrize(
    "problem", [Unavailable(), DeadlinePassed(), Overloaded(), TimeoutError(), EpochChanged("x")], ids=repr
)
def test_what_passes_by_itself_is_no_try(reader: Reader, problem: Exception) -> None:
    """A part that does not answer at present parks nothing, however often; the event takes effect when it is back."""
    reader.poison["a1"] = problem
    for _ in range(TRIES + 1):
        with pytest.raises(type(problem)):
            reader.deliver(events_of("a"))
    assert (reader.seen(), reader.parked(), reader.positions()) == ({}, {}, [0, 0])
    reader.poison.clear()
    assert reader.deliver(events_of("a")) == 1
    assert reader.seen() == {"a": ["a1"]}


def test_a_lock_is_no_try(reader: Reader) -> None:
    """An event whose transaction always meets another one is left where it is."""
    reader.poison["a1"] = Contention
    with pytest.raises(Unavailable):
        reader.deliver(events_of("ab"))
    assert (reader.seen(), reader.parked()) == ({}, {})


def test_a_key_that_stays_taken_is_the_event_s_fault(reader: Reader) -> None:
    """An effect that inserts what is there already would fail for ever, so it parks its subject."""

    def insert_twice(tx: Tx, _events: Sequence[event_pb2.Event], _now: int, _new_id: NewId) -> None:
        tx.execute(sa.insert(SEEN).values(subject="a", ids=""))
        tx.execute(sa.insert(SEEN).values(subject="a", ids=""))

    consumer = Consumer(reader.database, CURSORS, "owner.shuke", insert_twice, clock=lambda: NOW, new_id=lambda: "id")
    with capture_logs() as logs:
        assert consumer.deliver(events_of("a"), EPOCH) == 1
    assert [line["problem"] for line in logs] == ["Duplicate"]
    assert reader.parked() == {"a": 1}


def test_parking_is_told(reader: Reader) -> None:
    """The log names the subject, the place and the kind of problem once; the list tells them later."""
    reader.poison["c2"] = PoisonError("secret")
    with capture_logs() as logs:
        reader.consumer.deliver(events_of("acccb"), EPOCH)
    [line] = logs
    assert line.pop("exc_info").args == ("secret",)
    assert line == {
        "event": "subject parked",
        "log_level": "error",
        "source": "owner.shuke",
        "subject": "c",
        "partition": 5,
        "position": 2,
        "problem": "PoisonError",
        "parked": 1,
    }
    with reader.database.read() as tx:
        [told] = reader.consumer.parked.list(tx)
    assert (told.subject, told.partition, told.position, told.events) == ("c", 5, 2, 2)
    assert (told.problem, told.tries, told.park_time) == ("PoisonError", TRIES, NOW)


def test_a_replay_stops_at_what_still_fails(reader: Reader) -> None:
    """What works leaves the table in order, the first that fails stays with all behind it, and its failure counts."""
    reader.poison |= {"a1": PoisonError, "a3": ValueError}
    reader.deliver(events_of("aaaab"))
    del reader.poison["a1"]
    assert reader.replay("a") == (2, "ValueError")
    assert (reader.seen()["a"], reader.parked()) == (["a1", "a2"], {"a": 2})
    reader.replay("a")
    with reader.database.read() as tx:
        [told] = reader.consumer.parked.list(tx)
    assert (told.position, told.problem, told.tries) == (3, "ValueError", 2)
    reader.deliver(events_of("aaaaba")[5:])
    reader.poison.clear()
    assert reader.replay("a") == (3, "")
    assert (reader.seen(), reader.parked()) == ({"a": ["a1", "a2", "a3", "a4", "a5"], "b": ["b1"]}, {})
    assert reader.replay("a") == (0, "")


def test_a_replay_that_cannot_be_done_now_changes_nothing(reader: Reader) -> None:
    """A database that does not answer is no failure of the event."""
    reader.poison["a1"] = PoisonError
    reader.deliver(events_of("a"))
    reader.poison["a1"] = Unavailable
    with pytest.raises(Unavailable):
        reader.replay("a")
    with reader.database.read() as tx:
        [told] = reader.consumer.parked.list(tx)
    assert (told.problem, told.tries) == ("PoisonError", TRIES)


def test_sources_park_for_themselves(reader: Reader) -> None:
    """A subject that is parked for one source is read from another."""
    reader.poison["a1"] = PoisonError
    reader.deliver(events_of("a"))
    reader.poison.clear()
    other = Consumer(reader.database, CURSORS, "other.shuke", reader.effect, clock=lambda: NOW, new_id=lambda: "id")
    assert other.deliver(events_of("a"), EPOCH) == 1
    assert reader.seen() == {"a": ["a1"]}
    assert other.replay("a") == (0, "")


def test_two_consumers_park_an_event_once(database: Database) -> None:
    """Two replicas that meet the same poison at the same moment park it once, and all else takes effect once."""
    readers = [Reader(database, {"a2": PoisonError}) for _ in range(2)]
    with capture_logs():
        counts = at_once(*(partial(each.consumer.deliver, events_of("abaacb"), EPOCH) for each in readers))
    assert sum(counts) == 6
    assert readers[0].seen() == {"a": ["a1"], "b": ["b1", "b2"], "c": ["c1"]}
    assert readers[0].parked() == {"a": 2}


def test_an_event_that_comes_during_a_replay_is_not_left_behind(reader: Reader) -> None:
    """A consumer that meets the subject while its last parked event is replayed applies the next one after it."""
    reader.poison["a1"] = PoisonError
    reader.deliver(events_of("a"))
    other = Reader(reader.database)
    thread = Thread(target=other.deliver, args=(events_of("aa"),))

    def come() -> None:
        thread.start()
        thread.join(0.3)

    reader.poison.clear()
    reader.meanwhile = come
    reader.replay("a")
    thread.join(10)
    assert (reader.seen(), reader.parked()) == ({"a": ["a1", "a2"]}, {})


def batches(events: Sequence[event_pb2.Event], sizes: Sequence[int]) -> Iterator[Sequence[event_pb2.Event]]:
    """Cut events into batches of given sizes, the rest into one."""
    start = 0
    for size in (*sizes, len(events)):
        yield events[start : start + size]
        start += size


def expected(events: Sequence[event_pb2.Event], poison: Mapping[str, object]) -> dict[str, list[str]]:
    """Tell, slowly and obviously, what each subject has seen: all up to its first poison."""
    seen: dict[str, list[str]] = defaultdict(list)
    stopped = set()
    for event in events:
        if event.id in poison:
            stopped.add(event.partition_key)
        elif event.partition_key not in stopped:
            seen[event.partition_key].append(event.id)
    return dict(seen)


IDS = [f"{subject}{number}" for subject in SUBJECTS for number in range(1, 5)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    subjects=st.text(st.sampled_from(SUBJECTS), max_size=14),
    poison=st.sets(st.sampled_from(IDS), max_size=4),
    cured=st.sets(st.sampled_from(IDS)),
    sizes=st.lists(st.integers(1, 6), max_size=4),
    split=st.integers(0, 14),
)
def test_any_mix_of_poison(
    database: Database, subjects: str, poison: set[str], cured: set[str], sizes: list[int], split: int
) -> None:
    """Each subject has seen all up to its first poison, through any replay, and all of it once the causes are gone."""
    with database.write() as tx:
        for table in TABLES.sorted_tables:
            tx.execute(sa.delete(table))
    reader = Reader(database, dict.fromkeys(poison, PoisonError))
    events = events_of(subjects)
    for batch in batches(events[:split], sizes):
        reader.deliver(batch)
    assert reader.seen() == expected(events[:split], reader.poison)

    for each in cured & poison:
        del reader.poison[each]
    for subject in SUBJECTS[:2]:
        reader.replay(subject)
    for batch in batches(events[split:], sizes):
        reader.deliver(batch)
    for subject in SUBJECTS:
        reader.replay(subject)
    assert reader.seen() == expected(events, reader.poison)
    assert sum(reader.positions()) == len(events)
    assert sum(map(len, reader.seen().values())) + sum(reader.parked().values()) == len(events)

    reader.poison.clear()
    for subject in SUBJECTS:
        assert reader.replay(subject)[1] == ""
    assert reader.seen() == expected(events, {})
    assert reader.parked() == {}
