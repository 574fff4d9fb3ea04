"""The first schema of the customer service."""

import sqlalchemy as sa
from alembic import op

from chassis.alembic import first
from chassis.database import Text

revision = "0001"
down_revision = None


def upgrade() -> None:
    first.create_access()
    first.create_chain()
    first.create_cursors()
    first.create_documents()
    first.create_event_log()
    first.create_leases()
    first.create_requests()
    first.create_vault()
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
    op.create_table(
        "customer_classes",
        sa.Column("customer_id", Text(), nullable=False),
        sa.Column("scheme", Text(), nullable=False),
        sa.Column("class_key", Text(), nullable=False),
        sa.Column("zh", Text(), nullable=False),
        sa.Column("en", Text(), nullable=False),
        sa.Column("since_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "scheme", name="pk_customer_classes"),
    )
    op.create_table(
        "customer_keys",
        sa.Column("kind", Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("customer_id", Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "digest", "customer_id", name="pk_customer_keys"),
    )
    op.create_index("ix_customer_keys_customer_id", "customer_keys", ["customer_id"], unique=False)
    op.create_table(
        "customer_spend",
        sa.Column("customer_id", Text(), nullable=False),
        sa.Column("scope", Text(), nullable=False),
        sa.Column("gross", sa.BigInteger(), nullable=False),
        sa.Column("refunded", sa.BigInteger(), nullable=False),
        sa.Column("profit", sa.BigInteger(), nullable=False),
        sa.Column("purchases", sa.BigInteger(), nullable=False),
        sa.Column("refunds", sa.BigInteger(), nullable=False),
        sa.Column("profit_unknown", sa.BigInteger(), nullable=False),
        sa.Column("first_time", sa.BigInteger(), nullable=True),
        sa.Column("first_id", Text(), nullable=True),
        sa.Column("last_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("customer_id", "scope", name="pk_customer_spend"),
    )
    op.create_table(
        "customers",
        sa.Column("id", Text(), nullable=False),
        sa.Column("personal", sa.LargeBinary(), nullable=False),
        sa.Column("party_type", Text(), nullable=False),
        sa.Column("language_code", Text(), nullable=False),
        sa.Column("home_store", Text(), nullable=False),
        sa.Column("state", Text(), nullable=False),
        sa.Column("completion_due_date", sa.Date(), nullable=True),
        sa.Column("enrolled_by", Text(), nullable=False),
        sa.Column("enrolment_ref", Text(), nullable=True),
        sa.Column("enrolment_hash", sa.LargeBinary(), nullable=True),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("notice_version", Text(), nullable=False),
        sa.Column("preferred_channel", Text(), nullable=False),
        sa.Column("time_zone", Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_customers"),
        sa.UniqueConstraint("home_store", "enrolment_ref", name="uq_customers_enrolment"),
    )
    op.create_table(
        "day_closes",
        sa.Column("store", Text(), nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("balanced", sa.Boolean(), nullable=False),
        sa.Column("journal_sale_count", sa.BigInteger(), nullable=False),
        sa.Column("journal_sale_total", sa.BigInteger(), nullable=False),
        sa.Column("journal_refund_count", sa.BigInteger(), nullable=False),
        sa.Column("journal_refund_total", sa.BigInteger(), nullable=False),
        sa.Column("held_sale_count", sa.BigInteger(), nullable=False),
        sa.Column("held_sale_total", sa.BigInteger(), nullable=False),
        sa.Column("held_refund_count", sa.BigInteger(), nullable=False),
        sa.Column("held_refund_total", sa.BigInteger(), nullable=False),
        sa.Column("closed_by", Text(), nullable=False),
        sa.Column("api_key", Text(), nullable=False),
        sa.Column("close_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("store", "business_date", "attempt", name="pk_day_closes"),
    )
    op.create_table(
        "entries",
        sa.Column("id", Text(), nullable=False),
        sa.Column("record", Text(), nullable=False),
        sa.Column("kind", Text(), nullable=False),
        sa.Column("store", Text(), nullable=False),
        sa.Column("terminal", Text(), nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("receipt_no", Text(), nullable=False),
        sa.Column("payload_hash", sa.LargeBinary(), nullable=False),
        sa.Column("business_time", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", Text(), nullable=True),
        sa.Column("customer_state", Text(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("profit", sa.BigInteger(), nullable=False),
        sa.Column("profit_known", sa.Boolean(), nullable=False),
        sa.Column("original_id", Text(), nullable=True),
        sa.Column("link", Text(), nullable=True),
        sa.Column("void_time", sa.BigInteger(), nullable=True),
        sa.Column("anomalies", Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_entries"),
    )
    op.create_index("ix_entries_customer", "entries", ["customer_id", "business_date", "id"], unique=False)
    op.create_index(
        "ix_entries_odd",
        "entries",
        ["store", "business_date", "id"],
        unique=False,
        sqlite_where=sa.text("anomalies != ''"),
        postgresql_where=sa.text("anomalies != ''"),
    )
    op.create_index(
        "ix_entries_original",
        "entries",
        ["original_id"],
        unique=False,
        sqlite_where=sa.text("original_id IS NOT NULL"),
        postgresql_where=sa.text("original_id IS NOT NULL"),
    )
    op.create_index("ix_entries_store", "entries", ["store", "business_date", "id"], unique=False)
    op.create_table(
        "interactions",
        sa.Column("id", Text(), nullable=False),
        sa.Column("customer_id", Text(), nullable=False),
        sa.Column("kind", Text(), nullable=False),
        sa.Column("direction", Text(), nullable=False),
        sa.Column("occur_time", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("staff", Text(), nullable=False),
        sa.Column("store", Text(), nullable=False),
        sa.Column("summary", sa.LargeBinary(), nullable=True),
        sa.Column("ticket_id", Text(), nullable=False),
        sa.Column("message_id", Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_interactions"),
        sa.UniqueConstraint("message_id", name="uq_interactions_message_id"),
    )
    op.create_index("ix_interactions_customer", "interactions", ["customer_id", "occur_time", "id"], unique=False)
    op.create_table(
        "receipts",
        sa.Column("record", Text(), nullable=False),
        sa.Column("store", Text(), nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("terminal", Text(), nullable=False),
        sa.Column("receipt_no", Text(), nullable=False),
        sa.Column("entry_id", Text(), nullable=False),
        sa.Column("payload_hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("record", "store", "business_date", "terminal", "receipt_no", name="pk_receipts"),
    )
    op.create_table(
        "staff",
        sa.Column("code", Text(), nullable=False),
        sa.Column("personal", sa.LargeBinary(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("stores", sa.Text(), nullable=False),
        sa.Column("chain_wide", sa.Boolean(), nullable=False),
        sa.Column("superior", Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("code", name="pk_staff"),
    )
    op.create_table(
        "staff_links",
        sa.Column("kind", Text(), nullable=False),
        sa.Column("value", Text(), nullable=False),
        sa.Column("code", Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "value", "code", name="pk_staff_links"),
    )
    op.create_index("ix_staff_links_code", "staff_links", ["code"], unique=False)
    op.create_table(
        "stores",
        sa.Column("code", Text(), nullable=False),
        sa.Column("display_name", Text(), nullable=False),
        sa.Column("region", Text(), nullable=False),
        sa.Column("time_zone", Text(), nullable=False),
        sa.Column("opening_date", sa.Date(), nullable=False),
        sa.Column("closing_date", sa.Date(), nullable=True),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("code", name="pk_stores"),
    )
    op.create_table(
        "waiting_refunds",
        sa.Column("store", Text(), nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("terminal", Text(), nullable=False),
        sa.Column("receipt_no", Text(), nullable=False),
        sa.Column("refund_id", Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "store", "business_date", "terminal", "receipt_no", "refund_id", name="pk_waiting_refunds"
        ),
    )
