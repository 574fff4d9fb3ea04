"""The queries of API keys. A chain has some thousands of them, which are listed in the order of their ids."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from chassis.database import Tx, hold
from gateway.apikeys.domain import ApiKey, ApiKeyNotFound, Kind, State
from gateway.apikeys.tables import API_KEYS


def add(tx: Tx, key: ApiKey) -> None:
    """Store a key."""
    row = {
        "id": key.id,
        "digest": key.digest,
        "kind": key.kind,
        "display_name": key.display_name,
        "roles": " ".join(key.roles),
        "stores": " ".join(key.stores),
        "staff": key.staff,
        "expire_time": key.expire_time,
        "create_time": key.create_time,
        "purpose": key.purpose,
        "revoke_time": key.revoke_time,
    }
    tx.execute(sa.insert(API_KEYS).values(row))


def by_digest(tx: Tx, digest: bytes) -> ApiKey | None:
    """Find a key by its token's digest. By the unique index of `digest`."""
    row = tx.execute(sa.select(API_KEYS).where(API_KEYS.c.digest == digest)).one_or_none()
    return _key(row) if row else None


def get(tx: Tx, key_id: str) -> ApiKey:
    """Read a key, or raise `ApiKeyNotFound`. By the primary key."""
    row = tx.execute(sa.select(API_KEYS).where(API_KEYS.c.id == key_id)).one_or_none()
    if row is None:
        raise ApiKeyNotFound(name=f"apiKeys/{key_id}")
    return _key(row)


def find(
    tx: Tx, kind: Kind | None, state: State | None, now: int, *, limit: int | None = None, after: str = ""
) -> list[ApiKey]:
    """List keys of a kind and in a state, or all, from behind an id on. By the primary key."""
    column = API_KEYS.c
    query = sa.select(API_KEYS).where(column.id > after)
    if kind:
        query = query.where(column.kind == kind)
    if state:
        query = query.where(_in_state(state, now))
    return [_key(row) for row in tx.execute(query.order_by(column.id).limit(limit))]


def hold_all(tx: Tx) -> None:
    """Let other revocations wait until this transaction ends: which key is the last one depends on all of them."""
    hold(tx, ["API KEYS"])


def end(tx: Tx, key: ApiKey) -> None:
    """Write when a key was revoked. By the primary key."""
    tx.execute(sa.update(API_KEYS).where(API_KEYS.c.id == key.id).values(revoke_time=key.revoke_time))


def any_key(tx: Tx) -> bool:
    """Tell whether any key was ever issued."""
    return tx.execute(sa.select(API_KEYS.c.id).limit(1)).first() is not None


def _in_state(state: State, now: int) -> sa.ColumnElement[bool]:
    """Say in SQL what `ApiKey.state` says of one key."""
    column = API_KEYS.c
    if state is State.REVOKED:
        return column.revoke_time.is_not(None)
    over = column.expire_time <= now if state is State.EXPIRED else column.expire_time > now
    return sa.and_(column.revoke_time.is_(None), over)


def _key(row: sa.Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        digest=row.digest,
        kind=Kind(row.kind),
        display_name=row.display_name,
        roles=tuple(row.roles.split()),
        stores=tuple(row.stores.split()),
        staff=row.staff,
        expire_time=row.expire_time,
        create_time=row.create_time,
        purpose=row.purpose,
        revoke_time=row.revoke_time,
    )
