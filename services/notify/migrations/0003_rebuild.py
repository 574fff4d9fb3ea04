"""Another epoch of the event log, and posts built anew beside those that are read."""

import sqlalchemy as sa
from alembic import op

from chassis.alembic import rebuild
from chassis.database import Text

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    rebuild.create_past_epochs()
    rebuild.create_rebuilds()
    op.create_table(
        "staff_posts_beside",
        sa.Column("role", Text(), nullable=False),
        sa.Column("store", Text(), nullable=False),
        sa.Column("code", Text(), nullable=False),
        sa.PrimaryKeyConstraint("role", "store", "code", name="pk_staff_posts_beside"),
    )
    op.create_index("ix_staff_posts_beside_code", "staff_posts_beside", ["code"], unique=False)
