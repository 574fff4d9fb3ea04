"""The tables of clocks: the ledger of their events, and where each clock stands after them."""

from __future__ import annotations

import sqlalchemy as sa

from chassis.database import Text
from services.ticketing.tables import METADATA

# Only ever added to. Positions are dense per ticket, so that of two who add at once one is turned away.
EVENTS = sa.Table(
    "clock_events",
    METADATA,
    sa.Column("ticket_id", Text, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("step", Text, nullable=False),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("record_time", sa.BigInteger, nullable=False),
    sa.Column("limit", sa.BigInteger),
    sa.Column("warning", sa.BigInteger),
    sa.Column("cause", Text, nullable=False),
    sa.Column("party", Text, nullable=False),
    sa.Column("actor", Text, nullable=False),
)

CLOCKS = sa.Table(
    "clocks",
    METADATA,
    sa.Column("ticket_id", Text, primary_key=True),
    sa.Column("kind", Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("state", Text, nullable=False),
    sa.Column("limit", sa.BigInteger, nullable=False),
    sa.Column("warning", sa.BigInteger),
    sa.Column("start_time", sa.BigInteger, nullable=False),
    sa.Column("counted", sa.BigInteger, nullable=False),
    sa.Column("since", sa.BigInteger),
    sa.Column("stop_time", sa.BigInteger),
    sa.Column("at_risk_time", sa.BigInteger),
    sa.Column("breach_time", sa.BigInteger),
    sa.Column("rule", Text, nullable=False),
    sa.Column("alert_time", sa.BigInteger),
)
# Most clocks have nothing left to fire.
_ALERTING = CLOCKS.c.alert_time.is_not(None)
sa.Index("ix_clocks_alert", CLOCKS.c.alert_time, CLOCKS.c.ticket_id, sqlite_where=_ALERTING, postgresql_where=_ALERTING)
