"""The table of API keys."""

from __future__ import annotations

import sqlalchemy as sa

from chassis.database import Text
from gateway.tables import METADATA

API_KEYS = sa.Table(
    "api_keys",
    METADATA,
    sa.Column("id", Text, primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("kind", Text, nullable=False),
    sa.Column("display_name", sa.Text, nullable=False),
    sa.Column("roles", sa.Text, nullable=False),
    sa.Column("stores", sa.Text, nullable=False),
    sa.Column("staff", Text, nullable=False),
    sa.Column("purpose", Text, nullable=False),
    sa.Column("expire_time", sa.BigInteger, nullable=False),
    sa.Column("create_time", sa.BigInteger, nullable=False),
    sa.Column("revoke_time", sa.BigInteger),
)
