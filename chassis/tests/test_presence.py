"""A database that is away, hangs, or has no room: nobody waits for it, it is told once, and it is found again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from chassis import database as module
from chassis.database import Database, Tx
from chassis.errors import Unavailable
from tests.faults.postgres import Postgres, own_postgres

CALLERS = 40
THINGS = sa.Table("things", sa.MetaData(), sa.Column("filler", sa.LargeBinary))


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """Run a server that the tests stop."""
    with own_postgres() as server:
        yield server


@pytest.fixture
def database(postgres: Postgres, request: pytest.FixtureRequest) -> Iterator[Database]:
    """Open a database on it, with connections in its pools."""
    opened = Database(postgres.make(request.node.name))
    with ThreadPoolExecutor(16) as callers:
        list(callers.map(lambda _: ask(opened), range(64)))
    opened.ping()
    yield opened
    opened.close()


def ask(database: Database) -> None:
    """Ask something of a database on both ways to it."""
    database.transact(lambda tx: tx.execute(sa.text("SELECT 1")))
    with database.read() as tx:
        tx.execute(sa.text("SELECT 1"))


def refused(work: Callable[[], object]) -> bool:
    """Tell whether work ended with `Unavailable`."""
    try:
        work()
    except Unavailable:
        return True
    return False


def test_a_server_that_is_ended_is_told_once_and_found_again(postgres: Postgres, database: Database) -> None:
    """However many callers meet a server that has gone, all are refused, one line tells it, one its return."""
    with capture_logs() as logs, ThreadPoolExecutor(16) as callers:
        postgres.stop()
        assert all(callers.map(lambda _: refused(lambda: ask(database)), range(CALLERS)))
        assert refused(database.ping)
        assert all(callers.map(lambda _: refused(lambda: ask(database)), range(CALLERS)))
        postgres.start()
        database.ping()
        assert not any(callers.map(lambda _: refused(lambda: ask(database)), range(CALLERS)))
    assert [line["event"] for line in logs] == ["database does not answer", "database answers again"]
    assert logs[0]["problem"]


def test_who_gives_up_late_tells_of_no_other_outage(postgres: Postgres, database: Database) -> None:
    """Work that began before an outage was over, and fails behind it, is refused; the outage was told already."""

    def outlast(tx: Tx) -> None:
        postgres.stop()
        assert refused(database.ping)
        postgres.start()
        database.ping()
        tx.execute(sa.text("SELECT 1"))

    with capture_logs() as logs:
        assert refused(lambda: database.transact(outlast))
        ask(database)
    assert [line["event"] for line in logs] == ["database does not answer", "database answers again"]


def test_a_ping_that_was_answered_before_an_outage_does_not_end_it(postgres: Postgres, database: Database) -> None:
    """What fails while a ping is under way is not over with it; the next ping that is answered tells that."""

    def fail(*_: object) -> None:
        postgres.stop()
        assert refused(lambda: ask(database))

    sa.event.listen(database._pinger, "checkout", fail, once=True)
    with capture_logs() as logs:
        database.ping()
        assert refused(database.ping)
        postgres.start()
        database.ping()
    assert [line["event"] for line in logs] == ["database does not answer", "database answers again"]


def test_a_server_that_hangs_holds_nobody(postgres: Postgres, database: Database) -> None:
    """Who waits for a server that says nothing is let go after a ping has waited in vain, and nobody waits anew."""
    begun = Event()

    def work(tx: Tx) -> None:
        tx.execute(sa.text("SELECT 1"))
        begun.set()
        tx.execute(sa.text("SELECT pg_sleep(600)"))

    with ThreadPoolExecutor(2) as callers:
        waiting = callers.submit(refused, lambda: database.transact(work))
        assert begun.wait(10)
        postgres.suspend()
        asking = callers.submit(refused, lambda: ask(database))
        assert not waiting.done()
        assert refused(database.ping)
        assert waiting.result(10)
        assert asking.result(10)
        # A connection that is made now would be waited for, for seconds.
        assert database.reader.pool.checkedin() == 0  # type: ignore[attr-defined]
        assert refused(lambda: ask(database))
        assert database.reader.pool.checkedin() == 0  # type: ignore[attr-defined]
        assert refused(database.ping)
    postgres.resume()
    database.ping()
    ask(database)


def test_a_connection_that_was_ended_is_no_outage(postgres: Postgres, database: Database) -> None:
    """An administrator who ends the ping's connection puts nobody out of work."""
    with database.read() as tx:
        others = sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        tx.execute(others)
    with capture_logs() as logs:
        database.ping()
    assert logs == []
    assert postgres.running()


def write(tx: Tx) -> None:
    """Write as much as a page holds."""
    tx.execute(sa.insert(THINGS).values(filler=bytes(3000)))


def test_room_is_looked_for_until_there_is_some(tmp_path: Path) -> None:
    """A file without room refuses writes and answers reads; pings tell so until there is room, and leave nothing."""
    database = Database(f"sqlite:///{tmp_path / 'small.db'}")
    THINGS.create(database.writer)

    def pages(most: int) -> None:
        with database.writer.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count={most}")

    pages(20)
    with capture_logs() as logs:
        written = 0
        while not refused(lambda: database.transact(write)):
            written += 1
        for _ in range(3):
            assert refused(lambda: database.transact(write))
            assert refused(database.ping)
        with database.read() as tx:
            assert tx.scalar(sa.select(sa.func.count()).select_from(THINGS)) == written
        pages(20 + module.ROOM_BYTES // 4096)
        assert refused(database.ping)
        pages(1000)
        database.ping()
    assert not refused(lambda: database.transact(write))
    assert [line["event"] for line in logs] == ["database does not answer", "database answers again"]
    assert "full" in logs[0]["problem"]
    with database.read() as tx:
        assert list(tx.scalars(sa.text("SELECT name FROM sqlite_master"))) == ["things"]
        assert tx.scalar(sa.select(sa.func.count()).select_from(THINGS)) == written + 1
    database.close()
