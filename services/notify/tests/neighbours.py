"""The services beside notify, on a real port: tiering's event feed, and the customer service's book of contacts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message

from chassis import wire
from chassis.events import PARTITIONS, partition_of
from shuke.customer.v1 import contacts_pb2, contacts_pb2_grpc
from shuke.customer.v1.consents_pb2 import CheckConsentResponse, Consent
from shuke.event.v1 import event_pb2, event_pb2_grpc
from shuke.options.v1.options_pb2 import Text
from shuke.tiering.v1.events_pb2 import MembershipChanged, MembershipConfirmed

EPOCH = "epoch-1"
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


class Neighbours(event_pb2_grpc.EventFeedServiceServicer, contacts_pb2_grpc.ContactServiceServicer):
    """Both neighbours in one server; a test writes events and people."""

    def __init__(self) -> None:
        self.people: dict[str, Person] = {}
        self.asked: list[contacts_pb2.BatchGetContactsRequest] = []
        self.tokens: list[str] = []
        self.open = True
        self.when_asked: Callable[[], object] = lambda: None
        self.heads = dict.fromkeys(range(PARTITIONS), 0)
        self._events: list[event_pb2.Event] = []
        self._lock = threading.Lock()
        self.address = ""

    def tell(self, *changes: MembershipChanged | MembershipConfirmed | Message) -> None:
        """Let tiering tell of changes."""
        with self._lock:
            self._events += [self._event(change) for change in changes]

    def _event(self, change: Message) -> event_pb2.Event:
        key = str(getattr(change, "customer", "")) or "evaluations/1"
        partition = partition_of(key)
        self.heads[partition] += 1
        data = Any()
        data.Pack(change)
        return event_pb2.Event(
            id=f"event-{len(self._events)}-{partition}-{self.heads[partition]}",
            source="tiering.shuke",
            type=change.DESCRIPTOR.full_name,
            partition_key=key,
            data=data,
            epoch=EPOCH,
            partition=partition,
            position=self.heads[partition],
        )

    def ReadEvents(  # noqa: N802  (gRPC names it)
        self, request: event_pb2.ReadEventsRequest, _context: grpc.ServicerContext
    ) -> event_pb2.ReadEventsResponse:
        """Answer the events behind the cursors."""
        cursors = {cursor.partition: cursor.position for cursor in request.cursors}
        with self._lock:
            behind = [event for event in self._events if event.position > cursors[event.partition]]
            heads = [event_pb2.Cursor(partition=part, position=self.heads[part]) for part in cursors]
        ordered = sorted(behind, key=lambda event: (event.partition, event.position))
        return event_pb2.ReadEventsResponse(events=ordered[: request.limit], heads=heads, epoch=EPOCH)

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
        self, request: contacts_pb2.BatchGetStaffContactsRequest, _context: grpc.ServicerContext
    ) -> contacts_pb2.BatchGetStaffContactsResponse:
        """Know no member of staff."""
        unknown = contacts_pb2.StaffContact.UNKNOWN
        contacts = [contacts_pb2.StaffContact(staff=who, outcome=unknown) for who in request.staff]
        return contacts_pb2.BatchGetStaffContactsResponse(contacts=contacts)

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
    server = grpc.server(ThreadPoolExecutor(8))
    event_pb2_grpc.add_EventFeedServiceServicer_to_server(neighbours, server)
    contacts_pb2_grpc.add_ContactServiceServicer_to_server(neighbours, server)
    neighbours.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield neighbours
    finally:
        server.stop(None).wait()
