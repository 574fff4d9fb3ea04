"""Another epoch of the event log, and classes built anew beside those that are read."""

import sqlalchemy as sa
from alembic import op

from chassis.alembic import rebuild
from chassis.database import Text

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    rebuild.create_past_epochs()
    rebuild.create_rebuilds()
    op.create_table(
        "customer_classes_beside",
        sa.Column("customer_id", Text(), nullable=False),
        sa.Column("scheme", Text(), nullable=False),
        sa.Column("class_key", Text(), nullable=False),
        sa.Column("zh", Text(), nullable=False),
        sa.Column("en", Text(), nullable=False),
        sa.Column("since_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "scheme", name="pk_customer_classes_beside"),
    )
