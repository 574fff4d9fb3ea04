"""The table of follow-ups. What customers say stands in the timeline of their tickets, sealed."""

from __future__ import annotations

import sqlalchemy as sa

from chassis.database import Text
from services.ticketing.tables import METADATA

FOLLOW_UPS = sa.Table(
    "follow_ups",
    METADATA,
    sa.Column("id", Text, primary_key=True),
    sa.Column("ticket_id", Text, nullable=False, index=True),
    sa.Column("ticket_number", Text, nullable=False),
    sa.Column("customer_id", Text, nullable=False),
    sa.Column("store", Text, nullable=False),
    sa.Column("owner", Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("due_time", sa.BigInteger, nullable=False),
    sa.Column("state", Text, nullable=False),
    sa.Column("outcome", Text),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("complete_time", sa.BigInteger),
    sa.Column("satisfied", sa.Boolean),
)
# Open ones are few beside those that ended, of one owner and of all: the state stands before the time.
sa.Index("ix_follow_ups_owner", *(FOLLOW_UPS.c[name] for name in ("owner", "state", "due_time", "id")))
sa.Index("ix_follow_ups_state", *(FOLLOW_UPS.c[name] for name in ("state", "due_time", "id")))
