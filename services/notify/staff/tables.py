"""The table of posts. Codes stand in it, and nothing personal."""

from __future__ import annotations

import sqlalchemy as sa

from chassis.database import Text, twin
from services.notify.tables import METADATA

STAFF_POSTS = sa.Table(
    "staff_posts",
    METADATA,
    sa.Column("role", Text, primary_key=True),
    # Empty for all stores.
    sa.Column("store", Text, primary_key=True),
    sa.Column("code", Text, primary_key=True, index=True),
)
POSTS_BESIDE = twin(STAFF_POSTS)
