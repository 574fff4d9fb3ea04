"""The timeline of tickets: what happened, only ever added to. What people said stands in it sealed."""

from __future__ import annotations

import sqlalchemy as sa

from chassis.database import Text
from services.ticketing.tables import METADATA

ENTRIES = sa.Table(
    "ticket_entries",
    METADATA,
    sa.Column("ticket_id", Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("actor", Text, nullable=False),
    sa.Column("verb", Text, nullable=False),
    sa.Column("from_state", Text),
    sa.Column("to_state", Text, nullable=False),
    sa.Column("text", sa.LargeBinary),
    # JSON; nothing of it is personal.
    sa.Column("details", sa.Text, nullable=False),
)
