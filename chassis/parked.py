"""Parked events: one whose effect fails waits here, and the later ones of its subject queue up behind it.

The subject is the name that orders events: the customer's, else the record's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from chassis.among import Among
from chassis.database import Text, Tx
from shuke.event.v1 import event_pb2


@dataclass(frozen=True, slots=True)
class Parked:
    """A parked subject: the place of its first event and why that one failed, and how many events wait.

    `park_time` is the instant, in microseconds, at which the first of them was parked; `problem` names an exception.
    """

    source: str
    subject: str
    partition: int
    position: int
    events: int
    problem: str
    tries: int
    park_time: int


def parked_table(metadata: sa.MetaData) -> sa.Table:
    """Declare the parked events; those that only queue up have no problem and no tries of their own."""
    return sa.Table(
        "parked_events",
        metadata,
        sa.Column("source", Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("subject", Text, nullable=False),
        sa.Column("event", sa.LargeBinary, nullable=False),
        sa.Column("problem", Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("park_time", sa.BigInteger, nullable=False),
        sa.Index("ix_parked_events_subject", "source", "subject", "position"),
    )


class ParkedEvents:
    """The parked events of one source."""

    def __init__(self, table: sa.Table, source: str) -> None:
        self.table = table
        self.source = source
        subjects = Among("subjects", table.c.subject)
        self._held = sa.select(table.c.subject).distinct().where(table.c.source == source, subjects)

    def held(self, tx: Tx, subjects: Iterable[str]) -> set[str]:
        """Tell which of the subjects are parked. By `ix_parked_events_subject`."""
        return set(tx.scalars(self._held, {"subjects": sorted(set(subjects))}))

    def add(self, tx: Tx, events: Sequence[event_pb2.Event], now: int, problem: str = "", tries: int = 0) -> None:
        """Park events, or queue them up behind parked ones."""
        rows = [
            {
                "source": self.source,
                "partition": event.partition,
                "position": event.position,
                "subject": event.partition_key,
                "event": event.SerializeToString(),
                "problem": problem,
                "tries": tries,
                "park_time": now,
            }
            for event in events
        ]
        tx.execute(sa.insert(self.table), rows)

    def first(self, tx: Tx, subject: str) -> event_pb2.Event | None:
        """Find the first event of a subject. By `ix_parked_events_subject`."""
        mine = sa.and_(self.table.c.source == self.source, self.table.c.subject == subject)
        query = sa.select(self.table.c.event).where(mine).order_by(self.table.c.position).limit(1)
        found = tx.scalar(query)
        return None if found is None else event_pb2.Event.FromString(found)

    def remove(self, tx: Tx, event: event_pb2.Event) -> None:
        """Take an event out. By the primary key."""
        tx.execute(sa.delete(self.table).where(self._is(event)))

    def note(self, tx: Tx, event: event_pb2.Event, problem: str) -> None:
        """Write down that an event failed once more. By the primary key."""
        again = {"problem": problem, "tries": self.table.c.tries + 1}
        tx.execute(sa.update(self.table).where(self._is(event)).values(again))

    def count(self, tx: Tx) -> int:
        """Count the events that wait. By the primary key's first column."""
        found: int = tx.execute(
            sa.select(sa.func.count()).select_from(self.table).where(self.table.c.source == self.source)
        ).scalar_one()
        return found

    def subjects(self, tx: Tx) -> int:
        """Count the parked subjects. By `ix_parked_events_subject`."""
        parked = sa.func.count(self.table.c.subject.distinct())
        return tx.execute(sa.select(parked).where(self.table.c.source == self.source)).scalar_one()

    def list(self, tx: Tx) -> list[Parked]:
        """List the parked subjects, the longest parked first. By the primary key's first column."""
        c = self.table.c
        query = (
            sa.select(
                c.subject,
                c.partition,
                sa.func.min(c.position).label("position"),
                sa.func.count().label("events"),
                # Only the first one of a subject has a problem and tries.
                sa.func.max(c.problem).label("problem"),
                sa.func.max(c.tries).label("tries"),
                sa.func.min(c.park_time).label("park_time"),
            )
            .where(c.source == self.source)
            .group_by(c.subject, c.partition)
            .order_by(sa.func.min(c.park_time), c.subject)
        )
        return [Parked(self.source, **row) for row in tx.execute(query).mappings()]

    def clear(self, tx: Tx, behind: Mapping[int, int]) -> None:
        """Take out all events behind positions, by partition. By the primary key."""
        c = self.table.c
        for partition, position in behind.items():
            gone = sa.and_(c.source == self.source, c.partition == partition, c.position > position)
            tx.execute(sa.delete(self.table).where(gone))

    def give(self, tx: Tx, source: str) -> None:
        """Let another source have all events. By the primary key's first column."""
        mine = self.table.c.source == self.source
        tx.execute(sa.update(self.table).where(mine).values(source=source))

    def _is(self, event: event_pb2.Event) -> sa.ColumnElement[bool]:
        c = self.table.c
        return sa.and_(c.source == self.source, c.partition == event.partition, c.position == event.position)
