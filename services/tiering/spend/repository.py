"""The queries of customers' spend."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from operator import itemgetter

import sqlalchemy as sa

from chassis.database import Tx, upsert
from services.tiering.spend.domain import Day, DayKey, Entry, FirstSale, Spender, tally
from services.tiering.spend.tables import DAYS, SPENDERS


def add(tx: Tx, entries: Iterable[Entry]) -> dict[str, FirstSale]:
    """Add entries; answer the first sale of customers of whom none was known, or only one of a later time.

    All events of a customer come through one cursor, which the transaction holds: nobody else writes these rows.
    """
    days, fresh = tally(entries)
    if not days:
        return {}
    known = spenders(tx, fresh)
    merged = {customer: new | known.get(customer, new) for customer, new in sorted(fresh.items())}
    changed = {customer: now for customer, now in merged.items() if now != known.get(customer)}
    _add_days(tx, days)
    _put_spenders(tx, changed)
    before = {customer: spender.first_sale for customer, spender in known.items()}
    return {
        customer: sale
        for customer, spender in changed.items()
        if (sale := spender.first_sale)
        and ((old := before.get(customer)) is None or sale.business_time < old.business_time)
    }


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
    statement = upsert(tx, DAYS)
    added = {field.name: DAYS.c[field.name] + statement.excluded[field.name] for field in dataclasses.fields(Day)}
    key = ["customer_id", "business_date", "kind"]
    tx.execute(statement.on_conflict_do_update(index_elements=key, set_=added), rows)


def _put_spenders(tx: Tx, changed: Mapping[str, Spender]) -> None:
    if not changed:
        return
    rows = [
        {
            "customer_id": customer,
            "first_entry_date": spender.first_entry_date,
            "first_sale_date": spender.first_sale.business_date if spender.first_sale else None,
            "first_sale_time": spender.first_sale.business_time if spender.first_sale else None,
        }
        for customer, spender in changed.items()
    ]
    statement = upsert(tx, SPENDERS)
    new = {name: statement.excluded[name] for name in ("first_entry_date", "first_sale_date", "first_sale_time")}
    tx.execute(statement.on_conflict_do_update(index_elements=["customer_id"], set_=new), rows)
