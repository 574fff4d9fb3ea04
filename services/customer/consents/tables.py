"""The ledger of consents; rows are only ever added."""

from __future__ import annotations

import sqlalchemy as sa

from chassis.database import Text
from services.customer.tables import METADATA

RECORDS = sa.Table(
    "consent_records",
    METADATA,
    sa.Column("customer_id", Text, primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("purpose", Text, nullable=False),
    sa.Column("channel", Text, nullable=False),
    sa.Column("decision", Text, nullable=False),
    sa.Column("source", Text, nullable=False),
    sa.Column("recorded_by", Text, nullable=False),
    sa.Column("api_key", Text, nullable=False),
    sa.Column("notice_version", Text, nullable=False),
    sa.Column("record_time", sa.BigInteger, nullable=False),
)
