"""What the gateway itself asks of the services behind it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import TypeVar

import grpc
import structlog

from chassis import names, wire
from chassis.calendar import SECOND
from chassis.client import Credentials, Headers, open_channel
from chassis.clock import Clock
from chassis.errors import Unavailable
from chassis.paging import LARGEST_SIZE
from chassis.status import reason_of
from gateway.staff.domain import Member
from gateway.upstream import status_in
from shuke.customer.v1 import (
    consents_pb2,
    consents_pb2_grpc,
    customer_pb2,
    customer_pb2_grpc,
    directory_pb2_grpc,
    interactions_pb2,
    interactions_pb2_grpc,
    purchases_pb2,
    purchases_pb2_grpc,
)
from shuke.customer.v1 import directory_pb2 as pb
from shuke.notify.v1 import messages_pb2, messages_pb2_grpc
from shuke.ticketing.v1 import tickets_pb2, tickets_pb2_grpc
from shuke.tiering.v1 import benefits_pb2, benefits_pb2_grpc, tiering_pb2, tiering_pb2_grpc

log = structlog.get_logger("staff")

Q = TypeVar("Q")
A = TypeVar("A")

# What the signed token of the gateway itself claims.
PERMISSIONS = ("customer.operators.check",)
# A till waits for it, so it is short.
DEADLINE_SECONDS = 2.0
CACHE_SIZE = 10_000
# How many of what comes without end are shown of a customer.
LAST = 10


class StaffBook:
    """Asks the customer service who staff codes stand for, and keeps each answer for some seconds.

    Safe for threads and for the event loop: nothing in it waits.
    """

    def __init__(self, address: str, credentials: Credentials, clock: Clock, fresh_seconds: int) -> None:
        self.credentials = credentials
        self.clock = clock
        self.fresh_for = fresh_seconds * SECOND
        self.stub = directory_pb2_grpc.DirectoryServiceStub(open_channel(address))
        self._never: Future[Member | None] = Future()
        self._never.set_result(None)
        # By code, what was asked last at the end: when, and what comes or came of it.
        self._asked: dict[str, tuple[int, Future[Member | None]]] = {}
        self._lock = threading.Lock()

    def member(self, code: str) -> Future[Member | None]:
        """Answer what the directory tells of a staff code, now or soon; calls that come together ask once.

        While the customer service does not answer it is what it told last, however long ago, and None without that.
        """
        with self._lock:
            now = self.clock()
            time, last = self._asked.get(code, (now, self._never))
            if not last.done() or (last.result() is not None and 0 <= now - time <= self.fresh_for):
                return last
            answer: Future[Member | None] = Future()
            asked = self.stub.CheckStaff.future(
                pb.CheckStaffRequest(name=names.name("staff", code)),
                timeout=DEADLINE_SECONDS,
                metadata=self.credentials.headers("customer"),
            )
            self._asked.pop(code, None)
            self._asked[code] = (now, answer)
            if len(self._asked) > CACHE_SIZE:
                del self._asked[next(iter(self._asked))]
        asked.add_done_callback(lambda done: answer.set_result(_told(done) or last.result()))
        return answer


class Offer:
    """Asks, in the name of whoever the headers stand for, what is read and offered to customers today."""

    def __init__(self, customer_address: str, tiering_address: str) -> None:
        self.consents = consents_pb2_grpc.ConsentServiceStub(open_channel(customer_address))
        self.catalogue = benefits_pb2_grpc.BenefitServiceStub(open_channel(tiering_address))

    def notice(self, headers: Headers) -> grpc.Future[consents_pb2.GetNoticeResponse]:
        """Ask for the notice in force."""
        return _ask(self.consents.GetNotice, consents_pb2.GetNoticeRequest(), headers)

    def benefits(self, headers: Headers) -> grpc.Future[benefits_pb2.ListBenefitsResponse]:
        """Ask for the catalogue in force; one page holds all that a catalogue can."""
        return _ask(self.catalogue.ListBenefits, benefits_pb2.ListBenefitsRequest(page_size=LARGEST_SIZE), headers)


class CustomerBook:
    """Asks, in the name of whoever the headers stand for, what the services know of a customer."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        customer, tiering = open_channel(addresses["customer"]), open_channel(addresses["tiering"])
        self.customers = customer_pb2_grpc.CustomerServiceStub(customer)
        self.sales = purchases_pb2_grpc.PurchaseServiceStub(customer)
        self.contacts = interactions_pb2_grpc.InteractionServiceStub(customer)
        self.members = tiering_pb2_grpc.MembershipServiceStub(tiering)
        self.catalogue = benefits_pb2_grpc.BenefitServiceStub(tiering)
        self.desk = tickets_pb2_grpc.TicketServiceStub(open_channel(addresses["ticketing"]))
        self.post = messages_pb2_grpc.MessageServiceStub(open_channel(addresses["notify"]))

    def matches(
        self, lookup: customer_pb2.CustomerLookup, headers: Headers
    ) -> grpc.Future[customer_pb2.LookupCustomerResponse]:
        """Ask who is found by a key."""
        return _ask(self.customers.LookupCustomer, customer_pb2.LookupCustomerRequest(lookup=lookup), headers)

    def profile(self, name: str, headers: Headers) -> grpc.Future[customer_pb2.Customer]:
        """Ask for a customer's file."""
        return _ask(self.customers.GetCustomer, customer_pb2.GetCustomerRequest(name=name), headers)

    def purchases(self, name: str, store: str, headers: Headers) -> grpc.Future[purchases_pb2.ListPurchasesResponse]:
        """Ask for the last purchases, those at a store where one is named."""
        request = purchases_pb2.ListPurchasesRequest(customer=name, store=store, page_size=LAST)
        return _ask(self.sales.ListPurchases, request, headers)

    def interactions(self, name: str, headers: Headers) -> grpc.Future[interactions_pb2.ListInteractionsResponse]:
        """Ask for the last contacts."""
        request = interactions_pb2.ListInteractionsRequest(parent=name, page_size=LAST)
        return _ask(self.contacts.ListInteractions, request, headers)

    def membership(self, name: str, scheme: str, headers: Headers) -> grpc.Future[tiering_pb2.Membership]:
        """Ask for the customer's place in a scheme."""
        member = names.name(f"schemes/{scheme}/members", names.identity(name))
        return _ask(self.members.GetMembership, tiering_pb2.GetMembershipRequest(name=member), headers)

    def entitlements(self, name: str, headers: Headers) -> grpc.Future[benefits_pb2.ListEntitlementsResponse]:
        """Ask what the customer is entitled to; one page holds all that a catalogue can."""
        request = benefits_pb2.ListEntitlementsRequest(parent=name, page_size=LARGEST_SIZE)
        return _ask(self.catalogue.ListEntitlements, request, headers)

    def tickets(self, name: str, since: int, headers: Headers) -> grpc.Future[tickets_pb2.ListTicketsResponse]:
        """Ask for the tickets in all states that were opened or changed since an instant."""
        request = tickets_pb2.ListTicketsRequest(
            customer=name, changed_since=wire.timestamp(since), page_size=LARGEST_SIZE
        )
        return _ask(self.desk.ListTickets, request, headers)

    def messages(self, name: str, headers: Headers) -> grpc.Future[messages_pb2.ListMessagesResponse]:
        """Ask for the last messages."""
        request = messages_pb2.ListMessagesRequest(customer=name, page_size=LAST)
        return _ask(self.post.ListMessages, request, headers)


def reason_in(error: grpc.RpcError) -> str:
    """Answer the reason for which a service refused; one that did not answer is unavailable."""
    status = status_in(error)
    return (reason_of(status) if status else "") or Unavailable.reason


def _ask(method: grpc.UnaryUnaryMultiCallable[Q, A], request: Q, headers: Headers) -> grpc.Future[A]:
    asked: grpc.Future[A] = method.future(request, timeout=DEADLINE_SECONDS, metadata=headers)
    return asked


def _told(asked: grpc.Future[pb.CheckStaffResponse]) -> Member | None:
    """Read an answer; whatever else came of the question is as good as none, and what it was is for the log."""
    try:
        told = asked.result()
    except grpc.RpcError as error:
        log.warning("staff not checked", code=error.code().name)
        return None
    return Member(told.known, told.active, told.chain_wide, frozenset(map(names.identity, told.stores)))
