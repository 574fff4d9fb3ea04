"""The rules of a customer's file: what it must hold, how it is found, what a till may see (C-01, C-02, C-29)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from chassis.contacts import email, phone
from chassis.errors import AlreadyExists, FailedPrecondition, NotFound, Problems, Refused
from services.customer.consents.domain import Use
from services.customer.ledger.domain import CustomerState, Pending

MOST_MATCHES = 20


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


class State(StrEnum):
    """State of a file."""

    PROVISIONAL = "PROVISIONAL"
    ACTIVE = "ACTIVE"
    BLOCKED = "BLOCKED"
    MERGED = "MERGED"
    ERASED = "ERASED"


class KeyKind(StrEnum):
    """The kinds of key under which a customer is found."""

    PHONE = "PHONE"
    EMAIL = "EMAIL"
    MEMBER_CODE = "MEMBER_CODE"
    EXTERNAL_ID = "EXTERNAL_ID"


PHONES = ("MOBILE", "LANDLINE")


@dataclass(frozen=True, slots=True)
class Key:
    """A key under which a customer is found, its value in normal form."""

    kind: KeyKind
    value: str


@dataclass(frozen=True, slots=True)
class ContactPoint:
    """A way to reach a customer, its value in normal form."""

    kind: str
    value: str
    label: str = ""
    preferred: bool = False


@dataclass(frozen=True, slots=True)
class ExternalId:
    """The key under which another system knows the customer."""

    system: str
    value: str


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address."""

    region_code: str = ""
    postal_code: str = ""
    administrative_area: str = ""
    locality: str = ""
    sublocality: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Personal:
    """The personal part of a file; it is encrypted wherever it is stored."""

    display_name: str = ""
    contact_points: tuple[ContactPoint, ...] = ()
    address: Address | None = None
    member_code: str = ""
    external_ids: tuple[ExternalId, ...] = ()


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
    enrolment_ref: str
    enrolment_hash: bytes
    create_time: int
    update_time: int
    version: int = 1
    notice_version: str = ""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a till tells of a new customer."""

    store: str
    enrolment_ref: str
    personal: Personal
    party_type: str
    language_code: str
    accept_duplicates: bool
    notice_version: str = ""
    uses: tuple[Use, ...] = ()

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


def normal_contact(problems: Problems, field: str, point: ContactPoint, region: str) -> ContactPoint:
    """Bring a contact point into its normal form; note it when it is impossible."""
    if point.kind in PHONES:
        value = phone(point.value, region)
        reason = "PHONE_IMPOSSIBLE"
    elif point.kind == "EMAIL":
        value = email(point.value)
        reason = "EMAIL_IMPOSSIBLE"
    else:
        return point
    if value is None:
        problems.add(field, reason)
        return point
    return ContactPoint(point.kind, value, point.label, point.preferred)


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
    enrolment: Enrolment, policy: FilePolicy, *, digest: bytes, operator: str, now: int, today: date, new_id: str
) -> Customer:
    """Open a file: PROVISIONAL with a completion date while mandatory fields are missing, ACTIVE otherwise."""
    missing = missing_fields(enrolment.personal, policy)
    return Customer(
        id=new_id,
        personal=enrolment.personal,
        party_type=enrolment.party_type,
        language_code=enrolment.language_code,
        home_store=enrolment.store,
        state=State.PROVISIONAL if missing else State.ACTIVE,
        completion_due_date=today + timedelta(days=policy.completion_days) if missing else None,
        enrolled_by=operator,
        enrolment_ref=enrolment.enrolment_ref,
        enrolment_hash=digest,
        create_time=now,
        update_time=now,
        notice_version=enrolment.notice_version,
    )


def masked(display_name: str) -> str:
    """Hide all of a name but its first character."""
    return f"{display_name[0]}**" if display_name else ""


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
