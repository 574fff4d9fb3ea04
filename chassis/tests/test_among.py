"""Lists in statements: the same rows on both engines, in one text whatever the length."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa

from chassis.among import Among
from chassis.database import Database, Text, metadata
from tests.databases import MakeDatabase

TABLES = metadata()
VISITS = sa.Table(
    "visits",
    TABLES,
    sa.Column("store", Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True),
)
MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)
ODD = 'O\'Hare "7" 门店\\'
ROWS = {("LEEDS", MONDAY, 1), ("LEEDS", TUESDAY, 2), ("YORK", MONDAY, 2**40), (ODD, TUESDAY, 4)}


@pytest.fixture
def visits(make_database: MakeDatabase) -> Database:
    """Make a database with some visits."""
    database = make_database(lambda empty: TABLES.create_all(empty.writer), __name__)
    with database.write() as tx:
        names = VISITS.columns.keys()
        tx.execute(sa.insert(VISITS), [dict(zip(names, row, strict=True)) for row in sorted(ROWS)])
    return database


def found(database: Database, condition: Among, values: Sequence[object]) -> set[tuple[object, ...]]:
    """Answer the visits for which a condition on the list named `wanted` holds."""
    with database.read() as tx:
        return {tuple(row) for row in tx.execute(sa.select(VISITS).where(condition), {"wanted": values})}


@pytest.mark.parametrize(
    ("place", "wanted"), [(0, ["LEEDS", ODD, "NOWHERE"]), (1, [TUESDAY]), (2, [2, 2**40]), (0, []), (1, []), (2, [])]
)
def test_rows_are_found_by_one_column(visits: Database, place: int, wanted: list[object]) -> None:
    """A column of texts, days or whole numbers holds one of the values given, however they are written."""
    column = list(VISITS.columns)[place]
    assert found(visits, Among("wanted", column), wanted) == {row for row in ROWS if row[place] in wanted}


def test_rows_are_found_by_columns_together(visits: Database) -> None:
    """Columns hold one of the given rows together: values of two of them do not mix."""
    wanted = [("LEEDS", TUESDAY, 2), ("YORK", TUESDAY, 2**40), (ODD, TUESDAY, 4), ("LEEDS", MONDAY, 2)]
    assert found(visits, Among("wanted", *VISITS.columns), wanted) == {("LEEDS", TUESDAY, 2), (ODD, TUESDAY, 4)}
    assert found(visits, Among("wanted", *VISITS.columns), []) == set()


def test_a_list_may_be_long_and_the_statement_stays(visits: Database) -> None:
    """More values than a statement may have parameters are one list; its text is the same as for one."""
    texts: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        texts.append(statement)

    sa.event.listen(visits.reader, "before_cursor_execute", note)
    assert found(visits, Among("wanted", VISITS.c.number), [1]) == {("LEEDS", MONDAY, 1)}
    assert found(visits, Among("wanted", VISITS.c.number), [*range(3, 70_000)]) == {(ODD, TUESDAY, 4)}
    assert len(texts) == 2
    assert len(set(texts)) == 1


def test_rows_are_deleted_by_a_list(visits: Database) -> None:
    """A list serves a statement that writes too, beside other conditions."""
    gone = sa.delete(VISITS).where(Among("wanted", VISITS.c.store), VISITS.c.day == MONDAY)
    with visits.write() as tx:
        tx.execute(gone, {"wanted": ["LEEDS", "YORK"]})
    assert found(visits, Among("wanted", VISITS.c.store), ["LEEDS", "YORK", ODD]) == {
        ("LEEDS", TUESDAY, 2),
        (ODD, TUESDAY, 4),
    }


def test_an_index_serves_a_list(visits: Database) -> None:
    """Rows of a list are searched by the primary key, by all columns that are given, and nothing is read through."""
    plans: list[str] = []
    word = "EXPLAIN QUERY PLAN" if visits.sqlite else "EXPLAIN"

    def explain(connection: sa.Connection, _cursor: object, statement: str, parameters: Any, *_: object) -> None:  # noqa: ANN401
        plans.append(str(connection.connection.execute(f"{word} {statement}", parameters).fetchall()))

    with visits.write() as tx:
        days = [{"store": f"S{number}", "day": MONDAY, "number": number} for number in range(20_000)]
        tx.execute(sa.insert(VISITS), days)
        if not visits.sqlite:
            tx.execute(sa.text("ANALYZE visits"))
    sa.event.listen(visits.reader, "before_cursor_execute", explain)
    found(visits, Among("wanted", VISITS.c.store), ["LEEDS"])
    found(visits, Among("wanted", *VISITS.columns), [("LEEDS", MONDAY, 1)])
    assert len(plans) == 2
    for plan in plans:
        assert "pk_visits" in plan or "SEARCH visits" in plan
        assert "Seq Scan on visits" not in plan
    searched = "store=? AND day=? AND number=?" if visits.sqlite else "Index Cond: ((store = "
    assert searched in plans[1]
    assert visits.sqlite or all(f"({column.name} = " in plans[1] for column in VISITS.columns)
