"""Migrations: harmless to repeat, safe for replicas that start together, and missed when they were forgotten."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from chassis.database import Database, DatabaseFault, metadata
from chassis.migrations import ADVISORY_LOCK, UnmigratedError, check, current, upgrade
from chassis.tests.events import at_once, until
from tests.databases import MakeDatabase, text_of

TABLES = metadata()
FIRST = """
from alembic import op
import sqlalchemy as sa

revision = "0001"
down_revision = None


def upgrade():
    op.create_table("things", sa.Column("name", sa.Text, primary_key=True))
    op.execute("INSERT INTO things VALUES ('first')")
"""
SECOND = """
from alembic import op
import sqlalchemy as sa

revision = "0002"
down_revision = "0001"


def upgrade():
    op.add_column("things", sa.Column("size", sa.Integer))
"""
BROKEN = """
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade():
    op.execute("INSERT INTO things (name) VALUES ('half')")
    op.execute("INSERT INTO nothing VALUES (1)")
"""


@pytest.fixture
def revisions(tmp_path: Path) -> Path:
    """Write two revisions."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_first.py").write_text(FIRST)
    (folder / "0002_second.py").write_text(SECOND)
    return folder


@pytest.fixture
def database(make_database: MakeDatabase) -> Database:
    """Make an empty database, on each engine in turn."""
    return make_database(lambda new: new.ping(), __name__)


def names(database: Database) -> list[str]:
    """Read what the revisions wrote."""
    with database.read() as tx:
        return list(tx.execute(sa.text("SELECT name FROM things WHERE size IS NULL ORDER BY name")).scalars())


def test_an_upgrade_may_be_repeated(database: Database, revisions: Path) -> None:
    """The revisions run in order and once; a second run finds nothing to do."""
    for _ in range(2):
        upgrade(database, revisions, TABLES)
    assert names(database) == ["first"]
    check(database, revisions)
    with database.read() as tx:
        assert current(tx) == "0002"


def test_an_unmigrated_database_is_refused(database: Database, revisions: Path) -> None:
    """A service does not start on an empty database, on an older schema, or on a newer one."""
    with pytest.raises(UnmigratedError, match=r"at nothing, this release needs 0002: run `migrate` first"):
        check(database, revisions)
    (revisions / "0002_second.py").unlink()
    upgrade(database, revisions, TABLES)
    check(database, revisions)
    (revisions / "0002_second.py").write_text(SECOND)
    with pytest.raises(UnmigratedError, match="at 0001"):
        check(database, revisions)
    upgrade(database, revisions, TABLES)
    (revisions / "0002_second.py").unlink()
    with pytest.raises(UnmigratedError, match="at 0002, this release needs 0001"):
        check(database, revisions)


def test_a_revision_that_fails_leaves_nothing(database: Database, revisions: Path) -> None:
    """A revision takes effect as a whole or not at all, and the database stays where it was."""
    upgrade(database, revisions, TABLES)
    (revisions / "0003_broken.py").write_text(BROKEN)
    with pytest.raises(DatabaseFault, match="nothing"):
        upgrade(database, revisions, TABLES)
    assert names(database) == ["first"]
    with database.read() as tx:
        assert current(tx) == "0002"


def test_replicas_may_upgrade_at_once(database: Database, revisions: Path) -> None:
    """Several replicas that start together run each revision once."""
    replicas = [Database(text_of(database.url), pool_size=1) for _ in range(3)]
    at_once(*(partial(upgrade, replica, revisions, TABLES) for replica in replicas))
    for replica in replicas:
        replica.close()
    assert names(database) == ["first"]
    check(database, revisions)


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_replica_waits_as_long_as_revisions_take(database: Database, revisions: Path) -> None:
    """Revisions of another replica that take longer than a statement may are waited for, and fail nobody."""
    waiting = Database(text_of(database.url), pool_size=1, statement_seconds=0.1, lock_seconds=0.1)
    blocked = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory' "
        "AND clock_timestamp() - query_start > interval '0.3 seconds'"
    )
    with ThreadPoolExecutor(1) as pool, database.write() as tx:
        tx.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))
        upgraded = pool.submit(upgrade, waiting, revisions, TABLES)
        with database.read() as beside:
            until(lambda: bool(beside.scalar(blocked)) or upgraded.done())
        assert not upgraded.done()
        tx.rollback()
        upgraded.result(30)
    waiting.close()
    check(database, revisions)
