"""Listeners by feed and by NATS: events take effect once and in order, whatever the way does to them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from nats.js.api import StreamConfig
from structlog.testing import capture_logs

from chassis import rebuild
from chassis.clock import Clock
from chassis.consumer import ALL, LIMIT
from chassis.events import PARTITIONS, partition_of
from chassis.inbox import LOOK, LOOK_INSTEAD, Inbox
from chassis.jetstream import JetStream
from chassis.rebuild import FIRST
from chassis.tests.events import LOG, at_once, begin, change, everything, until
from chassis.tests.streaming import LISTENER_TABLES, Elapsed, Listener, Owner, connected, stepping
from chassis.workers import Worker
from shuke.event.v1 import event_pb2
from tests.databases import MakeDatabase
from tests.streams import NatsServer, Streams

ONE = "customers/1"
KEYS = [f"customers/{number}" for number in range(12)]


@dataclass
class Tie:
    """An owner, and databases of listeners to it; `stream` is the listeners' connection where there is one."""

    owner: Owner
    listener: Listener
    stream: JetStream | None

    def step(self, listener: Listener | None = None, elapsed: Clock | None = None) -> Callable[..., int]:
        """Make what a listener's worker does; `elapsed` stands still unless a test moves it."""
        listening = rebuild.Listener((listener or self.listener).consumer, self.owner)
        if self.stream is None:
            return listening.step
        return Inbox(self.stream, listening, lambda: None, elapsed or (lambda: 0)).step

    def hearing(self, elapsed: Clock | None = None) -> Callable[[], int]:
        """Make the same, and step until it hears of what is new."""
        assert self.stream is not None
        step, stream = self.step(elapsed=elapsed), self.stream
        stepping(step, lambda: stream.delivers(LOG.source))
        return step


@pytest.fixture(params=["feed", "nats"])
def tie(request: pytest.FixtureRequest, make_database: MakeDatabase) -> Iterator[Tie]:
    """Tie an owner and a listener by each way, on each engine in turn."""
    owner = Owner(make_database(begin, "owner"))
    listener = Listener(make_database(lambda new: LISTENER_TABLES.create_all(new.writer), "listener"))
    with ExitStack() as ends:
        stream = None
        if request.param == "nats":
            streams: Streams = request.getfixturevalue("streams")
            owner.stream, stream = streams.connect("owner"), streams.connect("listener")
            ends.enter_context(connected(owner.stream, stream))
            owner.relaying()
        yield Tie(owner, listener, stream)


by_nats = pytest.mark.parametrize("tie", ["nats"], indirect=True)


def expected(told: int) -> dict[str, list[int]]:
    """Answer what each key has told."""
    numbers = range(1, told + 1)
    return {key: [number for number in numbers if KEYS[number % 12] == key] for key in KEYS[: min(told, 12)]}


def test_a_listener_hears_all_while_it_is_told(tie: Tie) -> None:
    """Whatever is told while a listener works takes effect once and in order."""
    chance, number = random.Random(1), 0
    worker = Worker("listener", tie.step(), LIMIT)
    worker.start()
    while number < 400:
        size = chance.choice((1, 1, 2, 30))
        tie.owner.tell(*(change(KEYS[(number + each) % 12], number + each) for each in range(1, size + 1)))
        number += size
    until(lambda: sum(map(len, tie.listener.seen().values())) >= number)
    worker.stop()
    assert tie.listener.seen() == {
        key: [each for each in range(1, number + 1) if KEYS[each % 12] == key] for key in KEYS
    }


def test_a_listener_that_was_away_catches_up(tie: Tie) -> None:
    """Whoever comes later, or again, goes on where it was."""
    tie.owner.tell(*(change(ONE, number) for number in range(1, 4)))
    stepping(tie.step(), lambda: tie.listener.seen() == {ONE: [1, 2, 3]})
    tie.owner.tell(*(change(ONE, number) for number in range(4, 800)))
    stepping(tie.step(), lambda: tie.listener.seen() == {ONE: list(range(1, 800))})


def test_two_replicas_apply_each_event_once(tie: Tie) -> None:
    """Two processes of one listener that work at once are one."""
    tie.owner.tell(*(change(ONE, number) for number in range(1, 4)))
    steps = [tie.step(), tie.step()]

    def work(step: Callable[[], int]) -> None:
        for number in range(10):
            if step is steps[0]:
                tie.owner.tell(change(ONE, 4 + number))
            step()

    at_once(*(lambda step=step: work(step) for step in steps))
    stepping(tie.step(), lambda: tie.listener.seen() == {ONE: list(range(1, 14))})


def test_replicas_share_partitions(tie: Tie) -> None:
    """Each applies what comes in its share, by either way, and goes on in what it takes over from the other."""
    first, second = frozenset(range(0, PARTITIONS, 2)), frozenset(range(1, PARTITIONS, 2))
    steps = [tie.step(), tie.step()]

    def seen() -> set[int]:
        return {number for numbers in tie.listener.seen().values() for number in numbers}

    for told in range(12, 72, 12):
        tie.owner.tell(*(change(KEYS[number % 12], number) for number in range(told - 11, told + 1)))
        its = {number for number in range(1, told + 1) if partition_of(KEYS[number % 12]) in first}
        stepping(lambda: steps[0](first), lambda its=its: seen() == its)  # type: ignore[misc]
    # The other one has heard of all that and passed over it, or hears of it now.
    stepping(lambda: steps[1](second), lambda: seen() == set(range(1, 61)))
    tie.owner.tell(*(change(KEYS[number % 12], number) for number in range(61, 73)))
    stepping(lambda: steps[1](ALL), lambda: seen() == set(range(1, 73)))
    assert tie.listener.seen() == expected(72)


@by_nats
def test_who_takes_a_partition_over_looks_at_once(tie: Tie) -> None:
    """What came in a partition while it was another's was passed over, and is fetched with the first step."""
    step = tie.step()
    assert tie.stream is not None
    stream, rest = tie.stream, ALL - {partition_of(ONE)}
    stepping(lambda: step(rest), lambda: stream.delivers(LOG.source))
    step(rest)
    tie.owner.tell(change(ONE, 1))
    for _ in range(5):
        step(rest)
    assert tie.listener.seen() == {}
    asked = tie.owner.asked
    step(ALL)
    assert (tie.listener.seen(), tie.owner.asked) == ({ONE: [1]}, asked + 1)


@by_nats
def test_while_another_replica_rebuilds_nothing_is_taken(tie: Tie) -> None:
    """A replica that knows of a rebuild leaves what the stream brings to the one that rebuilds."""
    tie.owner.tell(change(ONE, 1))
    rest = ALL - {FIRST}
    assert partition_of(ONE) in rest
    step = tie.step(elapsed=Elapsed(pace=LOOK))
    assert tie.stream is not None
    stream = tie.stream
    stepping(lambda: step(rest), lambda: stream.delivers(LOG.source) and tie.listener.seen() == {ONE: [1]})
    listener = rebuild.Listener(tie.listener.consumer, tie.owner)
    tie.listener.database.transact(listener.ask)
    step(rest)
    tie.owner.tell(change(ONE, 2))
    came = step(rest)
    while not came:
        came = step(rest)
    assert tie.listener.seen() == {ONE: [1]}


@by_nats
def test_a_rebuild_does_not_wait_for_looks(tie: Tie) -> None:
    """While one is under way each step carries it on, though the stream delivers and no time passes."""
    elapsed = Elapsed()
    step = tie.hearing(elapsed)
    tie.owner.tell(*(change(KEYS[number % 12], number) for number in range(1, 1201)))
    stepping(step, lambda: tie.listener.seen() == expected(1200))
    listener, database = rebuild.Listener(tie.listener.consumer, tie.owner), tie.listener.database
    database.transact(listener.ask)
    elapsed.now += LOOK

    def ended() -> bool:
        with database.read() as tx:
            return listener.find(tx) is None

    stepping(step, ended)


def test_an_event_that_fails_parks_its_subject_only(tie: Tie) -> None:
    """Other subjects go on, however the events come."""
    tie.listener.poison = {2}
    step = tie.step()
    tie.owner.tell(change(ONE, 1), change(ONE, 2), change(ONE, 3), change("customers/2", 4))
    stepping(step, lambda: tie.listener.seen() == {ONE: [1], "customers/2": [4]})
    with tie.listener.database.read() as tx:
        [parked] = tie.listener.consumer.parked.list(tx)
    assert (parked.subject, parked.events) == (ONE, 2)


def test_an_owner_that_was_restored_is_heard_on(tie: Tie) -> None:
    """In another epoch the events behind what both logs hold take effect, once each; those before do not again."""
    step = tie.step(elapsed=Elapsed(pace=LOOK_INSTEAD))
    tie.owner.tell(change(ONE, 1))
    stepping(step, lambda: tie.listener.seen() == {ONE: [1]})
    tie.owner.restore()
    if tie.stream is not None:
        tie.owner.relaying()
    tie.owner.tell(change(ONE, 2))
    stepping(step, lambda: tie.listener.seen() == {ONE: [1, 2]})


@by_nats
def test_a_stream_spares_the_owner(tie: Tie) -> None:
    """What the stream delivers in order is not asked for at the feed."""
    step = tie.hearing()
    before = tie.owner.asked
    for number in range(1, 30):
        tie.owner.tell(change(ONE, number))
        stepping(step, lambda number=number: tie.listener.seen() == {ONE: list(range(1, number + 1))})  # type: ignore[misc]
    assert tie.owner.asked == before


@by_nats
def test_holes_doubles_and_disorder_change_nothing(tie: Tie) -> None:
    """A stream that loses, repeats and mixes up events makes the listener ask the feed, and nothing else."""
    step, chance = tie.hearing(), random.Random(2)
    stream = tie.owner.stream
    assert stream is not None
    tie.owner.stream = None
    number, published = 0, 0
    for _ in range(15):
        told = [change(chance.choice(KEYS), number + each) for each in range(1, 21)]
        number += 20
        tie.owner.tell(*told)
        events = [each for events in everything(tie.owner.database).values() for each in events]
        sent = chance.sample(events, 12)
        for each in sent:
            # The server drops what it knows by the id; here the same event comes again.
            each.id = f"{each.id} again {published}"
            published += 1
        stream.publish(LOG.source, sent)
        step()
    # The last event of each partition, for nothing else would tell that some are missing.
    stream.publish(LOG.source, [events[-1] for events in everything(tie.owner.database).values()])
    stepping(step, lambda: sum(map(len, tie.listener.seen().values())) >= number)
    seen = tie.listener.seen()
    assert sorted(each for numbers in seen.values() for each in numbers) == list(range(1, number + 1))
    assert all(numbers == sorted(numbers) for numbers in seen.values())


@by_nats
def test_what_a_stream_never_brings_is_looked_for(tie: Tie) -> None:
    """An event that no later one tells of is found at the feed, seconds later at most."""
    elapsed = Elapsed()
    step = tie.hearing(elapsed)
    # The look that was due when it did not hear yet.
    elapsed.now = LOOK_INSTEAD
    step()
    tie.owner.stream = None
    tie.owner.tell(change(ONE, 1))
    asked = tie.owner.asked
    elapsed.now += LOOK - LOOK_INSTEAD
    step()
    assert (tie.listener.seen(), tie.owner.asked) == ({}, asked)
    elapsed.now += LOOK_INSTEAD
    step()
    assert (tie.listener.seen(), tie.owner.asked) == ({ONE: [1]}, asked + 1)


@by_nats
def test_events_of_an_earlier_epoch_are_passed_over(tie: Tie) -> None:
    """What a stream still holds of a log that is no more changes nothing, and stops nobody."""
    step = tie.hearing()
    tie.owner.tell(change(ONE, 1))
    stepping(step, lambda: tie.listener.seen() == {ONE: [1]})
    assert tie.owner.stream is not None
    asked = tie.owner.asked
    late = event_pb2.Event(id="late", epoch="before", partition=partition_of(ONE), position=2, partition_key=ONE)
    tie.owner.stream.publish(LOG.source, [late])
    stepping(step, lambda: tie.owner.asked > asked)
    tie.owner.tell(change(ONE, 2))
    stepping(step, lambda: tie.listener.seen() == {ONE: [1, 2]})


@by_nats
def test_a_stream_that_is_deleted_is_heard_of_again(
    tie: Tie, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While there is no stream the feed is asked, and when there is one again that is not needed."""
    monkeypatch.setattr("chassis.jetstream.QUIET_SECONDS", 0.3)
    elapsed = Elapsed(pace=LOOK_INSTEAD)
    step = tie.hearing(elapsed)
    streams.delete()
    tie.owner.tell(change(ONE, 1))
    stepping(step, lambda: tie.listener.seen() == {ONE: [1]})
    stepping(step, lambda: streams.listeners(LOG.source) == 1)
    stepping(step, lambda: tie.stream is not None and tie.stream.delivers(LOG.source))
    elapsed.pace = 0
    asked = tie.owner.asked
    tie.owner.tell(change(ONE, 2))
    stepping(step, lambda: tie.listener.seen() == {ONE: [1, 2]})
    assert tie.owner.asked == asked


@by_nats
def test_without_nats_the_feed_is_read(tie: Tie, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A listener whose NATS is away reads the feed as if there were none, and says so once."""
    server = NatsServer(tmp_path_factory.mktemp("away"))
    server.start()
    tie.owner.stream = None
    stream = tie.stream = Streams(server.url, "away").connect()
    with connected(stream), capture_logs() as lines:
        step = tie.hearing(Elapsed(pace=LOOK_INSTEAD))
        server.kill()
        until(lambda: not stream.connected)
        _hear_by_feed(tie, step)
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == ["nats does not answer"]


@by_nats
def test_a_stream_that_does_not_deliver_is_told_once(tie: Tie, streams: Streams) -> None:
    """Where the stream cannot be listened to, the feed is read, and a line says what is wrong."""
    streams.delete()
    # Somebody else's stream has the subjects, so that ours cannot be made.
    foreign = StreamConfig(f"{streams.prefix}-foreign", subjects=[f"{streams.prefix}.>"])
    streams.ask(lambda stream: stream.add_stream(foreign))
    tie.owner.stream = None
    with capture_logs() as lines:
        step = tie.step(elapsed=Elapsed(pace=LOOK_INSTEAD))
        _hear_by_feed(tie, step)
        stepping(step, lambda: bool(lines))
        for _ in range(20):
            step()
    assert [line["event"] for line in lines] == ["stream does not deliver"]


def _hear_by_feed(tie: Tie, step: Callable[[], int]) -> None:
    for number in range(1, 4):
        tie.owner.tell(change(ONE, number))
        stepping(step, lambda number=number: tie.listener.seen() == {ONE: list(range(1, number + 1))})  # type: ignore[misc]
