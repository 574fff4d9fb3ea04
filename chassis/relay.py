"""The relay: publishes a service's numbered events to its stream, where listeners hear of them at once."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
import structlog

from chassis.database import Database, Text, Tx
from chassis.errors import Unavailable
from chassis.events import PARTITIONS, EventLog
from chassis.jetstream import JetStream
from shuke.event.v1 import event_pb2

log = structlog.get_logger("relay")

BATCH = 500


def relay_table(metadata: sa.MetaData) -> sa.Table:
    """Declare the relay's place: per partition the last position that the stream has stored."""
    return sa.Table(
        "relay_positions",
        metadata,
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("epoch", Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
    )


class Relay:
    """Publishes the events of a log in order, each at least once.

    Without a place in the log's epoch it begins at the heads: listeners read in the feed what came before, and a stream
    that repeats the whole log would help nobody. `table` was declared by `relay_table`.
    """

    def __init__(self, database: Database, events: EventLog, table: sa.Table, stream: JetStream) -> None:
        self.database = database
        self.events = events
        self.table = table
        self.stream = stream
        self._failing = False
        later = sa.and_(
            table.c.partition == sa.bindparam("of"),
            table.c.epoch == sa.bindparam("in_epoch"),
            table.c.position < sa.bindparam("to"),
        )
        self._move = sa.update(table).where(later).values(position=sa.bindparam("to"))

    def step(self) -> int:
        """Publish what comes next; answer how many events."""
        if not self.stream.connected:
            return 0
        with self.database.read() as tx:
            places = self._places(tx)
            heads = self.events.positions(tx, range(PARTITIONS))
            found = self.events.read(tx, places, heads, BATCH) if places else []
        if not places:
            self.database.transact(self._begin)
        if not found or not self._publish(found):
            return 0
        # A crash before this line publishes the events again; the stream, or else the listeners, know them.
        last = {event.partition: event for event in found}
        moves = [{"of": event.partition, "in_epoch": event.epoch, "to": event.position} for event in last.values()]
        self.database.transact(lambda tx: tx.execute(self._move, moves))
        return len(found)

    def backlog(self, tx: Tx) -> int:
        """Count the numbered events that the stream has not stored yet."""
        heads = self.events.positions(tx, range(PARTITIONS))
        return sum(heads[partition] - position for partition, position in self._places(tx).items())

    def _publish(self, found: Sequence[event_pb2.Event]) -> bool:
        try:
            self.stream.publish(self.events.source, found)
        except Unavailable as error:
            if not self._failing:
                log.warning("events are not relayed", problem=str(error.__cause__))
            self._failing = True
            return False
        self._failing = False
        return True

    def _places(self, tx: Tx) -> dict[int, int]:
        """Answer the place in each partition; none when it is of another epoch, or there is none yet."""
        mine = sa.select(self.table).where(self.table.c.epoch == self.events.epoch(tx))
        return {row.partition: row.position for row in tx.execute(mine)}

    def _begin(self, tx: Tx) -> None:
        epoch = self.events.epoch(tx)
        heads = self.events.positions(tx, range(PARTITIONS))
        tx.execute(sa.delete(self.table))
        rows = [{"partition": partition, "epoch": epoch, "position": head} for partition, head in heads.items()]
        tx.execute(sa.insert(self.table), rows)
