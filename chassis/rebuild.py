"""Listening on when the owner's log is another one than before, and building anew what its events added up to.

An owner that was restored to an earlier time goes on in another epoch, and tells where its log and the one before part.
What was read behind that place is no more. So a projection, tables that hold what events told and nothing else, is
built anew beside the live one, from position 0 up to there, and takes its place in one transaction; from there on
events take effect as always. What was done because of an event, such as to tell somebody, is not done again: whoever
keeps no projection only goes back to where the logs part.

All of it stands in the database, so that whichever process comes next goes on where the last one ended. While it is
under way one process reads all partitions, the one whose share the first is, for at the switch none may go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
import structlog

from chassis.consumer import ALL, LIMIT, Consumer, Effect, EpochChanged, Feed
from chassis.database import Tx, upsert
from chassis.events import PARTITIONS
from shuke.event.v1 import event_pb2

log = structlog.get_logger("rebuild")

LOOK_SECONDS = 0.25
PAUSE = 0.02
FIRST = min(ALL)


@dataclass(frozen=True, slots=True)
class Projection:
    """Tables that hold what one source's events told and nothing else, each with its twin.

    `effect` does to the twins what the events do to the tables, and nothing beside: it gives nothing and tells nobody.
    """

    twins: Mapping[sa.Table, sa.Table]
    effect: Effect


@dataclass(frozen=True, slots=True)
class Rebuild:
    """A rebuild that is asked for or under way: how many events it has read of how many; no epoch before it begins.

    While events come it reads more than there were when it began; then it is at the end of what there is.
    """

    epoch: str
    done: int
    events: int

    @property
    def left(self) -> int:
        """How many events are still to be read."""
        return self.events - self.done


def parting(read: Mapping[int, int], epoch: str, past: Sequence[event_pb2.PastEpoch]) -> dict[int, int]:
    """Answer up to where, by partition, what was read in an epoch is also in the log of now, whose past is given.

    Of an epoch that is not in this past, such as one that began at another restore, what was before the last restore
    counts as read; a log without a past is a new one.
    """
    ends = {each.epoch: {head.partition: head.position for head in each.heads} for each in past}
    last = {part: max((heads.get(part, 0) for heads in ends.values()), default=0) for part in read}
    common = ends.get(epoch, last)
    return {part: min(position, common.get(part, 0)) for part, position in read.items()}


class Listener:
    """Applies the events of one source, and builds its projection anew where the log has changed or somebody asks."""

    def __init__(self, consumer: Consumer, feed: Feed, projection: Projection | None = None) -> None:
        self.consumer = consumer
        self.feed = feed
        self.projects = projection is not None
        self.twins = projection.twins if projection else {}
        self.database = consumer.database
        # Whether a rebuild was asked for or under way at the last step.
        self.rebuilds = False
        self.table = consumer.cursors.metadata.tables["rebuilds"]
        self._mine = self.table.c.source == consumer.source
        # Written down once: it is looked for before every fetch.
        self._asked = sa.select(self.table).where(self._mine)
        self.beside = Consumer(
            self.database,
            consumer.cursors,
            f"{consumer.source} beside",
            projection.effect if projection else consumer.effect,
            clock=consumer.clock,
            new_id=consumer.new_id,
        )

    # ------------------------------------------------------------------------------------------------------- listening

    def step(self, partitions: Collection[int] = ALL) -> int:
        """Fetch and apply what comes next in some partitions, and carry a rebuild on; answer how many events came."""
        with self.database.read() as tx:
            self.rebuilds = self.find(tx) is not None
        if self.rests(partitions):
            return 0
        try:
            done = self.consumer.poll(self.feed, partitions=ALL if self.rebuilds else partitions)
        except EpochChanged:
            return self._meet()
        if not self.rebuilds:
            return done
        with self.database.read() as tx:
            read, epoch = self.consumer.held(tx)
        return done + self._build(read, epoch)

    def rests(self, partitions: Collection[int]) -> bool:
        """Tell whether whoever reads these partitions leaves them to another process, which rebuilds."""
        return self.rebuilds and FIRST not in partitions

    def catch_up(self, tell: Callable[[int, int], None]) -> None:
        """Wait until all that the owner had recorded is in, and help along; tell how many events are in of how many.

        While the owner's log is another than the one that was read, this waits for the rebuild.
        """
        answer, total = None, 0
        while True:
            with self.database.read() as tx:
                read, epoch = self.consumer.held(tx)
            if answer is None or epoch not in ("", answer.epoch):
                answer = self.feed.read_events(read, 1)
            missing = sum(max(head.position - read[head.partition], 0) for head in answer.heads)
            total = max(total, missing)
            tell(total - missing, total)
            if not missing and epoch in ("", answer.epoch):
                return
            if not self.step():
                time.sleep(PAUSE)

    def _meet(self) -> int:
        """Go over to the epoch of the owner's log: at once where nothing that was read is lost, else by a rebuild."""
        with self.database.read() as tx:
            read, epoch = self.consumer.held(tx)
        answer = self.feed.read_events(read, 1)
        if answer.epoch == epoch:
            return 0
        common = parting(read, epoch, answer.past)
        if self.projects and common != read:
            return self._build(common, answer.epoch)

        def go_over(tx: Tx) -> bool:
            if self.consumer.hold(tx) != (read, epoch):
                return False
            self.consumer.stand(tx, common, answer.epoch)
            self.consumer.parked.clear(tx, common)
            return True

        if self.database.transact(go_over):
            lost = sum(read.values()) - sum(common.values())
            log.warning("owner restored", source=self.consumer.source, epoch=answer.epoch, lost=lost)
        return 1

    # ------------------------------------------------------------------------------------------------------ rebuilding

    def _build(self, target: Mapping[int, int], epoch: str) -> int:
        """Read on beside, up to where the live one stands or is to stand; switch there."""
        if self._begin(target, epoch):
            return 1
        with self.database.read() as tx:
            at, _ = self.beside.held(tx)
        behind = {part: position for part, position in at.items() if position < target[part]}
        done = 0
        if behind:
            answer = self.feed.read_events(behind, LIMIT)
            due = [event for event in answer.events if event.position <= target[event.partition]]
            done = self.beside.deliver(due, answer.epoch)
        with self.database.read() as tx:
            if self.beside.held(tx) != (target, epoch):
                return done
        changed = self.database.transact(lambda tx: self._switch(tx, target, epoch))
        if changed is not None:
            log.info("projection rebuilt", source=self.consumer.source, epoch=epoch, changed=changed)
        return done + 1

    def _begin(self, target: Mapping[int, int], epoch: str) -> bool:
        """Empty the twins for a rebuild in this epoch, unless it has begun; one of another epoch begins anew."""
        events = sum(target.values())

        def work(tx: Tx) -> str | None:
            _, live = self.consumer.held(tx)
            found = self.find(tx)
            if found and found.epoch == epoch:
                return None
            # First the cursors: whoever is still filling the twins for another epoch ends before, or fails.
            self.beside.stand(tx, {}, epoch)
            _take_time(tx)
            self._clear(tx)
            row = {"source": self.consumer.source, "epoch": epoch, "events": events}
            statement = upsert(tx, self.table).values(row)
            tx.execute(statement.on_conflict_do_update(index_elements=["source"], set_=row))
            return live

        with self.database.read() as tx:
            found = self.find(tx)
        if found and found.epoch == epoch:
            return False
        live = self.database.transact(work)
        if live not in (None, epoch):
            log.error("projection stale", source=self.consumer.source, epoch=epoch, events=events)
        return True

    def _switch(self, tx: Tx, target: Mapping[int, int], epoch: str) -> int | None:
        """Put the twins' rows in the place of the live ones, and read on behind them; answer how many rows changed.

        None where another process was faster, or the live one has gone on meanwhile.
        """
        read, live = self.consumer.hold(tx)
        found = self.find(tx)
        if found is None or found.epoch != epoch or (live == epoch and read != target):
            return None
        if self.beside.held(tx, lock=True) != (target, epoch):
            return None
        _take_time(tx)
        changed = sum(_replace(tx, table, twin) for table, twin in self.twins.items())
        self.consumer.parked.clear(tx, dict.fromkeys(range(PARTITIONS), 0))
        self.beside.parked.give(tx, self.consumer.source)
        self.consumer.stand(tx, target, epoch)
        self._clear(tx)
        self._forget(tx)
        return changed

    def _clear(self, tx: Tx) -> None:
        self.beside.parked.clear(tx, dict.fromkeys(range(PARTITIONS), 0))
        for twin in self.twins.values():
            tx.execute(sa.delete(twin))

    def _forget(self, tx: Tx) -> None:
        cursors = self.consumer.cursors
        tx.execute(sa.delete(cursors).where(cursors.c.source == self.beside.source))
        tx.execute(sa.delete(self.table).where(self._mine))

    # --------------------------------------------------------------------------------------------------------- asking

    def find(self, tx: Tx) -> Rebuild | None:
        """Tell of the rebuild that is asked for or under way. By the primary key."""
        row = tx.execute(self._asked).one_or_none()
        if row is None:
            return None
        at, _ = self.beside.held(tx)
        done = sum(at.values())
        return Rebuild(row.epoch, done, max(done, row.events))

    def ask(self, tx: Tx) -> None:
        """Ask for a rebuild, which whoever listens will begin; one that is under way stays as it is."""
        read, _ = self.consumer.held(tx)
        row = {"source": self.consumer.source, "epoch": "", "events": sum(read.values())}
        # With nothing read there is nothing to build.
        if any(read.values()):
            tx.execute(upsert(tx, self.table).values(row).on_conflict_do_nothing())

    def follow(self) -> Iterator[Rebuild]:
        """Tell of the rebuild, whenever it has gone on, until it has ended."""
        told = None
        while True:
            with self.database.read() as tx:
                found = self.find(tx)
            if found is None:
                return
            if found != told:
                yield found
            told = found
            time.sleep(LOOK_SECONDS)


def _take_time(tx: Tx) -> None:
    """Let what concerns all rows take longer than a call may."""
    if tx.dialect.name == "postgresql":
        tx.execute(sa.text("SET LOCAL statement_timeout = 0"))


def _replace(tx: Tx, table: sa.Table, twin: sa.Table) -> int:
    """Give a table its twin's rows, writing only those that differ; answer how many there were."""
    key = table.primary_key.columns
    wrong = sa.select(table).except_(sa.select(twin)).subquery()
    gone = tx.execute(sa.delete(table).where(sa.tuple_(*key).in_(sa.select(*(wrong.c[each.name] for each in key)))))
    missing = sa.select(twin).except_(sa.select(table))
    insert = sa.insert(table).from_select(table.columns.keys(), missing)
    # Without this option SQLAlchemy answers -1 on PostgreSQL, whatever was written.
    return gone.rowcount + tx.execute(insert, execution_options={"preserve_rowcount": True}).rowcount
