"""Reading another service's events: the position is the cursor, and it moves in the effect's own transaction.

An event whose effect fails parks its subject, so that the others go on: see `chassis.parked`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Protocol

import sqlalchemy as sa
import structlog

from chassis.clock import Clock
from chassis.database import Database, Duplicate, Text, Tx, upsert
from chassis.errors import DeadlinePassed, Overloaded, Unavailable
from chassis.events import PARTITIONS
from chassis.ids import NewId
from chassis.parked import ParkedEvents, parked_table
from shuke.event.v1 import event_pb2

log = structlog.get_logger("consumer")

# How often the effect of an event may fail before its subject is parked.
TRIES = 3
# How many events are fetched at once, and the seconds between two fetches that left none behind.
LIMIT = 500
REST = 0.1
ALL = frozenset(range(PARTITIONS))

Effect = Callable[[Tx, Sequence[event_pb2.Event], int, NewId], None]


class Feed(Protocol):
    """Another service's event feed."""

    def read_events(self, cursors: Mapping[int, int], limit: int) -> event_pb2.ReadEventsResponse:
        """Read events behind cursors."""


class AnotherConsumer(Exception):
    """Another consumer moved a cursor first; the effect is rolled back, for it has taken place already."""


class EpochChanged(Exception):
    """The owner's log is not the one that was read so far; see `chassis.rebuild`."""


class LogCut(Exception):
    """The owner's log ends before what was read of it, in the same epoch: it was restored and nobody told it so."""


# What passes, or concerns the whole log: never the fault of one event.
NO_FAULT = (Unavailable, DeadlinePassed, Overloaded, TimeoutError, EpochChanged)


def cursors_table(metadata: sa.MetaData) -> sa.Table:
    """Declare the cursors: per source and partition the last position that was dealt with.

    Beside them the parked events, and the rebuilds that are asked for or under way: of which source, in which epoch
    (empty before it begins), and how many events it is to read.
    """
    parked_table(metadata)
    sa.Table(
        "rebuilds",
        metadata,
        sa.Column("source", Text, primary_key=True),
        sa.Column("epoch", Text, nullable=False),
        sa.Column("events", sa.BigInteger, nullable=False),
    )
    return sa.Table(
        "cursors",
        metadata,
        sa.Column("source", Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("epoch", Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
    )


class Consumer:
    """Applies the events of one source, each exactly once, whatever crashes and however often they are delivered.

    `cursors` was declared by `cursors_table`, which declares the parked events beside it.
    """

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
        self.parked = ParkedEvents(cursors.metadata.tables["parked_events"], source)
        self.source = source
        self.effect = effect
        self.clock = clock
        self.new_id = new_id
        # When events were last fetched, and where the source's log ended then: for whoever asks how far behind this is.
        self.fetched = 0
        self.heads: dict[int, int] = {}
        # Written down once: building an expression takes longer than running it.
        mine = cursors.c.source == source
        self._mine = sa.select(cursors).where(mine)
        self._lock = self._mine.order_by(cursors.c.partition).with_for_update()
        self._move = (
            sa.update(cursors)
            .where(
                mine,
                cursors.c.partition == sa.bindparam("of"),
                cursors.c.epoch == sa.bindparam("in_epoch"),
                cursors.c.position == sa.bindparam("old"),
            )
            .values(position=sa.bindparam("new"))
        )

    def poll(self, feed: Feed, limit: int = LIMIT, partitions: Collection[int] = ALL) -> int:
        """Fetch what comes next in some partitions and apply it; answer how many events were dealt with."""
        with self.database.read() as tx:
            positions, epoch = self.held(tx)
        answer = feed.read_events({part: positions[part] for part in partitions}, limit)
        # An owner that was restored has another epoch to tell long before it has further events.
        self._same(epoch, answer.epoch)
        self.heads = {head.partition: head.position for head in answer.heads}
        if any(position < positions[partition] for partition, position in self.heads.items()):
            raise LogCut(f"{self.source} was restored: run `restored` there, and start it again")
        self.fetched = self.clock()
        return self.deliver(answer.events, answer.epoch)

    def deliver(self, events: Sequence[event_pb2.Event], epoch: str) -> int:
        """Apply delivered events: what is in already is skipped, what lies beyond a gap is left for the next fetch.

        Answers how many were dealt with: they took effect, or are parked.
        """
        if not events:
            return 0
        return self._take(sorted(events, key=lambda event: (event.partition, event.position)), epoch)

    def _take(self, events: Sequence[event_pb2.Event], epoch: str) -> int:
        """Apply events; where their effect fails, find the one at fault by halving, and park its subject."""
        for _ in range(TRIES if len(events) == 1 else 1):
            try:
                return self.database.transact(lambda tx: self._apply(tx, events, epoch))
            except AnotherConsumer:
                return 0
            except Exception as error:
                if not _at_fault(error):
                    raise
                problem = error
        if len(events) > 1:
            half = len(events) // 2
            return self._take(events[:half], epoch) + self._take(events[half:], epoch)
        return self._park(events[0], epoch, problem)

    def _apply(self, tx: Tx, events: Sequence[event_pb2.Event], epoch: str) -> int:
        due = self._pass(tx, events, epoch)
        if not due:
            return 0
        held = self.parked.held(tx, (event.partition_key for event in due))
        now = self.clock()
        if held:
            self.parked.add(tx, [event for event in due if event.partition_key in held], now)
        free = [event for event in due if event.partition_key not in held]
        if free:
            self.effect(tx, free, now, self.new_id)
        return len(due)

    def _park(self, event: event_pb2.Event, epoch: str, problem: Exception) -> int:
        name = _name(problem)

        def work(tx: Tx) -> int:
            if not self._pass(tx, [event], epoch):
                return 0
            self.parked.add(tx, [event], self.clock(), name, TRIES)
            return self.parked.count(tx)

        try:
            parked = self.database.transact(work)
        except AnotherConsumer:
            return 0
        if parked == 0:
            return 0
        log.error(
            "subject parked",
            source=self.source,
            subject=event.partition_key,
            partition=event.partition,
            position=event.position,
            problem=name,
            parked=parked,
            exc_info=problem,
        )
        return 1

    def _pass(self, tx: Tx, events: Sequence[event_pb2.Event], epoch: str) -> list[event_pb2.Event]:
        """Move the cursors over the events that are due, and answer these."""
        before = self.positions(tx, epoch)
        after = dict(before)
        due = []
        for event in events:
            if event.position == after[event.partition] + 1:
                after[event.partition] = event.position
                due.append(event)
        for partition, position in after.items():
            if position != before[partition]:
                self._advance(tx, partition, before[partition], position, epoch)
        return due

    def replay(self, subject: str) -> tuple[int, str]:
        """Apply a subject's parked events in order, each in a transaction of its own, up to the first that fails.

        Answers how many took effect, and what kind of problem the one that failed had, or nothing.
        """
        done = 0
        try:
            while self.database.transact(partial(self._replay_first, subject=subject)):
                done += 1
        except Exception as error:
            if not _at_fault(error):
                raise
            log.exception("parked event failed again", source=self.source, subject=subject)
            problem = _name(error)
            self.database.transact(partial(self._note_failure, subject=subject, problem=problem))
            return done, problem
        return done, ""

    def _replay_first(self, tx: Tx, subject: str) -> bool:
        # A consumer moves a cursor before it looks whether a subject is parked. Holding the cursors keeps it from
        # queueing an event up behind the last one that leaves here.
        mine = sa.select(self.cursors).where(self.cursors.c.source == self.source)
        tx.execute(mine.order_by(self.cursors.c.partition).with_for_update())
        event = self.parked.first(tx, subject)
        if event is None:
            return False
        self.effect(tx, [event], self.clock(), self.new_id)
        self.parked.remove(tx, event)
        return True

    def _note_failure(self, tx: Tx, subject: str, problem: str) -> None:
        event = self.parked.first(tx, subject)
        if event is not None:
            self.parked.note(tx, event, problem)

    def lag(self, tx: Tx) -> int:
        """Count the events between the cursors and the heads of the last fetch, which others may have passed since."""
        positions, _ = self.held(tx)
        return sum(max(0, head - positions[partition]) for partition, head in self.heads.items())

    def positions(self, tx: Tx, epoch: str | None = None) -> dict[int, int]:
        """Answer the cursor of every partition; refuse another epoch than the one read so far."""
        positions, held = self.held(tx)
        if epoch is not None:
            self._same(held, epoch)
        return positions

    def held(self, tx: Tx, *, lock: bool = False) -> tuple[dict[int, int], str]:
        """Answer the cursor of every partition, and the epoch of the log that was read; empty before the first event.

        Locked, they stay where they are until the transaction ends.
        """
        rows = tx.execute(self._lock if lock else self._mine).all()
        found = dict.fromkeys(range(PARTITIONS), 0) | {row.partition: row.position for row in rows}
        return found, rows[0].epoch if rows else ""

    def hold(self, tx: Tx) -> tuple[dict[int, int], str]:
        """Answer the same, and let nobody begin a partition either until the transaction ends."""
        _, epoch = self.held(tx)
        if epoch:
            # One that another consumer is just beginning makes this wait, and is seen by the next statement.
            tx.execute(upsert(tx, self.cursors).on_conflict_do_nothing(), self._rows({}, epoch))
        return self.held(tx, lock=True)

    def stand(self, tx: Tx, positions: Mapping[int, int], epoch: str) -> None:
        """Put the cursors where the log of an epoch is to be read on from; who moves them in another epoch fails."""
        statement = upsert(tx, self.cursors)
        new = {"epoch": statement.excluded.epoch, "position": statement.excluded.position}
        rows = self._rows(positions, epoch)
        tx.execute(statement.on_conflict_do_update(index_elements=["source", "partition"], set_=new), rows)

    def _rows(self, positions: Mapping[int, int], epoch: str) -> list[dict[str, object]]:
        return [
            {"source": self.source, "partition": part, "epoch": epoch, "position": positions.get(part, 0)}
            for part in range(PARTITIONS)
        ]

    def _same(self, held: str, epoch: str) -> None:
        if held not in ("", epoch):
            raise EpochChanged(f"{self.source}: {held} became {epoch}")

    def _advance(self, tx: Tx, partition: int, old: int, new: int, epoch: str) -> None:
        if old == 0:
            first = {"source": self.source, "partition": partition, "epoch": epoch, "position": 0}
            tx.execute(upsert(tx, self.cursors).on_conflict_do_nothing(), [first])
        if tx.execute(self._move, {"of": partition, "in_epoch": epoch, "old": old, "new": new}).rowcount != 1:
            raise AnotherConsumer


def _at_fault(error: Exception) -> bool:
    """Tell whether an effect itself has failed, and nothing that passes or concerns the whole log."""
    return _blocked(error) or not isinstance(error, NO_FAULT)


def _blocked(error: Exception) -> bool:
    # A key that stays taken through all tries of the transaction will not become free.
    return isinstance(error.__cause__, Duplicate)


def _name(error: Exception) -> str:
    return Duplicate.__name__ if _blocked(error) else type(error).__name__
