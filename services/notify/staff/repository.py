"""The queries of posts."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

import sqlalchemy as sa

from chassis.database import Tx
from services.notify.staff.domain import EVERYWHERE, Member, posts
from services.notify.staff.tables import POSTS_BESIDE, STAFF_POSTS

# What is built anew when the customer service's events are read once more.
TWINS = {STAFF_POSTS: POSTS_BESIDE}

# Written down once: building an expression takes longer than running it.
CLEAR = {
    table: sa.delete(table).where(table.c.code.in_(sa.bindparam("codes", expanding=True)))
    for table in (STAFF_POSTS, POSTS_BESIDE)
}
SERVING = (
    sa.select(STAFF_POSTS.c.code)
    .where(STAFF_POSTS.c.role == sa.bindparam("role"))
    .where(STAFF_POSTS.c.store.in_((EVERYWHERE, sa.bindparam("store"))))
    .order_by(STAFF_POSTS.c.code)
)


def put(tx: Tx, members: Collection[Member], *, beside: bool = False) -> None:
    """Write where members, each given once, serve from now on, or beside. By `ix_staff_posts_code`."""
    table = POSTS_BESIDE if beside else STAFF_POSTS
    if members:
        tx.execute(CLEAR[table], {"codes": [member.code for member in members]})
    rows = [dataclasses.asdict(post) for member in members for post in posts(member)]
    if rows:
        tx.execute(sa.insert(table), rows)


def serving(tx: Tx, role: str, store: str) -> list[str]:
    """List the codes of all who serve in a role at a store, or with EVERYWHERE for all stores. By the primary key."""
    return list(tx.scalars(SERVING, {"role": role, "store": store}))
