"""The table of refunds that wait for their sale."""

from __future__ import annotations

import sqlalchemy as sa

from chassis.database import Text
from services.customer.tables import METADATA

# By the receipt that a refund names as its original. A row goes when that sale is recorded.
WAITING = sa.Table(
    "waiting_refunds",
    METADATA,
    sa.Column("store", Text, primary_key=True),
    sa.Column("business_date", sa.Date, primary_key=True),
    sa.Column("terminal", Text, primary_key=True),
    sa.Column("receipt_no", Text, primary_key=True),
    sa.Column("refund_id", Text, primary_key=True),
)
