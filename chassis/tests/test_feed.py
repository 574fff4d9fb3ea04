"""The event feed, over the wire: what had committed when the call began is covered by its heads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event, Thread

import pytest

from chassis.client import Credentials, FeedClient
from chassis.database import Database
from chassis.errors import Unavailable
from chassis.events import PARTITIONS, partition_of
from chassis.feed import EventFeed, sequence
from chassis.principals import Principal
from chassis.tests.events import LOG, begin, change, new_id, number_of, tell
from chassis.tests.serving import PRIVATE, Running, refusal_of, serving
from chassis.tokens import Signer
from shuke.event.v1 import event_pb2, event_pb2_grpc
from tests.databases import MakeDatabase
from tests.running import Refusal

ALL = dict.fromkeys(range(PARTITIONS), 0)


@pytest.fixture
def database(make_database: MakeDatabase) -> Database:
    """Make an empty log, on each engine in turn."""
    return make_database(begin, __name__)


@dataclass
class Feed:
    """A feed that is served, with a sequencer that numbers whenever the feed wakes it and is let to."""

    running: Running
    client: FeedClient
    may_number: Event


@pytest.fixture
def feed(database: Database) -> Iterator[Feed]:
    """Serve a feed."""
    may_number = Event()
    may_number.set()

    def wake() -> None:
        if may_number.is_set():
            sequence(database, LOG)

    service = event_pb2.DESCRIPTOR.services_by_name["EventFeedService"]
    with serving((service, EventFeed(database, LOG, wake))) as running:
        credentials = Credentials(Signer("gateway", PRIVATE, running.clock), Principal("tiering", ("events.read",)))
        yield Feed(running, FeedClient("tiny", running.channel, credentials), may_number)


def test_a_head_covers_what_had_committed(feed: Feed, database: Database) -> None:
    """Whatever was committed before the call stands in its answer, numbered or not when the call came."""
    for number in range(1, 13):
        tell(database, change(f"customers/{number}", number))
        answer = feed.client.read_events(ALL, 500)
        assert {number_of(event) for event in answer.events} == set(range(1, number + 1))
        assert sum(head.position for head in answer.heads) == number


def test_heads_hold_while_others_write(feed: Feed, database: Database) -> None:
    """While events come in without end, each call still covers all that was committed before it, and is answered."""
    committed, stop = [0], Event()

    def write() -> None:
        while not stop.is_set():
            tell(database, change("customers/1", committed[0] + 1))
            committed[0] += 1

    writer = Thread(target=write)
    writer.start()
    partition = partition_of("customers/1")
    for _ in range(12):
        before = committed[0]
        answer = feed.client.read_events({partition: 0}, 2000)
        assert answer.heads[0].position >= before
    stop.set()
    writer.join(10)


def test_heads_wait_for_the_sequencer(feed: Feed, database: Database) -> None:
    """A call that cannot be answered truly waits, and is answered when the rows are numbered."""
    feed.may_number.clear()
    tell(database, change("customers/1", 1))
    answers: list[event_pb2.ReadEventsResponse] = []
    reader = Thread(target=lambda: answers.append(feed.client.read_events(ALL, 500)))
    reader.start()
    reader.join(0.1)
    assert reader.is_alive()
    feed.may_number.set()
    reader.join(10)
    assert [number_of(event) for event in answers[0].events] == [1]


def test_a_head_that_cannot_be_given_is_unavailable(feed: Feed, database: Database) -> None:
    """Where nobody numbers, the reader is told to come back; it is never given less than was committed."""
    feed.may_number.clear()
    tell(database, change("customers/1", 1))
    request = event_pb2.ReadEventsRequest(cursors=[event_pb2.Cursor(partition=0)])
    stub = event_pb2_grpc.EventFeedServiceStub(feed.running.channel)
    headers = feed.running.token("events.read")
    with pytest.raises(Exception) as error:  # noqa: PT011  (both codes say so)
        stub.ReadEvents(request, metadata=headers, timeout=0.2)
    assert error.value.code().name in {"UNAVAILABLE", "DEADLINE_EXCEEDED"}  # type: ignore[attr-defined]
    feed.may_number.set()
    assert len(feed.client.read_events(ALL, 500).events) == 1


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_late_commit_is_in_the_next_answer(feed: Feed, database: Database) -> None:
    """An open transaction keeps nobody waiting, and what it told is read after its commit, behind the others."""
    partition = partition_of("customers/1")
    with database.write() as late:
        LOG.add(late, [change("customers/1", 1)], 0, new_id)
        tell(database, change("customers/1", 2))
        answer = feed.client.read_events({partition: 0}, 500)
        assert [number_of(event) for event in answer.events] == [2]
    answer = feed.client.read_events({partition: 1}, 500)
    assert [(event.position, number_of(event)) for event in answer.events] == [(2, 1)]


def test_a_limit_is_kept_and_has_a_default(feed: Feed, database: Database) -> None:
    """A reader gets as many events as it asked for, 500 without a wish, and no more than 2,000."""
    tell(database, *(change(f"customers/{number}", number) for number in range(1, 701)))
    assert len(feed.client.read_events(ALL, 0).events) == 500
    assert len(feed.client.read_events(ALL, 7).events) == 7
    with pytest.raises(Refusal) as refused:
        read(feed, event_pb2.ReadEventsRequest(cursors=[event_pb2.Cursor(partition=0)], limit=2001))
    assert refused.value.fields == {"limit": "INT32_GTE_LTE"}


def read(feed: Feed, request: event_pb2.ReadEventsRequest) -> event_pb2.ReadEventsResponse:
    """Read with any request, or raise `Refusal`."""
    stub = event_pb2_grpc.EventFeedServiceStub(feed.running.channel)
    try:
        return stub.ReadEvents(request, metadata=feed.running.token("events.read"), timeout=10)
    except Exception as error:
        raise refusal_of(error) from error  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cursors", "field"),
    [
        ([], "cursors"),
        ([event_pb2.Cursor(partition=16)], "cursors[0].partition"),
        ([event_pb2.Cursor(partition=-1)], "cursors[0].partition"),
        ([event_pb2.Cursor(), event_pb2.Cursor(position=-1)], "cursors[1].position"),
    ],
)
def test_cursors_are_checked(feed: Feed, cursors: list[event_pb2.Cursor], field: str) -> None:
    """A reader names partitions that are there and positions that can be."""
    with pytest.raises(Refusal) as refused:
        read(feed, event_pb2.ReadEventsRequest(cursors=cursors))
    assert list(refused.value.fields) == [field]


def test_a_reader_below_the_horizon_stops_loudly(feed: Feed, database: Database) -> None:
    """Who asks for events that are gone is told where they begin now."""
    tell(database, *(change("customers/1", number) for number in range(1, 4)))
    feed.client.read_events(ALL, 500)
    partition = partition_of("customers/1")
    with database.write() as tx:
        tx.execute(LOG.events.delete().where(LOG.events.c.position <= 2))
    with pytest.raises(Refusal) as refused:
        read(feed, event_pb2.ReadEventsRequest(cursors=[event_pb2.Cursor(partition=partition)]))
    assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "EVENTS_GONE")
    assert refused.value.metadata == {"partition": str(partition), "horizon": "3"}


def test_the_feed_is_for_services_only(feed: Feed) -> None:
    """Who may do everything but read events reads none."""
    stub = event_pb2_grpc.EventFeedServiceStub(feed.running.channel)
    with pytest.raises(Exception) as error:  # noqa: PT011  (grpc's error has no public class)
        stub.ReadEvents(event_pb2.ReadEventsRequest(), metadata=feed.running.token("customer.*", "events"), timeout=5)
    assert refusal_of(error.value).reason == "PERMISSION_MISSING"  # type: ignore[arg-type]


def test_an_owner_that_is_gone_is_unavailable(feed: Feed) -> None:
    """A reader whose owner does not answer is told so as unavailable, and comes back by itself."""
    feed.running.server.drain(0)
    with pytest.raises(Unavailable):
        feed.client.read_events(ALL, 10)
