"""Lists in statements: rows whose columns are in a list that is given with each execution."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.sql.visitors import InternalTraversal


class _Listed(sa.types.TypeDecorator[list[Any]]):
    """A list as one value: JSON."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Iterable[Any] | None, _dialect: sa.Dialect) -> str:
        """Write the list, a day as both engines write it."""
        return orjson.dumps(list(value or ())).decode()


class Among(sa.ColumnElement[bool]):
    """Holds for rows whose column, or whose columns together, are in the list given under a name.

    The list is one value, so that the statement's text stays the same. That of `IN` is written anew for each length of
    the list, and the driver for PostgreSQL reads it anew. Columns hold texts, whole numbers or days.
    """

    inherit_cache = True
    type = sa.Boolean()
    _traverse_internals = [  # noqa: RUF012  (SQLAlchemy declares it so)
        ("given", InternalTraversal.dp_clauseelement),
        ("columns", InternalTraversal.dp_clauseelement_tuple),
    ]

    def __init__(self, name: str, *columns: sa.Column[Any]) -> None:
        self.given: sa.BindParameter[list[Any]] = sa.bindparam(name, type_=_Listed())
        self.columns = columns

    def self_group(self, against: OperatorType | None = None) -> Among:  # noqa: ARG002
        """Stay as it is: `= 1` behind it, which SQLite understands as well, would hide the columns from its planner."""
        return self


@compiles(Among, "sqlite")
def _for_sqlite(among: Among, compiler: SQLCompiler, **words: Any) -> str:  # noqa: ANN401  (SQLAlchemy's own words)
    columns, given = _parts(among, compiler, words)
    if len(columns) == 1:
        return f"{columns[0]} IN (SELECT value FROM json_each({given}))"  # noqa: S608  (of columns)
    # The planner passes by an index for values of which it cannot tell the kind. A day is stored as text.
    kinds = ("INTEGER" if isinstance(column.type, sa.Integer) else "TEXT" for column in among.columns)
    places = ", ".join(f"CAST(json_extract(value, '$[{place}]') AS {kind})" for place, kind in enumerate(kinds))
    return f"({', '.join(columns)}) IN (SELECT {places} FROM json_each({given}))"  # noqa: S608  (of columns)


@compiles(Among, "postgresql")
def _for_postgresql(among: Among, compiler: SQLCompiler, **words: Any) -> str:  # noqa: ANN401  (as above)
    columns, given = _parts(among, compiler, words)
    # A cast takes a type without its collation.
    types = [column.type.compile(compiler.dialect).partition(" COLLATE")[0] for column in among.columns]
    if len(columns) == 1:
        texts = f"jsonb_array_elements_text(CAST({given} AS JSONB))"
        return f"{columns[0]} = ANY (ARRAY(SELECT CAST(one AS {types[0]}) FROM {texts} AS one))"  # noqa: S608  (as above)
    places = ", ".join(f"CAST(one->>{place} AS {type_})" for place, type_ in enumerate(types))
    # An array counts as ten rows where it is planned, so that they are looked up one by one. What comes out of the
    # function itself counts as a hundred, for which a table of some thousands of rows would rather be read through.
    rows = f"unnest(ARRAY(SELECT jsonb_array_elements(CAST({given} AS JSONB))))"
    return f"({', '.join(columns)}) IN (SELECT {places} FROM {rows} AS one)"  # noqa: S608  (as above)


def _parts(among: Among, compiler: SQLCompiler, words: dict[str, Any]) -> tuple[list[str], str]:
    return [compiler.process(column, **words) for column in among.columns], compiler.process(among.given, **words)
