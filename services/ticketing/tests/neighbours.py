"""The services beside ticketing, on a real port: who the customers are, and feeds that a test writes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import UUID

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message

from chassis.events import PARTITIONS, partition_of
from shuke.customer.v1 import customer_pb2, customer_pb2_grpc
from shuke.event.v1 import event_pb2, event_pb2_grpc

EPOCH = "epoch-1"


def customer(number: int) -> str:
    """Answer the name of a customer."""
    return f"customers/{UUID(int=0x0190A8F0_0000_7000_8000_000000000000 + number)}"


ANNA, BERT, CARLA, STRANGER = map(customer, range(1, 5))


class Neighbours(event_pb2_grpc.EventFeedServiceServicer, customer_pb2_grpc.CustomerServiceServicer):
    """Both neighbours in one server; a test writes events and telephone numbers."""

    def __init__(self) -> None:
        self.phones: dict[str, list[str]] = {"+447700900101": [ANNA], "+447700900102": [BERT, CARLA]}
        self.known = {ANNA, BERT, CARLA}
        self.open = True
        self.heads = dict.fromkeys(range(PARTITIONS), 0)
        self._events: list[event_pb2.Event] = []
        self._lock = threading.Lock()
        self.address = ""

    def tell(self, *changes: Message) -> None:
        """Let the neighbours tell of changes; one feed serves for both."""
        with self._lock:
            self._events += [self._event(change) for change in changes]

    def _event(self, change: Message) -> event_pb2.Event:
        key = str(getattr(change, "customer", "")) or "directory"
        partition = partition_of(key)
        self.heads[partition] += 1
        data = Any()
        data.Pack(change)
        return event_pb2.Event(
            id=f"event-{partition}-{self.heads[partition]}",
            source="customer.shuke",
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
            events = [event for event in self._events if event.position > cursors.get(event.partition, event.position)]
            heads = [event_pb2.Cursor(partition=one, position=self.heads[one]) for one in cursors]
        return event_pb2.ReadEventsResponse(events=events, heads=heads, epoch=EPOCH)

    # What the tests of ticketing never call.
    EnrolCustomer = CreateCustomer = UpdateCustomer = GetCustomer = None  # type: ignore[assignment]

    def BatchGetCustomers(  # noqa: N802
        self, request: customer_pb2.BatchGetCustomersRequest, context: grpc.ServicerContext
    ) -> customer_pb2.BatchGetCustomersResponse:
        """Answer customers that there are."""
        self._require_open(context)
        if not self.known.issuperset(request.names):
            context.abort(grpc.StatusCode.NOT_FOUND, "no such customer")
        return customer_pb2.BatchGetCustomersResponse(
            customers=[customer_pb2.Customer(name=name) for name in request.names]
        )

    def LookupCustomer(  # noqa: N802
        self, request: customer_pb2.LookupCustomerRequest, context: grpc.ServicerContext
    ) -> customer_pb2.LookupCustomerResponse:
        """Answer customers by telephone number."""
        self._require_open(context)
        if not request.lookup.phone.startswith("+"):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no telephone number")
        found = self.phones.get(request.lookup.phone, [])
        return customer_pb2.LookupCustomerResponse(
            matches=[customer_pb2.CustomerMatch(customer=name) for name in found]
        )

    def _require_open(self, context: grpc.ServicerContext) -> None:
        if not self.open:
            context.abort(grpc.StatusCode.UNAVAILABLE, "closed")


@contextmanager
def serving() -> Iterator[Neighbours]:
    """Serve the neighbours on a free port."""
    beside = Neighbours()
    server = grpc.server(ThreadPoolExecutor(4))
    event_pb2_grpc.add_EventFeedServiceServicer_to_server(beside, server)
    customer_pb2_grpc.add_CustomerServiceServicer_to_server(beside, server)
    beside.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield beside
    server.stop(None).wait()
