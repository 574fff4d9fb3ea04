"""The first schema of the gateway."""

import sqlalchemy as sa
from alembic import op

from chassis.alembic import first
from chassis.database import Text

revision = "0001"
down_revision = None


def upgrade() -> None:
    first.create_chain()
    first.create_documents()
    first.create_event_log()
    first.create_requests()
    op.create_table(
        "api_keys",
        sa.Column("id", Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("kind", Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("stores", sa.Text(), nullable=False),
        sa.Column("staff", Text(), nullable=False),
        sa.Column("purpose", Text(), nullable=False),
        sa.Column("expire_time", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("revoke_time", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
    )
