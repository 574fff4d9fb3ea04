"""Contacts between the contract and the domain."""

from __future__ import annotations

from services.customer.consents.domain import Channel
from services.customer.contacts.domain import Choice, Outcome, StaffOutcome, reach
from services.customer.customers.domain import Customer
from services.customer.directory.domain import Staff
from services.customer.policies.domain import Purpose
from shuke.customer.v1 import contacts_pb2 as pb
from shuke.customer.v1.consents_pb2 import CheckConsentResponse, Consent


def purpose_from_proto(request: pb.BatchGetContactsRequest) -> Purpose:
    """Read the purpose."""
    return Purpose(Consent.Purpose.Name(request.purpose))


def channels_from_proto(request: pb.BatchGetContactsRequest) -> list[Channel]:
    """Read the channels, in their order."""
    return [Channel(Consent.Channel.Name(channel)) for channel in request.channels]


def contact_to_proto(name: str, customer: Customer | None, choice: Choice, chain_zone: str) -> pb.Contact:
    """Write how a customer may be addressed; of one who may not be nothing is told but that."""
    contact = pb.Contact(customer=name, outcome=pb.Contact.Outcome.Value(choice.outcome.value))
    if choice.basis:
        contact.basis = CheckConsentResponse.Basis.Value(choice.basis.value)
    if customer and choice.channel and choice.outcome is Outcome.ALLOWED:
        contact.channel = Consent.Channel.Value(choice.channel.value)
        contact.value = choice.value
        contact.display_name = customer.personal.display_name
        contact.language_code = customer.language_code
        contact.time_zone = customer.time_zone or chain_zone
        contact.preferred = choice.preferred
    return contact


def staff_contact_to_proto(name: str, staff: Staff | None) -> pb.StaffContact:
    """Write where a member of staff is reached; of one who is not nothing is told but that."""
    outcome = reach(staff)
    contact = pb.StaffContact(staff=name, outcome=pb.StaffContact.Outcome.Value(outcome.value))
    if staff and outcome is StaffOutcome.ALLOWED:
        contact.email = staff.email
        contact.display_name = staff.display_name
    return contact
