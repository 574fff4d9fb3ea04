"""Events: rows written with the change they tell of (outbox), and the log that they are numbered into.

A service has one outbox and one log of 16 partitions. Positions are dense per partition and given after commit, so that
a reader never skips a row that committed late.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import sqlalchemy as sa
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.among import Among
from chassis.calendar import SECOND
from chassis.database import Text, Tx, upsert
from chassis.errors import FailedPrecondition
from chassis.ids import NewId
from chassis.rows import insert_rows
from shuke.event.v1 import event_pb2

PARTITIONS = 16
BATCH = 2000
# How many of an id's digits count on from record to record, where one change is written of many.
SERIAL = 12


class EventsGone(FailedPrecondition):
    """The reader asks for events that are no longer kept."""

    reason = "EVENTS_GONE"


@dataclass(frozen=True, slots=True)
class Change:
    """A change to be told: the record that changed, the name that orders it, and the owner's message."""

    subject: str
    key: str
    data: Message


def partition_of(key: str) -> int:
    """Answer the partition of a customer's or a record's name."""
    return hashlib.sha256(key.encode()).digest()[0] % PARTITIONS


class EventLog:
    """The outbox and the event log of one service."""

    def __init__(self, metadata: sa.MetaData, source: str) -> None:
        self.source = source
        self.outbox = sa.Table(
            "outbox",
            metadata,
            sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
            *_columns(),
            sa.Column("partition", sa.Integer, nullable=False),
            sqlite_autoincrement=True,
        )
        self.events = sa.Table(
            "events",
            metadata,
            sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
            *_columns(),
        )
        self.heads = sa.Table(
            "event_heads",
            metadata,
            sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("position", sa.BigInteger, nullable=False),
        )
        self.epochs = sa.Table("event_epochs", metadata, sa.Column("epoch", Text, primary_key=True))
        self.past_epochs = sa.Table(
            "past_epochs",
            metadata,
            sa.Column("epoch", Text, primary_key=True),
            sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("position", sa.BigInteger, nullable=False),
        )
        # Written down once: building an expression takes longer than running it.
        self._take, self._move, self._clear = self._statements()
        self._epoch = sa.select(self.epochs.c.epoch)
        self._last = sa.select(sa.func.coalesce(sa.func.max(self.outbox.c.id), 0))
        self._first = sa.select(sa.func.min(self.outbox.c.id))
        self._all_heads = sa.select(self.heads)
        self._advanced = (
            sa.update(self.heads)
            .where(self.heads.c.partition == sa.bindparam("of"), self.heads.c.position == sa.bindparam("old"))
            .values(position=sa.bindparam("new"))
        )
        self._heads = sa.select(self.heads).where(Among("partitions", self.heads.c.partition))
        partition, position = self.events.c.partition, self.events.c.position
        self._behind = (
            sa.select(self.events)
            .where(partition == sa.bindparam("of"), position > sa.bindparam("cursor"))
            .order_by(position)
            .limit(sa.bindparam("most"))
        )

    def begin(self, tx: Tx, new_id: NewId) -> None:
        """Make the heads and the first epoch, where there are none yet."""
        heads = [{"partition": partition, "position": 0} for partition in range(PARTITIONS)]
        tx.execute(upsert(tx, self.heads).on_conflict_do_nothing(), heads)
        if tx.scalar(sa.select(sa.func.count()).select_from(self.epochs)) == 0:
            tx.execute(sa.insert(self.epochs).values(epoch=new_id()))

    def restored(self, tx: Tx, new_id: NewId) -> None:
        """Begin another epoch in a database that was restored: what listeners read behind its heads is no more."""
        old, heads = self.epoch(tx), self.positions(tx, range(PARTITIONS))
        ended = [{"epoch": old, "partition": part, "position": position} for part, position in heads.items()]
        tx.execute(sa.insert(self.past_epochs), ended)
        tx.execute(sa.update(self.epochs).values(epoch=new_id()))

    def past(self, tx: Tx) -> list[event_pb2.PastEpoch]:
        """Answer the epochs before, each with what is left of its log."""
        found: dict[str, event_pb2.PastEpoch] = {}
        for row in tx.execute(sa.select(self.past_epochs)):
            past = found.setdefault(row.epoch, event_pb2.PastEpoch(epoch=row.epoch))
            past.heads.add(partition=row.partition, position=row.position)
        return list(found.values())

    def add(self, tx: Tx, changes: Iterable[Change], now: int, new_id: NewId) -> None:
        """Write changes into the outbox, in the transaction that makes them."""
        rows = [
            {
                "event_id": new_id(),
                "subject": change.subject,
                "key": change.key,
                "partition": partition_of(change.key),
                "type": change.data.DESCRIPTOR.full_name,
                "time": now,
                "data": change.data.SerializeToString(),
            }
            for change in changes
        ]
        if rows:
            insert_rows(tx, self.outbox, rows)

    def add_for_each(self, tx: Tx, change: Change, blank: str, ids: sa.Select[str], now: int, new_id: NewId) -> int:
        """Write the same change of many records in one statement, and answer of how many.

        `ids` asks for one column of ids; each takes the place of `blank`, which is as long, wherever that stands in the
        change. The ids of the events are numbers behind one new id, in the order in which they are written.
        """
        one = ids.subquery("ids").c[0]
        key = _filled(change.key, blank, one)
        # Decimal digits are hexadecimal ones, too.
        place = sa.cast(10**SERIAL + sa.over(sa.func.row_number()), sa.Text)
        rows = sa.select(
            (new_id()[:-SERIAL] + sa.func.substr(place, 2)).label("event_id"),
            _filled(change.subject, blank, one).label("subject"),
            key.label("key"),
            _partition(key, tx.dialect.name).label("partition"),
            sa.literal(change.data.DESCRIPTOR.full_name).label("type"),
            sa.literal(now).label("time"),
            _filled_bytes(change.data.SerializeToString(), blank, one).label("data"),
        )
        written = sa.insert(self.outbox).from_select(rows.selected_columns.keys(), rows)
        return tx.execute(written.execution_options(preserve_rowcount=True)).rowcount

    def number(self, tx: Tx) -> int:
        """Move committed rows of the outbox into the log; answer how many. One sequencer at a time gets through."""
        # Heads before rows: whoever numbers in between moves a head that we shall then fail to advance. The other way
        # round, rows that another sequencer has taken would be numbered again behind its heads.
        heads = {row.partition: row.position for row in tx.execute(self._all_heads)}
        rows = tx.execute(self._take).all()
        if not rows:
            return 0
        for partition, count in sorted(Counter(row.partition for row in rows).items()):
            self._advance(tx, partition, heads[partition], heads[partition] + count)
        # Named one by one, for a row with a lower id may be committed meanwhile.
        ids = {"ids": [row.id for row in rows]}
        tx.execute(self._move, ids)
        tx.execute(self._clear, ids)
        return len(rows)

    def _statements(self) -> tuple[sa.Select[int, int], sa.Insert, sa.Delete]:
        """Write down how rows are numbered. The contents of events stay in the database."""
        outbox, heads = self.outbox.c, self.heads.c
        mine = Among("ids", outbox.id)
        same = sa.over(sa.func.count(), partition_by=outbox.partition)
        place = sa.over(sa.func.row_number(), partition_by=outbox.partition, order_by=outbox.id)
        names = [column.name for column in self.outbox.columns if column.name != "id"]
        # The heads have been advanced by then. Contents come in afterwards, for what is counted is sorted.
        numbered = sa.select(outbox.id, (heads.position - same + place).label("position"))
        numbered = numbered.join_from(self.outbox, self.heads, outbox.partition == heads.partition).where(mine)
        places = numbered.subquery("places").c
        moved = sa.select(*(outbox[name] for name in names), places.position)
        moved = moved.join_from(self.outbox, places.id.table, outbox.id == places.id)
        return (
            sa.select(outbox.id, outbox.partition).order_by(outbox.id).limit(BATCH),
            sa.insert(self.events).from_select([*names, "position"], moved),
            sa.delete(self.outbox).where(mine),
        )

    def _advance(self, tx: Tx, partition: int, old: int, new: int) -> None:
        if tx.execute(self._advanced, {"of": partition, "old": old, "new": new}).rowcount != 1:
            raise AnotherSequencer

    def waiting(self, tx: Tx) -> int:
        """Answer the id of the last row of the outbox that is visible now; 0 when it is empty."""
        return tx.scalar(self._last) or 0

    def unnumbered(self, tx: Tx) -> int:
        """Count the events that wait for their number."""
        return tx.execute(sa.select(sa.func.count()).select_from(self.outbox)).scalar_one()

    def numbered(self, tx: Tx, last: int) -> bool:
        """Tell whether every row up to an id has left the outbox."""
        first = tx.scalar(self._first)
        return first is None or first > last

    def epoch(self, tx: Tx) -> str:
        """Answer the epoch of the log."""
        epoch: str = tx.execute(self._epoch).scalar_one()
        return epoch

    def positions(self, tx: Tx, partitions: Sequence[int]) -> dict[int, int]:
        """Answer the heads of partitions."""
        return {row.partition: row.position for row in tx.execute(self._heads, {"partitions": list(partitions)})}

    def read(self, tx: Tx, cursors: dict[int, int], heads: dict[int, int], limit: int) -> list[event_pb2.Event]:
        """Read events behind cursors, at most `limit` of all partitions; heads, read before, say what must be there."""
        behind = {partition: position for partition, position in cursors.items() if heads[partition] > position}
        # Most that look find nothing.
        epoch = self.epoch(tx) if behind else ""
        found: list[event_pb2.Event] = []
        for partition, position in behind.items():
            if len(found) >= limit:
                break
            wanted = {"of": partition, "cursor": position, "most": limit - len(found)}
            rows = tx.execute(self._behind, wanted).all()
            first = rows[0].position if rows else heads[partition] + 1
            if first > position + 1:
                raise EventsGone(partition=str(partition), horizon=str(first))
            found += [self._event(row, epoch) for row in rows]
        return found

    def _event(self, row: sa.Row[tuple[object, ...]], epoch: str) -> event_pb2.Event:
        return event_pb2.Event(
            id=row.event_id,
            source=self.source,
            type=row.type,
            subject=row.subject,
            partition_key=row.key,
            time=Timestamp(seconds=row.time // SECOND, nanos=row.time % SECOND * 1000),
            data=Any(type_url=f"type.googleapis.com/{row.type}", value=row.data),
            epoch=epoch,
            partition=row.partition,
            position=row.position,
        )


def _filled(text: str, blank: str, value: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """Write a text as an expression, with a value in the place of a blank."""
    first, *others = map(sa.literal, text.split(blank))
    return reduce(lambda begun, other: begun + value + other, others, first)


def _filled_bytes(data: bytes, blank: str, value: sa.ColumnElement[str]) -> sa.ColumnElement[bytes]:
    """Do the same to bytes; the value must be plain ASCII without a backslash."""
    first, *others = (sa.literal(part, sa.LargeBinary) for part in data.split(blank.encode()))
    joined: sa.ColumnElement[bytes] = first
    for other in others:
        joined = joined.op("||")(sa.cast(value, sa.LargeBinary)).op("||")(other)
    # SQLite calls text whatever it joins, and leaves its bytes as they are.
    return sa.cast(joined, sa.LargeBinary)


def _partition(key: sa.ColumnElement[str], dialect: str) -> sa.ColumnElement[int]:
    """Write the SQL of `partition_of`."""
    if dialect == "postgresql":
        return sa.func.get_byte(sa.func.sha256(sa.func.convert_to(key, "UTF8")), 0) % PARTITIONS
    return sa.func.first_sha256_byte(key) % PARTITIONS


class AnotherSequencer(Exception):
    """Another sequencer was faster; its numbers hold and ours are rolled back."""


def _columns() -> list[sa.Column[object]]:
    return [
        sa.Column("event_id", Text, nullable=False),
        sa.Column("subject", Text, nullable=False),
        sa.Column("key", Text, nullable=False),
        sa.Column("type", Text, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    ]
