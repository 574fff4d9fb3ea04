"""The tables of runs."""

from __future__ import annotations

import sqlalchemy as sa

from chassis.database import Text
from services.tiering.memberships.tables import MOVEMENTS
from services.tiering.tables import METADATA

EVALUATIONS = sa.Table(
    "evaluations",
    METADATA,
    sa.Column("id", Text, primary_key=True),
    sa.Column("scheme", Text, nullable=False),
    sa.Column("as_of", sa.Date, nullable=False),
    sa.Column("policy_version", sa.Integer, nullable=False),
    sa.Column("effective_time", sa.BigInteger, nullable=False),
    sa.Column("create_time", sa.BigInteger, nullable=False),
    sa.Column("apply_time", sa.BigInteger),
    sa.Column("revert_time", sa.BigInteger),
    # Positions that had been read, by partition, and customers per class, the lowest class first: JSON.
    sa.Column("known_through", sa.Text, nullable=False),
    sa.Column("class_counts", sa.Text, nullable=False),
    # Of a score, how far each class reached: JSON.
    sa.Column("class_ranges", sa.Text, nullable=False),
    sa.Column("denominator", sa.BigInteger, nullable=False),
    sa.Column("none_count", sa.BigInteger, nullable=False),
    sa.Column("up_count", sa.BigInteger, nullable=False),
    sa.Column("down_count", sa.BigInteger, nullable=False),
)
sa.Index("ix_evaluations_scheme", EVALUATIONS.c.scheme, EVALUATIONS.c.id)

# What a run works on; the tables live and die within its transaction.
WORK = sa.MetaData()
GRADES = sa.Table(
    "run_grades",
    WORK,
    sa.Column("customer_id", Text, nullable=False),
    sa.Column("from_class", Text),
    sa.Column("to_class", Text),
    # Of a score.
    sa.Column("amount", sa.BigInteger),
    sa.Column("score", sa.BigInteger),
    prefixes=["TEMPORARY"],
)
MOVES = sa.Table(
    "run_moves",
    WORK,
    *(sa.Column(column.name, column.type, nullable=column.nullable) for column in MOVEMENTS.c),
    # Whether the movement changes what holds at present.
    sa.Column("current", sa.Boolean, nullable=False),
    prefixes=["TEMPORARY"],
)
