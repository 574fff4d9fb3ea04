"""Many rows in one INSERT."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable, Sequence
from datetime import date
from operator import itemgetter
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import JSONB

from chassis.database import Tx

# As SQLAlchemy writes a day. The driver's own way, which is the same, will go.
sqlite3.register_adapter(date, date.isoformat)


def insert_rows(tx: Tx, into: sa.Table | sa.Insert, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows that name the same two columns or more, of texts, whole numbers, truths, days and bytes.

    `into` is a table, or a statement for one that says ON CONFLICT; it is written down once, so keep it. PostgreSQL
    gets the rows as one value: its driver would bind, send and take an answer for each by itself. SQLite's driver gets
    each value as it is.
    """
    names = tuple(rows[0])
    if tx.dialect.name == "postgresql":
        tx.execute(_from_json(into, names), {"rows": orjson.dumps(rows, default=bytes.hex).decode()})
    else:
        text, values = _of_values(into, names)
        tx.exec_driver_sql(text, list(map(values, rows)))


@functools.cache
def _of_values(into: sa.Table | sa.Insert, names: tuple[str, ...]) -> tuple[str, Callable[[dict[str, Any]], Any]]:
    """Write the statement down for SQLite; answer it with what takes a row's values in the order of its places."""
    written = _statement(into).compile(dialect=sqlite.dialect(), column_keys=names)
    return str(written), itemgetter(*written.positiontup or ())


@functools.cache
def _from_json(into: sa.Table | sa.Insert, names: tuple[str, ...]) -> sa.Insert:
    statement = _statement(into)
    columns = [statement.table.c[name] for name in names]
    told = [
        sa.column(column.name, sa.Text() if isinstance(column.type, sa.LargeBinary) else column.type)
        for column in columns
    ]
    rows = sa.cast(sa.bindparam("rows", type_=sa.Text()), JSONB)
    given = sa.func.jsonb_to_recordset(rows).table_valued(*told, name="given").render_derived(with_types=True)
    values = [
        sa.func.decode(given.c[column.name], sa.literal_column("'hex'"))
        if isinstance(column.type, sa.LargeBinary)
        else given.c[column.name]
        for column in columns
    ]
    return statement.from_select(names, sa.select(*values))


def _statement(into: sa.Table | sa.Insert) -> sa.Insert:
    return sa.insert(into) if isinstance(into, sa.Table) else into
