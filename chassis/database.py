"""One service's database: SQLite or PostgreSQL, one writer's way and one reader's way.

Writers of a SQLite process pass one lock and then BEGIN IMMEDIATE; readers run in AUTOCOMMIT on connections of their
own, so that a read costs no transaction. On both engines a driver's error leaves here as one of ours.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection, Engine, make_url

from chassis.errors import Unavailable
from chassis.presence import Presence, connect_unless

log = structlog.get_logger("database")

Tx = Connection
T = TypeVar("T")

SERIALIZATION_STATES = {"40001", "40P01", "55P03"}
UNIQUE_VIOLATION = "23505"
DISK_FULL = "53100"
# PostgreSQL quotes the value in the messages of this class.
DATA_EXCEPTIONS = "22"
TRIES = 8
FIRST_PAUSE = 0.005
# How long a ping waits for an answer, in seconds: an idle server gives it in less than one thousandth.
PATIENCE = 2
# What is written, and taken back, to see whether there is room again.
ROOM_BYTES = 2**20
# A batch of a thousand sales changes some 1,200 pages of SQLite's, of 4 KiB each. Those that its writer cannot hold are
# written before the commit, read again and written again; those that many batches change need not go into the file
# after each.
WRITER_CACHE_KIB = 16 * 1024
CHECKPOINT_PAGES = 4000

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Contention(Exception):
    """Another transaction got in the way; the work may simply be run again."""


class Duplicate(Contention):
    """A row of this key is there already, most often because another transaction was faster."""


class DatabaseFault(Exception):
    """The database refuses a statement, which is a fault of ours."""


class Occupied(Exception):
    """Another process serves the same SQLite database."""


class Text(sa.types.TypeDecorator[str]):
    """Text that sorts by code point on both engines, so that pages come in the same order."""

    impl = sa.Text
    cache_ok = True
    # Asked for with every list of values that a statement is run with; SQLAlchemy remembers what it made of these.
    _by_code_point = sa.Text(collation="C")
    _plain = sa.Text()

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Choose the collation of the engine."""
        return self._by_code_point if dialect.name == "postgresql" else self._plain


def upsert(tx: Tx, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """Begin an INSERT that may say ON CONFLICT, in the engine's own words, and that counts the rows it wrote."""
    return upsert_into(table, tx.dialect.name)


def upsert_into(table: sa.Table, dialect: str) -> postgresql.Insert | sqlite.Insert:
    """Begin the same for an engine by name, for a statement that is kept."""
    insert = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    # Without this option SQLAlchemy answers -1 on PostgreSQL, whatever was written.
    return insert.execution_options(preserve_rowcount=True)


def hold(tx: Tx, names: Iterable[str]) -> None:
    """Let whoever names the same wait until this transaction ends, for a rule about rows that do not exist yet.

    On SQLite every writer waits for the one before anyway.
    """
    if tx.dialect.name == "postgresql":
        numbers = {int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True) for name in names}
        # Always in the same order, so that two transactions do not wait for each other in a circle.
        for number in sorted(numbers):
            tx.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


def twin(table: sa.Table) -> sa.Table:
    """Declare a table of the same columns, to be filled beside one that is in use."""
    columns = (
        sa.Column(each.name, each.type, primary_key=each.primary_key, nullable=each.nullable, index=each.index)
        for each in table.columns
    )
    return sa.Table(f"{table.name}_beside", table.metadata, *columns)


def metadata() -> sa.MetaData:
    """Make the metadata of one service's tables, with the same names of constraints on both engines."""
    return sa.MetaData(naming_convention=NAMING)


class Database:
    """The engines of one service's database."""

    def __init__(
        self, url: str, *, pool_size: int = 16, statement_seconds: float = 30.0, lock_seconds: float = 3.0
    ) -> None:
        self.url = _driver_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.presence = Presence()
        self._patient_until = 0.0
        if self.sqlite:
            self.writer, self.reader = _sqlite_engines(self.url, pool_size)
            waiting: dict[str, Any] = {"check_same_thread": False}
        else:
            self.writer, self.reader = _postgres_engines(self.url, pool_size, statement_seconds, lock_seconds)
            waiting = {"connect_timeout": PATIENCE}
        # The pool itself asks whether its one connection still stands, and makes another where it does not.
        self._pinger = sa.create_engine(self.url, connect_args=waiting, pool_size=1, pool_pre_ping=True)
        if not self.sqlite:
            connect_unless(self._pinger, lambda: time.monotonic() > self._patient_until)
            for engine in (self.writer, self.reader):
                connect_unless(engine, lambda: self.presence.away)
        self._one_writer = threading.Lock() if self.sqlite else nullcontext()
        self._occupied: IO[bytes] | None = None

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """Open a transaction that is committed at the end, or rolled back when the body raises."""
        self.presence.require()
        with self._our_errors(), self._one_writer, self.writer.begin() as tx:
            yield tx

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """Lend a connection in AUTOCOMMIT: each statement sees what is committed when it starts."""
        self.presence.require()
        with self._our_errors(), self.reader.connect() as connection:
            yield connection

    def transact(self, work: Callable[[Tx], T]) -> T:
        """Run work in a transaction, and run it again when another one got in the way."""
        pause = FIRST_PAUSE
        for _ in range(TRIES - 1):
            try:
                with self.write() as tx:
                    return work(tx)
            except Contention:
                time.sleep(pause)
                pause *= 2
        try:
            with self.write() as tx:
                return work(tx)
        except Contention as error:
            raise Unavailable from error

    def ping(self) -> None:
        """Raise `Unavailable` unless the database answers soon and, if a write lately found no room, has some again.

        While it does not answer, nobody else is kept waiting for it.
        """
        self._patient_until = time.monotonic() + PATIENCE
        since = self.presence.failures
        try:
            with self._our_errors(), self._pinger.connect():
                pass
        except Unavailable:
            self.presence.away = True
            # Connections that stand idle lead nowhere, and should not be tried when the server is back.
            self.writer.dispose()
            self.reader.dispose()
            raise
        self.presence.away = False
        if self.presence.full:
            self._try_room()
        self.presence.well(since)

    def _try_room(self) -> None:
        """Write, and take it back: both engines make and unmake a table within a transaction.

        On PostgreSQL it is one that needs no right to change the schema.
        """
        with self._our_errors(), self._one_writer, self.writer.connect() as connection:
            connection.exec_driver_sql(f"CREATE {'' if self.sqlite else 'TEMPORARY'} TABLE room (filler BYTEA)")
            connection.execute(sa.text("INSERT INTO room VALUES (:filler)"), {"filler": os.urandom(ROOM_BYTES)})
            connection.rollback()

    def occupy(self) -> None:
        """Be the one process that serves a SQLite database, until it is closed; raise `Occupied` where another one is.

        The system ends the lock with its process, whatever ended that. PostgreSQL takes any number of processes.
        """
        if not self.sqlite:
            return
        path = Path(str(self.url.database)).resolve()
        # A file of its own: a handle of the database's file that we closed would end SQLite's own locks.
        file = path.with_name(f"{path.name}.serving").open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise Occupied(
                f"{path} is served by another process: SQLite takes one, replicas need PostgreSQL"
            ) from error
        self._occupied = file

    def close(self) -> None:
        """Close all connections."""
        for engine in (self.writer, self.reader, self._pinger):
            engine.dispose()
        if self._occupied:
            self._occupied.close()

    @contextmanager
    def _our_errors(self) -> Iterator[None]:
        """Turn what a driver raises into contention, unavailability or a fault that quotes no value."""
        since = self.presence.over
        try:
            yield
        except sa.exc.DBAPIError as error:
            state = getattr(error.orig, "sqlstate", None) or ""
            words = str(error.orig)
            if state == UNIQUE_VIOLATION or "UNIQUE constraint failed" in words:
                raise Duplicate from error
            if state in SERIALIZATION_STATES or "database is locked" in words:
                raise Contention from error
            # SQLite calls a wrong statement by the same class as a disk that fails.
            code = getattr(error.orig, "sqlite_errorcode", None)
            wrong = code == sqlite3.SQLITE_ERROR
            if (isinstance(error, sa.exc.OperationalError) and not wrong) or error.connection_invalidated:
                full = state == DISK_FULL or code == sqlite3.SQLITE_FULL
                self.presence.failed(words.partition("\n")[0], state, full=full, since=since)
                raise Unavailable from error
            raise DatabaseFault(_fault(error, state)) from None
        except sa.exc.TimeoutError as error:
            log.warning("no database connection is free")
            raise Unavailable from error


def _driver_url(url: str) -> URL:
    """Name the driver we use, whatever of its names the setting used."""
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    return parsed.set(drivername="postgresql+psycopg" if backend in {"postgres", "postgresql"} else "sqlite")


def _sqlite_engines(url: URL, pool_size: int) -> tuple[Engine, Engine]:
    shared: dict[str, Any] = {
        # The driver's own transaction handling is switched off: it would begin too late and lose updates.
        "connect_args": {"isolation_level": None, "check_same_thread": False, "timeout": 10.0},
        "hide_parameters": True,
        "max_overflow": 0,
        "poolclass": sa.QueuePool,
    }
    writer = sa.create_engine(url, pool_size=1, **shared)
    reader = sa.create_engine(url, pool_size=pool_size, **shared)

    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.create_function("first_sha256_byte", 1, _first_sha256_byte, deterministic=True)

    def prepare_to_write(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA cache_size={-WRITER_CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    sa.event.listen(writer, "connect", prepare)
    sa.event.listen(writer, "connect", prepare_to_write)
    sa.event.listen(reader, "connect", prepare)
    sa.event.listen(writer, "begin", begin)
    return writer, reader


def _first_sha256_byte(text: str) -> int:
    """Answer what PostgreSQL can compute by itself: events are spread over partitions by it."""
    return hashlib.sha256(text.encode()).digest()[0]


def _postgres_engines(url: URL, pool_size: int, statement_seconds: float, lock_seconds: float) -> tuple[Engine, Engine]:
    timeouts = {"statement_timeout": statement_seconds, "lock_timeout": lock_seconds}
    options = " ".join(f"-c {name}={int(seconds * 1000)}" for name, seconds in timeouts.items()) + " -c timezone=UTC"
    shared: dict[str, Any] = {
        "connect_args": {"options": options, "connect_timeout": 3},
        "hide_parameters": True,
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_timeout": 3.0,
    }
    return sa.create_engine(url, **shared), sa.create_engine(url, isolation_level="AUTOCOMMIT", **shared)


def _fault(error: sa.exc.DBAPIError, state: str) -> str:
    """Describe a statement that was refused, with nothing of the values that it was given: they may be personal."""
    told = getattr(getattr(error.orig, "diag", None), "message_primary", None) or str(error.orig).partition("\n")[0]
    return f"{'the data do not fit' if state.startswith(DATA_EXCEPTIONS) else told} ({state}): {error.statement}"
