"""The chassis's tables as services first made them.

Revisions call these, so that the same table is not written down in every service. They never change: a later change of
a table is a function of its own, called by a revision of each service that has it.
"""

import sqlalchemy as sa
from alembic import op

from chassis.database import Text


def create_access() -> None:
    """Make the accesses to personal data."""
    op.create_table(
        "access_subjects",
        sa.Column("subject", Text(), nullable=False),
        sa.Column("access_id", Text(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "access_id", name="pk_access_subjects"),
    )
    op.create_table(
        "accesses",
        sa.Column("id", Text(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("caller", Text(), nullable=False),
        sa.Column("staff", Text(), nullable=False),
        sa.Column("method", Text(), nullable=False),
        sa.Column("purpose", Text(), nullable=False),
        sa.Column("request_id", Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_accesses"),
    )


def create_chain() -> None:
    """Make the chain's remembered settings."""
    op.create_table(
        "chain",
        sa.Column("key", Text(), nullable=False),
        sa.Column("value", Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_chain"),
    )


def create_cursors() -> None:
    """Make the cursors of a consumer, and the events that it parks."""
    op.create_table(
        "cursors",
        sa.Column("source", Text(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "partition", name="pk_cursors"),
    )
    op.create_table(
        "parked_events",
        sa.Column("source", Text(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subject", Text(), nullable=False),
        sa.Column("event", sa.LargeBinary(), nullable=False),
        sa.Column("problem", Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("park_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "partition", "position", name="pk_parked_events"),
    )
    op.create_index("ix_parked_events_subject", "parked_events", ["source", "subject", "position"], unique=False)


def create_documents() -> None:
    """Make documents and the history of their steps."""
    op.create_table(
        "document_steps",
        sa.Column("kind", Text(), nullable=False),
        sa.Column("key", Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("row_version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("step", Text(), nullable=False),
        sa.Column("staff", Text(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", "version", "row_version", name="pk_document_steps"),
    )
    op.create_table(
        "documents",
        sa.Column("kind", Text(), nullable=False),
        sa.Column("key", Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("effective_date", sa.Date(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("example", sa.Boolean(), nullable=False),
        sa.Column("state", Text(), nullable=False),
        sa.Column("author", Text(), nullable=False),
        sa.Column("writers", sa.Text(), nullable=False),
        sa.Column("reviewer", Text(), nullable=False),
        sa.Column("approver", Text(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.Column("step", Text(), nullable=False),
        sa.Column("step_staff", Text(), nullable=False),
        sa.Column("row_version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", "version", name="pk_documents"),
    )
    op.create_index(
        "ix_documents_active",
        "documents",
        ["kind", "key", "effective_date"],
        unique=True,
        sqlite_where=sa.text("state = 'ACTIVE'"),
        postgresql_where=sa.text("state = 'ACTIVE'"),
    )
    op.create_index(
        "ix_documents_waiting",
        "documents",
        ["kind", "update_time", "key", "version"],
        unique=False,
        sqlite_where=sa.text("state IN ('SUBMITTED', 'REVIEWED', 'APPROVED')"),
        postgresql_where=sa.text("state IN ('SUBMITTED', 'REVIEWED', 'APPROVED')"),
    )


def create_event_log() -> None:
    """Make the outbox and the event log."""
    op.create_table(
        "event_epochs",
        sa.Column("epoch", Text(), nullable=False),
        sa.PrimaryKeyConstraint("epoch", name="pk_event_epochs"),
    )
    op.create_table(
        "event_heads",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partition", name="pk_event_heads"),
    )
    op.create_table(
        "events",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", Text(), nullable=False),
        sa.Column("subject", Text(), nullable=False),
        sa.Column("key", Text(), nullable=False),
        sa.Column("type", Text(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "position", name="pk_events"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("event_id", Text(), nullable=False),
        sa.Column("subject", Text(), nullable=False),
        sa.Column("key", Text(), nullable=False),
        sa.Column("type", Text(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sqlite_autoincrement=True,
    )


def create_leases() -> None:
    """Make the leases of background work."""
    op.create_table(
        "leases",
        sa.Column("name", Text(), nullable=False),
        sa.Column("holder", Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )


def create_operations() -> None:
    """Make the operations."""
    op.create_table(
        "operations",
        sa.Column("name", Text(), nullable=False),
        sa.Column("kind", Text(), nullable=False),
        sa.Column("key", Text(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("progress", sa.LargeBinary(), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.Column("cancel", sa.Boolean(), nullable=False),
        sa.Column("response", sa.LargeBinary(), nullable=True),
        sa.Column("error", sa.LargeBinary(), nullable=True),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_operations"),
    )
    op.create_index(
        "ix_operations_unfinished",
        "operations",
        ["kind", "key"],
        unique=True,
        sqlite_where=sa.text("done IS 0"),
        postgresql_where=sa.text("done IS false"),
    )


def create_requests() -> None:
    """Make the answers kept by request id."""
    op.create_table(
        "requests",
        sa.Column("caller", Text(), nullable=False),
        sa.Column("method", Text(), nullable=False),
        sa.Column("request_id", Text(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("response", sa.LargeBinary(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("caller", "method", "request_id", name="pk_requests"),
    )
    op.create_index("ix_requests_create_time", "requests", ["create_time"], unique=False)


def create_vault() -> None:
    """Make the wrapped keys of subjects."""
    op.create_table(
        "vault_keys",
        sa.Column("subject", Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("key_id", Text(), nullable=True),
        sa.PrimaryKeyConstraint("subject", name="pk_vault_keys"),
    )
    op.create_index("ix_vault_keys_key_id", "vault_keys", ["key_id"], unique=False)
