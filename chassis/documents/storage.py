"""Tables and queries of documents."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from chassis.database import Text, Tx
from chassis.documents.lifecycle import Content, Document, DocumentNotFound, State, Step, version_name
from chassis.errors import EtagMismatch

# Literals, not parameters: only then does a planner see that a partial index fits.
IS_ACTIVE = sa.text("state = 'ACTIVE'")
IS_WAITING = sa.text("state IN ('SUBMITTED', 'REVIEWED', 'APPROVED')")


@dataclass(frozen=True, slots=True)
class Taken:
    """A step of the history: what was done, by whom and when."""

    step: Step
    staff: str
    time: int


def documents_tables(metadata: sa.MetaData) -> tuple[sa.Table, sa.Table]:
    """Declare the versions and the history of their steps, which is only ever added to."""
    documents = sa.Table(
        "documents",
        metadata,
        sa.Column("kind", Text, primary_key=True),
        sa.Column("key", Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("effective_date", sa.Date, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("example", sa.Boolean, nullable=False),
        sa.Column("state", Text, nullable=False),
        sa.Column("author", Text, nullable=False),
        sa.Column("writers", sa.Text, nullable=False),
        sa.Column("reviewer", Text, nullable=False),
        sa.Column("approver", Text, nullable=False),
        sa.Column("create_time", sa.BigInteger, nullable=False),
        sa.Column("update_time", sa.BigInteger, nullable=False),
        sa.Column("step", Text, nullable=False),
        sa.Column("step_staff", Text, nullable=False),
        sa.Column("row_version", sa.Integer, nullable=False),
    )
    column = documents.c
    # Unique: when two transactions activate versions for the same day at once, the second one fails and is run again.
    active = (column.kind, column.key, column.effective_date)
    sa.Index("ix_documents_active", *active, unique=True, sqlite_where=IS_ACTIVE, postgresql_where=IS_ACTIVE)
    waiting = (column.kind, column.update_time, column.key, column.version)
    sa.Index("ix_documents_waiting", *waiting, sqlite_where=IS_WAITING, postgresql_where=IS_WAITING)
    steps = sa.Table(
        "document_steps",
        metadata,
        sa.Column("kind", Text, primary_key=True),
        sa.Column("key", Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("row_version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("step", Text, nullable=False),
        sa.Column("staff", Text, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
    )
    return documents, steps


DOCUMENTS, STEPS = documents_tables(sa.MetaData())


def next_version(tx: Tx, kind: str, key: str) -> int:
    """Answer the number of a new version; when another transaction takes it first, `add` makes the work run again."""
    query = sa.select(sa.func.max(DOCUMENTS.c.version)).where(DOCUMENTS.c.kind == kind, DOCUMENTS.c.key == key)
    return (tx.scalar(query) or 0) + 1


def add(tx: Tx, document: Document) -> None:
    """Store a new version."""
    tx.execute(sa.insert(DOCUMENTS).values(_row(document)))
    _add_step(tx, document)


def save(tx: Tx, document: Document) -> None:
    """Store a version after one step, and the step; raise `EtagMismatch` when another step came in between."""
    row = _row(document)
    where = sa.and_(*(DOCUMENTS.c[name] == row.pop(name) for name in ("kind", "key", "version")))
    statement = sa.update(DOCUMENTS).where(where, DOCUMENTS.c.row_version == document.row_version - 1).values(row)
    if tx.execute(statement).rowcount != 1:
        raise EtagMismatch(name=document.name)
    _add_step(tx, document)


def find(tx: Tx, kind: str, key: str, version: int) -> Document | None:
    """Read one version, if there is one."""
    where = (DOCUMENTS.c.kind == kind, DOCUMENTS.c.key == key, DOCUMENTS.c.version == version)
    return _one(tx, sa.select(DOCUMENTS).where(*where))


def get(tx: Tx, kind: str, key: str, version: int) -> Document:
    """Read one version, or raise `DocumentNotFound`."""
    document = find(tx, kind, key, version)
    if document is None:
        raise DocumentNotFound(name=version_name(kind, key, version))
    return document


def keys(tx: Tx, kind: str) -> list[str]:
    """List the keys of a kind that have any version."""
    query = sa.select(DOCUMENTS.c.key).where(DOCUMENTS.c.kind == kind).distinct().order_by(DOCUMENTS.c.key)
    return list(tx.scalars(query))


def versions(tx: Tx, kind: str, key: str, *, limit: int, before: int | None = None) -> list[Document]:
    """List the versions of a document, the newest first, from below `before` on."""
    query = sa.select(DOCUMENTS).where(DOCUMENTS.c.kind == kind, DOCUMENTS.c.key == key)
    if before is not None:
        query = query.where(DOCUMENTS.c.version < before)
    return _all(tx, query.order_by(DOCUMENTS.c.version.desc()).limit(limit))


def listed(tx: Tx, kind: str, *, key: str = "", limit: int, after: tuple[str, int] | None = None) -> list[Document]:
    """List the versions of a kind, or of one of its keys, by key and number; the primary key serves it.

    The cursor is `(key, version)`.
    """
    order = (DOCUMENTS.c.key, DOCUMENTS.c.version)
    query = sa.select(DOCUMENTS).where(DOCUMENTS.c.kind == kind)
    if key:
        query = query.where(DOCUMENTS.c.key == key)
    if after is not None:
        query = query.where(sa.tuple_(*order) > sa.tuple_(*after))
    return _all(tx, query.order_by(*order).limit(limit))


def newest(tx: Tx, kind: str, key: str, state: State) -> Document | None:
    """Read the version with the highest number that is in a state; the primary key serves it."""
    query = sa.select(DOCUMENTS).where(
        DOCUMENTS.c.kind == kind, DOCUMENTS.c.key == key, DOCUMENTS.c.state == state.value
    )
    return _one(tx, query.order_by(DOCUMENTS.c.version.desc()).limit(1))


def waiting(
    tx: Tx, kind: str, states: Iterable[State], *, limit: int, after: tuple[int, str, int] | None = None
) -> list[Document]:
    """List the versions that wait for a step, in some of the states SUBMITTED, REVIEWED and APPROVED, the oldest first.

    The cursor is `(update_time, key, version)`.
    """
    column = DOCUMENTS.c
    order = (column.update_time, column.key, column.version)
    wanted = [state.value for state in states]
    query = sa.select(DOCUMENTS).where(column.kind == kind, IS_WAITING, column.state.in_(wanted))
    if after is not None:
        query = query.where(sa.tuple_(*order) > sa.tuple_(*after))
    return _all(tx, query.order_by(*order).limit(limit))


def active_on(tx: Tx, kind: str, key: str, day: date) -> Document | None:
    """Read the version in force on a day: the active one with the latest effective date up to that day."""
    query = _active(kind, key).where(DOCUMENTS.c.effective_date <= day)
    return _one(tx, query.order_by(DOCUMENTS.c.effective_date.desc()).limit(1))


def all_active_on(tx: Tx, kind: str, day: date) -> list[Document]:
    """Read the versions of a kind in force on a day, one of each key that has any (ix_documents_active)."""
    column, other = DOCUMENTS.c, DOCUMENTS.alias("other")
    of_key = (other.c.kind == column.kind, other.c.key == column.key, IS_ACTIVE, other.c.effective_date <= day)
    latest = sa.select(sa.func.max(other.c.effective_date)).where(*of_key).scalar_subquery()
    return _all(tx, sa.select(DOCUMENTS).where(column.kind == kind, IS_ACTIVE, column.effective_date == latest))


def rival_of(tx: Tx, document: Document) -> Document | None:
    """Read the active version that holds a document's effective date, for `activate`."""
    query = _active(document.kind, document.key)
    return _one(tx, query.where(DOCUMENTS.c.effective_date == document.content.effective_date))


def history(tx: Tx, document: Document) -> list[Taken]:
    """List the steps of a version, the first one first."""
    query = (
        sa.select(STEPS)
        .where(STEPS.c.kind == document.kind, STEPS.c.key == document.key, STEPS.c.version == document.version)
        .order_by(STEPS.c.row_version)
    )
    return [Taken(Step(row.step), row.staff, row.time) for row in tx.execute(query)]


def _active(kind: str, key: str) -> sa.Select[Any]:
    return sa.select(DOCUMENTS).where(DOCUMENTS.c.kind == kind, DOCUMENTS.c.key == key, IS_ACTIVE)


def _add_step(tx: Tx, document: Document) -> None:
    row = {name: getattr(document, name) for name in ("kind", "key", "version", "row_version")}
    row |= {"step": document.step.value, "staff": document.step_staff, "time": document.update_time}
    tx.execute(sa.insert(STEPS).values(row))


def _row(document: Document) -> dict[str, Any]:
    return {
        "kind": document.kind,
        "key": document.key,
        "version": document.version,
        "payload": document.content.payload,
        "effective_date": document.content.effective_date,
        "description": document.content.description,
        "example": document.content.example,
        "state": document.state.value,
        "author": document.author,
        "writers": json.dumps(document.writers),
        "reviewer": document.reviewer,
        "approver": document.approver,
        "create_time": document.create_time,
        "update_time": document.update_time,
        "step": document.step.value,
        "step_staff": document.step_staff,
        "row_version": document.row_version,
    }


def _one(tx: Tx, query: sa.Select[Any]) -> Document | None:
    row = tx.execute(query).one_or_none()
    return None if row is None else _document(row)


def _all(tx: Tx, query: sa.Select[Any]) -> list[Document]:
    return [_document(row) for row in tx.execute(query)]


def _document(row: sa.Row[Any]) -> Document:
    return Document(
        kind=row.kind,
        key=row.key,
        version=row.version,
        content=Content(row.payload, row.effective_date, row.description, row.example),
        state=State(row.state),
        author=row.author,
        writers=tuple(json.loads(row.writers)),
        reviewer=row.reviewer,
        approver=row.approver,
        create_time=row.create_time,
        update_time=row.update_time,
        step=Step(row.step),
        step_staff=row.step_staff,
        row_version=row.row_version,
    )
