"""The ledger's tables.

`receipts` holds the keys alone, so that `entries` may be partitioned by business date one day. Lines live in their
entry's row: they come with it, and are read only with it.
"""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa

from chassis.database import Text
from services.customer.tables import METADATA

RECEIPTS = sa.Table(
    "receipts",
    METADATA,
    sa.Column("record", Text, primary_key=True),
    sa.Column("store", Text, primary_key=True),
    sa.Column("business_date", sa.Date, primary_key=True),
    sa.Column("terminal", Text, primary_key=True),
    sa.Column("receipt_no", Text, primary_key=True),
    sa.Column("entry_id", Text, nullable=False),
    sa.Column("payload_hash", sa.LargeBinary, nullable=False),
)

ENTRIES = sa.Table(
    "entries",
    METADATA,
    sa.Column("id", Text, primary_key=True),
    sa.Column("record", Text, nullable=False),
    sa.Column("kind", Text, nullable=False),
    sa.Column("store", Text, nullable=False),
    sa.Column("terminal", Text, nullable=False),
    sa.Column("business_date", sa.Date, nullable=False),
    sa.Column("receipt_no", Text, nullable=False),
    sa.Column("payload_hash", sa.LargeBinary, nullable=False),
    sa.Column("business_time", sa.BigInteger, nullable=False),
    sa.Column("customer_id", Text),
    sa.Column("customer_state", Text, nullable=False),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("profit", sa.BigInteger, nullable=False),
    sa.Column("profit_known", sa.Boolean, nullable=False),
    sa.Column("original_id", Text),
    sa.Column("link", Text),
    sa.Column("void_time", sa.BigInteger),
    # What was odd, separated by blanks; empty where nothing was.
    sa.Column("anomalies", Text, nullable=False),
    # Lines, adjustments, tenders and what is only ever read with them, as JSON.
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("create_time", sa.BigInteger, nullable=False),
)
sa.Index("ix_entries_customer", ENTRIES.c.customer_id, ENTRIES.c.business_date, ENTRIES.c.id)
sa.Index("ix_entries_store", ENTRIES.c.store, ENTRIES.c.business_date, ENTRIES.c.id)


def within(first: date | None, last: date | None) -> list[sa.ColumnElement[bool]]:
    """Ask for entries within business dates, both included; None is without end."""
    bounds = []
    if first is not None:
        bounds.append(ENTRIES.c.business_date >= first)
    if last is not None:
        bounds.append(ENTRIES.c.business_date <= last)
    return bounds


linked = ENTRIES.c.original_id.is_not(None)
sa.Index("ix_entries_original", ENTRIES.c.original_id, sqlite_where=linked, postgresql_where=linked)

# A literal, not a parameter: by it a planner sees that the index serves a query.
odd = ENTRIES.c.anomalies != sa.literal_column("''")
sa.Index(
    "ix_entries_odd",
    ENTRIES.c.store,
    ENTRIES.c.business_date,
    ENTRIES.c.id,
    sqlite_where=odd,
    postgresql_where=odd,
)

SPEND = sa.Table(
    "customer_spend",
    METADATA,
    sa.Column("customer_id", Text, primary_key=True),
    # A store's code, or the empty string for the whole chain.
    sa.Column("scope", Text, primary_key=True),
    sa.Column("gross", sa.BigInteger, nullable=False),
    sa.Column("refunded", sa.BigInteger, nullable=False),
    sa.Column("profit", sa.BigInteger, nullable=False),
    sa.Column("purchases", sa.BigInteger, nullable=False),
    sa.Column("refunds", sa.BigInteger, nullable=False),
    sa.Column("profit_unknown", sa.BigInteger, nullable=False),
    sa.Column("first_time", sa.BigInteger),
    sa.Column("first_id", Text),
    sa.Column("last_time", sa.BigInteger),
)
