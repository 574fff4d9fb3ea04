"""The tables of messages. No contact and no text stands in them; the values that fill a template are sealed."""

from __future__ import annotations

import sqlalchemy as sa

from chassis.database import Text
from services.notify.tables import METADATA

MESSAGES = sa.Table(
    "messages",
    METADATA,
    sa.Column("id", Text, primary_key=True),
    # "customers/{id}" or "staff/{code}", and which of them, for the index.
    sa.Column("recipient", Text, nullable=False),
    sa.Column("to_staff", sa.Boolean, nullable=False),
    sa.Column("template", Text, nullable=False),
    sa.Column("purpose", Text, nullable=False),
    # In order of fallback, separated by commas.
    sa.Column("channels", Text, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("business_key", Text),
    sa.Column("rule", Text, nullable=False),
    sa.Column("event_id", Text, nullable=False),
    sa.Column("caller", Text, nullable=False),
    sa.Column("retry_of", Text),
    sa.Column("state", Text, nullable=False),
    sa.Column("reason", Text),
    sa.Column("basis", Text, nullable=False),
    sa.Column("channel", Text, nullable=False),
    sa.Column("language", Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("due_time", sa.BigInteger),
    sa.Column("send_after", sa.BigInteger),
    sa.Column("expire_time", sa.BigInteger),
    sa.Column("create_time", sa.BigInteger, nullable=False),
    sa.Column("update_time", sa.BigInteger, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.UniqueConstraint("business_key", name="uq_messages_business_key"),
    sa.UniqueConstraint("retry_of", name="uq_messages_retry_of"),
)
# Few of all messages wait for anything.
_DUE = MESSAGES.c.due_time.is_not(None)
sa.Index(
    "ix_messages_due",
    MESSAGES.c.to_staff,
    MESSAGES.c.due_time,
    MESSAGES.c.id,
    sqlite_where=_DUE,
    postgresql_where=_DUE,
)
sa.Index("ix_messages_time", MESSAGES.c.create_time, MESSAGES.c.id)
sa.Index("ix_messages_state", MESSAGES.c.state, MESSAGES.c.create_time, MESSAGES.c.id)
sa.Index("ix_messages_recipient", MESSAGES.c.recipient, MESSAGES.c.create_time, MESSAGES.c.id)

ATTEMPTS = sa.Table(
    "message_attempts",
    METADATA,
    sa.Column("message_id", Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("channel", Text, nullable=False),
    sa.Column("start_time", sa.BigInteger, nullable=False),
    sa.Column("end_time", sa.BigInteger),
    sa.Column("outcome", Text),
    sa.Column("code", sa.Integer, nullable=False),
    sa.Column("detail", Text, nullable=False),
)
