"""The relay: every numbered event reaches the stream, in order, whatever breaks off."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from chassis.database import Database
from chassis.events import PARTITIONS, partition_of
from chassis.feed import sequence
from chassis.tests.events import LOG, RELAYED, TABLES, begin, change, everything, number_of, tell
from chassis.tests.streaming import Owner, connected
from tests.databases import MakeDatabase
from tests.streams import Streams

assert TABLES is LOG.events.metadata


@pytest.fixture
def owner(make_database: MakeDatabase, streams: Streams) -> Iterator[Owner]:
    """Run an owner whose relay has begun with an empty log, on each engine in turn."""
    stream = streams.connect("owner")
    with connected(stream):
        made = Owner(make_database(begin, "relay"), stream)
        made.relaying()
        yield made


def stored(streams: Streams) -> list[int]:
    """Answer the numbers of the events in the stream, in its order."""
    return [number_of(each) for each in streams.events(LOG.source)]


def places(database: Database) -> dict[int, int]:
    """Answer the relay's places."""
    with database.read() as tx:
        return {row.partition: row.position for row in tx.execute(sa.select(RELAYED))}


def heads(database: Database) -> dict[int, int]:
    """Answer the log's heads."""
    with database.read() as tx:
        return LOG.positions(tx, range(PARTITIONS))


def waiting(owner: Owner) -> int:
    """Answer the backlog."""
    with owner.database.read() as tx:
        return owner.relay.backlog(tx)


def test_what_is_numbered_is_published(owner: Owner, streams: Streams) -> None:
    """Events stand in the stream as in the log, under the subject of their partition, once."""
    for number in range(1, 31):
        owner.tell(change(f"customers/{number % 7}", number))
    found = streams.events(LOG.source)
    by_partition = {partition: [each for each in found if each.partition == partition] for partition in range(16)}
    assert {partition: events for partition, events in by_partition.items() if events} == everything(owner.database)
    assert places(owner.database) == heads(owner.database)
    name = streams.connect().stream_of(LOG.source)
    first = streams.ask(lambda stream: stream.get_msg(name, 1))
    assert first.subject == f"{streams.prefix}.{LOG.source}.{partition_of('customers/1')}"


def test_more_than_a_batch_is_published(owner: Owner, streams: Streams, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backlog goes out in batches, each in the log's order."""
    monkeypatch.setattr("chassis.relay.BATCH", 10)
    tell(owner.database, *(change("customers/1", number) for number in range(1, 26)))
    sequence(owner.database, LOG)
    assert [owner.relay.step() for _ in range(4)] == [10, 10, 5, 0]
    assert stored(streams) == list(range(1, 26))


def test_a_relay_that_was_killed_publishes_again(owner: Owner, streams: Streams) -> None:
    """What was stored before the place moved is published again, and the stream knows it."""
    owner.tell(*(change("customers/1", number) for number in range(1, 6)))
    with owner.database.write() as tx:
        tx.execute(sa.update(RELAYED).values(position=0))
    assert owner.relaying() == 5
    assert stored(streams) == [1, 2, 3, 4, 5]


def test_two_relays_move_no_place_back(owner: Owner, streams: Streams) -> None:
    """A relay that was overtaken between its acknowledgements and its place leaves the place where it is."""
    first, second = owner.relay, owner.relay
    tell(owner.database, change("customers/1", 1))
    sequence(owner.database, LOG)
    publish = first._publish

    def overtaken(found: object) -> bool:
        owner.tell(change("customers/1", 2))
        assert second.step() == 0
        return publish(found)  # type: ignore[arg-type]

    first._publish = overtaken  # type: ignore[method-assign]
    assert first.step() == 1
    assert places(owner.database) == heads(owner.database)
    assert stored(streams) == [1, 2]


def test_a_relay_begins_at_the_heads(make_database: MakeDatabase, streams: Streams) -> None:
    """A log that was read by feed until now is not published from its beginning."""
    stream = streams.connect("owner")
    with connected(stream):
        owner = Owner(make_database(begin, "relay"))
        owner.tell(*(change(f"customers/{number}", number) for number in range(1, 10)))
        owner.stream = stream
        assert owner.relaying() == 0
        owner.tell(change("customers/1", 10))
        assert stored(streams) == [10]


def test_another_epoch_begins_at_the_heads(owner: Owner, streams: Streams) -> None:
    """After a restore the places are those of another log: what comes then is published, in the new epoch."""
    owner.tell(*(change("customers/1", number) for number in range(1, 4)))
    with owner.database.write() as tx:
        tx.execute(sa.update(RELAYED).values(position=1))
    owner.restore()
    assert owner.relaying() == 0
    owner.tell(change("customers/1", 4))
    with owner.database.read() as tx:
        epoch = LOG.epoch(tx)
    assert [(number_of(each), each.epoch) for each in streams.events(LOG.source)][3:] == [(4, epoch)]


def test_a_stream_that_is_gone_is_made_anew(owner: Owner, streams: Streams) -> None:
    """What comes after a stream was deleted is published to one that is made anew."""
    owner.tell(change("customers/1", 1))
    streams.delete()
    owner.tell(change("customers/1", 2), change("customers/2", 3))
    assert sorted(stored(streams)) == [2, 3]


def test_what_is_not_stored_is_published_later(owner: Owner, streams: Streams, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the stream does not take events the place stays, which is told once, and shown as a backlog."""
    owner.tell(change("customers/1", 1))
    name = streams.connect().stream_of(LOG.source)
    full = streams.ask(lambda stream: stream.stream_info(name)).config
    full.max_msgs, full.discard = 1, "new"  # type: ignore[assignment]
    streams.ask(lambda stream: stream.update_stream(full))
    relay = owner.relay
    monkeypatch.setattr(Owner, "relay", relay)
    with capture_logs() as lines:
        owner.tell(change("customers/1", 2))
        assert relay.step() == 0
    assert [(line["event"], line["log_level"]) for line in lines] == [("events are not relayed", "warning")]
    assert waiting(owner) == 1
    full.max_msgs = 10
    streams.ask(lambda stream: stream.update_stream(full))
    assert relay.step() == 1
    assert (stored(streams), waiting(owner)) == ([1, 2], 0)


def test_without_a_server_nothing_is_done(make_database: MakeDatabase, streams: Streams) -> None:
    """A relay whose NATS is away waits, and counts what waits with it as soon as it has a place."""
    owner = Owner(make_database(begin, "relay"), streams.connect("owner"))
    owner.tell(change("customers/1", 1))
    assert (owner.relaying(), places(owner.database), waiting(owner)) == (0, {}, 0)
