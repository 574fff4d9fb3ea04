"""The services beside notify, on real ports: their event feeds, and the customer service's book of contacts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from uuid import UUID

import grpc
from google.protobuf.message import Message

from chassis import wire
from services.notify.tests.feeds import Feed
from shuke.customer.v1 import contacts_pb2, contacts_pb2_grpc
from shuke.customer.v1.consents_pb2 import CheckConsentResponse, Consent
from shuke.event.v1 import event_pb2_grpc
from shuke.options.v1.options_pb2 import Text
from shuke.tiering.v1.events_pb2 import MembershipChanged, MembershipConfirmed

EVALUATION = "evaluations/0190a8f0-1111-7000-8000-000000000001"
# The end of 2011-12-09 in London.
GRADED = 1_323_475_199_999_999


def customer(number: int) -> str:
    """Answer the name of a customer."""
    return f"customers/{UUID(int=0x0190A8F0_0000_7000_8000_000000000000 + number)}"


ANNA, BERT, CARLA = map(customer, range(1, 4))


def confirmed(who: str, class_key: str = "GOLD", evaluation: str = EVALUATION) -> MembershipConfirmed:
    """Write that a grading left a customer in a class."""
    return MembershipConfirmed(
        customer=who,
        scheme="schemes/loyalty",
        class_key=class_key,
        display_name=Text(zh="金卡", en="Gold"),
        rank=4,
        benefits=[Text(zh="生日礼包", en="birthday gift"), Text(zh="免费送货", en="free delivery")],
        evaluation=evaluation,
        effective_time=wire.timestamp(GRADED),
    )


def changed(who: str, from_rank: int, to_rank: int, evaluation: str = EVALUATION) -> MembershipChanged:
    """Write that a customer's class changed; an empty evaluation is a first purchase."""
    return MembershipChanged(
        customer=who,
        scheme="schemes/loyalty",
        from_class="SILVER" if from_rank else "",
        to_class="GOLD" if to_rank else "",
        to_display_name=Text(zh="金卡", en="Gold") if to_rank else Text(),
        evaluation=evaluation,
        effective_time=wire.timestamp(GRADED),
        from_rank=from_rank,
        to_rank=to_rank,
        to_benefits=[Text(zh="生日礼包", en="birthday gift")] if to_rank else [],
    )


@dataclass
class Person:
    """A customer as the book knows one: contact points by channel, and the uses that were granted."""

    name: str = "Anna Ashford"
    points: dict[str, str] = field(default_factory=dict)
    preferred: str = ""
    language: str = "en"
    purposes: set[str] = field(default_factory=lambda: {"SERVICE"})
    outcome: str = ""


class Neighbours(contacts_pb2_grpc.ContactServiceServicer):
    """The feeds of all neighbours, and the book of contacts; a test writes events, people and addresses of staff.

    A member of staff without an address stands in the book with an empty text, one who is inactive with None.
    """

    def __init__(self) -> None:
        self.customer, self.tiering, self.ticketing = map(Feed, ("customer", "tiering", "ticketing"))
        self.people: dict[str, Person] = {}
        self.staff: dict[str, str | None] = {}
        self.asked: list[contacts_pb2.BatchGetContactsRequest] = []
        self.tokens: list[str] = []
        self.open = True
        self.when_asked: Callable[[], object] = lambda: None

    @property
    def addresses(self) -> dict[str, str]:
        """Where each of them answers, as the settings of notify name it."""
        return {f"{feed.owner}_address": feed.address for feed in (self.customer, self.tiering, self.ticketing)}

    def tell(self, *changes: MembershipChanged | MembershipConfirmed | Message) -> None:
        """Let tiering tell of changes."""
        self.tiering.tell(*changes)

    def BatchGetContacts(  # noqa: N802  (gRPC names it)
        self, request: contacts_pb2.BatchGetContactsRequest, context: grpc.ServicerContext
    ) -> contacts_pb2.BatchGetContactsResponse:
        """Decide for each customer by what the book knows."""
        if not self.open:
            context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        self.asked.append(request)
        self.tokens.append(str(dict(context.invocation_metadata())["authorization"]).removeprefix("Bearer "))
        contacts = [self._contact(who, request) for who in request.customers]
        self.when_asked()
        return contacts_pb2.BatchGetContactsResponse(contacts=contacts)

    def BatchGetStaffContacts(  # noqa: N802  (gRPC names it)
        self, request: contacts_pb2.BatchGetStaffContactsRequest, context: grpc.ServicerContext
    ) -> contacts_pb2.BatchGetStaffContactsResponse:
        """Answer for each member by what the book knows."""
        if not self.open:
            context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        return contacts_pb2.BatchGetStaffContactsResponse(contacts=map(self._member, request.staff))

    def _member(self, who: str) -> contacts_pb2.StaffContact:
        kind, address = contacts_pb2.StaffContact, self.staff.get(who, "")
        if address:
            return kind(staff=who, outcome=kind.ALLOWED, email=address, display_name="Mia Manager")
        outcome = kind.INACTIVE if address is None else kind.NO_CONTACT if who in self.staff else kind.UNKNOWN
        return kind(staff=who, outcome=outcome)

    def _contact(self, who: str, request: contacts_pb2.BatchGetContactsRequest) -> contacts_pb2.Contact:
        person = self.people.get(who)
        if person is None:
            return contacts_pb2.Contact(customer=who, outcome=contacts_pb2.Contact.UNKNOWN)
        if person.outcome:
            return contacts_pb2.Contact(customer=who, outcome=contacts_pb2.Contact.Outcome.Value(person.outcome))
        if Consent.Purpose.Name(request.purpose) not in person.purposes:
            withdrawn = CheckConsentResponse.WITHDRAWN
            return contacts_pb2.Contact(customer=who, outcome=contacts_pb2.Contact.NO_CONSENT, basis=withdrawn)
        asked = map(Consent.Channel.Name, request.channels)
        channels = sorted(asked, key=lambda channel: channel != person.preferred)
        channel = next((channel for channel in channels if channel in person.points), "")
        granted = CheckConsentResponse.GRANTED
        if not channel:
            return contacts_pb2.Contact(customer=who, outcome=contacts_pb2.Contact.NO_CONTACT, basis=granted)
        return contacts_pb2.Contact(
            customer=who,
            outcome=contacts_pb2.Contact.ALLOWED,
            basis=granted,
            channel=Consent.Channel.Value(channel),
            value=person.points[channel],
            display_name=person.name,
            language_code=person.language,
            preferred=channel == person.preferred,
        )


@contextmanager
def serving() -> Iterator[Neighbours]:
    """Serve the neighbours for one test."""
    neighbours = Neighbours()
    with ExitStack() as running:
        for feed in (neighbours.customer, neighbours.tiering, neighbours.ticketing):
            server = grpc.server(ThreadPoolExecutor(4))
            event_pb2_grpc.add_EventFeedServiceServicer_to_server(feed, server)
            if feed is neighbours.customer:
                contacts_pb2_grpc.add_ContactServiceServicer_to_server(neighbours, server)
            feed.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
            server.start()
            running.callback(_stop, server)
        yield neighbours


def _stop(server: grpc.Server) -> None:
    server.stop(None).wait()
