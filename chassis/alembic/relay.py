"""The relay's place, which came with NATS."""

import sqlalchemy as sa
from alembic import op

from chassis.database import Text


def create_relay_positions() -> None:
    """Make the places up to which events are published."""
    op.create_table(
        "relay_positions",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partition", name="pk_relay_positions"),
    )
