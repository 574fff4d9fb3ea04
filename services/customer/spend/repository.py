"""The queries of what customers' entries add up to: running sums, and sums of a window."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa

from chassis.among import Among
from chassis.database import Tx, upsert_into
from chassis.rows import insert_rows
from services.customer.ledger.domain import (
    CHAIN_SCOPE,
    Beginning,
    Correction,
    Entry,
    First,
    Record,
    Spend,
    tally,
    tally_profit,
)
from services.customer.ledger.tables import ENTRIES, SPEND, within

# Written down once: building an expression takes longer than running it.
CUSTOMER: sa.BindParameter[str] = sa.bindparam("customer")
SPEND_OF = sa.select(SPEND).where(Among("ids", SPEND.c.customer_id), Among("scopes", SPEND.c.scope))
FIRSTS = SPEND_OF.with_only_columns(SPEND.c.customer_id, SPEND.c.scope, SPEND.c.first_id)
HELD = (
    sa.select(SPEND.c.customer_id)
    .where(Among("ids", SPEND.c.customer_id), SPEND.c.scope == CHAIN_SCOPE)
    .order_by(SPEND.c.customer_id)
    .with_for_update()
)


def _sum(expression: sa.ColumnElement[Any], name: str) -> sa.Label[int]:
    return sa.cast(sa.func.coalesce(sa.func.sum(expression), 0), sa.BigInteger).label(name)


_SALE = ENTRIES.c.record == Record.SALE
_SUMS = (
    _sum(sa.case((_SALE, ENTRIES.c.total), else_=0), "gross"),
    _sum(sa.case((_SALE, 0), else_=ENTRIES.c.total), "refunded"),
    _sum(sa.case((_SALE, ENTRIES.c.profit), else_=-ENTRIES.c.profit), "profit"),
    _sum(sa.case((_SALE, 1), else_=0), "purchases"),
    _sum(sa.case((_SALE, 0), else_=1), "refunds"),
    _sum(sa.case((ENTRIES.c.profit_known, 0), else_=1), "profit_unknown"),
    sa.func.min(sa.case((_SALE, ENTRIES.c.business_time))).label("first_time"),
    sa.func.max(sa.case((_SALE, ENTRIES.c.business_time))).label("last_time"),
    sa.literal("").label("first_id"),
)
_COUNTS = (ENTRIES.c.customer_id == CUSTOMER, ENTRIES.c.void_time.is_(None))
SUM = sa.select(*_SUMS).where(*_COUNTS)
FIRST = (
    sa.select(ENTRIES.c.business_time, ENTRIES.c.id)
    .where(*_COUNTS, _SALE)
    .order_by(ENTRIES.c.business_time, ENTRIES.c.id)
    .limit(1)
)
BEGINNING = sa.select(
    sa.func.min(ENTRIES.c.business_date).label("first_entry_date"),
    sa.func.min(sa.case((_SALE, ENTRIES.c.business_date))).label("first_sale_date"),
    sa.func.min(sa.case((_SALE, ENTRIES.c.business_time))).label("first_sale_time"),
).where(*_COUNTS)


def add(tx: Tx, entries: Iterable[Entry]) -> None:
    """Add entries to their customers' running sums; it holds the customers from here to the transaction's end.

    Events are written after it, so that the events of one customer stand in the order in which the sums changed.
    """
    _add(tx, tally(entries))


def revalue(tx: Tx, corrections: Iterable[Correction]) -> None:
    """Let running sums follow sales of which the profit alone was corrected; it holds the customers as `add` does.

    The differences are enough: unlike in `move`, no sale comes or goes, so that the first one stays.
    """
    _add(tx, tally_profit(corrections))


def move(tx: Tx, corrections: Sequence[Correction]) -> dict[str, Beginning]:
    """Let running sums follow entries that have been rewritten; answer when those whom they counted for now began.

    The customers are held first, as in `add`. So what is counted here is what was told of them before and these
    corrections, no less and no more: whoever adds an entry at the same time waits, or has made this transaction wait.
    """
    before, after = tally(one.before for one in corrections), tally(one.after for one in corrections)
    tx.execute(HELD, {"ids": sorted({customer for customer, _ in before | after})})
    for customer, scope in sorted(key for key, sums in before.items() if after.get(key) != sums):
        _recount(tx, customer, scope)
    _add(tx, {key: sums for key, sums in after.items() if key not in before})
    return {customer: _beginning(tx, customer) for customer in sorted({customer for customer, _ in before})}


def _recount(tx: Tx, customer: str, scope: str) -> None:
    """Count a customer's sums in a scope anew: a loss may change which sale is the first. By `ix_entries_customer`."""
    here = [] if scope == CHAIN_SCOPE else [ENTRIES.c.store == scope]
    spend = _spend(tx.execute(SUM.where(*here), {"customer": customer}).one())
    first = tx.execute(FIRST.where(*here), {"customer": customer}).one_or_none()
    row = _row(customer, scope, dataclasses.replace(spend, first=First(*first) if first else None))
    mine = sa.and_(SPEND.c.customer_id == customer, SPEND.c.scope == scope)
    tx.execute(sa.update(SPEND).where(mine).values(row))


def _beginning(tx: Tx, customer: str) -> Beginning:
    """Find when a customer began. By `ix_entries_customer`."""
    return Beginning(*tx.execute(BEGINNING, {"customer": customer}).one())


def _add(tx: Tx, sums: dict[tuple[str, str], Spend]) -> None:
    """Add to running sums; always in the same order, so that two batches do not wait for each other in a circle."""
    rows = [_row(customer_id, scope, spend) for (customer_id, scope), spend in sorted(sums.items())]
    if rows:
        insert_rows(tx, _upsert(tx.dialect.name), rows)


@functools.cache
def _upsert(dialect: str) -> sa.Insert:
    statement = upsert_into(SPEND, dialect)
    new, old = statement.excluded, SPEND.c
    sooner = sa.or_(
        old.first_time.is_(None),
        new.first_time < old.first_time,
        sa.and_(new.first_time == old.first_time, new.first_id < old.first_id),
    )
    earlier = sa.and_(new.first_time.is_not(None), sooner)
    later = sa.and_(new.last_time.is_not(None), sa.or_(old.last_time.is_(None), new.last_time > old.last_time))
    added = ("gross", "refunded", "profit", "purchases", "refunds", "profit_unknown")
    changed = {name: old[name] + new[name] for name in added}
    changed |= {
        "first_time": sa.case((earlier, new.first_time), else_=old.first_time),
        "first_id": sa.case((earlier, new.first_id), else_=old.first_id),
        "last_time": sa.case((later, new.last_time), else_=old.last_time),
    }
    return statement.on_conflict_do_update(index_elements=["customer_id", "scope"], set_=changed)


def spends(tx: Tx, customer_ids: Iterable[str], scopes: Iterable[str] = ()) -> dict[tuple[str, str], Spend]:
    """Read running sums of customers, in the chain and in the given stores. By the primary key of `customer_spend`."""
    wanted = {"ids": sorted(set(customer_ids)), "scopes": sorted({CHAIN_SCOPE, *scopes})}
    return {(row.customer_id, row.scope): _spend(row) for row in tx.execute(SPEND_OF, wanted)}


def firsts(tx: Tx, customer_ids: Iterable[str], scopes: Iterable[str]) -> dict[tuple[str, str], str | None]:
    """Answer which sale is a customer's first, in the chain and in the given stores. By the same key."""
    wanted = {"ids": sorted(set(customer_ids)), "scopes": sorted({CHAIN_SCOPE, *scopes})}
    return {(customer, scope): first for customer, scope, first in tx.execute(FIRSTS, wanted).all()}


def spend_between(tx: Tx, customer_id: str, first: date | None, last: date | None) -> Spend:
    """Sum up a customer's entries within business dates, both included. By `ix_entries_customer`."""
    return _spend(tx.execute(SUM.where(*within(first, last)), {"customer": customer_id}).one())


def _row(customer_id: str, scope: str, spend: Spend) -> dict[str, Any]:
    return {
        "customer_id": customer_id,
        "scope": scope,
        "gross": spend.gross,
        "refunded": spend.refunded,
        "profit": spend.profit,
        "purchases": spend.purchases,
        "refunds": spend.refunds,
        "profit_unknown": spend.profit_unknown,
        "first_time": spend.first.business_time if spend.first else None,
        "first_id": spend.first.id if spend.first else None,
        "last_time": spend.last_time,
    }


def _spend(row: sa.Row[Any]) -> Spend:
    return Spend(
        gross=row.gross,
        refunded=row.refunded,
        profit=row.profit,
        purchases=row.purchases,
        refunds=row.refunds,
        profit_unknown=row.profit_unknown,
        first=None if row.first_time is None else First(row.first_time, row.first_id),
        last_time=row.last_time,
    )
