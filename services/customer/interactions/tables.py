"""The communication log; rows are only ever added, and summaries stand in it sealed."""

from __future__ import annotations

import sqlalchemy as sa

from chassis.database import Text
from services.customer.tables import METADATA

INTERACTIONS = sa.Table(
    "interactions",
    METADATA,
    sa.Column("id", Text, primary_key=True),
    sa.Column("customer_id", Text, nullable=False),
    sa.Column("kind", Text, nullable=False),
    sa.Column("direction", Text, nullable=False),
    sa.Column("occur_time", sa.BigInteger, nullable=False),
    sa.Column("create_time", sa.BigInteger, nullable=False),
    sa.Column("staff", Text, nullable=False),
    sa.Column("store", Text, nullable=False),
    # NULL where nothing was said.
    sa.Column("summary", sa.LargeBinary),
    sa.Column("ticket_id", Text, nullable=False),
    # NULL for what staff entered; no message is in the log twice.
    sa.Column("message_id", Text, unique=True),
    sa.Index("ix_interactions_customer", "customer_id", "occur_time", "id"),
)
