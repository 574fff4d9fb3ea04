"""Another epoch of the event log."""

from chassis.alembic import rebuild

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    rebuild.create_past_epochs()
