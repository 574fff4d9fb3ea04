"""Leases: which process does a piece of background work at present.

They only spread the work. What it does is right without them: cursors and heads move by compare-and-set, and an
operation's runner learns at its next report that it was overtaken.

No process's clock decides. PostgreSQL's own clock, which all replicas share, tells when a lease ends; what a process
believes to hold meanwhile goes by the time that has passed in it. On SQLite one process serves, and that time suffices.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

import sqlalchemy as sa

from chassis.calendar import SECOND
from chassis.clock import Clock
from chassis.database import Database, Text, Tx, upsert
from chassis.errors import Unavailable
from chassis.workers import LEAST_PAUSE, MOST_PAUSE, Worker

# How long the work of a process that was killed lies idle, at most.
LENGTH = 5 * SECOND
# How often a process looks whether others came or went, with whom it shares work.
LOOK = SECOND // 4


# PostgreSQL's own clock, in microseconds.
DATABASE_TIME = sa.cast(sa.extract("epoch", sa.func.clock_timestamp()) * SECOND, sa.BigInteger)


class LeaseLost(Exception):
    """Another process has taken the lease over; what was to be committed under it is rolled back."""


def leases_table(metadata: sa.MetaData) -> sa.Table:
    """Declare the leases: what is leased, to whom, and the instant in microseconds at which others may take it.

    The instant is one of PostgreSQL's clock; on SQLite one of the time that passes in the process.
    """
    return sa.Table(
        "leases",
        metadata,
        sa.Column("name", Text, primary_key=True),
        sa.Column("holder", Text, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
    )


class Leases:
    """The leases of one process, renewed in the background until it stops; `holder` is an id that no other process has.

    `elapsed` tells the microseconds since some instant, whatever the machine's clock is set to. Goes first among a
    service's workers, so that it is the last one to stop.
    """

    def __init__(self, database: Database, table: sa.Table, elapsed: Clock, holder: str) -> None:
        self.database = database
        self.table = table
        self.elapsed = elapsed
        self.holder = holder
        # What this process believes to hold, and until when by the time that passes in it. Threads replace entries
        # without a lock: one that gets lost costs a statement, and one too many is found out where it counts.
        self._held: dict[str, int] = {}
        self._look_at: dict[str, int] = {}
        self._renew_at = 0
        self._renewal = Worker("leases", self.renew)

    def start(self) -> None:
        """Begin to renew. On SQLite one process serves, so that whatever lease is there is of one that has ended."""
        if self.database.sqlite:
            self.database.transact(lambda tx: tx.execute(sa.delete(self.table)))
        self._renewal.start()

    def stop(self) -> None:
        """Give all leases back, so that the next process need not wait for their end."""
        self._renewal.stop()
        # Where the database is gone, the leases run out by themselves.
        with suppress(Unavailable):
            self.database.transact(lambda tx: tx.execute(sa.delete(self.table).where(self._mine())))

    def worker(
        self,
        name: str,
        step: Callable[[], int],
        batch: int = 1,
        rest: float = LEAST_PAUSE,
        most: float = MOST_PAUSE,
    ) -> Worker:
        """Make a worker that steps only while this process holds the lease of its name."""
        return Worker(name, lambda: step() if self.hold(name) else 0, batch, rest, most)

    def sharer(
        self,
        name: str,
        parts: int,
        step: Callable[[frozenset[int]], int],
        batch: int = 1,
        rest: float = LEAST_PAUSE,
    ) -> Worker:
        """Make a worker that steps over this process's share of a piece of work, while it has one."""
        return Worker(name, lambda: step(share) if (share := self.share(name, parts)) else 0, batch, rest)

    def hold(self, name: str) -> bool:
        """Tell whether this process holds a lease, after taking one that is free or has run out."""
        # Taken before the database is asked, so that the belief ends no later than the lease.
        began = self.elapsed()
        if self._held.get(name, began) > began:
            return True
        # Most that ask do not get it, and asking must not cost them a write.
        taken = sa.select(self.table.c.name).where(self.table.c.name == name, sa.not_(self._free()))
        with self.database.read() as tx:
            if tx.scalar(taken):
                return False
        return bool(self._take([name], began))

    def share(self, name: str, parts: int) -> frozenset[int]:
        """Answer which parts of a piece of work, of so many, this process does: an even share among all that ask.

        When one comes or goes, each gives back what is another's share now, and takes its own as that gets free.
        """
        names = [f"{name} {part}" for part in range(parts)]
        began = self.elapsed()
        if self._look_at.get(name, began) <= began:
            self._divide(name, names, began)
            self._look_at[name] = began + LOOK
        return frozenset(part for part, each in enumerate(names) if self._held.get(each, began) > began)

    def _divide(self, name: str, parts: Sequence[str], began: int) -> None:
        """Have a seat among those who share a piece of work, and every so manyth part of it by the order of seats."""
        seat = f"{name} of {self.holder}"
        found = sa.select(self.table.c.name, self.table.c.holder, (self.table.c.until > self._now()).label("lives"))
        with self.database.read() as tx:
            rows = tx.execute(found.where(self.table.c.name.startswith(f"{name} ", autoescape=True))).all()
        held = {row.name for row in rows if row.lives}
        seats = sorted(held.union([seat]).difference(parts))
        ours = {seat, *parts[seats.index(seat) :: len(seats)]}
        # What is another's by now, and what processes have left that died.
        over = {row.name for row in rows if row.holder == self.holder or not row.lives}.difference(ours)
        if over:
            for each in over:
                self._held.pop(each, None)
            end = sa.delete(self.table).where(self.table.c.name.in_(over), self._free())
            self.database.transact(lambda tx: tx.execute(end))
        free = ours.difference(held)
        if free:
            self._take(free, began)

    def _take(self, names: Collection[str], began: int) -> Sequence[str]:
        """Take those of some leases that are free; answer which they were."""
        # In the same order everywhere, so that two processes do not wait for each other in a circle.
        rows = [{"name": each, "holder": self.holder, "until": self._now() + LENGTH} for each in sorted(names)]

        def work(tx: Tx) -> Sequence[str]:
            insert = upsert(tx, self.table).values(rows)
            new = {"holder": insert.excluded.holder, "until": insert.excluded.until}
            taking = insert.on_conflict_do_update(index_elements=["name"], set_=new, where=self._free())
            return tx.scalars(taking.returning(self.table.c.name)).all()

        taken = self.database.transact(work)
        self._held.update(dict.fromkeys(taken, began + LENGTH))
        return taken

    def renew(self) -> int:
        """Renew what is held when a third of the time is over; find out what was lost."""
        began = self.elapsed()
        if began < self._renew_at:
            return 0
        with self.database.write() as tx:
            tx.execute(sa.update(self.table).where(self._mine()).values(until=self._now() + LENGTH))
            names = tx.scalars(sa.select(self.table.c.name).where(self._mine())).all()
        self._held = dict.fromkeys(names, began + LENGTH)
        self._renew_at = began + LENGTH // 3
        return 0

    def keep(self, tx: Tx, name: str) -> None:
        """Renew a lease in a transaction that is to stand only while it is held. Raises `LeaseLost`."""
        renewal = sa.update(self.table).where(self._mine(name)).values(until=self._now() + LENGTH)
        if tx.execute(renewal).rowcount != 1:
            raise LeaseLost(name)

    def give_back(self, tx: Tx, name: str) -> None:
        """End a lease together with the work that was done under it. Raises `LeaseLost`."""
        self._held.pop(name, None)
        if tx.execute(sa.delete(self.table).where(self._mine(name))).rowcount != 1:
            raise LeaseLost(name)

    def _now(self) -> sa.ColumnElement[int]:
        return sa.literal(self.elapsed(), sa.BigInteger) if self.database.sqlite else DATABASE_TIME

    def _free(self) -> sa.ColumnElement[bool]:
        return sa.or_(self.table.c.until <= self._now(), self._mine())

    def _mine(self, name: str | None = None) -> sa.ColumnElement[bool]:
        mine = self.table.c.holder == self.holder
        return mine if name is None else sa.and_(mine, self.table.c.name == name)
