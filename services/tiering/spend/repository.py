"""The queries of customers' spend."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter

import sqlalchemy as sa

from chassis.among import Among
from chassis.database import Tx, upsert
from services.tiering.spend.domain import Change, Day, DayKey, FirstSale, Spender, tally
from services.tiering.spend.tables import BESIDE, LIVE, Spend

# What is built anew when the customer service's events are read once more.
TWINS = dict(zip(LIVE, BESIDE, strict=True))


def add(tx: Tx, changes: Sequence[Change], *, beside: bool = False) -> dict[str, FirstSale | None]:
    """Add changes, or add them beside; answer the first sale of customers who now have another one, None for none.

    All events of a customer come through one cursor, which the transaction holds: nobody else writes these rows. A
    customer of whom nothing remains has no row.
    """
    if not changes:
        return {}
    to = BESIDE if beside else LIVE
    known = spenders(tx, {change.customer for change in changes}, to)
    days, now = tally(changes, known)
    changed = {customer: spender for customer, spender in sorted(now.items()) if spender != known.get(customer)}
    _add_days(tx, {key: sums for key, sums in days.items() if sums != Day()}, to.days)
    _put_spenders(tx, changed, to.spenders)
    return {
        customer: spender.first_sale if spender else None
        for customer, spender in changed.items()
        if _first_time(spender) != _first_time(known.get(customer))
    }


def _first_time(spender: Spender | None) -> int | None:
    return spender.first_sale.business_time if spender and spender.first_sale else None


def spenders(tx: Tx, customers: Iterable[str], of: Spend = LIVE) -> dict[str, Spender]:
    """Read when customers began. By the primary key of `spenders`."""
    table = of.spenders
    query = sa.select(table).where(Among("ids", table.c.customer_id))
    return {
        row.customer_id: Spender(
            row.first_entry_date,
            FirstSale(row.first_sale_date, row.first_sale_time) if row.first_sale_date else None,
        )
        for row in tx.execute(query, {"ids": sorted(set(customers))})
    }


def _add_days(tx: Tx, days: Mapping[DayKey, Day], table: sa.Table) -> None:
    rows = [
        {"customer_id": key.customer, "business_date": key.business_date, "kind": key.kind, **dataclasses.asdict(sums)}
        for key, sums in sorted(days.items(), key=itemgetter(0))
    ]
    if not rows:
        return
    statement = upsert(tx, table)
    added = {field.name: table.c[field.name] + statement.excluded[field.name] for field in dataclasses.fields(Day)}
    key = ["customer_id", "business_date", "kind"]
    tx.execute(statement.on_conflict_do_update(index_elements=key, set_=added), rows)


def _put_spenders(tx: Tx, changed: Mapping[str, Spender | None], table: sa.Table) -> None:
    gone = [customer for customer, spender in changed.items() if spender is None]
    if gone:
        tx.execute(sa.delete(table).where(table.c.customer_id.in_(gone)))
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
    statement = upsert(tx, table)
    new = {name: statement.excluded[name] for name in ("first_entry_date", "first_sale_date", "first_sale_time")}
    tx.execute(statement.on_conflict_do_update(index_elements=["customer_id"], set_=new), rows)
