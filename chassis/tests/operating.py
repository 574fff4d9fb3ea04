"""Operations of a small service for tests: how they are started, looked at and carried out."""

from __future__ import annotations

import sqlalchemy as sa
from google.longrunning import operations_pb2 as pb
from google.protobuf.message import Message
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from chassis.database import Database, Tx, metadata
from chassis.ids import uuid7
from chassis.leases import Leases, leases_table
from chassis.operations import (
    Job,
    Operations,
    Runner,
    operations_table,
)
from chassis.tests.serving import call_of
from chassis.texts import Texts
from tests.running import Clock

TABLES = metadata()
TABLE = operations_table(TABLES)
LEASES = leases_table(TABLES)
TEXTS = Texts("tiny")
CALL = call_of()


def start(operations: Operations, key: str = "loyalty", kind: str = "count", clock: Clock | None = None) -> str:
    """Start an operation; answer its name."""
    time = clock or Clock()

    def work(tx: Tx) -> str:
        return operations.start(tx, kind, key, Date(year=2011), Money(units=0), time(), uuid7(time)).name

    return operations.database.transact(work)


def get(operations: Operations, name: str) -> pb.Operation:
    """Look at an operation."""
    return operations.GetOperation(pb.GetOperationRequest(name=name), CALL)


def runner(operations: Operations, job: Job, process: str = "one", clock: Clock | None = None) -> Runner:
    """Make what carries operations out in a process."""
    leases = Leases(operations.database, LEASES, clock or Clock(), process)
    return Runner(operations, {"count": job}, TEXTS, leases)


def pass_time(database: Database, table: sa.Table, clock: Clock, time: int) -> None:
    """Let time pass for processes and their leases; PostgreSQL's own clock stands, so that they end so much sooner."""
    clock.now += time
    if not database.sqlite:
        database.transact(lambda tx: tx.execute(sa.update(table).values(until=table.c.until - time)))


def unpacked(packed: Message, kind: type[Message]) -> Message:
    """Read a message out of an operation."""
    found = kind()
    assert packed.Unpack(found)  # type: ignore[attr-defined]
    return found
