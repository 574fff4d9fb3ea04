"""What the notify service asks of other services."""

from __future__ import annotations

from collections.abc import Sequence

from chassis import names
from chassis.client import Credentials, FeedClient, ask, open_channel
from services.notify.delivery.domain import Contact
from shuke.customer.v1 import contacts_pb2, contacts_pb2_grpc
from shuke.customer.v1.consents_pb2 import CheckConsentResponse, Consent

# What the signed token of this service claims.
PERMISSIONS = ("events.read", "customer.contacts.get")


def tiering_feed(address: str, credentials: Credentials) -> FeedClient:
    """Connect to tiering's event feed."""
    return FeedClient("tiering", open_channel(address), credentials)


class ContactBook:
    """Asks the customer service how customers may be addressed."""

    def __init__(self, address: str, credentials: Credentials) -> None:
        self.credentials = credentials
        self.stub = contacts_pb2_grpc.ContactServiceStub(open_channel(address))

    def contacts(self, customers: Sequence[str], purpose: str, channels: Sequence[str]) -> dict[str, Contact]:
        """Answer by customer id how up to 500 customers may be addressed now; raise `Unavailable` without an answer."""
        request = contacts_pb2.BatchGetContactsRequest(
            customers=[names.name("customers", customer) for customer in customers],
            purpose=Consent.Purpose.Value(purpose),
            channels=map(Consent.Channel.Value, channels),
        )
        answer = ask(self.stub.BatchGetContacts, request, self.credentials.headers("customer"))
        return {names.identity(contact.customer): _contact(contact) for contact in answer.contacts}


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
