"""Consents, the notice under which they are given, and its versions."""

import sqlalchemy as sa
from alembic import op

from chassis.alembic import first
from chassis.database import Text

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    first.create_documents()
    op.create_table(
        "consent_records",
        sa.Column("customer_id", Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("purpose", Text(), nullable=False),
        sa.Column("channel", Text(), nullable=False),
        sa.Column("decision", Text(), nullable=False),
        sa.Column("source", Text(), nullable=False),
        sa.Column("recorded_by", Text(), nullable=False),
        sa.Column("api_key", Text(), nullable=False),
        sa.Column("notice_version", Text(), nullable=False),
        sa.Column("record_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "sequence", name="pk_consent_records"),
    )
    op.add_column("customers", sa.Column("notice_version", Text(), server_default=sa.text("''"), nullable=False))
