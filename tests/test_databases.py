"""The databases of tests: what one test leaves behind, the next one does not find."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from chassis.database import Database, metadata
from tests import databases
from tests.databases import Lender, MakeDatabase, Server

TABLES = metadata()
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
SHELVES = sa.Table(
    "shelves",
    TABLES,
    sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("label", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)
BOOKS = sa.Table(
    "books",
    TABLES,
    sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("shelf", NUMBER, sa.ForeignKey("shelves.id"), nullable=False),
    sqlite_autoincrement=True,
)


def create(database: Database) -> None:
    """Make the tables, and a shelf that every copy begins with."""
    TABLES.create_all(database.writer)
    with database.write() as tx:
        tx.execute(sa.insert(SHELVES).values(label="first"))


def is_as_made(database: Database) -> bool:
    """Tell whether a database is as `create` makes it, numbering included."""
    with database.write() as tx:
        shelves = [tuple(row) for row in tx.execute(sa.select(SHELVES))]
        books = [tuple(row) for row in tx.execute(sa.select(BOOKS))]
        columns = {column["name"] for column in sa.inspect(tx).get_columns("shelves")}
        added = tx.execute(sa.insert(SHELVES).values(label="second")).inserted_primary_key
    return (shelves, books, columns, tuple(added or ())) == ([(1, "first")], [], {"id", "label"}, (2,))


def use(database: Database) -> None:
    """Change rows, as most tests do."""
    with database.write() as tx:
        shelf = tx.execute(sa.insert(SHELVES).values(label="mine")).inserted_primary_key
        tx.execute(sa.insert(BOOKS), [{"shelf": shelf[0] if shelf else None}] * 3)
        tx.execute(sa.update(SHELVES).values(label="scribbled on"))


def rebuild(database: Database) -> None:
    """Change a table, as a test of migrations does."""
    with database.write() as tx:
        tx.execute(sa.text("ALTER TABLE shelves ADD COLUMN colour TEXT"))


@pytest.mark.parametrize("misuse", [use, rebuild], ids=["rows", "tables"])
def test_every_test_finds_the_database_as_made(
    request: pytest.FixtureRequest, engine: str, misuse: Callable[[Database], None]
) -> None:
    """Whatever is done to a database, the next one of the same key is as it was made."""
    lender: Lender = request.getfixturevalue(f"{engine}_lender")
    for _ in range(2):
        url = lender.lend(create, "shelves")
        database = Database(databases.text_of(url))
        assert is_as_made(database)
        misuse(database)
        database.close()
        lender.take_back(url)


def test_a_forgotten_transaction_does_not_block(request: pytest.FixtureRequest, engine: str) -> None:
    """A connection that a failed test left in the middle of its work is cut off."""
    lender: Lender = request.getfixturevalue(f"{engine}_lender")
    url = lender.lend(create, "shelves")
    forgetful = Database(databases.text_of(url))
    connection = forgetful.writer.connect()
    connection.execute(sa.update(SHELVES).values(label="never committed"))
    lender.take_back(url)
    url = lender.lend(create, "shelves")
    database = Database(databases.text_of(url))
    assert is_as_made(database)
    database.close()
    lender.take_back(url)
    connection.invalidate()
    connection.close()
    forgetful.close()


def test_a_test_may_have_several(make_database: MakeDatabase) -> None:
    """Two databases of one test are two, whether of one key or of two."""
    first, second = make_database(create, "shelves"), make_database(create, "shelves")
    other = make_database(lambda new: TABLES.create_all(new.writer), "empty")
    use(first)
    assert is_as_made(second)
    with other.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(SHELVES)) == 0


def test_nothing_is_left_on_the_server() -> None:
    """All that a run makes on a server is gone at its end, also what was never taken back."""
    server = Server(databases.find_postgres())
    url = server.lend(create, "shelves")
    names = sa.text("SELECT datname FROM pg_database WHERE datname LIKE :run")

    def left() -> int:
        with databases.admin_engine(server.url) as engine, engine.connect() as connection:
            return len(connection.execute(names, {"run": f"{server.run}%"}).all())

    assert left() == 2
    database = Database(databases.text_of(url))
    database.ping()
    server.close()
    database.close()
    assert left() == 0


def test_a_server_that_is_named_must_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that leads nowhere fails with the server's words; no other server is taken instead."""
    monkeypatch.setenv(databases.POSTGRES_SETTING, "postgresql://nobody:s3cret@127.0.0.1:9/none")
    with pytest.raises(pytest.fail.Exception, match=f"{databases.POSTGRES_SETTING}.*cannot be used") as failed:
        databases.find_postgres()
    assert "s3cret" not in str(failed.value)


def test_the_order_in_which_servers_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a setting it is the local server, and where that one refuses, the embedded one."""
    embedded = make_url("postgresql://embedded")
    monkeypatch.delenv(databases.POSTGRES_SETTING, raising=False)
    monkeypatch.setattr(databases, "embedded_postgres", lambda: embedded)
    monkeypatch.setattr(databases, "refusal", lambda _url: None)
    assert databases.find_postgres() == make_url(databases.LOCAL_POSTGRES)
    monkeypatch.setattr(databases, "refusal", lambda _url: "connection refused")
    found: URL = databases.find_postgres()
    assert found == embedded
