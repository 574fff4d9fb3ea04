"""Long work (AIP-151): started by a call, carried out by a worker, looked at by name.

After a restart the worker takes up what was begun.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
import structlog
from google.longrunning import operations_pb2
from google.protobuf.any_pb2 import Any
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

from chassis.call import Call
from chassis.database import Contention, Database, Text, Tx
from chassis.errors import Aborted, Code, Invalid, NotFound, Refused, Unavailable, Violation
from chassis.ids import NewId
from chassis.leases import LeaseLost, Leases
from chassis.paging import Pager, page_size
from chassis.status import InternalFault, status_of
from chassis.texts import Texts

log = structlog.get_logger("operations")


class OperationNotFound(NotFound):
    """There is no operation of this name."""

    reason = "OPERATION_NOT_FOUND"


class OperationRunning(Aborted):
    """An operation of this kind is running already for the same thing."""

    reason = "OPERATION_RUNNING"


class Cancelled(Exception):
    """Somebody asked for the operation to end; nothing of it took effect."""


def operations_table(metadata: sa.MetaData) -> sa.Table:
    """Declare the operations; at most one unfinished operation per kind and key."""
    table = sa.Table(
        "operations",
        metadata,
        sa.Column("name", Text, primary_key=True),
        sa.Column("kind", Text, nullable=False),
        sa.Column("key", Text, nullable=False),
        sa.Column("request", sa.LargeBinary, nullable=False),
        sa.Column("progress", sa.LargeBinary, nullable=False),
        sa.Column("done", sa.Boolean, nullable=False),
        sa.Column("cancel", sa.Boolean, nullable=False),
        sa.Column("response", sa.LargeBinary),
        sa.Column("error", sa.LargeBinary),
        sa.Column("create_time", sa.BigInteger, nullable=False),
    )
    unfinished = table.c.done.is_(sa.false())
    sa.Index(
        "ix_operations_unfinished",
        table.c.kind,
        table.c.key,
        unique=True,
        sqlite_where=unfinished,
        postgresql_where=unfinished,
    )
    return table


@dataclass(frozen=True, slots=True)
class Running:
    """An operation that a job works on: what was asked for, and how to tell progress.

    A report raises `Cancelled` when the job is to end, and `LeaseLost` when another process has taken it up.
    """

    name: str
    request: bytes
    report: Callable[[Message], None]


Job = Callable[[Running], Message]


class Operations:
    """The operations of one service; implements `google.longrunning.Operations`."""

    def __init__(self, api: str, database: Database, table: sa.Table, pager: Pager) -> None:
        self.api = api
        self.database = database
        self.table = table
        self.pager = pager

    def start(
        self, tx: Tx, kind: str, key: str, request: Message, progress: Message, now: int, new_id: NewId
    ) -> operations_pb2.Operation:
        """Write a new operation; refuse it while another of its kind and key is unfinished."""
        table = self.table
        same = sa.and_(table.c.kind == kind, table.c.key == key, table.c.done.is_(sa.false()))
        running = tx.scalar(sa.select(table.c.name).where(same))
        if running:
            raise OperationRunning(name=running)
        name = f"operations/{self.api}-{new_id()}"
        row = {
            "name": name,
            "kind": kind,
            "key": key,
            "request": request.SerializeToString(),
            "progress": _packed(progress),
            "done": False,
            "cancel": False,
            "create_time": now,
        }
        tx.execute(sa.insert(table).values(row))
        return self._find(tx, name)

    def _find(self, tx: Tx, name: str) -> operations_pb2.Operation:
        row = tx.execute(sa.select(self.table).where(self.table.c.name == name)).one_or_none()
        if row is None:
            raise OperationNotFound(name=name)
        return _operation(row)

    def GetOperation(self, request: operations_pb2.GetOperationRequest, call: Call) -> operations_pb2.Operation:
        """Answer how far an operation has come."""
        with self.database.read() as tx:
            return self._find(tx, request.name)

    def WaitOperation(self, request: operations_pb2.WaitOperationRequest, call: Call) -> operations_pb2.Operation:
        """Answer the operation as it is: a service may answer before the work is done, and threads are few."""
        with self.database.read() as tx:
            return self._find(tx, request.name)

    def ListOperations(
        self, request: operations_pb2.ListOperationsRequest, call: Call
    ) -> operations_pb2.ListOperationsResponse:
        """List the operations, the newest first."""
        if request.page_size < 0:
            # The message is not ours and carries no rules of shape.
            rule = {"field": "page_size", "rule": "int32.gte", "value": "0"}
            raise Invalid([Violation("page_size", "INT32_GTE", rule)])
        size = page_size(request.page_size)
        query = sa.select(self.table).order_by(self.table.c.name.desc()).limit(size + 1)
        cursor = self.pager.cursor(request)
        if cursor:
            query = query.where(self.table.c.name < cursor[0])
        with self.database.read() as tx:
            rows = tx.execute(query).all()
        page, more = self.pager.page(request, rows, size, lambda row: [row.name])
        return operations_pb2.ListOperationsResponse(operations=[_operation(row) for row in page], next_page_token=more)

    def CancelOperation(self, request: operations_pb2.CancelOperationRequest, call: Call) -> Empty:
        """Ask an operation to end; it does so at its next safe point."""

        def work(tx: Tx) -> None:
            self._find(tx, request.name)
            tx.execute(sa.update(self.table).where(self.table.c.name == request.name).values(cancel=True))

        self.database.transact(work)
        return Empty()

    def DeleteOperation(self, request: operations_pb2.DeleteOperationRequest, call: Call) -> Empty:
        """Forget a finished operation; an unfinished one is refused."""

        def work(tx: Tx) -> None:
            if not self._find(tx, request.name).done:
                raise OperationRunning(name=request.name)
            tx.execute(sa.delete(self.table).where(self.table.c.name == request.name))

        self.database.transact(work)
        return Empty()


class Runner:
    """Carries operations out, one at a time, the oldest first that no other process carries out."""

    def __init__(self, operations: Operations, jobs: Mapping[str, Job], texts: Texts, leases: Leases) -> None:
        self.operations = operations
        self.database = operations.database
        self.table = operations.table
        self.jobs = jobs
        self.texts = texts
        self.leases = leases

    def step(self) -> int:
        """Take the oldest free operation to its end; answer how many were ended. By `ix_operations_unfinished`."""
        unfinished = sa.select(self.table.c.name).where(self.table.c.done.is_(sa.false()))
        with self.database.read() as tx:
            names = tx.scalars(unfinished.order_by(self.table.c.name)).all()
        for name in names:
            if self.leases.hold(name):
                return self._carry_out(name)
        return 0

    def _carry_out(self, name: str) -> int:
        # Read under the lease: the process that held it before may have ended the operation since it was listed.
        with self.database.read() as tx:
            row = tx.execute(sa.select(self.table).where(self.table.c.name == name)).one_or_none()
        try:
            if row is None or row.done:
                self.database.transact(lambda tx: self.leases.give_back(tx, name))
            else:
                self._work(row)
        except LeaseLost:
            log.warning("operation was taken up by another process", operation=name)
        return 1

    def _work(self, row: sa.Row[tuple[object, ...]]) -> None:
        try:
            response = self.jobs[row.kind](
                Running(row.name, row.request, lambda progress: self._report(row.name, progress))
            )
        except (Unavailable, Contention, LeaseLost):
            raise
        except Cancelled:
            self._finish(row.name, error=Status(code=Code.CANCELLED.value, message="cancelled"))
        except Refused as refused:
            self._finish(row.name, error=status_of(refused, self.texts, "en"))
        except Exception:
            log.exception("operation failed", operation=row.name)
            self._finish(row.name, error=status_of(InternalFault(request_id=row.name), self.texts, "en"))
        else:
            self._finish(row.name, response=response)

    def _report(self, name: str, progress: Message) -> None:
        mine = self.table.c.name == name
        with self.database.write() as tx:
            self.leases.keep(tx, name)
            tx.execute(sa.update(self.table).where(mine).values(progress=_packed(progress)))
            if tx.scalar(sa.select(self.table.c.cancel).where(mine)):
                raise Cancelled

    def _finish(self, name: str, *, response: Message | None = None, error: Status | None = None) -> None:
        values = {
            "done": True,
            "response": None if response is None else _packed(response),
            "error": None if error is None else error.SerializeToString(),
        }

        def work(tx: Tx) -> None:
            self.leases.give_back(tx, name)
            tx.execute(sa.update(self.table).where(self.table.c.name == name).values(values))

        self.database.transact(work)


def _packed(message: Message) -> bytes:
    wrapped = Any()
    wrapped.Pack(message)
    return wrapped.SerializeToString()


def _operation(row: sa.Row[tuple[object, ...]]) -> operations_pb2.Operation:
    return operations_pb2.Operation(
        name=row.name,
        metadata=Any.FromString(row.progress),
        done=row.done,
        response=None if row.response is None else Any.FromString(row.response),
        error=None if row.error is None else Status.FromString(row.error),
    )
