"""The queries of the directory. A chain has some thousands of entries, which are listed in the order of their codes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Iterable
from typing import Any

import sqlalchemy as sa

from chassis.database import Contention, Tx, hold
from chassis.vault import Vault
from services.customer.directory.domain import (
    STAFF_PERSONAL,
    Staff,
    StaffExists,
    StaffNotFound,
    Standing,
    Store,
    StoreExists,
    StoreNotFound,
)
from services.customer.directory.tables import STAFF, STAFF_LINKS, STORES

PERSONAL = "staff.personal"
ROLE, STORE_CODE = "ROLE", "STORE"

# Written down once: building an expression takes longer than running it.
STORE = sa.select(STORES).where(STORES.c.code == sa.bindparam("code"))
MEMBER = sa.select(STAFF).where(STAFF.c.code == sa.bindparam("code"))
MEMBERS = sa.select(STAFF).where(STAFF.c.code.in_(sa.bindparam("codes", expanding=True)))
STANDING = sa.select(STAFF.c.active, STAFF.c.chain_wide, STAFF.c.stores, STAFF.c.roles).where(
    STAFF.c.code == sa.bindparam("code")
)
_FIRST = sa.select(STAFF.c.code, STAFF.c.superior).where(STAFF.c.code == sa.bindparam("code")).cte(recursive=True)
# No row twice, so that the walk would end in a circle too.
_ABOVE = _FIRST.union(sa.select(STAFF.c.code, STAFF.c.superior).join(_FIRST, STAFF.c.code == _FIRST.c.superior))
SUPERIORS = sa.select(_ABOVE)


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
    if after is not before:
        _replace(tx, STORES, before, dataclasses.asdict(after))


def list_stores(tx: Tx, region: str, *, limit: int, after: str) -> list[Store]:
    """List stores of a region and of those within it, or of the chain, from behind a code on. By the primary key."""
    column = STORES.c
    query = sa.select(STORES).where(column.code > after)
    if region:
        query = query.where(sa.or_(column.region == region, column.region.startswith(f"{region}/")))
    return [Store(**row) for row in tx.execute(query.order_by(column.code).limit(limit)).mappings()]


def known_stores(tx: Tx, codes: Collection[str]) -> set[str]:
    """Tell which codes belong to stores. By the primary key."""
    return set(tx.scalars(sa.select(STORES.c.code).where(STORES.c.code.in_(codes)))) if codes else set()


def standing(tx: Tx, code: str) -> Standing | None:
    """Read what may be known of a member everywhere; None for nobody. By the primary key."""
    row = tx.execute(STANDING, {"code": code}).one_or_none()
    if row is None:
        return None
    return Standing(row.active, row.chain_wide, tuple(row.stores.split()), tuple(row.roles.split()))


def superiors(tx: Tx, code: str) -> dict[str, str]:
    """Read who stands above whom from a member up, and let others who change that wait. By the primary key."""
    if not code:
        return {}
    hold(tx, ["STAFF SUPERIORS"])
    return {row.code: row.superior for row in tx.execute(SUPERIORS, {"code": code})}


class StaffEntries:
    """Members of staff, what is personal of them sealed."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault

    def get(self, tx: Tx, code: str) -> Staff:
        """Read a member, or raise `StaffNotFound`. By the primary key."""
        found = self._read(tx, MEMBER, {"code": code})
        if not found:
            raise StaffNotFound(name=f"staff/{code}")
        return found[0]

    def named(self, tx: Tx, codes: Iterable[str]) -> dict[str, Staff]:
        """Read members by code, those that there are. By the primary key."""
        return {staff.code: staff for staff in self._read(tx, MEMBERS, {"codes": sorted(set(codes))})}

    def add(self, tx: Tx, staff: Staff) -> None:
        """Write a new member; raise `StaffExists` when the code is taken. By the primary key."""
        if tx.execute(MEMBER, {"code": staff.code}).first():
            raise StaffExists(name=staff.name)
        tx.execute(sa.insert(STAFF).values(self._row(tx, staff)))
        _add_links(tx, staff)

    def save(self, tx: Tx, before: Staff, after: Staff) -> None:
        """Write a member who was changed; one whom another transaction changed first is worked on again.

        By the primary key and by `ix_staff_links_code`.
        """
        if after is before:
            return
        _replace(tx, STAFF, before, self._row(tx, after))
        tx.execute(sa.delete(STAFF_LINKS).where(STAFF_LINKS.c.code == after.code))
        _add_links(tx, after)

    def find(self, tx: Tx, *, store: str, role: str, active: bool | None, limit: int, after: str) -> list[Staff]:
        """List members to whom all that is given applies, from behind a code on. By the primary keys of both tables."""
        query = sa.select(STAFF).where(STAFF.c.code > after)
        for kind, value in ((STORE_CODE, store), (ROLE, role)):
            if value:
                linked = sa.and_(STAFF_LINKS.c.kind == kind, STAFF_LINKS.c.value == value)
                query = query.where(STAFF.c.code.in_(sa.select(STAFF_LINKS.c.code).where(linked)))
        if active is not None:
            query = query.where(STAFF.c.active == active)
        return self._read(tx, query.order_by(STAFF.c.code).limit(limit), {})

    def _row(self, tx: Tx, staff: Staff) -> dict[str, Any]:
        row = dataclasses.asdict(staff) | {"roles": " ".join(staff.roles), "stores": " ".join(staff.stores)}
        personal = json.dumps({path: row.pop(path) for path in STAFF_PERSONAL}, ensure_ascii=False).encode()
        return row | {"personal": self.vault.seal(tx, staff.name, personal, PERSONAL)}

    def _read(self, tx: Tx, query: sa.Select[Any], values: dict[str, Any]) -> list[Staff]:
        rows = [dict(row) for row in tx.execute(query, values).mappings()]
        opened = self.vault.open_many(tx, [(f"staff/{row['code']}", row.pop("personal"), PERSONAL) for row in rows])
        return [_staff(row, personal) for row, personal in zip(rows, opened, strict=True)]


def _staff(row: dict[str, Any], personal: bytes | None) -> Staff:
    # What was sealed for somebody whose key was destroyed reads as empty.
    told = json.loads(personal) if personal else dict.fromkeys(STAFF_PERSONAL, "")
    return Staff(**row | told | {"roles": tuple(row["roles"].split()), "stores": tuple(row["stores"].split())})


def _add_links(tx: Tx, staff: Staff) -> None:
    links = [(ROLE, role) for role in staff.roles] + [(STORE_CODE, store) for store in staff.stores]
    if links:
        rows = [{"kind": kind, "value": value, "code": staff.code} for kind, value in links]
        tx.execute(sa.insert(STAFF_LINKS), rows)


def _replace(tx: Tx, table: sa.Table, before: Store | Staff, row: dict[str, Any]) -> None:
    mine = sa.and_(table.c.code == before.code, table.c.version == before.version)
    if tx.execute(sa.update(table).where(mine).values(row)).rowcount != 1:
        raise Contention
