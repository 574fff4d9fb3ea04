"""Whose class a refund decides, by an index of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    refunded = sa.text("evaluation_id = '-'")
    op.create_index(
        "ix_members_refunded",
        "members",
        ["scheme", "customer_id"],
        sqlite_where=refunded,
        postgresql_where=refunded,
    )
