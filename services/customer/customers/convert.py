"""Customer files between the contract and the domain."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from chassis import names, wire
from chassis.contacts import email, phone
from chassis.errors import Problems
from chassis.events import Change
from services.customer.consents.convert import uses_from_proto
from services.customer.consents.domain import need_notice, read_together
from services.customer.customers.domain import (
    CHANGEABLE,
    Customer,
    CustomerClass,
    Enrolment,
    Key,
    KeyKind,
    changed_paths,
    external_key,
)
from services.customer.personal.convert import personal_from_proto, personal_to_proto
from services.customer.personal.domain import PERSONAL_FIELDS, ExternalId, masked, masked_personal
from shuke.customer.v1 import consents_pb2, events_pb2
from shuke.customer.v1 import customer_pb2 as pb

CHINESE = "zh-CN"
WHOLE = ["*"]
NEEDED = ("home_store", "display_name", "contact_points")


@dataclass(frozen=True, slots=True)
class Update:
    """What shall change in a file: new values by path, and the etag that must be current, if any."""

    customer_id: str
    changes: dict[str, Any]
    etag: str


def enrolment_from_proto(request: pb.EnrolCustomerRequest, region: str) -> Enrolment:
    """Read what a till tells; raise `Invalid` for contact points and consents that are impossible."""
    problems = Problems()
    personal = personal_from_proto(problems, "", request, region)
    uses = uses_from_proto(request.consents)
    read_together(problems, uses, "consents")
    need_notice(problems, uses, request.notice_version, "notice_version")
    problems.refuse()
    return Enrolment(
        store=request.store,
        enrolment_ref=request.enrolment_ref,
        personal=personal,
        party_type=_party_type(request.party_type),
        language_code=request.language_code or CHINESE,
        accept_duplicates=request.accept_duplicates,
        notice_version=request.notice_version,
        uses=uses,
    )


def creation_from_proto(request: pb.CreateCustomerRequest, region: str, today: date) -> Enrolment:
    """Read what a desk tells; raise `Invalid` for all that is missing or impossible."""
    problems, customer = Problems(), request.customer
    for field in NEEDED:
        if not getattr(customer, field):
            problems.add(f"customer.{field}", "FIELD_MISSING")
    told = _told(problems, customer, region, today)
    uses = uses_from_proto(request.consents)
    read_together(problems, uses, "consents")
    need_notice(problems, uses, request.notice_version, "notice_version")
    problems.refuse()
    return Enrolment(
        store=customer.home_store,
        enrolment_ref=None,
        accept_duplicates=request.accept_duplicates,
        notice_version=request.notice_version,
        uses=uses,
        **told,
    )


def update_from_proto(request: pb.UpdateCustomerRequest, region: str, today: date) -> Update:
    """Read what shall change, by the update mask; raise `Invalid` for wrong paths and impossible values."""
    problems, given = Problems(), request.customer
    if not given.name:
        problems.add("customer.name", "NAME_MALFORMED", pattern="customers/{uuid}")
    paths = update_paths(problems, given, request.update_mask, CHANGEABLE)
    if given.masked and PERSONAL_FIELDS.intersection(paths):
        problems.add("customer.masked", "CUSTOMER_MASKED")
    kept = pb.Customer()
    FieldMask(paths=paths).MergeMessage(given, kept)
    told = _told(problems, kept, region, today)
    problems.refuse()
    personal = told.pop("personal")
    return Update(
        names.identity(given.name),
        {path: getattr(personal, path) if path in PERSONAL_FIELDS else told[path] for path in paths},
        given.etag,
    )


def update_paths(problems: Problems, given: Message, mask: FieldMask, changeable: AbstractSet[str]) -> list[str]:
    """Answer the fields to change: those that are named, or those that are given, or all (AIP-134)."""
    named = list(mask.paths)
    if not named:
        return [field.name for field, _ in given.ListFields() if field.name in changeable]
    if named == WHOLE:
        return sorted(changeable)
    for path in named:
        if path not in changeable:
            problems.add("update_mask", "UPDATE_PATH_WRONG", path=path)
    return [path for path in named if path in changeable]


def _told(problems: Problems, customer: pb.Customer, region: str, today: date) -> dict[str, Any]:
    """Read what people may tell and change of a file."""
    personal = personal_from_proto(problems, "customer.", customer, region)
    if customer.HasField("birthday"):
        birthday = wire.read_date(problems, "customer.birthday", customer.birthday)
        if birthday > today:
            problems.add("customer.birthday", "BIRTHDAY_IN_FUTURE")
        personal = replace(personal, birthday=birthday)
    if customer.time_zone and not is_zone(customer.time_zone):
        problems.add("customer.time_zone", "TIME_ZONE_UNKNOWN")
    return {
        "personal": personal,
        "party_type": _party_type(customer.party_type),
        "language_code": customer.language_code or CHINESE,
        "preferred_channel": _channel(customer.preferred_channel),
        "time_zone": customer.time_zone,
    }


def is_zone(name: str) -> bool:
    """Tell whether the IANA database has a zone of this name."""
    try:
        ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        # A folder of the database, a path that leads out of it, or nothing.
        return False
    return True


def _party_type(value: pb.Customer.PartyType.ValueType) -> str:
    return pb.Customer.PartyType.Name(value or pb.Customer.PERSON)


def _channel(value: consents_pb2.Consent.Channel.ValueType) -> str:
    """Read a wish; all channels are none."""
    Consent = consents_pb2.Consent  # noqa: N806  (a message of the contract)
    return "" if value in (Consent.CHANNEL_UNSPECIFIED, Consent.ALL) else Consent.Channel.Name(value)


def key_from_proto(problems: Problems, at: str, lookup: pb.CustomerLookup, region: str) -> Key | None:
    """Read a lookup key in its normal form; note it when it is impossible."""
    kind = lookup.WhichOneof("key")
    if kind == "phone":
        value = phone(lookup.phone, region)
        if value is None:
            problems.add(f"{at}.phone", "PHONE_IMPOSSIBLE")
        return Key(KeyKind.PHONE, value or "")
    if kind == "email":
        value = email(lookup.email)
        if value is None:
            problems.add(f"{at}.email", "EMAIL_IMPOSSIBLE")
        return Key(KeyKind.EMAIL, value or "")
    if kind == "member_code":
        return Key(KeyKind.MEMBER_CODE, lookup.member_code)
    if kind == "external_id":
        return external_key(ExternalId(lookup.external_id.system, lookup.external_id.value))
    return None


def customer_to_proto(
    customer: Customer,
    classes: Sequence[CustomerClass],
    purchase_times: tuple[int | None, int | None],
    language: str,
    *,
    veiled: bool,
) -> pb.Customer:
    """Write a whole file, with the times of the first and the last purchase; veiled, its personal part is masked."""
    first, last = purchase_times
    file = pb.Customer(
        name=customer.name,
        party_type=pb.Customer.PartyType.Value(customer.party_type),
        language_code=customer.language_code,
        home_store=customer.home_store,
        classes=classes_to_proto(classes, language),
        state=pb.Customer.State.Value(customer.state),
        completion_due_date=wire.to_date(customer.completion_due_date),
        enrolled_by=customer.enrolled_by,
        first_purchase_time=wire.timestamp(first),
        last_purchase_time=wire.timestamp(last),
        create_time=wire.timestamp(customer.create_time),
        update_time=wire.timestamp(customer.update_time),
        etag=customer.etag,
        notice_version=customer.notice_version,
        time_zone=customer.time_zone,
        masked=veiled,
    )
    if customer.preferred_channel:
        file.preferred_channel = consents_pb2.Consent.Channel.Value(customer.preferred_channel)
    file.MergeFrom(personal_to_proto(masked_personal(customer.personal) if veiled else customer.personal))
    return file


def classes_to_proto(classes: Sequence[CustomerClass], language: str) -> list[pb.CustomerClass]:
    """Write the classes that a customer holds, named in the caller's language."""
    return [
        pb.CustomerClass(
            scheme=held.scheme,
            class_key=held.class_key,
            display_name=held.en if language == "en" else held.zh,
            since_time=wire.timestamp(held.since_time),
        )
        for held in classes
    ]


def match_to_proto(
    customer: Customer,
    classes: Sequence[CustomerClass],
    *,
    first_purchase_due: bool,
    language: str,
    profile: pb.Customer | None = None,
) -> pb.CustomerMatch:
    """Write a match as a till may see it, and the whole file for a desk."""
    return pb.CustomerMatch(
        customer=customer.name,
        masked_name=masked(customer.personal.display_name),
        state=pb.Customer.State.Value(customer.state),
        classes=classes_to_proto(classes, language),
        first_purchase_due=first_purchase_due,
        profile=profile,
    )


def customer_created(customer: Customer) -> Change:
    """Tell that a file was opened."""
    state = pb.Customer.State.Value(customer.state)
    told = events_pb2.CustomerCreated(customer=customer.name, home_store=customer.home_store, state=state)
    return Change(customer.name, customer.name, told)


def customer_updated(before: Customer, after: Customer) -> list[Change]:
    """Tell which fields changed, if any did."""
    paths, state = changed_paths(before, after), pb.Customer.State.Value(after.state)
    told = events_pb2.CustomerUpdated(customer=after.name, paths=paths, state=state)
    return [Change(after.name, after.name, told)] if paths else []
