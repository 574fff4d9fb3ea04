"""Reading another service's events: the position is the cursor, and it moves in the effect's own transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import sqlalchemy as sa
import structlog

from chassis.clock import Clock
from chassis.database import Database, Text, Tx, upsert
from chassis.events import PARTITIONS
from chassis.ids import NewId
from shuke.event.v1 import event_pb2

log = structlog.get_logger("consumer")

Effect = Callable[[Tx, Sequence[event_pb2.Event], int, NewId], None]


class Feed(Protocol):
    """Another service's event feed."""

    def read_events(self, cursors: Mapping[int, int], limit: int) -> event_pb2.ReadEventsResponse:
        """Read events behind cursors."""


class AnotherConsumer(Exception):
    """Another consumer moved a cursor first; the effect is rolled back, for it has taken place already."""


class EpochChanged(Exception):
    """The owner's log is not the one that was read so far; the projection must be rebuilt."""


def cursors_table(metadata: sa.MetaData) -> sa.Table:
    """Declare the cursors: per source and partition the last position whose effect is in."""
    return sa.Table(
        "cursors",
        metadata,
        sa.Column("source", Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("epoch", Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
    )


class Consumer:
    """Applies the events of one source, each exactly once, whatever crashes and however often they are delivered."""

    def __init__(
        self,
        database: Database,
        cursors: sa.Table,
        source: str,
        effect: Effect,
        *,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self.database = database
        self.cursors = cursors
        self.source = source
        self.effect = effect
        self.clock = clock
        self.new_id = new_id

    def poll(self, feed: Feed, limit: int = 500) -> int:
        """Fetch what comes next and apply it; answer how many events took effect."""
        with self.database.read() as tx:
            positions, epochs = self._held(tx)
        answer = feed.read_events(positions, limit)
        # An owner that was restored has another epoch to tell long before it has further events.
        self._same(epochs, answer.epoch)
        return self.deliver(answer.events, answer.epoch)

    def deliver(self, events: Sequence[event_pb2.Event], epoch: str) -> int:
        """Apply delivered events: what is in already is skipped, what lies beyond a gap is left for the next fetch."""
        if not events:
            return 0
        try:
            return self.database.transact(lambda tx: self._apply(tx, events, epoch))
        except AnotherConsumer:
            return 0

    def _apply(self, tx: Tx, events: Sequence[event_pb2.Event], epoch: str) -> int:
        before = self.positions(tx, epoch)
        after = dict(before)
        due = []
        for event in sorted(events, key=lambda event: (event.partition, event.position)):
            if event.position == after[event.partition] + 1:
                after[event.partition] = event.position
                due.append(event)
        for partition, position in after.items():
            if position != before[partition]:
                self._advance(tx, partition, before[partition], position, epoch)
        if due:
            self.effect(tx, due, self.clock(), self.new_id)
        return len(due)

    def positions(self, tx: Tx, epoch: str | None = None) -> dict[int, int]:
        """Answer the cursor of every partition; refuse another epoch than the one read so far."""
        positions, epochs = self._held(tx)
        if epoch is not None:
            self._same(epochs, epoch)
        return positions

    def _held(self, tx: Tx) -> tuple[dict[int, int], set[str]]:
        rows = tx.execute(sa.select(self.cursors).where(self.cursors.c.source == self.source)).all()
        found = dict.fromkeys(range(PARTITIONS), 0) | {row.partition: row.position for row in rows}
        return found, {row.epoch for row in rows}

    def _same(self, epochs: set[str], epoch: str) -> None:
        if epochs - {epoch}:
            raise EpochChanged(f"{self.source}: {', '.join(epochs)} became {epoch}")

    def _advance(self, tx: Tx, partition: int, old: int, new: int, epoch: str) -> None:
        table = self.cursors
        key = {"source": self.source, "partition": partition}
        if old == 0:
            first = upsert(tx, table).values(**key, epoch=epoch, position=0).on_conflict_do_nothing()
            tx.execute(first)
        mine = sa.and_(table.c.source == self.source, table.c.partition == partition, table.c.position == old)
        if tx.execute(sa.update(table).where(mine).values(position=new)).rowcount != 1:
            raise AnotherConsumer
