"""The rules of a customer's file: what it must hold, how it changes, how it is found (C-01, C-02, C-29)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from chassis import names
from chassis.errors import AlreadyExists, EtagMismatch, FailedPrecondition, NotFound, Refused, listed
from services.customer.consents.domain import Use
from services.customer.ledger.domain import CustomerState, Pending
from services.customer.personal.domain import PERSONAL_FIELDS, PHONES, ExternalId, Personal

MOST_MATCHES = 20
# How many customers an error names; there is room for no more in its metadata.
MOST_NAMES = 3


class CustomerNotFound(NotFound):
    """There is no such customer."""

    reason = "CUSTOMER_NOT_FOUND"


class CustomerUnknown(FailedPrecondition):
    """A key leads to nobody."""

    reason = "CUSTOMER_UNKNOWN"


class CustomerAmbiguous(FailedPrecondition):
    """A key leads to several customers."""

    reason = "CUSTOMER_AMBIGUOUS"


class CustomerBlocked(FailedPrecondition):
    """No business is done with the customer."""

    reason = "CUSTOMER_BLOCKED"


class EnrolmentConflict(AlreadyExists):
    """The enrolment reference was used before with other content."""

    reason = "ENROLMENT_CONFLICT"


class CustomerKnown(AlreadyExists):
    """A contact point of the new customer leads to others."""

    reason = "CUSTOMER_KNOWN"


class CustomerClosed(FailedPrecondition):
    """The file was merged or erased and is never changed again."""

    reason = "CUSTOMER_CLOSED"


class State(StrEnum):
    """State of a file."""

    PROVISIONAL = "PROVISIONAL"
    ACTIVE = "ACTIVE"
    BLOCKED = "BLOCKED"
    MERGED = "MERGED"
    ERASED = "ERASED"


# A file in one of these is complete or not by what it holds; the other states come and go by verbs of their own.
OPEN = (State.PROVISIONAL, State.ACTIVE)
CLOSED = (State.MERGED, State.ERASED)


class KeyKind(StrEnum):
    """The kinds of key under which a customer is found."""

    PHONE = "PHONE"
    EMAIL = "EMAIL"
    MEMBER_CODE = "MEMBER_CODE"
    EXTERNAL_ID = "EXTERNAL_ID"


@dataclass(frozen=True, slots=True)
class Key:
    """A key under which a customer is found, its value in normal form."""

    kind: KeyKind
    value: str


# All that people may change in a file.
CHANGEABLE = PERSONAL_FIELDS | {"party_type", "language_code", "preferred_channel", "time_zone"}


@dataclass(frozen=True, slots=True)
class CustomerClass:
    """A class that tiering gave to a customer, with its name in both languages."""

    scheme: str
    class_key: str
    zh: str
    en: str
    since_time: int


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer's file."""

    id: str
    personal: Personal
    party_type: str
    language_code: str
    home_store: str
    state: State
    completion_due_date: date | None
    enrolled_by: str
    enrolment_ref: str | None
    enrolment_hash: bytes | None
    create_time: int
    update_time: int
    version: int = 1
    notice_version: str = ""
    preferred_channel: str = ""
    time_zone: str = ""

    @property
    def name(self) -> str:
        """The resource name."""
        return names.name("customers", self.id)

    @property
    def etag(self) -> str:
        """The etag of this version, quoted as HTTP does."""
        return f'"{self.version}"'


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What is told of a new customer: at a till under a reference of its own, at a desk without one."""

    store: str
    enrolment_ref: str | None
    personal: Personal
    party_type: str
    language_code: str
    accept_duplicates: bool
    notice_version: str = ""
    uses: tuple[Use, ...] = ()
    preferred_channel: str = ""
    time_zone: str = ""

    @property
    def content(self) -> str:
        """Write out what makes two enrolments the same; it is personal, so only its keyed digest is kept."""
        personal = self.personal
        covered = [
            personal.display_name,
            [[point.kind, point.value] for point in personal.contact_points],
            personal.member_code,
            [[external.system, external.value] for external in personal.external_ids],
        ]
        # Only where there are any: the digests of enrolments from before there were consents hold on.
        if self.notice_version:
            covered += [self.notice_version, sorted([use.purpose, use.channel] for use in self.uses)]
        return json.dumps(covered, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class FilePolicy:
    """Which fields a complete file must hold (X-32) and how long completing it may take."""

    mandatory: tuple[str, ...]
    completion_days: int


def contact_keys(personal: Personal) -> list[Key]:
    """Answer the keys that the contact points give."""
    kinds = {"EMAIL": KeyKind.EMAIL} | dict.fromkeys(PHONES, KeyKind.PHONE)
    return [Key(kinds[point.kind], point.value) for point in personal.contact_points if point.kind in kinds]


def keys(personal: Personal) -> list[Key]:
    """Answer every key under which the customer is found."""
    found = contact_keys(personal)
    if personal.member_code:
        found.append(Key(KeyKind.MEMBER_CODE, personal.member_code))
    return found + [external_key(external) for external in personal.external_ids]


def external_key(external: ExternalId) -> Key:
    """Answer the key of another system's id."""
    return Key(KeyKind.EXTERNAL_ID, f"{external.system}:{external.value}")


def missing_fields(personal: Personal, policy: FilePolicy) -> list[str]:
    """Name the mandatory fields that a file lacks (C-02: name, address, telephone)."""
    present = {
        "display_name": bool(personal.display_name),
        "address": personal.address is not None,
        "phone": any(point.kind in PHONES for point in personal.contact_points),
    }
    return [name for name in policy.mandatory if not present[name]]


def enrol(
    enrolment: Enrolment, policy: FilePolicy, *, digest: bytes | None, operator: str, now: int, today: date, new_id: str
) -> Customer:
    """Open a file: PROVISIONAL with a completion date while mandatory fields are missing, ACTIVE otherwise."""
    opened = Customer(
        id=new_id,
        personal=enrolment.personal,
        party_type=enrolment.party_type,
        language_code=enrolment.language_code,
        home_store=enrolment.store,
        state=State.ACTIVE,
        completion_due_date=None,
        enrolled_by=operator,
        enrolment_ref=enrolment.enrolment_ref,
        enrolment_hash=digest,
        create_time=now,
        update_time=now,
        notice_version=enrolment.notice_version,
        preferred_channel=enrolment.preferred_channel,
        time_zone=enrolment.time_zone,
    )
    return _completed(opened, policy, today)


def refuse_known(rivals: Sequence[Customer]) -> None:
    """Refuse a second file for whom there is one already (C-01)."""
    if rivals:
        raise CustomerKnown(names=listed([rival.name for rival in rivals], MOST_NAMES))


def update(
    customer: Customer, changes: Mapping[str, Any], policy: FilePolicy, *, etag: str, now: int, today: date
) -> Customer:
    """Change fields of a file, each a path of `CHANGEABLE` with its new value; one that changes nothing stays as it is.

    Raises `CustomerClosed`, and `EtagMismatch` where an etag is given that is not current.
    """
    if customer.state in CLOSED:
        raise CustomerClosed(name=customer.name, state=customer.state)
    if etag not in ("", customer.etag):
        raise EtagMismatch(name=customer.name)
    personal = {path: value for path, value in changes.items() if path in PERSONAL_FIELDS}
    plain = {path: value for path, value in changes.items() if path not in PERSONAL_FIELDS}
    changed = replace(customer, personal=replace(customer.personal, **personal), **plain)
    if changed == customer:
        return customer
    return _completed(replace(changed, version=customer.version + 1, update_time=now), policy, today)


def changed_paths(before: Customer, after: Customer) -> list[str]:
    """Name the fields in which two versions of a file differ, in alphabetical order."""
    return [path for path in sorted(CHANGEABLE) if _value(before, path) != _value(after, path)]


def _value(customer: Customer, path: str) -> object:
    return getattr(customer.personal if path in PERSONAL_FIELDS else customer, path)


def _completed(customer: Customer, policy: FilePolicy, today: date) -> Customer:
    """Give an open file the state that it has by what it holds; a day by which it is due stays."""
    if customer.state not in OPEN:
        return customer
    if not missing_fields(customer.personal, policy):
        return replace(customer, state=State.ACTIVE, completion_due_date=None)
    due = customer.completion_due_date or today + timedelta(days=policy.completion_days)
    return replace(customer, state=State.PROVISIONAL, completion_due_date=due)


# A key that names a customer by id, kept as pending like any other when nobody has it.
NAME_KEY = "NAME"


@dataclass(frozen=True, slots=True)
class Buyer:
    """What a record tells of its customer: an id, or a key, or nothing."""

    customer_id: str = ""
    key: Key | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What the book of record knows of a buyer: ids, whether a single one is blocked, the key's digest."""

    ids: Sequence[str] = ()
    blocked: bool = False
    digest: bytes = b""


@dataclass(frozen=True, slots=True)
class Resolution:
    """Whom a record belongs to, and what was odd about that."""

    customer_id: str | None
    state: CustomerState
    odd: tuple[Refused, ...] = ()
    pending: Pending | None = None


def resolve(buyer: Buyer, known: Known, at: str) -> Resolution:
    """Tell whom a record belongs to: nobody was named, one was found, or none or several were."""
    if not buyer.customer_id and buyer.key is None:
        return Resolution(None, CustomerState.ANONYMOUS)
    field = f"{at}.customer" if buyer.customer_id else f"{at}.customer_lookup"
    if len(known.ids) != 1:
        pending = Pending(buyer.key.kind if buyer.key else NAME_KEY, known.digest)
        odd: Refused = CustomerUnknown(field=field)
        if known.ids:
            odd = CustomerAmbiguous(field=field, count=str(len(known.ids)))
        return Resolution(None, CustomerState.PENDING, (odd,), pending)
    customer_id = known.ids[0]
    blocked = (CustomerBlocked(name=f"customers/{customer_id}"),) if known.blocked else ()
    return Resolution(customer_id, CustomerState.RESOLVED, blocked)
