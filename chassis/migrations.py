"""Bringing a database's schema to what the code expects, safely with several replicas at once."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from chassis.database import Database, Tx

# Any number will do, as long as every replica takes the same one.
ADVISORY_LOCK = 7_311_548_024


class UnmigratedError(Exception):
    """The schema is not the one that this release works on."""


def upgrade(database: Database, revisions: Path, metadata: sa.MetaData) -> None:
    """Run the revisions that the database does not have yet; a second replica waits and then finds nothing to do."""
    with database.write() as tx:
        if not database.sqlite:
            # Another replica's revisions may take longer than anything else may wait for.
            tx.execute(sa.text("SET LOCAL statement_timeout = 0"))
            tx.execute(sa.text("SET LOCAL lock_timeout = 0"))
            tx.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))
            tx.execute(sa.text("SET LOCAL lock_timeout TO DEFAULT"))
        config = _config(revisions)
        config.attributes.update(connection=tx, metadata=metadata)
        command.upgrade(config, "head")


def check(database: Database, revisions: Path) -> None:
    """Raise `UnmigratedError` unless the schema is at the last revision."""
    expected = ScriptDirectory.from_config(_config(revisions)).get_current_head()
    with database.read() as tx:
        found = current(tx)
    if found != expected:
        raise UnmigratedError(
            f"the schema is at {found or 'nothing'}, this release needs {expected}: run `migrate` first"
        )


def current(tx: Tx) -> str | None:
    """Answer the revision of a database; None for an empty one."""
    return MigrationContext.configure(tx).get_current_revision()


def _config(revisions: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "alembic"))
    config.set_main_option("version_locations", str(revisions))
    config.set_main_option("path_separator", "newline")
    return config
