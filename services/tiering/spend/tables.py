"""The tables of customers' spend."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa

from chassis.database import Text, twin
from services.tiering.tables import METADATA

DAYS = sa.Table(
    "spend_days",
    METADATA,
    sa.Column("customer_id", Text, primary_key=True),
    sa.Column("business_date", sa.Date, primary_key=True),
    sa.Column("kind", Text, primary_key=True),
    sa.Column("sales", sa.BigInteger, nullable=False),
    sa.Column("sales_profit", sa.BigInteger, nullable=False),
    sa.Column("purchase_count", sa.BigInteger, nullable=False),
    # Given back on this day, and given back, whenever, of what was sold on this day.
    sa.Column("refunds", sa.BigInteger, nullable=False),
    sa.Column("refunds_profit", sa.BigInteger, nullable=False),
    sa.Column("returns", sa.BigInteger, nullable=False),
    sa.Column("returns_profit", sa.BigInteger, nullable=False),
)

# One row for every customer with an entry.
SPENDERS = sa.Table(
    "spenders",
    METADATA,
    sa.Column("customer_id", Text, primary_key=True),
    sa.Column("first_entry_date", sa.Date, nullable=False),
    sa.Column("first_sale_date", sa.Date),
    sa.Column("first_sale_time", sa.BigInteger),
)


class Spend(NamedTuple):
    """Where spend stands: the tables that are read, or those in which it is built anew."""

    days: sa.Table
    spenders: sa.Table


LIVE = Spend(DAYS, SPENDERS)
BESIDE = Spend(twin(DAYS), twin(SPENDERS))
