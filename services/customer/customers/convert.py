"""Customer files between the contract and the domain."""

from __future__ import annotations

from collections.abc import Sequence

from google.type import postal_address_pb2

from chassis import names, wire
from chassis.contacts import email, phone
from chassis.errors import Problems
from chassis.events import Change
from services.customer.consents.convert import uses_from_proto
from services.customer.consents.domain import need_notice, read_together
from services.customer.customers.domain import (
    Address,
    ContactPoint,
    Customer,
    CustomerClass,
    Enrolment,
    ExternalId,
    Key,
    KeyKind,
    Personal,
    external_key,
    masked,
    normal_contact,
)
from shuke.customer.v1 import customer_pb2 as pb
from shuke.customer.v1 import events_pb2


def enrolment_from_proto(request: pb.EnrolCustomerRequest, region: str) -> Enrolment:
    """Read what a till tells; raise `Invalid` for contact points and consents that are impossible."""
    problems = Problems()
    points = []
    for index, point in enumerate(request.contact_points):
        raw = ContactPoint(pb.ContactPoint.Kind.Name(point.kind), point.value, point.label, point.preferred)
        points.append(normal_contact(problems, f"contact_points[{index}].value", raw, region))
    uses = uses_from_proto(request.consents)
    read_together(problems, uses, "consents")
    need_notice(problems, uses, request.notice_version, "notice_version")
    problems.refuse()
    personal = Personal(
        display_name=request.display_name.strip(),
        contact_points=tuple(points),
        address=_address(request.address) if request.HasField("address") else None,
        member_code=request.member_code,
        external_ids=tuple(ExternalId(external.system, external.value) for external in request.external_ids),
    )
    return Enrolment(
        store=request.store,
        enrolment_ref=request.enrolment_ref,
        personal=personal,
        party_type=pb.Customer.PartyType.Name(request.party_type or pb.Customer.PERSON),
        language_code=request.language_code or "zh-CN",
        accept_duplicates=request.accept_duplicates,
        notice_version=request.notice_version,
        uses=uses,
    )


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


def _address(address: postal_address_pb2.PostalAddress) -> Address:
    return Address(
        region_code=address.region_code,
        postal_code=address.postal_code,
        administrative_area=address.administrative_area,
        locality=address.locality,
        sublocality=address.sublocality,
        lines=tuple(address.address_lines),
    )


def customer_to_proto(
    customer: Customer,
    classes: Sequence[CustomerClass],
    purchase_times: tuple[int | None, int | None],
    language: str,
) -> pb.Customer:
    """Write a whole file, with the times of the first and the last purchase."""
    personal = customer.personal
    first, last = purchase_times
    return pb.Customer(
        name=names.name("customers", customer.id),
        display_name=personal.display_name,
        party_type=pb.Customer.PartyType.Value(customer.party_type),
        contact_points=[
            pb.ContactPoint(
                kind=pb.ContactPoint.Kind.Value(point.kind),
                value=point.value,
                label=point.label,
                preferred=point.preferred,
            )
            for point in personal.contact_points
        ],
        address=_address_to_proto(personal.address),
        member_code=personal.member_code,
        external_ids=[
            pb.ExternalId(system=external.system, value=external.value) for external in personal.external_ids
        ],
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
        etag=wire.etag(customer.version),
        notice_version=customer.notice_version,
    )


def _address_to_proto(address: Address | None) -> postal_address_pb2.PostalAddress | None:
    if address is None:
        return None
    return postal_address_pb2.PostalAddress(
        region_code=address.region_code,
        postal_code=address.postal_code,
        administrative_area=address.administrative_area,
        locality=address.locality,
        sublocality=address.sublocality,
        address_lines=address.lines,
    )


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
        customer=names.name("customers", customer.id),
        masked_name=masked(customer.personal.display_name),
        state=pb.Customer.State.Value(customer.state),
        classes=classes_to_proto(classes, language),
        first_purchase_due=first_purchase_due,
        profile=profile,
    )


def customer_created(customer: Customer) -> Change:
    """Tell that a file was opened."""
    name = names.name("customers", customer.id)
    state = pb.Customer.State.Value(customer.state)
    return Change(name, name, events_pb2.CustomerCreated(customer=name, home_store=customer.home_store, state=state))
