"""The queries of customers' spend."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter

import sqlalchemy as sa

from chassis.database import Tx, upsert
from services.tiering.spend.domain import Change, Day, DayKey, FirstSale, Spender, tally
from services.tiering.spend.tables import DAYS, SPENDERS


def add(tx: Tx, changes: Sequence[Change]) -> dict[str, FirstSale | None]:
    """Add changes; answer the first sale of customers whose first sale is another time's than before, None for none.

    All events of a customer come through one cursor, which the transaction holds: nobody else writes these rows. A
    customer of whom nothing remains has no row.
    """
    if not changes:
        return {}
    known = spenders(tx, {change.customer for change in changes})
    days, now = tally(changes, known)
    changed = {customer: spender for customer, spender in sorted(now.items()) if spender != known.get(customer)}
    _add_days(tx, {key: sums for key, sums in days.items() if sums != Day()})
    _put_spenders(tx, changed)
    return {
        customer: spender.first_sale if spender else None
        for customer, spender in changed.items()
        if _first_time(spender) != _first_time(known.get(customer))
    }


def _first_time(spender: Spender | None) -> int | None:
    return spender.first_sale.business_time if spender and spender.first_sale else None


def spenders(tx: Tx, customers: Iterable[str]) -> dict[str, Spender]:
    """Read when customers began. By the primary key of `spenders`."""
    query = sa.select(SPENDERS).where(SPENDERS.c.customer_id.in_(sorted(set(customers))))
    return {
        row.customer_id: Spender(
            row.first_entry_date,
            FirstSale(row.first_sale_date, row.first_sale_time) if row.first_sale_date else None,
        )
        for row in tx.execute(query)
    }


def _add_days(tx: Tx, days: Mapping[DayKey, Day]) -> None:
    rows = [
        {"customer_id": key.customer, "business_date": key.business_date, "kind": key.kind, **dataclasses.asdict(sums)}
        for key, sums in sorted(days.items(), key=itemgetter(0))
    ]
    if not rows:
        return
    statement = upsert(tx, DAYS)
    added = {field.name: DAYS.c[field.name] + statement.excluded[field.name] for field in dataclasses.fields(Day)}
    key = ["customer_id", "business_date", "kind"]
    tx.execute(statement.on_conflict_do_update(index_elements=key, set_=added), rows)


def _put_spenders(tx: Tx, changed: Mapping[str, Spender | None]) -> None:
    gone = [customer for customer, spender in changed.items() if spender is None]
    if gone:
        tx.execute(sa.delete(SPENDERS).where(SPENDERS.c.customer_id.in_(gone)))
    rows = [
        {
            "customer_id": customer,
            "first_entry_date": spender.first_entry_date,
            "first_sale_date": spender.first_sale.business_date if spender.first_sale else None,
            "first_sale_time": spender.first_sale.business_time if spender.first_sale else None,
        }
        for customer, spender in changed.items()
        if spender
    ]
    if not rows:
        return
    statement = upsert(tx, SPENDERS)
    new = {name: statement.excluded[name] for name in ("first_entry_date", "first_sale_date", "first_sale_time")}
    tx.execute(statement.on_conflict_do_update(index_elements=["customer_id"], set_=new), rows)
