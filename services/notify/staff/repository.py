"""The queries of posts."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

import sqlalchemy as sa

from chassis.database import Tx
from services.notify.staff.domain import EVERYWHERE, Member, posts
from services.notify.staff.tables import STAFF_POSTS

# Written down once: building an expression takes longer than running it.
CLEAR = sa.delete(STAFF_POSTS).where(STAFF_POSTS.c.code.in_(sa.bindparam("codes", expanding=True)))
SERVING = (
    sa.select(STAFF_POSTS.c.code)
    .where(STAFF_POSTS.c.role == sa.bindparam("role"))
    .where(STAFF_POSTS.c.store.in_((EVERYWHERE, sa.bindparam("store"))))
    .order_by(STAFF_POSTS.c.code)
)


def put(tx: Tx, members: Collection[Member]) -> None:
    """Write where members, each given once, serve from now on. By `ix_staff_posts_code`."""
    if members:
        tx.execute(CLEAR, {"codes": [member.code for member in members]})
    rows = [dataclasses.asdict(post) for member in members for post in posts(member)]
    if rows:
        tx.execute(sa.insert(STAFF_POSTS), rows)


def serving(tx: Tx, role: str, store: str) -> list[str]:
    """List the codes of all who serve in a role at a store, or with EVERYWHERE for all stores. By the primary key."""
    return list(tx.scalars(SERVING, {"role": role, "store": store}))
