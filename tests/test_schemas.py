"""The schema that a service's migrations make is the one that its code works on."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from chassis.database import Database, Tx
from chassis.migrations import check, current, upgrade
from chassis.service import Program
from gateway.server import PROGRAM as GATEWAY
from services.customer.server import PROGRAM as CUSTOMER
from services.notify.server import PROGRAM as NOTIFY
from services.ticketing.server import PROGRAM as TICKETING
from services.tiering.server import PROGRAM as TIERING
from tests.databases import MakeDatabase

Row = tuple[str, ...]


@pytest.fixture(params=[CUSTOMER, TIERING, TICKETING, NOTIFY, GATEWAY], ids=lambda program: program.name)
def program(request: pytest.FixtureRequest) -> Program:
    """Name each service in turn."""
    found: Program = request.param
    return found


@pytest.fixture
def migrated(make_database: MakeDatabase, program: Program) -> Database:
    """Make a database by the migrations."""
    return make_database(lambda new: upgrade(new, program.revisions, program.metadata), program.name)


@pytest.fixture
def declared(make_database: MakeDatabase, program: Program) -> Database:
    """Make a database by the tables that the code declares."""
    return make_database(lambda new: program.metadata.create_all(new.writer), f"{program.name} by its tables")


def test_the_migrations_make_the_declared_tables(migrated: Database, program: Program) -> None:
    """Alembic finds nothing to add, drop or change, types and defaults included."""
    with migrated.write() as tx:
        context = MigrationContext.configure(tx, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, program.metadata) == []


def test_alembic_would_find_a_difference(migrated: Database, program: Program) -> None:
    """The comparison bites: a column, an index and a table that are missing are found."""
    other = sa.MetaData()
    for table in program.metadata.sorted_tables:
        table.to_metadata(other)
    events = other.tables["events"]
    events.append_column(sa.Column("forgotten", sa.Integer))
    sa.Index("ix_forgotten", events.c.time)
    sa.Table("forgotten", other, sa.Column("id", sa.Integer, primary_key=True))
    with migrated.write() as tx:
        found = compare_metadata(MigrationContext.configure(tx), other)
    assert sorted(difference[0] for difference in found) == ["add_column", "add_index", "add_table"]


def test_both_ways_make_the_same_catalogue(migrated: Database, declared: Database) -> None:
    """Columns with types, collations and nullability, keys and indexes are alike, whichever way made them."""
    assert catalogue(migrated) == catalogue(declared)


def catalogue(database: Database) -> dict[str, list[Row]]:
    """Describe every table that is not Alembic's own, as the engine itself tells it."""
    with database.read() as tx:
        if database.sqlite:
            inspector = sa.inspect(tx)
            return {
                name: sorted(_sqlite_rows(tx, inspector, name))
                for name in inspector.get_table_names()
                if name != "alembic_version"
            }
        found: dict[str, list[Row]] = {}
        for query in (COLUMNS, INDEXES, CONSTRAINTS):
            for name, *rest in tx.execute(sa.text(query)):
                found.setdefault(name, []).append(tuple(map(str, rest)))
        return {name: sorted(rows) for name, rows in found.items()}


def _sqlite_rows(tx: Tx, inspector: sa.Inspector, name: str) -> list[Row]:
    rows: list[Row] = [("pk", str(inspector.get_pk_constraint(name)))]
    rows += [(column["name"], str(column["type"]), str(column["nullable"])) for column in inspector.get_columns(name)]
    made = sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :name AND sql IS NOT NULL")
    rows += [("index", *map(str, row)) for row in tx.execute(made, {"name": name})]
    rows += [("unique", str(unique)) for unique in inspector.get_unique_constraints(name)]
    return rows


COLUMNS = """
    SELECT table_name, column_name, data_type, collation_name, is_nullable, is_identity, column_default
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'
"""
INDEXES = """
    SELECT tablename, indexname, indexdef FROM pg_indexes
    WHERE schemaname = 'public' AND tablename <> 'alembic_version'
"""
CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, contype::text, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'alembic_version'
"""


def test_a_migrated_database_is_the_one_that_serve_accepts(migrated: Database, program: Program) -> None:
    """The last revision is the schema's, a second run finds nothing to do, and every table is empty at first."""
    check(migrated, program.revisions)
    before = catalogue(migrated)
    upgrade(migrated, program.revisions, program.metadata)
    assert catalogue(migrated) == before
    with migrated.read() as tx:
        assert current(tx) == max(path.stem.split("_")[0] for path in Path(program.revisions).glob("[0-9]*.py"))
        for table in program.metadata.sorted_tables:
            assert tx.scalar(sa.select(sa.func.count()).select_from(table)) == 0, table.name


def test_text_sorts_by_code_point(migrated: Database, program: Program) -> None:
    """Keys and stores come in the same order on both engines: capitals before small letters, then other scripts."""
    table = program.metadata.tables["chain"]
    words = ["b", "B", "a", "A", "熟", "é", "-", "1"]
    with migrated.write() as tx:
        tx.execute(sa.insert(table), [{"key": word, "value": word} for word in words])
        assert list(tx.scalars(sa.select(table.c.key).order_by(table.c.key))) == sorted(words)
