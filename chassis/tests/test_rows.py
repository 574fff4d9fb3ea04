"""Many rows in one INSERT: what is written is what is read, on both engines."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

import sqlalchemy as sa

from chassis.database import Database, Text, metadata, upsert_into
from chassis.rows import insert_rows

TABLES = metadata()
KINDS = sa.Table(
    "kinds",
    TABLES,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("text", Text),
    sa.Column("day", sa.Date),
    sa.Column("truth", sa.Boolean),
    sa.Column("number", sa.BigInteger),
    sa.Column("bytes", sa.LargeBinary),
    sa.Column("unnamed", Text),
)


class Kind(StrEnum):
    """A word that is written as it is."""

    SALE = "SALE"


ROWS = [
    (Kind.SALE, date(2026, 3, 2), True, -(2**60), bytes(range(256))),
    ('O\'Hare "7" 门店 \\ \\u0000 \n\t%(x)s :y', date(1, 1, 1), False, 0, b""),
    (None, None, None, None, None),
]


def test_rows_are_read_as_they_were_written(database: Database) -> None:
    """Texts of all kinds, days, truths, numbers, bytes and nothing come back the same, in the order given."""
    names = ("text", "day", "truth", "number", "bytes")
    given = [dict(zip(names, row, strict=True)) for row in ROWS * 700]
    with database.write() as tx:
        insert_rows(tx, KINDS, given)
    with database.read() as tx:
        found = tx.execute(sa.select(KINDS).order_by(KINDS.c.id)).all()
    assert [tuple(row)[1:] for row in found] == [(*row, None) for row in ROWS * 700]


def test_rows_that_are_there_can_be_changed(database: Database) -> None:
    """A statement that says what to do about a row that is there says it for each of many rows."""
    adding = upsert_into(KINDS, database.writer.dialect.name)
    summed = {"number": KINDS.c.number + adding.excluded.number}
    adding = adding.on_conflict_do_update(index_elements=["id"], set_=summed)
    given = [{"id": number, "number": number, "day": date(2026, 3, 2)} for number in range(1, 4)]
    with database.write() as tx:
        insert_rows(tx, adding, given)
        insert_rows(tx, adding, given[1:])
    with database.read() as tx:
        assert tx.scalars(sa.select(KINDS.c.number).order_by(KINDS.c.id)).all() == [1, 4, 6]


def test_rows_are_one_statement_on_postgresql(database: Database) -> None:
    """However many rows there are, PostgreSQL is told of them once, in the same words."""
    texts: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        texts.append(statement)

    sa.event.listen(database.writer, "before_cursor_execute", note)
    with database.write() as tx:
        for number in (1, 300):
            insert_rows(tx, KINDS, [{"number": each, "text": "x"} for each in range(number)])
    inserts = [text for text in texts if text.startswith("INSERT")]
    assert len(inserts) == 2
    assert len(set(inserts)) == 1
