"""What a listener needs to build a projection anew, and an owner to tell that it was restored."""

import sqlalchemy as sa
from alembic import op

from chassis.database import Text


def create_rebuilds() -> None:
    """Make the rebuilds that are asked for or under way."""
    op.create_table(
        "rebuilds",
        sa.Column("source", Text(), nullable=False),
        sa.Column("epoch", Text(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", name="pk_rebuilds"),
    )


def create_past_epochs() -> None:
    """Make the epochs that an event log had before."""
    op.create_table(
        "past_epochs",
        sa.Column("epoch", Text(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("epoch", "partition", name="pk_past_epochs"),
    )
