"""The database: no update is lost, contention is tried again, and a driver's error leaves as one of ours."""

from __future__ import annotations

import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Event, Thread

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from chassis.database import TRIES, Contention, Database, DatabaseFault, Occupied, Text, Tx, metadata, upsert
from chassis.errors import Unavailable
from chassis.tests.events import at_once
from tests.databases import MakeDatabase, text_of

TABLES = metadata()
COUNTERS = sa.Table(
    "counters", TABLES, sa.Column("name", Text, primary_key=True), sa.Column("value", sa.Integer, nullable=False)
)
PARTS = sa.Table("parts", TABLES, sa.Column("counter", Text, sa.ForeignKey("counters.name"), nullable=False))
PLANTED = "13800138000"


def value(database: Database, name: str = "a") -> int | None:
    """Read a counter."""
    with database.read() as tx:
        return tx.scalar(sa.select(COUNTERS.c.value).where(COUNTERS.c.name == name))


def put(tx: Tx, number: int, name: str = "a") -> None:
    """Write a counter."""
    tx.execute(sa.insert(COUNTERS).values(name=name, value=number))


def test_work_is_committed_or_rolled_back(database: Database) -> None:
    """What ends well is there, what raises leaves nothing."""
    database.transact(lambda tx: put(tx, 1))

    def fail(tx: Tx) -> None:
        put(tx, 2, "b")
        raise LookupError

    with pytest.raises(LookupError):
        database.transact(fail)
    assert (value(database), value(database, "b")) == (1, None)


def test_readers_see_what_is_committed_when_a_statement_starts(database: Database) -> None:
    """A reader sees no half of a transaction, does not wait for it, and sees it with the next statement."""
    query = sa.select(sa.func.count()).select_from(COUNTERS)
    with database.read() as reader:
        with database.write() as tx:
            put(tx, 1)
            assert reader.scalar(query) == 0
        assert reader.scalar(query) == 1


def add_one(database: Database) -> None:
    """Read a counter, and write one more."""

    def work(tx: Tx) -> None:
        query = sa.select(COUNTERS.c.value).where(COUNTERS.c.name == "a")
        found = tx.execute(query.with_for_update()).scalar_one()
        tx.execute(sa.update(COUNTERS).values(value=found + 1))

    for _ in range(25):
        database.transact(work)


def test_read_modify_write_loses_nothing(database: Database) -> None:
    """Eight threads that each read and write a counter end at the sum of what they added."""
    database.transact(lambda tx: put(tx, 0))
    at_once(*[lambda: add_one(database)] * 8)
    assert value(database) == 200


def test_two_processes_lose_nothing(database: Database) -> None:
    """Engines that share no lock, as two processes do, lose nothing either."""
    database.transact(lambda tx: put(tx, 0))
    others = [Database(text_of(database.url), pool_size=2) for _ in range(2)]
    at_once(*(partial(add_one, other) for other in others))
    for other in others:
        other.close()
    assert value(database) == 50


def refusing(times: int) -> tuple[Callable[[Tx], int], list[int]]:
    """Make work that finds another transaction in its way so many times."""
    tries: list[int] = []

    def work(tx: Tx) -> int:
        tries.append(1)
        put(tx, len(tries))
        if len(tries) <= times:
            put(tx, 0)
        return len(tries)

    return work, tries


def test_contention_is_tried_again(database: Database) -> None:
    """Work that met another transaction is run again as a whole; what the first run wrote is gone."""
    work, tries = refusing(2)
    assert database.transact(work) == 3
    assert (value(database), len(tries)) == (3, 3)


def test_contention_without_end_is_unavailable(database: Database) -> None:
    """After so many tries the caller is told to come back; a single transaction says contention itself."""
    work, tries = refusing(99)
    with pytest.raises(Unavailable):
        database.transact(work)
    assert len(tries) == TRIES
    with pytest.raises(Contention), database.write() as tx:
        work(tx)
    assert value(database) is None


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_deadlock_is_tried_again(database: Database) -> None:
    """Two transactions that wait for each other both come through."""
    for name in ("a", "b"):
        database.transact(lambda tx, name=name: put(tx, 0, name))  # type: ignore[misc]
    halfway = [Event(), Event()]

    def work(mine: int) -> Callable[[Tx], None]:
        order = ["a", "b"] if mine == 0 else ["b", "a"]

        def run(tx: Tx) -> None:
            for name in order:
                tx.execute(sa.update(COUNTERS).where(COUNTERS.c.name == name).values(value=COUNTERS.c.value + 1))
                halfway[mine].set()
                halfway[1 - mine].wait(5)

        return run

    at_once(lambda: database.transact(work(0)), lambda: database.transact(work(1)))
    assert (value(database, "a"), value(database, "b")) == (2, 2)


def closed_port() -> int:
    """Find a port where nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


def test_a_server_that_is_gone_is_unavailable() -> None:
    """Where nothing listens, every way to the database says that it cannot answer now, and one line says why."""
    database = Database(f"postgresql://nobody:{PLANTED}@127.0.0.1:{closed_port()}/nothing")
    ways: list[Callable[[], object]] = [
        lambda: database.write().__enter__(),
        lambda: database.transact(lambda tx: tx.scalar(sa.text("SELECT 1"))),
    ]
    with capture_logs() as logs:
        for way in (*ways, database.ping, *ways):
            with pytest.raises(Unavailable):
                way()
    assert [line["event"] for line in logs] == ["database does not answer"]
    assert "refused" in logs[0]["problem"]
    assert PLANTED not in repr(logs)
    database.close()


def test_a_full_pool_is_unavailable(make_database: MakeDatabase) -> None:
    """Who gets no connection in time is told to come back, and does not wait without end."""
    url = text_of(make_database(lambda new: new.ping(), "pool").url)
    database = Database(url, pool_size=1)
    database.reader.pool._timeout = 0.05  # type: ignore[attr-defined]
    with database.read(), pytest.raises(Unavailable), database.read():
        pass
    database.close()


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_lost_connection_is_unavailable(database: Database) -> None:
    """A connection that the server ends is told as unavailable, and the next call gets a new one."""
    end = sa.text("SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(Unavailable):
        database.transact(lambda tx: tx.execute(end))
    database.transact(lambda tx: put(tx, 1))
    assert value(database) == 1


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_statement_has_an_end(database: Database) -> None:
    """A statement that takes too long is ended by the server and told as unavailable."""
    slow = Database(text_of(database.url), statement_seconds=0.05)
    with pytest.raises(Unavailable):
        slow.transact(lambda tx: tx.execute(sa.text("SELECT pg_sleep(20)")))
    slow.close()


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_wait_for_a_lock_has_an_end(database: Database) -> None:
    """A statement that waits too long for a lock is contention, and after all tries unavailable."""
    short = Database(text_of(database.url), statement_seconds=3600, lock_seconds=0.001)
    with database.write() as tx:
        put(tx, 1)
        with pytest.raises(Unavailable):
            short.transact(lambda other: put(other, 2))
    short.close()
    assert value(database) == 1


def test_a_sqlite_database_has_one_process(database: Database) -> None:
    """Who serves a SQLite database keeps others out until it ends, orderly or not; PostgreSQL takes any number."""
    other = Database(text_of(database.url))
    database.occupy()
    if not database.sqlite:
        other.occupy()
        other.close()
        return
    with pytest.raises(Occupied, match=r"\.sqlite is served by another process: SQLite takes one, replicas need Post"):
        other.occupy()
    assert value(other) is None
    database.close()
    other.occupy()
    other.close()
    script = "import sys; from chassis.database import *; one = Database(sys.argv[1]); one.occupy(); print(flush=True)"
    command = [sys.executable, "-c", f"{script}; input()", text_of(database.url)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        with pytest.raises(Occupied):
            other.occupy()
        process.kill()
    other.occupy()
    other.close()


FAULTS = {
    "no such table": lambda tx: tx.execute(sa.text("INSERT INTO nothing VALUES (:it)"), {"it": PLANTED}),
    "no such column": lambda tx: tx.execute(sa.text("SELECT nothing FROM counters WHERE name = :it"), {"it": PLANTED}),
    "not null": lambda tx: tx.execute(sa.insert(COUNTERS).values(name=PLANTED, value=None)),
    "foreign key": lambda tx: tx.execute(sa.insert(PARTS).values(counter=PLANTED)),
    "wrong words": lambda tx: tx.execute(sa.text("SELEC :it"), {"it": PLANTED}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_statement_is_a_fault_that_quotes_no_value(database: Database, fault: str) -> None:
    """A statement that can never work is no contention and not unavailable; its trace holds nothing personal."""
    with pytest.raises(DatabaseFault) as raised:
        database.transact(FAULTS[fault])
    trace = "".join(traceback.format_exception(raised.value))
    assert PLANTED not in trace
    assert "DatabaseFault" in trace


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_data_that_do_not_fit_are_not_quoted(database: Database) -> None:
    """PostgreSQL quotes a value that is no number; we do not."""
    with pytest.raises(DatabaseFault, match="the data do not fit") as raised:
        database.transact(lambda tx: tx.execute(sa.text("SELECT CAST(CAST(:it AS text) AS boolean)"), {"it": PLANTED}))
    assert PLANTED not in "".join(traceback.format_exception(raised.value))


def test_text_sorts_by_code_point(database: Database) -> None:
    """Both engines sort texts alike, so that pages come in one order."""
    names = ["a", "B", "Z", "z", "é", "客", "_", "-", "10", "9", "\U0001f600"]
    for name in names:
        database.transact(partial(put, number=0, name=name))
    with database.read() as tx:
        assert list(tx.execute(sa.select(COUNTERS.c.name).order_by(COUNTERS.c.name)).scalars()) == sorted(names)


def test_an_upsert_tells_whether_it_wrote(database: Database) -> None:
    """INSERT ... ON CONFLICT works in both engines' words and counts what was written."""
    for expected in (1, 0):
        with database.write() as tx:
            statement = upsert(tx, COUNTERS).values(name="a", value=1).on_conflict_do_nothing()
            assert tx.execute(statement).rowcount == expected


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_sqlite_waits_for_another_process(database: Database) -> None:
    """A writer of another process that has begun, even if it has only read so far, is waited for."""
    other = Database(text_of(database.url), pool_size=1)
    held, go = Event(), Event()

    def hold() -> None:
        with other.write() as tx:
            assert tx.scalar(sa.select(sa.func.count()).select_from(COUNTERS)) == 0
            held.set()
            go.wait(5)
            put(tx, 1)

    holder = Thread(target=hold)
    holder.start()
    held.wait(5)
    writer = Thread(target=lambda: database.transact(lambda tx: put(tx, 2, "b")))
    writer.start()
    writer.join(0.1)
    assert writer.is_alive()
    go.set()
    writer.join(10)
    holder.join(10)
    other.close()
    assert (value(database), value(database, "b")) == (1, 2)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_sqlite_keeps_its_rules(database: Database) -> None:
    """Every connection has the write-ahead log, foreign keys, and wipes what is deleted."""
    for engine in (database.writer, database.reader):
        with engine.connect() as tx:
            found = [tx.exec_driver_sql(f"PRAGMA {name}").scalar() for name in PRAGMAS]
        assert found == ["wal", 1, 1]


PRAGMAS = ("journal_mode", "foreign_keys", "secure_delete")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_sqlite_writes_a_batch_once(database: Database) -> None:
    """What a transaction changes stays in memory until it commits, up to twice what a batch of sales changes."""
    log = Path(f"{database.url.database}-wal")
    with database.write() as tx:
        tx.execute(sa.text("CREATE TABLE heaps (heap BLOB)"))
    before = log.stat().st_size
    with database.write() as tx:
        for _ in range(10):
            tx.execute(sa.text("INSERT INTO heaps VALUES (randomblob(1000000))"))
        assert log.stat().st_size == before
    assert log.stat().st_size > 10_000_000
