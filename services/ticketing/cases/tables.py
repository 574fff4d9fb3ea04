"""The tables of tickets. What customers say stands in them sealed: subject, description, product and solutions."""

from __future__ import annotations

import sqlalchemy as sa

from chassis.database import Text
from services.ticketing.tables import METADATA

TICKETS = sa.Table(
    "tickets",
    METADATA,
    sa.Column("id", Text, primary_key=True),
    sa.Column("number", Text, nullable=False),
    sa.Column("type", Text, nullable=False),
    sa.Column("channel", Text, nullable=False),
    sa.Column("severity", Text, nullable=False),
    sa.Column("customer_id", Text, nullable=False),
    sa.Column("reporter", Text, nullable=False),
    sa.Column("store", Text, nullable=False),
    sa.Column("queue", Text, nullable=False),
    sa.Column("category", Text, nullable=False),
    sa.Column("cause_code", Text, nullable=False),
    sa.Column("report_time", sa.BigInteger, nullable=False),
    sa.Column("owner", Text, nullable=False),
    sa.Column("assignee", Text, nullable=False),
    sa.Column("state", Text, nullable=False),
    # Whether it has ended: lists ask for one or the other.
    sa.Column("closed", sa.Boolean, nullable=False),
    sa.Column("waiting_for", Text, nullable=False),
    sa.Column("finding", Text, nullable=False),
    # Separated by spaces.
    sa.Column("classes", sa.Text, nullable=False),
    # The parts of the priority, and the place of the severity among severities: the most pressing stand first.
    sa.Column("rank", sa.Integer, nullable=False),
    sa.Column("order_time", sa.BigInteger, nullable=False),
    sa.Column("deadline", sa.BigInteger),
    sa.Column("class_bonus", sa.BigInteger, nullable=False),
    sa.Column("bonus_class", Text, nullable=False),
    sa.Column("priority_policy", Text, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
    # JSON; nothing of it is personal.
    sa.Column("commitments", sa.Text, nullable=False),
    sa.Column("entries", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("create_time", sa.BigInteger, nullable=False),
    sa.Column("update_time", sa.BigInteger, nullable=False),
    sa.Column("close_time", sa.BigInteger),
    sa.Column("version", sa.Integer, nullable=False),
    sa.UniqueConstraint("number", name="uq_tickets_number"),
)
_PRESSING = (TICKETS.c.closed, TICKETS.c.rank, TICKETS.c.order_time, TICKETS.c.id)
sa.Index("ix_tickets_pressing", *_PRESSING)
sa.Index("ix_tickets_owner", TICKETS.c.owner, *_PRESSING)
sa.Index("ix_tickets_assignee", TICKETS.c.assignee, *_PRESSING)
sa.Index("ix_tickets_queue", TICKETS.c.queue, *_PRESSING)
sa.Index("ix_tickets_store", TICKETS.c.store, *_PRESSING)
sa.Index("ix_tickets_customer", TICKETS.c.customer_id, *_PRESSING)
sa.Index("ix_tickets_changed", TICKETS.c.update_time, TICKETS.c.id)

# How many tickets were registered on a day of the chain, for their numbers.
TICKET_COUNTS = sa.Table(
    "ticket_counts",
    METADATA,
    sa.Column("day", Text, primary_key=True),
    sa.Column("last", sa.Integer, nullable=False),
)
