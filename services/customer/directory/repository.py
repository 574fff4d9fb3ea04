"""The queries of the directory. A chain has some thousands of entries, which are listed in the order of their codes."""

from __future__ import annotations

import dataclasses

import sqlalchemy as sa

from chassis.database import Contention, Tx
from services.customer.directory.domain import Store, StoreExists, StoreNotFound
from services.customer.directory.tables import STORES

# Written down once: building an expression takes longer than running it.
STORE = sa.select(STORES).where(STORES.c.code == sa.bindparam("code"))


def get_store(tx: Tx, code: str) -> Store:
    """Read a store, or raise `StoreNotFound`. By the primary key."""
    row = tx.execute(STORE, {"code": code}).mappings().one_or_none()
    if row is None:
        raise StoreNotFound(name=f"stores/{code}")
    return Store(**row)


def add_store(tx: Tx, store: Store) -> None:
    """Write a new store; raise `StoreExists` when the code is taken. By the primary key."""
    if tx.execute(STORE, {"code": store.code}).first():
        raise StoreExists(name=store.name)
    tx.execute(sa.insert(STORES).values(dataclasses.asdict(store)))


def save_store(tx: Tx, before: Store, after: Store) -> None:
    """Write a store that was changed; one that another transaction changed first is worked on again.

    By the primary key.
    """
    if after is before:
        return
    mine = sa.and_(STORES.c.code == before.code, STORES.c.version == before.version)
    if tx.execute(sa.update(STORES).where(mine).values(dataclasses.asdict(after))).rowcount != 1:
        raise Contention


def list_stores(tx: Tx, region: str, *, limit: int, after: str) -> list[Store]:
    """List stores of a region and of those within it, or of the chain, from behind a code on. By the primary key."""
    column = STORES.c
    query = sa.select(STORES).where(column.code > after)
    if region:
        query = query.where(sa.or_(column.region == region, column.region.startswith(f"{region}/")))
    return [Store(**row) for row in tx.execute(query.order_by(column.code).limit(limit)).mappings()]
