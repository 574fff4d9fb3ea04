"""The tables of memberships: the ledger of movements, and the state that follows from it."""

from __future__ import annotations

import sqlalchemy as sa

from chassis.database import Text
from services.tiering.memberships.domain import Cause
from services.tiering.tables import METADATA

# What stands for the run of a first purchase and its corrections, and of a movement by a refund: that one is ranked
# with those of runs, before all ids.
NO_RUN = ""
BY_REFUND = "-"

# Only ever added to. No class is NULL.
MOVEMENTS = sa.Table(
    "movements",
    METADATA,
    sa.Column("scheme", Text, primary_key=True),
    sa.Column("customer_id", Text, primary_key=True),
    sa.Column("effective_time", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("record_time", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("evaluation_id", Text, primary_key=True),
    sa.Column("from_class", Text),
    sa.Column("to_class", Text),
    sa.Column("cause", Text, nullable=False),
)
# A literal, not a parameter: only then does a planner see that the partial index fits.
OF_RUN = sa.text("evaluation_id <> ''")
by_run = (
    *(MOVEMENTS.c.evaluation_id, MOVEMENTS.c.customer_id),
    *(MOVEMENTS.c.effective_time, MOVEMENTS.c.record_time),
)
sa.Index("ix_movements_run", *by_run, sqlite_where=OF_RUN, postgresql_where=OF_RUN)

# Whether a movement counts: the run that made it was not reverted. That is looked up by the primary key, movement by
# movement; the offset keeps PostgreSQL from making a join of it, planned for the few reverts that there were before.
REVERTS = MOVEMENTS.alias("reverts")
STANDS = ~(
    sa.select(REVERTS.c.customer_id)
    .where(
        REVERTS.c.scheme == MOVEMENTS.c.scheme,
        REVERTS.c.customer_id == MOVEMENTS.c.customer_id,
        REVERTS.c.evaluation_id == MOVEMENTS.c.evaluation_id,
        REVERTS.c.cause == Cause.REVERT.value,
    )
    .limit(1)
    .offset(0)
    .correlate(MOVEMENTS)
    .exists()
)

# Of each customer with movements the one that decides at present, as `domain.deciding` finds it; beside it, since when
# the first class holds and when that was recorded, by the last of its corrections.
MEMBERS = sa.Table(
    "members",
    METADATA,
    sa.Column("scheme", Text, primary_key=True),
    sa.Column("customer_id", Text, primary_key=True),
    sa.Column("class_key", Text),
    sa.Column("since_time", sa.BigInteger, nullable=False),
    sa.Column("record_time", sa.BigInteger, nullable=False),
    sa.Column("evaluation_id", Text, nullable=False),
    sa.Column("began_time", sa.BigInteger),
    sa.Column("corrected_time", sa.BigInteger),
)
sa.Index("ix_members_class", MEMBERS.c.scheme, MEMBERS.c.class_key, MEMBERS.c.customer_id)
# Few, and a run asks of everybody whether they are among them. A literal for the reason above.
REFUNDED = MEMBERS.c.evaluation_id == sa.literal_column(f"'{BY_REFUND}'")
sa.Index(
    "ix_members_refunded",
    MEMBERS.c.scheme,
    MEMBERS.c.customer_id,
    sqlite_where=REFUNDED,
    postgresql_where=REFUNDED,
)


def refunded_since(time: int | sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """Tell whether a refund after a time decides a member's class."""
    return sa.and_(REFUNDED, MEMBERS.c.since_time > time)


def holds_since(time: int | sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """Tell whether no refund after a time decides a member's class: what a run gave then holds; true of no member."""
    return sa.case((refunded_since(time), sa.false()), else_=sa.true())
