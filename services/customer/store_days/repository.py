"""The queries of the day close."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa

from chassis.database import Tx
from services.customer.ledger.domain import Record
from services.customer.ledger.repository import read_anomalies
from services.customer.ledger.tables import ENTRIES, within
from services.customer.store_days.domain import Close, Figures, Held, Sums
from services.customer.store_days.tables import DAY_CLOSES


def _counting(store: str, first: date, last: date) -> list[sa.ColumnElement[bool]]:
    return [ENTRIES.c.store == store, *within(first, last), ENTRIES.c.void_time.is_(None)]


def held(tx: Tx, store: str, day: date) -> list[Held]:
    """Read what the ledger holds of a store's day, without voided sales. By `ix_entries_store`."""
    column = ENTRIES.c
    query = sa.select(column.terminal, column.record, column.receipt_no, column.total, column.anomalies)
    return [
        Held(row.terminal, Record(row.record), row.receipt_no, row.total, read_anomalies(row.anomalies))
        for row in tx.execute(query.where(*_counting(store, day, day)))
    ]


def sums_by_day(tx: Tx, store: str, first: date, last: date) -> dict[date, Sums]:
    """Add up what the ledger holds of a store's days, as `sum_up` does. By `ix_entries_store`."""
    column = ENTRIES.c
    total = sa.cast(sa.func.sum(column.total), sa.BigInteger).label("total")
    query = (
        sa.select(column.business_date, column.record, sa.func.count().label("number"), total)
        .where(*_counting(store, first, last))
        .group_by(column.business_date, column.record)
    )
    figures = {(row.business_date, row.record): Figures(row.number, row.total) for row in tx.execute(query)}
    return {
        day: Sums(figures.get((day, Record.SALE), Figures()), figures.get((day, Record.REFUND), Figures()))
        for day, _ in figures
    }


def add(tx: Tx, close: Close) -> None:
    """Write a close; an attempt that another transaction writes first is worked on again."""
    row = {
        "store": close.store,
        "business_date": close.business_date,
        "attempt": close.attempt,
        "balanced": close.balanced,
        "closed_by": close.closed_by,
        "api_key": close.api_key,
        "close_time": close.close_time,
    }
    tx.execute(sa.insert(DAY_CLOSES), row | _sums_row("journal", close.journal) | _sums_row("held", close.held))


def last_closes(tx: Tx, store: str, first: date, last: date) -> dict[date, Close]:
    """Read the last close of each of a store's days that has one. By the primary key of `day_closes`."""
    column = DAY_CLOSES.c
    query = (
        sa.select(DAY_CLOSES)
        .where(column.store == store, column.business_date.between(first, last))
        .order_by(column.business_date, column.attempt)
    )
    return {row["business_date"]: _close(row) for row in tx.execute(query).mappings()}


def _sums_row(side: str, sums: Sums) -> dict[str, int]:
    return {
        f"{side}_sale_count": sums.sales.count,
        f"{side}_sale_total": sums.sales.total,
        f"{side}_refund_count": sums.refunds.count,
        f"{side}_refund_total": sums.refunds.total,
    }


def _sums(row: sa.RowMapping, side: str) -> Sums:
    return Sums(
        Figures(row[f"{side}_sale_count"], row[f"{side}_sale_total"]),
        Figures(row[f"{side}_refund_count"], row[f"{side}_refund_total"]),
    )


def _close(row: sa.RowMapping) -> Close:
    return Close(
        store=row["store"],
        business_date=row["business_date"],
        attempt=row["attempt"],
        balanced=row["balanced"],
        journal=_sums(row, "journal"),
        held=_sums(row, "held"),
        closed_by=row["closed_by"],
        api_key=row["api_key"],
        close_time=row["close_time"],
    )
