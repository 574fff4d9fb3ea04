"""The first schema of the ticketing service."""

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
        "clock_events",
        sa.Column("ticket_id", Text(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("step", Text(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("record_time", sa.BigInteger(), nullable=False),
        sa.Column("limit", sa.BigInteger(), nullable=True),
        sa.Column("warning", sa.BigInteger(), nullable=True),
        sa.Column("cause", Text(), nullable=False),
        sa.Column("party", Text(), nullable=False),
        sa.Column("actor", Text(), nullable=False),
        sa.PrimaryKeyConstraint("ticket_id", "position", name="pk_clock_events"),
    )
    op.create_table(
        "clocks",
        sa.Column("ticket_id", Text(), nullable=False),
        sa.Column("kind", Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", Text(), nullable=False),
        sa.Column("limit", sa.BigInteger(), nullable=False),
        sa.Column("warning", sa.BigInteger(), nullable=True),
        sa.Column("start_time", sa.BigInteger(), nullable=False),
        sa.Column("counted", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.Column("stop_time", sa.BigInteger(), nullable=True),
        sa.Column("at_risk_time", sa.BigInteger(), nullable=True),
        sa.Column("breach_time", sa.BigInteger(), nullable=True),
        sa.Column("rule", Text(), nullable=False),
        sa.Column("alert_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("ticket_id", "kind", "number", name="pk_clocks"),
    )
    op.create_index(
        "ix_clocks_alert",
        "clocks",
        ["alert_time", "ticket_id"],
        unique=False,
        sqlite_where=sa.text("alert_time IS NOT NULL"),
        postgresql_where=sa.text("alert_time IS NOT NULL"),
    )
    op.create_table(
        "customer_classes",
        sa.Column("customer_id", Text(), nullable=False),
        sa.Column("scheme", Text(), nullable=False),
        sa.Column("class_key", Text(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "scheme", name="pk_customer_classes"),
    )
    op.create_table(
        "follow_ups",
        sa.Column("id", Text(), nullable=False),
        sa.Column("ticket_id", Text(), nullable=False),
        sa.Column("ticket_number", Text(), nullable=False),
        sa.Column("customer_id", Text(), nullable=False),
        sa.Column("store", Text(), nullable=False),
        sa.Column("owner", Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("due_time", sa.BigInteger(), nullable=False),
        sa.Column("state", Text(), nullable=False),
        sa.Column("outcome", Text(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("complete_time", sa.BigInteger(), nullable=True),
        sa.Column("satisfied", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_follow_ups"),
    )
    op.create_index("ix_follow_ups_owner", "follow_ups", ["owner", "state", "due_time", "id"], unique=False)
    op.create_index("ix_follow_ups_state", "follow_ups", ["state", "due_time", "id"], unique=False)
    op.create_index("ix_follow_ups_ticket_id", "follow_ups", ["ticket_id"], unique=False)
    op.create_table(
        "improvement_actions",
        sa.Column("id", Text(), nullable=False),
        sa.Column("ticket_id", Text(), nullable=False),
        sa.Column("ticket_number", Text(), nullable=False),
        sa.Column("subject", Text(), nullable=False),
        sa.Column("responsible", Text(), nullable=False),
        sa.Column("due_time", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("state", Text(), nullable=False),
        sa.Column("complete_time", sa.BigInteger(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_improvement_actions"),
    )
    op.create_index(
        "ix_improvement_actions_responsible",
        "improvement_actions",
        ["responsible", "state", "due_time", "id"],
        unique=False,
    )
    op.create_index("ix_improvement_actions_state", "improvement_actions", ["state", "due_time", "id"], unique=False)
    op.create_index("ix_improvement_actions_ticket_id", "improvement_actions", ["ticket_id"], unique=False)
    op.create_table(
        "staff",
        sa.Column("code", Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("roles", Text(), nullable=False),
        sa.Column("stores", Text(), nullable=False),
        sa.Column("chain_wide", sa.Boolean(), nullable=False),
        sa.Column("superior", Text(), nullable=False),
        sa.PrimaryKeyConstraint("code", name="pk_staff"),
    )
    op.create_table(
        "stores", sa.Column("code", Text(), nullable=False), sa.PrimaryKeyConstraint("code", name="pk_stores")
    )
    op.create_table(
        "ticket_counts",
        sa.Column("day", Text(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", name="pk_ticket_counts"),
    )
    op.create_table(
        "ticket_entries",
        sa.Column("ticket_id", Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("actor", Text(), nullable=False),
        sa.Column("verb", Text(), nullable=False),
        sa.Column("from_state", Text(), nullable=True),
        sa.Column("to_state", Text(), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=True),
        sa.Column("details", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("ticket_id", "number", name="pk_ticket_entries"),
    )
    op.create_table(
        "tickets",
        sa.Column("id", Text(), nullable=False),
        sa.Column("number", Text(), nullable=False),
        sa.Column("type", Text(), nullable=False),
        sa.Column("channel", Text(), nullable=False),
        sa.Column("severity", Text(), nullable=False),
        sa.Column("customer_id", Text(), nullable=False),
        sa.Column("reporter", Text(), nullable=False),
        sa.Column("store", Text(), nullable=False),
        sa.Column("queue", Text(), nullable=False),
        sa.Column("category", Text(), nullable=False),
        sa.Column("cause_code", Text(), nullable=False),
        sa.Column("report_time", sa.BigInteger(), nullable=False),
        sa.Column("owner", Text(), nullable=False),
        sa.Column("assignee", Text(), nullable=False),
        sa.Column("state", Text(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.Column("waiting_for", Text(), nullable=False),
        sa.Column("finding", Text(), nullable=False),
        sa.Column("classes", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("order_time", sa.BigInteger(), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=True),
        sa.Column("class_bonus", sa.BigInteger(), nullable=False),
        sa.Column("bonus_class", Text(), nullable=False),
        sa.Column("priority_policy", Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("commitments", sa.Text(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.Column("close_time", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tickets"),
        sa.UniqueConstraint("number", name="uq_tickets_number"),
    )
    op.create_index("ix_tickets_assignee", "tickets", ["assignee", "closed", "rank", "order_time", "id"], unique=False)
    op.create_index("ix_tickets_changed", "tickets", ["update_time", "id"], unique=False)
    op.create_index(
        "ix_tickets_customer", "tickets", ["customer_id", "closed", "rank", "order_time", "id"], unique=False
    )
    op.create_index("ix_tickets_owner", "tickets", ["owner", "closed", "rank", "order_time", "id"], unique=False)
    op.create_index("ix_tickets_pressing", "tickets", ["closed", "rank", "order_time", "id"], unique=False)
    op.create_index("ix_tickets_queue", "tickets", ["queue", "closed", "rank", "order_time", "id"], unique=False)
    op.create_index("ix_tickets_store", "tickets", ["store", "closed", "rank", "order_time", "id"], unique=False)
