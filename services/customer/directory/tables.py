"""The tables of the directory."""

from __future__ import annotations

import sqlalchemy as sa

from chassis.database import Text
from services.customer.tables import METADATA

STORES = sa.Table(
    "stores",
    METADATA,
    sa.Column("code", Text, primary_key=True),
    sa.Column("display_name", Text, nullable=False),
    sa.Column("region", Text, nullable=False),
    sa.Column("time_zone", Text, nullable=False),
    sa.Column("opening_date", sa.Date, nullable=False),
    sa.Column("closing_date", sa.Date),
    sa.Column("create_time", sa.BigInteger, nullable=False),
    sa.Column("update_time", sa.BigInteger, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
)
