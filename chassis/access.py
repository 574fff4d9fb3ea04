"""Who read whose personal data, by which method, why and when: written down before the answer leaves.

Calls that end at about the same time share one transaction: the first of them waits a moment for others and writes for
all that came, and the others wait for that. When it cannot be written, none of them answers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

import sqlalchemy as sa
import structlog

from chassis.call import Call
from chassis.clock import Clock
from chassis.database import Database, Text, Tx
from chassis.errors import Unavailable
from chassis.ids import NewId

log = structlog.get_logger("access")

# How long a call that writes waits for others to write with.
GATHER_SECONDS = 0.002
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

        # Written down once: every read of personal data runs them.
        self._write_accesses, self._write_subjects = sa.insert(self.accesses), sa.insert(self.subjects)

    def add(self, tx: Tx, reads: Sequence[tuple[Access, Collection[str]]]) -> None:
        """Write accesses, each with the names of its subjects."""
        tx.execute(self._write_accesses, [asdict(access) for access, _ in reads])
        pairs = [{"subject": subject, "access_id": access.id} for access, subjects in reads for subject in subjects]
        tx.execute(self._write_subjects, pairs)

    def of(self, tx: Tx, subject: str, *, limit: int, before: str | None = None) -> list[Access]:
        """List the accesses to a subject, the newest first, from below an id on. By the primary keys of both tables."""
        mine = self.subjects.c
        query = sa.select(self.accesses).join(self.subjects, mine.access_id == self.accesses.c.id)
        query = query.where(mine.subject == subject)
        if before is not None:
            query = query.where(mine.access_id < before)
        return [Access(**row) for row in tx.execute(query.order_by(mine.access_id.desc()).limit(limit)).mappings()]


@dataclass(slots=True)
class _Waiting:
    """An access that is to be written, and what became of that."""

    access: Access
    subjects: Collection[str]
    done: bool = False
    failure: Exception | None = None


class Recorder:
    """Writes the accesses of calls down, together where they come together."""

    def __init__(self, log: AccessLog, database: Database, clock: Clock, new_id: NewId) -> None:
        self.log = log
        self.database = database
        self.clock = clock
        self.new_id = new_id
        self._waiting: list[_Waiting] = []
        self._adding = threading.Lock()
        self._writing = threading.Lock()

    def record(self, call: Call) -> None:
        """Write down what a call read; return once it is committed, raise `Unavailable` when it cannot be."""
        if not call.subjects:
            return
        mine = _Waiting(self._access(call), call.subjects)
        with self._adding:
            self._waiting.append(mine)
        with self._writing:
            # Whoever held the lock before may have written for this call too.
            if not mine.done:
                self._write()
        if mine.failure is not None:
            raise Unavailable from mine.failure

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

    def _write(self) -> None:
        time.sleep(GATHER_SECONDS)
        with self._adding:
            batch, self._waiting = self._waiting, []
        reads = [(waiting.access, waiting.subjects) for waiting in batch]
        failure = None
        try:
            self.database.transact(lambda tx: self.log.add(tx, reads))
        except Exception as error:  # noqa: BLE001  (whatever it was, nobody may read without a record)
            log.warning("accesses are not written", count=len(batch), problem=type(error).__name__)
            failure = error
        for waiting in batch:
            waiting.done, waiting.failure = True, failure
