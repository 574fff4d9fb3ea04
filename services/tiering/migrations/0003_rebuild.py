"""Another epoch of the event log, and the sums built anew beside those that are read."""

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
        "spend_days_beside",
        sa.Column("customer_id", Text(), nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("kind", Text(), nullable=False),
        sa.Column("sales", sa.BigInteger(), nullable=False),
        sa.Column("sales_profit", sa.BigInteger(), nullable=False),
        sa.Column("purchase_count", sa.BigInteger(), nullable=False),
        sa.Column("refunds", sa.BigInteger(), nullable=False),
        sa.Column("refunds_profit", sa.BigInteger(), nullable=False),
        sa.Column("returns", sa.BigInteger(), nullable=False),
        sa.Column("returns_profit", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "business_date", "kind", name="pk_spend_days_beside"),
    )
    op.create_table(
        "spenders_beside",
        sa.Column("customer_id", Text(), nullable=False),
        sa.Column("first_entry_date", sa.Date(), nullable=False),
        sa.Column("first_sale_date", sa.Date(), nullable=True),
        sa.Column("first_sale_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("customer_id", name="pk_spenders_beside"),
    )
