"""The relay's place in the event log."""

from chassis.alembic.relay import create_relay_positions

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    create_relay_positions()
