"""Several processes of one service on one database: PostgreSQL takes them, whenever they start, and SQLite refuses."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from chassis.database import Database
from chassis.events import PARTITIONS
from services.tiering.tables import LOG
from tests.databases import MakeDatabase, text_of
from tests.processes import Begin, beginning


@pytest.fixture
def database(make_database: MakeDatabase) -> Database:
    """Make an empty database, on each engine in turn."""
    return make_database(lambda new: new.ping(), __name__)


@pytest.fixture
def begin(database: Database, tmp_path: Path) -> Iterator[Begin]:
    """Begin processes of tiering on the database."""
    with beginning("tiering", tmp_path, database_url=text_of(database.url)) as start:
        yield start


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_sqlite_has_one_process(database: Database, begin: Begin) -> None:
    """A second process on a SQLite database ends with a clear line; a command that looks at it does not."""
    begin("serve", "--migrate").wait_for("serving")
    problem = "is served by another process: SQLite takes one, replicas need PostgreSQL"
    for command in (["serve", "--migrate"], ["work"]):
        refused = begin(*command)
        assert refused.popen.wait(60) == 2
        assert refused.log.read_text() == f"tiering: {database.url.database} {problem}\n"
    assert begin("parked").popen.wait(60) == 0


@pytest.mark.timeout(180)
@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_replicas_start_together_on_an_empty_database(database: Database, begin: Begin) -> None:
    """Replicas that begin at once on an empty database each serve, and make one schema and one event log."""
    replicas = [begin("serve", "--migrate") for _ in range(3)]
    for replica in replicas:
        replica.wait_for("serving")
    with database.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(LOG.epochs)) == 1
        assert tx.scalar(sa.select(sa.func.count()).select_from(LOG.heads)) == PARTITIONS
    for replica in replicas:
        replica.popen.terminate()
    assert [replica.popen.wait(60) for replica in replicas] == [0, 0, 0]


SIGNALLED = """
import os
from chassis.service import hear_signals

ending = hear_signals()
print("ready", flush=True)
for _ in range(2000):
    os.read(ending, 1)
# At the interpreter's end signals would do again what they do by themselves.
os._exit(0)
"""


def test_a_signal_is_heard_whenever_it_comes() -> None:
    """A process that is told to end just as it begins to wait for that does end, and does not wait for itself."""
    with subprocess.Popen([sys.executable, "-c", SIGNALLED], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        while process.poll() is None:
            process.terminate()
    assert process.returncode == 0


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_process_that_hangs_can_be_asked_where(begin: Begin) -> None:
    """SIGABRT ends a process at once, and it writes stacks of its threads into its log first."""
    process = begin("serve", "--migrate")
    process.wait_for("serving")
    process.popen.send_signal(signal.SIGABRT)
    # A stack that is written while its thread goes on may end the process by itself.
    assert process.popen.wait(60) < 0
    assert "most recent call first" in process.log.read_text()
