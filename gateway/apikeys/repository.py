"""The queries of API keys."""

from __future__ import annotations

import sqlalchemy as sa

from chassis.database import Tx
from gateway.apikeys.domain import ApiKey, Kind
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
    }
    tx.execute(sa.insert(API_KEYS).values(row))


def by_digest(tx: Tx, digest: bytes) -> ApiKey | None:
    """Find a key by its token's digest. By the unique index of `digest`."""
    row = tx.execute(sa.select(API_KEYS).where(API_KEYS.c.digest == digest)).one_or_none()
    if row is None:
        return None
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
    )


def any_key(tx: Tx) -> bool:
    """Tell whether any key was ever issued."""
    return tx.execute(sa.select(API_KEYS.c.id).limit(1)).first() is not None
