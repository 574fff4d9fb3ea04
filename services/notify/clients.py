"""What the notify service asks of other services."""

from __future__ import annotations

from collections.abc import Sequence

from chassis.client import Credentials, FeedClient, ask, open_channel
from services.notify.delivery.domain import Contact
from shuke.customer.v1 import contacts_pb2, contacts_pb2_grpc
from shuke.customer.v1.consents_pb2 import CheckConsentResponse, Consent

# What the signed token of this service claims.
PERMISSIONS = ("events.read", "customer.contacts.get")


def event_feed(owner: str, address: str, credentials: Credentials) -> FeedClient:
    """Connect to the event feed of a service, such as tiering."""
    return FeedClient(owner, open_channel(address), credentials)


class ContactBook:
    """Asks the customer service how customers may be addressed, and where staff are reached."""

    def __init__(self, address: str, credentials: Credentials) -> None:
        self.credentials = credentials
        self.stub = contacts_pb2_grpc.ContactServiceStub(open_channel(address))

    def contacts(self, customers: Sequence[str], purpose: str, channels: Sequence[str]) -> dict[str, Contact]:
        """Answer by name how up to 500 customers may be addressed now; raise `Unavailable` without an answer."""
        request = contacts_pb2.BatchGetContactsRequest(
            customers=customers,
            purpose=Consent.Purpose.Value(purpose),
            channels=map(Consent.Channel.Value, channels),
        )
        answer = ask(self.stub.BatchGetContacts, request, self.credentials.headers("customer"))
        return {contact.customer: _contact(contact) for contact in answer.contacts}

    def staff(self, members: Sequence[str]) -> dict[str, Contact]:
        """Answer by name where up to 500 members of staff are reached now; raise `Unavailable` without an answer."""
        request = contacts_pb2.BatchGetStaffContactsRequest(staff=members)
        answer = ask(self.stub.BatchGetStaffContacts, request, self.credentials.headers("customer"))
        return {contact.staff: _staff_contact(contact) for contact in answer.contacts}


def _contact(contact: contacts_pb2.Contact) -> Contact:
    allowed = contact.outcome == contacts_pb2.Contact.ALLOWED
    return Contact(
        outcome=contacts_pb2.Contact.Outcome.Name(contact.outcome),
        basis=CheckConsentResponse.Basis.Name(contact.basis) if contact.basis else "",
        channel=Consent.Channel.Name(contact.channel) if allowed else "",
        value=contact.value,
        display_name=contact.display_name,
        language=contact.language_code,
    )


def _staff_contact(contact: contacts_pb2.StaffContact) -> Contact:
    return Contact(
        outcome=contacts_pb2.StaffContact.Outcome.Name(contact.outcome),
        channel="EMAIL",
        value=contact.email,
        display_name=contact.display_name,
    )
