"""The closes of store days; rows are only ever added."""

from __future__ import annotations

import sqlalchemy as sa

from chassis.database import Text
from services.customer.tables import METADATA

DAY_CLOSES = sa.Table(
    "day_closes",
    METADATA,
    sa.Column("store", Text, primary_key=True),
    sa.Column("business_date", sa.Date, primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("balanced", sa.Boolean, nullable=False),
    sa.Column("journal_sale_count", sa.BigInteger, nullable=False),
    sa.Column("journal_sale_total", sa.BigInteger, nullable=False),
    sa.Column("journal_refund_count", sa.BigInteger, nullable=False),
    sa.Column("journal_refund_total", sa.BigInteger, nullable=False),
    sa.Column("held_sale_count", sa.BigInteger, nullable=False),
    sa.Column("held_sale_total", sa.BigInteger, nullable=False),
    sa.Column("held_refund_count", sa.BigInteger, nullable=False),
    sa.Column("held_refund_total", sa.BigInteger, nullable=False),
    sa.Column("closed_by", Text, nullable=False),
    sa.Column("api_key", Text, nullable=False),
    sa.Column("close_time", sa.BigInteger, nullable=False),
)
