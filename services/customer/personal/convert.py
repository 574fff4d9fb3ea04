"""Personal data between the contract and the domain."""

from __future__ import annotations

from google.type import postal_address_pb2

from chassis import wire
from chassis.errors import Problems
from services.customer.personal.domain import Address, ContactPoint, ExternalId, Personal, normal_contact
from shuke.customer.v1 import customer_pb2 as pb


def personal_from_proto(
    problems: Problems, at: str, message: pb.EnrolCustomerRequest | pb.Customer, region: str
) -> Personal:
    """Read what is told of a person; note contact points that are impossible, at their path below `at`."""
    points = []
    for index, point in enumerate(message.contact_points):
        raw = ContactPoint(pb.ContactPoint.Kind.Name(point.kind), point.value, point.label, point.preferred)
        points.append(normal_contact(problems, f"{at}contact_points[{index}].value", raw, region))
    return Personal(
        display_name=message.display_name.strip(),
        contact_points=tuple(points),
        address=_address(message.address) if message.HasField("address") else None,
        member_code=message.member_code,
        external_ids=tuple(ExternalId(external.system, external.value) for external in message.external_ids),
    )


def _address(address: postal_address_pb2.PostalAddress) -> Address:
    return Address(
        region_code=address.region_code,
        postal_code=address.postal_code,
        administrative_area=address.administrative_area,
        locality=address.locality,
        sublocality=address.sublocality,
        lines=tuple(address.address_lines),
    )


def personal_to_proto(personal: Personal) -> pb.Customer:
    """Write the personal part of a file."""
    return pb.Customer(
        display_name=personal.display_name,
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
        birthday=wire.to_date(personal.birthday),
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
