"""An owner of events and a listener of them, which are tied by feed or by NATS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import sqlalchemy as sa

from chassis.consumer import Consumer, cursors_table
from chassis.database import Database, Text, Tx, metadata
from chassis.events import Change
from chassis.feed import sequence
from chassis.ids import NewId
from chassis.jetstream import JetStream
from chassis.relay import Relay
from chassis.tests.events import LOG, RELAYED, new_id, number_of, read, tell, until
from shuke.event.v1 import event_pb2

LISTENER_TABLES = metadata()
CURSORS = cursors_table(LISTENER_TABLES)
SEEN = sa.Table(
    "seen",
    LISTENER_TABLES,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("key", Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
)


@dataclass
class Owner:
    """A log of events with its feed, and a relay where there is a stream; `asked` counts the looks at the feed."""

    database: Database
    stream: JetStream | None = None
    asked: int = 0

    @property
    def relay(self) -> Relay:
        """Make the relay; a process that starts again makes it anew."""
        assert self.stream is not None
        return Relay(self.database, LOG, RELAYED, self.stream)

    def tell(self, *changes: Change) -> None:
        """Commit changes, number them, and publish them where there is a stream."""
        tell(self.database, *changes)
        sequence(self.database, LOG)
        if self.stream is not None:
            self.relaying()

    def relaying(self) -> int:
        """Relay all that there is; answer how many events."""
        relay, relayed = self.relay, 0
        while done := relay.step():
            relayed += done
        return relayed

    def read_events(self, cursors: Mapping[int, int], limit: int) -> event_pb2.ReadEventsResponse:
        """Answer as the owner's feed does."""
        self.asked += 1
        with self.database.read() as tx:
            heads = LOG.positions(tx, list(cursors))
            return event_pb2.ReadEventsResponse(
                events=read(tx, dict(cursors), limit),
                heads=[event_pb2.Cursor(partition=partition, position=head) for partition, head in heads.items()],
                epoch=LOG.epoch(tx),
                past=LOG.past(tx),
            )

    def restore(self) -> None:
        """Begin another epoch, as an owner does that was restored."""
        self.database.transact(lambda tx: LOG.restored(tx, new_id))


@dataclass
class Listener:
    """A consumer whose effect writes down what each key has told; it fails at the numbers that are poison."""

    database: Database
    poison: set[int] = field(default_factory=set)

    @property
    def consumer(self) -> Consumer:
        """Make the consumer; a process that starts again makes it anew."""
        return Consumer(self.database, CURSORS, LOG.source, self.effect, clock=lambda: 0, new_id=lambda: "id")

    def effect(self, tx: Tx, events: Sequence[event_pb2.Event], _now: int, _new_id: NewId) -> None:
        """Write events down."""
        numbers = [number_of(each) for each in events]
        if self.poison.intersection(numbers):
            raise ValueError
        rows = [{"key": each.partition_key, "number": number_of(each)} for each in events]
        tx.execute(sa.insert(SEEN), rows)

    def seen(self) -> dict[str, list[int]]:
        """Answer the numbers by key, in the order in which they took effect."""
        found: dict[str, list[int]] = {}
        with self.database.read() as tx:
            for row in tx.execute(sa.select(SEEN).order_by(SEEN.c.id)):
                found.setdefault(row.key, []).append(row.number)
        return found


@dataclass
class Elapsed:
    """A time that passes with each look at it, as long as a test lets it."""

    pace: int = 0
    now: int = 0

    def __call__(self) -> int:
        """Tell the time."""
        self.now += self.pace
        return self.now


@contextmanager
def connected(*streams: JetStream) -> Iterator[None]:
    """Keep connections up."""
    for stream in streams:
        stream.start()
    try:
        until(lambda: all(stream.connected for stream in streams))
        yield
    finally:
        for stream in streams:
            stream.stop()


def stepping(step: Callable[[], int], true: Callable[[], bool]) -> None:
    """Step until something is true."""

    def stepped() -> bool:
        step()
        return true()

    until(stepped)
