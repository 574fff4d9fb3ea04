"""The queries of consent. A customer has few records, so the primary key serves all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from chassis.database import Tx
from services.customer.consents.domain import (
    Channel,
    Decision,
    Last,
    Record,
    Source,
    Use,
    Word,
    counting_channels,
    follow,
)
from services.customer.consents.tables import RECORDS
from services.customer.policies.domain import Purpose

# Written down once: building an expression takes longer than running it.
LAST = (
    sa.select(RECORDS.c.customer_id, sa.func.max(RECORDS.c.sequence).label("sequence"))
    .where(RECORDS.c.customer_id.in_(sa.bindparam("ids", expanding=True)), RECORDS.c.purpose == sa.bindparam("purpose"))
    .group_by(RECORDS.c.customer_id, RECORDS.c.channel)
    .subquery()
)
LATEST = sa.select(RECORDS).join(
    LAST, sa.and_(RECORDS.c.customer_id == LAST.c.customer_id, RECORDS.c.sequence == LAST.c.sequence)
)


def append(tx: Tx, customer_id: str, uses: Sequence[Use], word: Word, now: int) -> list[Record]:
    """Write what a customer said of some uses; when another transaction takes the place first, the work runs again."""
    if not uses:
        return []
    query = sa.select(RECORDS.c.sequence, RECORDS.c.record_time).where(RECORDS.c.customer_id == customer_id)
    row = tx.execute(query.order_by(RECORDS.c.sequence.desc()).limit(1)).one_or_none()
    records = follow(Last(row.sequence, row.record_time) if row else Last(), customer_id, uses, word, now)
    tx.execute(sa.insert(RECORDS), [_row(record) for record in records])
    return records


def deciding(tx: Tx, customer_id: str, use: Use, until: int | None) -> Record | None:
    """Read the latest record that counts for a use, of all there are or of those up to a time."""
    column = RECORDS.c
    channels = counting_channels(use.channel)
    query = sa.select(RECORDS).where(
        column.customer_id == customer_id, column.purpose == use.purpose, column.channel.in_(channels)
    )
    if until is not None:
        query = query.where(column.record_time <= until)
    row = tx.execute(query.order_by(column.sequence.desc()).limit(1)).one_or_none()
    return _record(row) if row else None


def records(tx: Tx, customer_id: str, *, limit: int, before: int | None = None) -> list[Record]:
    """List what a customer said, the newest first, from below `before` on."""
    query = sa.select(RECORDS).where(RECORDS.c.customer_id == customer_id)
    if before is not None:
        query = query.where(RECORDS.c.sequence < before)
    return [_record(row) for row in tx.execute(query.order_by(RECORDS.c.sequence.desc()).limit(limit))]


def latest(tx: Tx, customer_ids: Collection[str], purpose: Purpose) -> dict[str, list[Record]]:
    """Read what customers said last of a purpose, one record per customer and channel, in one statement."""
    found: dict[str, list[Record]] = {}
    for row in tx.execute(LATEST, {"ids": sorted(set(customer_ids)), "purpose": purpose}):
        found.setdefault(row.customer_id, []).append(_record(row))
    return found


def _row(record: Record) -> dict[str, Any]:
    return {
        "customer_id": record.customer_id,
        "sequence": record.sequence,
        "record_time": record.record_time,
        **dataclasses.asdict(record.use),
        **dataclasses.asdict(record.word),
    }


def _record(row: sa.Row[Any]) -> Record:
    word = Word(Decision(row.decision), Source(row.source), row.recorded_by, row.api_key, row.notice_version)
    use = Use(Purpose(row.purpose), Channel(row.channel))
    return Record(row.customer_id, row.sequence, use, word, row.record_time)
