"""What customers tell of themselves: its normal form, and how much of it is seen by whom (C-08, C-37)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date

from chassis.contacts import email, phone
from chassis.errors import Problems

# Whoever lacks this permission is answered what is personal masked.
SEE_PERSONAL = "customer.personal.read"
PHONES = ("MOBILE", "LANDLINE")
# What a masked telephone number shows at its ends, the plus sign counted, and hides at the least.
FIRST_DIGITS, HIDDEN_DIGITS, LAST_DIGITS = 6, 4, 4


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
    birthday: date | None = None


PERSONAL_FIELDS = frozenset(field.name for field in fields(Personal))


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


def masked(text: str) -> str:
    """Hide all of a name, a code or an account but its first character, its length too."""
    return f"{text[0]}**" if text else ""


def masked_phone(value: str) -> str:
    """Hide the middle of a telephone number: four digits at the least, and the end too of one that is that short."""
    shown = max(len(value) - HIDDEN_DIGITS - LAST_DIGITS, 0)
    return f"{value[: min(FIRST_DIGITS, shown)]}****{value[-LAST_DIGITS:] if shown else ''}"


def masked_email(value: str) -> str:
    """Hide the mailbox of an e-mail address but its first character."""
    return f"{value[0]}***@{value.rpartition('@')[2]}"


def masked_address(address: Address) -> Address:
    """Hide all of an address that is finer than the city."""
    return Address(address.region_code, "", address.administrative_area, address.locality)


def masked_personal(personal: Personal) -> Personal:
    """Hide what a caller may not see who needs to recognise a customer and no more (C-37)."""
    by_kind = {"EMAIL": masked_email} | dict.fromkeys(PHONES, masked_phone)
    return Personal(
        display_name=masked(personal.display_name),
        contact_points=tuple(
            ContactPoint(point.kind, by_kind.get(point.kind, masked)(point.value), preferred=point.preferred)
            for point in personal.contact_points
        ),
        address=masked_address(personal.address) if personal.address else None,
        member_code=masked(personal.member_code),
        external_ids=tuple(ExternalId(external.system, masked(external.value)) for external in personal.external_ids),
    )
