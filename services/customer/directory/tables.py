"""The tables of the directory. Names and addresses of staff stand in them sealed."""

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

# Roles and store codes are separated by spaces.
STAFF = sa.Table(
    "staff",
    METADATA,
    sa.Column("code", Text, primary_key=True),
    sa.Column("personal", sa.LargeBinary, nullable=False),
    sa.Column("roles", sa.Text, nullable=False),
    sa.Column("stores", sa.Text, nullable=False),
    sa.Column("chain_wide", sa.Boolean, nullable=False),
    sa.Column("superior", Text, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("create_time", sa.BigInteger, nullable=False),
    sa.Column("update_time", sa.BigInteger, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
)

# The roles and stores under which a member is listed.
STAFF_LINKS = sa.Table(
    "staff_links",
    METADATA,
    sa.Column("kind", Text, primary_key=True),
    sa.Column("value", Text, primary_key=True),
    sa.Column("code", Text, primary_key=True, index=True),
)
