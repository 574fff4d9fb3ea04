"""The first schema of the notify service."""

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
    first.create_requests()
    first.create_vault()
    op.create_table(
        "message_attempts",
        sa.Column("message_id", Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("channel", Text(), nullable=False),
        sa.Column("start_time", sa.BigInteger(), nullable=False),
        sa.Column("end_time", sa.BigInteger(), nullable=True),
        sa.Column("outcome", Text(), nullable=True),
        sa.Column("code", sa.Integer(), nullable=False),
        sa.Column("detail", Text(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", "number", name="pk_message_attempts"),
    )
    op.create_table(
        "messages",
        sa.Column("id", Text(), nullable=False),
        sa.Column("recipient", Text(), nullable=False),
        sa.Column("to_staff", sa.Boolean(), nullable=False),
        sa.Column("template", Text(), nullable=False),
        sa.Column("purpose", Text(), nullable=False),
        sa.Column("channels", Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("business_key", Text(), nullable=True),
        sa.Column("rule", Text(), nullable=False),
        sa.Column("event_id", Text(), nullable=False),
        sa.Column("caller", Text(), nullable=False),
        sa.Column("retry_of", Text(), nullable=True),
        sa.Column("state", Text(), nullable=False),
        sa.Column("reason", Text(), nullable=True),
        sa.Column("basis", Text(), nullable=False),
        sa.Column("channel", Text(), nullable=False),
        sa.Column("language", Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("due_time", sa.BigInteger(), nullable=True),
        sa.Column("send_after", sa.BigInteger(), nullable=True),
        sa.Column("expire_time", sa.BigInteger(), nullable=True),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
        sa.UniqueConstraint("business_key", name="uq_messages_business_key"),
        sa.UniqueConstraint("retry_of", name="uq_messages_retry_of"),
    )
    op.create_index(
        "ix_messages_due",
        "messages",
        ["to_staff", "due_time", "id"],
        unique=False,
        sqlite_where=sa.text("due_time IS NOT NULL"),
        postgresql_where=sa.text("due_time IS NOT NULL"),
    )
    op.create_index("ix_messages_recipient", "messages", ["recipient", "create_time", "id"], unique=False)
    op.create_index("ix_messages_state", "messages", ["state", "create_time", "id"], unique=False)
    op.create_index("ix_messages_time", "messages", ["create_time", "id"], unique=False)
    op.create_table(
        "staff_posts",
        sa.Column("role", Text(), nullable=False),
        sa.Column("store", Text(), nullable=False),
        sa.Column("code", Text(), nullable=False),
        sa.PrimaryKeyConstraint("role", "store", "code", name="pk_staff_posts"),
    )
    op.create_index("ix_staff_posts_code", "staff_posts", ["code"], unique=False)
