"""The table of improvement actions. Description and result stand in it sealed: they may repeat what a customer said."""

from __future__ import annotations

import sqlalchemy as sa

from chassis.database import Text
from services.ticketing.tables import METADATA

IMPROVEMENTS = sa.Table(
    "improvement_actions",
    METADATA,
    sa.Column("id", Text, primary_key=True),
    sa.Column("ticket_id", Text, nullable=False, index=True),
    sa.Column("ticket_number", Text, nullable=False),
    # For whom the content is sealed.
    sa.Column("subject", Text, nullable=False),
    sa.Column("responsible", Text, nullable=False),
    sa.Column("due_time", sa.BigInteger, nullable=False),
    sa.Column("create_time", sa.BigInteger, nullable=False),
    sa.Column("state", Text, nullable=False),
    sa.Column("complete_time", sa.BigInteger),
    sa.Column("content", sa.LargeBinary, nullable=False),
)
# Open ones are few beside those that ended, of one member of staff and of all: the state stands before the time.
_ORDER = ("state", "due_time", "id")
sa.Index("ix_improvement_actions_responsible", IMPROVEMENTS.c.responsible, *(IMPROVEMENTS.c[name] for name in _ORDER))
sa.Index("ix_improvement_actions_state", *(IMPROVEMENTS.c[name] for name in _ORDER))
