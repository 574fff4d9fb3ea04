"""Who read whose personal data, by which method, why and when: written down before the answer leaves.

Calls that end at about the same time share one transaction. When it cannot be written, none of them answers.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields

import sqlalchemy as sa
import structlog

from chassis.call import Call
from chassis.clock import Clock
from chassis.database import Database, Text, Tx
from chassis.errors import Unavailable
from chassis.gathering import Gathering
from chassis.ids import NewId
from chassis.rows import insert_rows

log = structlog.get_logger("access")

UNSTATED = "UNSTATED"


@dataclass(frozen=True, slots=True)
class Access:
    """One call that read personal data; the time is in microseconds UTC, the purpose a short code."""

    id: str
    time: int
    caller: str
    staff: str
    method: str
    purpose: str
    request_id: str


NAMES = tuple(field.name for field in fields(Access))

# An access, and the names of those whose data were read.
Read = tuple[Access, Collection[str]]


class AccessLog:
    """The accesses of one service, and under each subject's name those that concern it; rows are only ever added."""

    def __init__(self, metadata: sa.MetaData) -> None:
        self.accesses = sa.Table(
            "accesses",
            metadata,
            sa.Column("id", Text, primary_key=True),
            sa.Column("time", sa.BigInteger, nullable=False),
            sa.Column("caller", Text, nullable=False),
            sa.Column("staff", Text, nullable=False),
            sa.Column("method", Text, nullable=False),
            sa.Column("purpose", Text, nullable=False),
            sa.Column("request_id", Text, nullable=False),
        )
        self.subjects = sa.Table(
            "access_subjects",
            metadata,
            sa.Column("subject", Text, primary_key=True),
            sa.Column("access_id", Text, primary_key=True),
        )

    def add(self, tx: Tx, reads: Sequence[Read]) -> None:
        """Write accesses, each with the names of its subjects."""
        insert_rows(tx, self.accesses, [{name: getattr(access, name) for name in NAMES} for access, _ in reads])
        pairs = [{"subject": subject, "access_id": access.id} for access, subjects in reads for subject in subjects]
        insert_rows(tx, self.subjects, pairs)

    def of(self, tx: Tx, subject: str, *, limit: int, before: str | None = None) -> list[Access]:
        """List the accesses to a subject, the newest first, from below an id on. By the primary keys of both tables."""
        mine = self.subjects.c
        query = sa.select(self.accesses).join(self.subjects, mine.access_id == self.accesses.c.id)
        query = query.where(mine.subject == subject)
        if before is not None:
            query = query.where(mine.access_id < before)
        return [Access(**row) for row in tx.execute(query.order_by(mine.access_id.desc()).limit(limit)).mappings()]


class Recorder:
    """Writes the accesses of calls down, together where they come together."""

    def __init__(self, log: AccessLog, database: Database, clock: Clock, new_id: NewId) -> None:
        self.log = log
        self.database = database
        self.clock = clock
        self.new_id = new_id
        self._gathering = Gathering(self._write)

    def record(self, call: Call) -> None:
        """Write down what a call read, unless that is done; return once it is committed.

        Raises `Unavailable` when it cannot be.
        """
        if call.unrecorded:
            self._gathering.run(call, call)

    def record_all(self, calls: Sequence[Call]) -> None:
        """Write down what calls read whose work is shared, so that none of them waits once more; as `record` does."""
        reads = [(self._access(call), names) for call in calls if (names := call.unrecorded)]
        if not reads:
            return
        try:
            self.database.transact(lambda tx: self.log.add(tx, reads))
        except Exception as error:
            # Whatever it was, nobody may read without a record.
            log.warning("accesses are not written", count=len(reads), problem=type(error).__name__)
            raise Unavailable from error
        for call in calls:
            call.recorded = call.recorded | call.unrecorded

    def _write(self, calls: Sequence[Call]) -> Sequence[None]:
        self.record_all(calls)
        return [None] * len(calls)

    def _access(self, call: Call) -> Access:
        principal = call.principal
        return Access(
            id=self.new_id(),
            time=self.clock(),
            caller=principal.name,
            staff=principal.operator or principal.staff,
            method=call.method.full_name,
            purpose=call.purpose or UNSTATED,
            request_id=call.request_id,
        )
