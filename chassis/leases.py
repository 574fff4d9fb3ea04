"""Leases: which process does a piece of background work at present.

They only spread the work. What it does is right without them: cursors and heads move by compare-and-set, and an
operation's runner learns at its next report that it was overtaken.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import sqlalchemy as sa

from chassis.calendar import SECOND
from chassis.clock import Clock
from chassis.consumer import LIMIT, REST
from chassis.database import Database, Text, Tx, upsert
from chassis.errors import Unavailable
from chassis.workers import LEAST_PAUSE, Worker

# How long the work of a process that was killed lies idle, at most. Replicas whose clocks lie further apart than this
# take each other's leases; issue 6 asks PostgreSQL for the time instead.
LENGTH = 5 * SECOND


class LeaseLost(Exception):
    """Another process has taken the lease over; what was to be committed under it is rolled back."""


def leases_table(metadata: sa.MetaData) -> sa.Table:
    """Declare the leases: what is leased, to whom, and the instant at which others may take it."""
    return sa.Table(
        "leases",
        metadata,
        sa.Column("name", Text, primary_key=True),
        sa.Column("holder", Text, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
    )


class Leases:
    """The leases of one process, renewed in the background until it stops; `holder` is an id that no other process has.

    Goes first among a service's workers, so that it is the last one to stop.
    """

    def __init__(self, database: Database, table: sa.Table, clock: Clock, holder: str) -> None:
        self.database = database
        self.table = table
        self.clock = clock
        self.holder = holder
        # What this process believes to hold, and until when. Threads replace entries without a lock: one that gets
        # lost costs a statement, and one too many is found out where it counts.
        self._held: dict[str, int] = {}
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

    def worker(self, name: str, step: Callable[[], int], batch: int = 1, rest: float = LEAST_PAUSE) -> Worker:
        """Make a worker that steps only while this process holds the lease of its name."""
        return Worker(name, lambda: step() if self.hold(name) else 0, batch, rest)

    def listener(self, name: str, poll: Callable[[], int]) -> Worker:
        """Make a worker that polls another service's feed, which costs both the same for one event as for many."""
        return self.worker(name, poll, LIMIT, REST)

    def hold(self, name: str) -> bool:
        """Tell whether this process holds a lease, after taking one that is free or has run out."""
        now = self.clock()
        if self._held.get(name, 0) > now:
            return True
        free = sa.or_(self.table.c.until <= now, self._mine())
        # Most that ask do not get it, and asking must not cost them a write.
        taken = sa.select(self.table.c.name).where(self.table.c.name == name, sa.not_(free))
        with self.database.read() as tx:
            if tx.scalar(taken):
                return False
        until = now + LENGTH
        with self.database.write() as tx:
            row = {"name": name, "holder": self.holder, "until": until}
            insert = upsert(tx, self.table).values(row)
            taking = insert.on_conflict_do_update(index_elements=["name"], set_=row, where=free)
            if tx.execute(taking).rowcount != 1:
                return False
        self._held[name] = until
        return True

    def renew(self) -> int:
        """Renew what is held when a third of the time is over; find out what was lost."""
        now = self.clock()
        if now < self._renew_at:
            return 0
        until = now + LENGTH
        with self.database.write() as tx:
            tx.execute(sa.update(self.table).where(self._mine()).values(until=until))
            names = tx.scalars(sa.select(self.table.c.name).where(self._mine())).all()
        self._held = dict.fromkeys(names, until)
        self._renew_at = now + LENGTH // 3
        return 0

    def keep(self, tx: Tx, name: str) -> None:
        """Renew a lease in a transaction that is to stand only while it is held. Raises `LeaseLost`."""
        renewal = sa.update(self.table).where(self._mine(name)).values(until=self.clock() + LENGTH)
        if tx.execute(renewal).rowcount != 1:
            raise LeaseLost(name)

    def give_back(self, tx: Tx, name: str) -> None:
        """End a lease together with the work that was done under it. Raises `LeaseLost`."""
        self._held.pop(name, None)
        if tx.execute(sa.delete(self.table).where(self._mine(name))).rowcount != 1:
            raise LeaseLost(name)

    def _mine(self, name: str | None = None) -> sa.ColumnElement[bool]:
        mine = self.table.c.holder == self.holder
        return mine if name is None else sa.and_(mine, self.table.c.name == name)
