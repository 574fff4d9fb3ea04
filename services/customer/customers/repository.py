"""The queries of customer files."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from typing import Any

import sqlalchemy as sa

from chassis.among import Among
from chassis.database import Contention, Tx, hold, upsert
from chassis.errors import listed
from chassis.vault import Vault
from services.customer.customers.domain import (
    MOST_MATCHES,
    MOST_NAMES,
    Buyer,
    Customer,
    CustomerClass,
    CustomerNotFound,
    Enrolment,
    Key,
    Known,
    State,
    contact_keys,
    keys,
)
from services.customer.customers.tables import CLASSES, CLASSES_BESIDE, CUSTOMERS, KEYS
from services.customer.personal.domain import Address, ContactPoint, ExternalId, Personal

PERSONAL = "customers.personal"

# What is built anew when tiering's events are read once more.
CLASS_TWINS = {CLASSES: CLASSES_BESIDE}

# Written down once: building an expression takes longer than running it.
BY_ID = sa.select(CUSTOMERS).where(Among("ids", CUSTOMERS.c.id)).order_by(CUSTOMERS.c.id)
BY_ENROLMENT = sa.select(CUSTOMERS).where(
    CUSTOMERS.c.home_store == sa.bindparam("store"), CUSTOMERS.c.enrolment_ref == sa.bindparam("enrolment_ref")
)
# Two conditions rather than one of both together, for which SQLite's planner would read all keys of a kind. They are as
# good, since a digest says the kind too.
BY_KEY = (
    sa.select(KEYS)
    .where(Among("kinds", KEYS.c.kind), KEYS.c.digest.in_(sa.bindparam("digests", expanding=True)))
    .order_by(KEYS.c.customer_id)
)
STATES = sa.select(CUSTOMERS.c.id, CUSTOMERS.c.state).where(Among("ids", CUSTOMERS.c.id))
CLASSES_OF = sa.select(CLASSES).where(Among("ids", CLASSES.c.customer_id)).order_by(CLASSES.c.scheme)


class Customers:
    """Customer files, their personal part sealed, their keys as blind digests."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault

    def add(self, tx: Tx, customer: Customer) -> None:
        """Write a new file and the keys under which it is found."""
        tx.execute(sa.insert(CUSTOMERS).values(self._row(tx, customer)))
        self._add_keys(tx, customer)

    def save(self, tx: Tx, before: Customer, after: Customer) -> None:
        """Write a file that was changed, and its keys; one that another transaction changed first is worked on again.

        By the primary key and by `ix_customer_keys_customer_id`.
        """
        if after is before:
            return
        mine = sa.and_(CUSTOMERS.c.id == before.id, CUSTOMERS.c.version == before.version)
        if tx.execute(sa.update(CUSTOMERS).where(mine).values(self._row(tx, after))).rowcount != 1:
            raise Contention
        if keys(before.personal) != keys(after.personal):
            tx.execute(sa.delete(KEYS).where(KEYS.c.customer_id == after.id))
            self._add_keys(tx, after)

    def _row(self, tx: Tx, customer: Customer) -> dict[str, Any]:
        row = {field: getattr(customer, field) for field in _PLAIN}
        return row | {"personal": self.vault.seal(tx, customer.name, _dump(customer.personal), PERSONAL)}

    def _add_keys(self, tx: Tx, customer: Customer) -> None:
        found = {(key.kind, self.digest(key)) for key in keys(customer.personal)}
        rows = [{"kind": kind, "digest": digest, "customer_id": customer.id} for kind, digest in sorted(found)]
        if rows:
            tx.execute(sa.insert(KEYS), rows)

    def digest(self, key: Key) -> bytes:
        """Answer the blind digest under which a key is stored from now on."""
        return self.vault.digest(key.kind, key.value)

    def enrolment_digests(self, enrolment: Enrolment) -> tuple[bytes, ...]:
        """Answer the blind digests of an enrolment's content, the one to store first.

        A plain hash of a phone number could be guessed.
        """
        return self.vault.digests("ENROLMENT", enrolment.content)

    def hold(self, tx: Tx, enrolment: Enrolment) -> None:
        """Let other enrolments under the same reference, or with a contact point of this one, wait for this one."""
        contacts = [
            f"{key.kind} {digest.hex()}"
            for key in contact_keys(enrolment.personal)
            for digest in self.vault.digests(key.kind, key.value)
        ]
        reference = [f"ENROLMENT {enrolment.store} {enrolment.enrolment_ref}"] if enrolment.enrolment_ref else []
        hold(tx, contacts + reference)

    def enrolled(self, tx: Tx, store: str, enrolment_ref: str) -> Customer | None:
        """Find the file that an enrolment opened. By `uq_customers_enrolment`."""
        found = self._read(tx, BY_ENROLMENT, {"store": store, "enrolment_ref": enrolment_ref})
        return found[0] if found else None

    def find(self, tx: Tx, ids: Iterable[str]) -> dict[str, Customer]:
        """Read files by id. By the primary key."""
        return {customer.id: customer for customer in self._read(tx, BY_ID, {"ids": sorted(set(ids))})}

    def get(self, tx: Tx, ids: Sequence[str]) -> list[Customer]:
        """Read files in the order asked; raise `CustomerNotFound`, which names those that there are not."""
        found = self.find(tx, ids)
        missing = [_subject(customer_id) for customer_id in dict.fromkeys(ids) if customer_id not in found]
        if missing:
            raise CustomerNotFound(name=listed(missing, MOST_NAMES))
        return [found[customer_id] for customer_id in ids]

    def by_keys(self, tx: Tx, wanted: Iterable[Key]) -> list[Customer]:
        """Find the files that any of the keys leads to, the oldest first. By the primary key of `customer_keys`."""
        ids = {customer_id for found in self.ids_by_keys(tx, wanted).values() for customer_id in found}
        return self._read(tx, BY_ID, {"ids": sorted(ids)[:MOST_MATCHES]}) if ids else []

    def by_each_key(self, tx: Tx, wanted: Sequence[Key]) -> list[list[Customer]]:
        """Find the files that each key leads to, the oldest first. By the primary key of `customer_keys`."""
        ids = {key: sorted(found)[:MOST_MATCHES] for key, found in self.ids_by_keys(tx, wanted).items()}
        files = self.find(tx, itertools.chain.from_iterable(ids.values())) if ids else {}
        return [[files[customer_id] for customer_id in ids.get(key, ())] for key in wanted]

    def ids_by_keys(self, tx: Tx, wanted: Iterable[Key]) -> dict[Key, list[str]]:
        """Find the ids that each key leads to. By the primary key of `customer_keys`."""
        digests = {(str(key.kind), digest): key for key in wanted for digest in self.vault.digests(key.kind, key.value)}
        if not digests:
            return {}
        found: dict[Key, list[str]] = {}
        kinds, blind = zip(*digests, strict=True)
        for row in tx.execute(BY_KEY, {"kinds": sorted(set(kinds)), "digests": blind}):
            ids = found.setdefault(digests[(row.kind, row.digest)], [])
            # While the blind index is made anew, a file stands under two digests of one key.
            if row.customer_id not in ids:
                ids.append(row.customer_id)
        return found

    def known(self, tx: Tx, buyers: Iterable[Buyer]) -> dict[Buyer, Known]:
        """Tell of each buyer whom it leads to. By the primary keys of `customers` and `customer_keys`."""
        wanted = set(buyers)
        by_key = self.ids_by_keys(tx, [buyer.key for buyer in wanted if buyer.key])
        named = {buyer.customer_id for buyer in wanted if buyer.customer_id}
        found = states(tx, named.union(*by_key.values()))
        return {buyer: self._known(buyer, by_key, found) for buyer in wanted}

    def _known(self, buyer: Buyer, by_key: dict[Key, list[str]], found: dict[str, State]) -> Known:
        if buyer.key:
            ids, digest = by_key.get(buyer.key, []), self.digest(buyer.key)
        else:
            ids, digest = [buyer.customer_id] if buyer.customer_id in found else [], buyer.customer_id.encode()
        return Known(ids, len(ids) == 1 and found[ids[0]] is State.BLOCKED, digest)

    def _read(self, tx: Tx, query: sa.Select[Any], values: dict[str, Any]) -> list[Customer]:
        rows = tx.execute(query, values).all()
        opened = self.vault.open_many(tx, [(_subject(row.id), row.personal, PERSONAL) for row in rows])
        return [_customer(row, personal) for row, personal in zip(rows, opened, strict=True)]


def states(tx: Tx, ids: AbstractSet[str]) -> dict[str, State]:
    """Read only the states of files, for a sale needs no more. By the primary key."""
    if not ids:
        return {}
    return {customer: State(state) for customer, state in tx.execute(STATES, {"ids": sorted(ids)}).all()}


def require(tx: Tx, customer_id: str) -> None:
    """Raise `CustomerNotFound` unless there is the file. By the primary key."""
    if not states(tx, {customer_id}):
        raise CustomerNotFound(name=_subject(customer_id))


def classes(tx: Tx, ids: Iterable[str]) -> dict[str, list[CustomerClass]]:
    """Read the classes that customers hold. By the primary key of `customer_classes`."""
    found: dict[str, list[CustomerClass]] = {}
    for row in tx.execute(CLASSES_OF, {"ids": sorted(set(ids))}).all():
        held = CustomerClass(row.scheme, row.class_key, row.zh, row.en, row.since_time)
        found.setdefault(row.customer_id, []).append(held)
    return found


def put_classes(tx: Tx, changes: Sequence[tuple[str, CustomerClass]], *, beside: bool = False) -> None:
    """Store the classes that customers hold from now on, or beside; an empty class key takes the class away."""
    table = CLASSES_BESIDE if beside else CLASSES
    kept = [{"customer_id": customer_id, **dataclasses.asdict(held)} for customer_id, held in changes if held.class_key]
    if kept:
        statement = upsert(tx, table)
        new = {name: statement.excluded[name] for name in ("class_key", "zh", "en", "since_time")}
        tx.execute(statement.on_conflict_do_update(index_elements=["customer_id", "scheme"], set_=new), kept)
    for customer_id, held in changes:
        if not held.class_key:
            mine = sa.and_(table.c.customer_id == customer_id, table.c.scheme == held.scheme)
            tx.execute(sa.delete(table).where(mine))


_PLAIN = [field.name for field in dataclasses.fields(Customer) if field.name != "personal"]


def _subject(customer_id: str) -> str:
    return f"customers/{customer_id}"


def _customer(row: sa.Row[Any], personal: bytes | None) -> Customer:
    plain = {name: getattr(row, name) for name in _PLAIN}
    # A key that was destroyed makes the file an erased one, whatever else was or was not done.
    state = State.ERASED if personal is None else State(row.state)
    return Customer(**plain | {"personal": _load(personal), "state": state})


def _dump(personal: Personal) -> bytes:
    return json.dumps(dataclasses.asdict(personal), ensure_ascii=False, separators=(",", ":"), default=str).encode()


def _load(plaintext: bytes | None) -> Personal:
    """Read the personal part; that of an erased customer reads as empty."""
    if plaintext is None:
        return Personal()
    content = json.loads(plaintext)
    address = content["address"]
    return Personal(
        display_name=content["display_name"],
        contact_points=tuple(ContactPoint(**point) for point in content["contact_points"]),
        address=Address(**{**address, "lines": tuple(address["lines"])}) if address else None,
        member_code=content["member_code"],
        external_ids=tuple(ExternalId(**external) for external in content["external_ids"]),
        birthday=date.fromisoformat(content["birthday"]) if content["birthday"] else None,
    )
