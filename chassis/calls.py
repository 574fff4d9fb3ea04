"""A mutation: one transaction around the whole of it, run again when another got in the way.

A retry under the same request id gets the first answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Protocol, TypeVar

import sqlalchemy as sa
from google.protobuf.message import Message

from chassis.calendar import DAY, HOUR
from chassis.call import Call
from chassis.clock import Clock
from chassis.database import Database, Text, Tx, upsert
from chassis.errors import AlreadyExists
from chassis.ids import NewId

# How many answers are dropped in one transaction.
PRUNED = 1000

T = TypeVar("T")
M = TypeVar("M", bound=Message)


class RequestIdReused(AlreadyExists):
    """The request id was used before with other content."""

    reason = "REQUEST_ID_REUSED"


class Repeatable(Protocol):
    """A request that may carry a request id."""

    request_id: str

    def SerializeToString(self, *, deterministic: bool = ...) -> bytes:  # noqa: N802
        """Answer the bytes of the message."""


def requests_table(metadata: sa.MetaData) -> sa.Table:
    """Declare the answers that were given under a request id; `Pruning` drops them after their days."""
    return sa.Table(
        "requests",
        metadata,
        sa.Column("caller", Text, primary_key=True),
        sa.Column("method", Text, primary_key=True),
        sa.Column("request_id", Text, primary_key=True),
        sa.Column("request_hash", sa.LargeBinary, nullable=False),
        sa.Column("response", sa.LargeBinary, nullable=False),
        sa.Column("create_time", sa.BigInteger, nullable=False, index=True),
    )


class Calls:
    """Runs the work of mutating calls.

    `digest` makes what is kept of a request out of its hash; where requests hold personal data it must be a keyed one,
    since a plain hash can be found by trying. An answer is kept as it is, so there it must hold none.
    """

    def __init__(
        self,
        database: Database,
        requests: sa.Table,
        clock: Clock,
        new_id: NewId,
        digest: Callable[[str], bytes] = bytes.fromhex,
    ) -> None:
        self.database = database
        self.requests = requests
        self.clock = clock
        self.new_id = new_id
        self.digest = digest

    def transact(self, work: Callable[[Tx, int, NewId], T]) -> T:
        """Run work whose natural key makes it safe to repeat."""
        return self.database.transact(lambda tx: work(tx, self.clock(), self.new_id))

    def once(self, call: Call, request: Repeatable, answer: type[M], work: Callable[[Tx, int, NewId], M]) -> M:
        """Run work and keep its answer under the caller's request id, so that a retry gets the first answer."""
        if not request.request_id:
            return self.transact(work)
        digest = self.digest(hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest())
        key = {"caller": call.principal.name, "method": type(request).__name__, "request_id": request.request_id}
        table = self.requests
        where = sa.and_(*(table.c[name] == value for name, value in key.items()))

        def first(tx: Tx, now: int, new_id: NewId) -> M:
            # The key goes in first, so that a second caller waits here for the first one's answer.
            row = {**key, "request_hash": digest, "response": b"", "create_time": now}
            if tx.execute(upsert(tx, table).values(row).on_conflict_do_nothing()).rowcount:
                response = work(tx, now, new_id)
                tx.execute(sa.update(table).where(where).values(response=response.SerializeToString()))
                return response
            kept = tx.execute(sa.select(table.c.request_hash, table.c.response).where(where)).one()
            if kept.request_hash != digest:
                raise RequestIdReused(request_id=request.request_id)
            return answer.FromString(kept.response)

        return self.transact(first)


class Pruning:
    """Drops the answers that were kept long enough: by then nobody tries the same call again."""

    def __init__(self, database: Database, requests: sa.Table, clock: Clock, days: int) -> None:
        self.database = database
        self.clock = clock
        self.days = days
        self._again = 0
        key = sa.tuple_(requests.c.caller, requests.c.method, requests.c.request_id)
        old = sa.select(*key.clauses).where(requests.c.create_time < sa.bindparam("end"))
        self._drop = sa.delete(requests).where(key.in_(old.order_by(requests.c.create_time).limit(PRUNED)))

    def step(self) -> int:
        """Drop some, the oldest first; answer how many. When there are no more it looks again an hour later."""
        now = self.clock()
        if now < self._again:
            return 0
        with self.database.write() as tx:
            dropped: int = tx.execute(self._drop, {"end": now - self.days * DAY}).rowcount
        if dropped < PRUNED:
            self._again = now + HOUR
        return dropped
