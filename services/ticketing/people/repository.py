"""The queries of people. All of them go by primary keys."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from chassis.database import Tx, upsert
from services.ticketing.people.domain import Member
from services.ticketing.people.tables import CLASSES, CLASSES_BESIDE, STAFF, STAFF_BESIDE, STORES, STORES_BESIDE

# What is built anew when the events of the customer service, or of tiering, are read once more.
DIRECTORY_TWINS = {STORES: STORES_BESIDE, STAFF: STAFF_BESIDE}
CLASS_TWINS = {CLASSES: CLASSES_BESIDE}

# Written down once: building an expression takes longer than running it.
MEMBERS = sa.select(STAFF).where(STAFF.c.code.in_(sa.bindparam("codes", expanding=True)))
STORE = sa.select(STORES).where(STORES.c.code == sa.bindparam("code"))
CLASSES_OF = sa.select(CLASSES).where(CLASSES.c.customer_id == sa.bindparam("customer_id"))
END_CLASS = {
    table: sa.delete(table).where(
        table.c.customer_id == sa.bindparam("of_customer"), table.c.scheme == sa.bindparam("of_scheme")
    )
    for table in (CLASSES, CLASSES_BESIDE)
}


def staff(tx: Tx, codes: Iterable[str]) -> dict[str, Member]:
    """Read members of staff by code, those that there are, the inactive ones too. By the primary key."""
    rows = tx.execute(MEMBERS, {"codes": sorted(set(codes))}).mappings()
    return {
        row["code"]: Member(**{**row, "roles": tuple(row["roles"].split()), "stores": tuple(row["stores"].split())})
        for row in rows
    }


def knows_store(tx: Tx, code: str) -> bool:
    """Tell whether there is such a store, or was. By the primary key."""
    return tx.execute(STORE, {"code": code}).first() is not None


def classes(tx: Tx, customer_id: str) -> tuple[str, ...]:
    """Answer a customer's classes as "scheme:CLASS", in alphabetical order. By the primary key."""
    rows = tx.execute(CLASSES_OF, {"customer_id": customer_id})
    return tuple(sorted(f"{row.scheme}:{row.class_key}" for row in rows))


def put_staff(tx: Tx, members: Iterable[Member], *, beside: bool = False) -> None:
    """Write members of staff as they stand from now on, or beside. By the primary key."""
    rows = [
        dataclasses.asdict(member) | {"roles": " ".join(member.roles), "stores": " ".join(member.stores)}
        for member in members
    ]
    if rows:
        statement = upsert(tx, STAFF_BESIDE if beside else STAFF)
        new = {name: statement.excluded[name] for name in rows[0] if name != "code"}
        tx.execute(statement.on_conflict_do_update(index_elements=["code"], set_=new), rows)


def put_stores(tx: Tx, codes: Iterable[str], *, beside: bool = False) -> None:
    """Write stores, or write them beside, those that are there already too. By the primary key."""
    rows = [{"code": code} for code in codes]
    if rows:
        tx.execute(upsert(tx, STORES_BESIDE if beside else STORES).on_conflict_do_nothing(), rows)


def put_classes(tx: Tx, held: Mapping[tuple[str, str], str], *, beside: bool = False) -> None:
    """Write the class that each customer, by id, holds in a scheme from now on, or beside; an empty one ends it.

    By the primary key.
    """
    table = CLASSES_BESIDE if beside else CLASSES
    rows = [{"customer_id": who, "scheme": scheme, "class_key": key} for (who, scheme), key in held.items() if key]
    if rows:
        statement = upsert(tx, table)
        new = {"class_key": statement.excluded.class_key}
        tx.execute(statement.on_conflict_do_update(index_elements=["customer_id", "scheme"], set_=new), rows)
    ended = [{"of_customer": who, "of_scheme": scheme} for (who, scheme), key in held.items() if not key]
    if ended:
        tx.execute(END_CLASS[table], ended)
