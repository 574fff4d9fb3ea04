"""The first schema of the tiering service."""

import sqlalchemy as sa
from alembic import op

from chassis.alembic import first
from chassis.database import Text

revision = "0001"
down_revision = None


def upgrade() -> None:
    first.create_chain()
    first.create_cursors()
    first.create_documents()
    first.create_event_log()
    first.create_leases()
    first.create_operations()
    first.create_requests()
    op.create_table(
        "evaluations",
        sa.Column("id", Text(), nullable=False),
        sa.Column("scheme", Text(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("effective_time", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("apply_time", sa.BigInteger(), nullable=True),
        sa.Column("revert_time", sa.BigInteger(), nullable=True),
        sa.Column("known_through", sa.Text(), nullable=False),
        sa.Column("class_counts", sa.Text(), nullable=False),
        sa.Column("class_ranges", sa.Text(), nullable=False),
        sa.Column("denominator", sa.BigInteger(), nullable=False),
        sa.Column("none_count", sa.BigInteger(), nullable=False),
        sa.Column("up_count", sa.BigInteger(), nullable=False),
        sa.Column("down_count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_evaluations"),
    )
    op.create_index("ix_evaluations_scheme", "evaluations", ["scheme", "id"], unique=False)
    op.create_table(
        "members",
        sa.Column("scheme", Text(), nullable=False),
        sa.Column("customer_id", Text(), nullable=False),
        sa.Column("class_key", Text(), nullable=True),
        sa.Column("since_time", sa.BigInteger(), nullable=False),
        sa.Column("record_time", sa.BigInteger(), nullable=False),
        sa.Column("evaluation_id", Text(), nullable=False),
        sa.Column("began_time", sa.BigInteger(), nullable=True),
        sa.Column("corrected_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("scheme", "customer_id", name="pk_members"),
    )
    op.create_index("ix_members_class", "members", ["scheme", "class_key", "customer_id"], unique=False)
    op.create_table(
        "movements",
        sa.Column("scheme", Text(), nullable=False),
        sa.Column("customer_id", Text(), nullable=False),
        sa.Column("effective_time", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("record_time", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("evaluation_id", Text(), nullable=False),
        sa.Column("from_class", Text(), nullable=True),
        sa.Column("to_class", Text(), nullable=True),
        sa.Column("cause", Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "scheme", "customer_id", "effective_time", "record_time", "evaluation_id", name="pk_movements"
        ),
    )
    op.create_index(
        "ix_movements_run",
        "movements",
        ["evaluation_id", "customer_id", "effective_time", "record_time"],
        unique=False,
        sqlite_where=sa.text("evaluation_id <> ''"),
        postgresql_where=sa.text("evaluation_id <> ''"),
    )
    op.create_table(
        "spend_days",
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
        sa.PrimaryKeyConstraint("customer_id", "business_date", "kind", name="pk_spend_days"),
    )
    op.create_table(
        "spenders",
        sa.Column("customer_id", Text(), nullable=False),
        sa.Column("first_entry_date", sa.Date(), nullable=False),
        sa.Column("first_sale_date", sa.Date(), nullable=True),
        sa.Column("first_sale_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("customer_id", name="pk_spenders"),
    )
