"""A relay, with a stub for the service behind it: bytes, headers, statuses and time go there and back unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event
from typing import Any, cast

import grpc
import pytest
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from chassis.principals import Principal
from chassis.server import WAITING, Server
from chassis.steps import MAX_MESSAGE, Parts
from chassis.tests.events import until
from chassis.texts import Texts
from gateway.passthrough import PassThrough
from gateway.routes import RouteTable
from gateway.tests.contracts import services
from gateway.tests.stub import Stub, refuse, serve
from gateway.upstream import DEADLINE
from tests.running import Clock, Refusal

SERVICE = "shuke.customer.v1.CustomerService"
CUSTOMER = f"/{SERVICE}/GetCustomer"
TICKET = "/shuke.ticketing.v1.TicketService/GetTicket"
# Time travels in coarse units.
ROUNDED = 1
APIS = ("customer", "tiering", "ticketing", "notify")


@dataclass
class Relay:
    """A server that relays, with one thread per service, and the stub that stands for all services."""

    server: Server
    channel: grpc.Channel
    stub: Stub

    def method(self, path: str = CUSTOMER) -> grpc.UnaryUnaryMultiCallable[bytes, bytes]:
        """Find a method that takes bytes and answers bytes."""
        return self.channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)

    def fails(self, request: bytes = b"") -> grpc.Call:
        """Call a method; answer the error as the client's library has it."""
        with pytest.raises(grpc.RpcError) as failed:
            self.method()(request, timeout=30)
        return cast("grpc.Call", failed.value)


@pytest.fixture
def relay(table: RouteTable, texts: Texts) -> Iterator[Relay]:
    """Relay the calls of one caller to a stub."""
    caller = Principal("apiKeys/1", ("*",), ("*",))
    server = Server(Parts(texts, Clock(), lambda _call: caller), threads=1)
    with serve() as stub:
        behind = PassThrough(dict.fromkeys(APIS, stub.address), lambda caller, api: f"ours-for-{caller.name}-at-{api}")
        behind.join(server, services(), table)
        address = f"127.0.0.1:{server.start('127.0.0.1:0')}"
        with grpc.insecure_channel(address, options=[("grpc.max_send_message_length", -1)]) as channel:
            yield Relay(server, channel, stub)
        server.drain(5)


def test_bytes_and_headers_go_on_and_the_key_does_not(relay: Relay) -> None:
    """The service gets the request as it was sent, the headers of the contract, the call's id and our token."""
    relay.stub.behave = lambda request, _context: request[::-1]
    headers = (("authorization", "Bearer theirs"), ("x-operator", "S1"), ("x-purpose", "AUDIT"), ("x-else", "x"))
    answer, call = relay.method().with_call(b"abc", metadata=(*headers, ("accept-language", "en")), timeout=10)
    assert answer == b"cba"
    path, request, sent = relay.stub.calls[0]
    assert (path, request) == (CUSTOMER, b"abc")
    assert (sent["x-operator"], sent["x-purpose"], sent["accept-language"]) == ("S1", "AUDIT", "en")
    assert sent["authorization"] == "Bearer ours-for-apiKeys/1-at-customer"
    assert sent["x-request-id"] == dict(call.trailing_metadata())["x-request-id"] != ""
    assert "x-else" not in sent


def test_what_the_service_says_of_the_call_comes_back(relay: Relay) -> None:
    """The service's own id and time stand in the trailing metadata."""

    def behave(request: bytes, context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata((("x-request-id", "theirs"), ("x-server-time", "12")))
        return request

    relay.stub.behave = behave
    _, call = relay.method().with_call(b"", timeout=10)
    assert dict(call.trailing_metadata()) == {"x-request-id": "theirs", "x-server-time": "12"}


def test_a_status_comes_back_byte_for_byte(relay: Relay) -> None:
    """Code, message and details are what the service sent, even details that the gateway does not know."""
    status = Status(code=Code.FAILED_PRECONDITION, message="没有 such customer.")
    status.details.add().Pack(ErrorInfo(reason="LATER", metadata={"b": "2", "a": "1"}))
    status.details.add(type_url="type.googleapis.com/shuke.later.v1.Detail", value=b"\x0a\x01x")
    relay.stub.behave = lambda _request, context: refuse(context, status)
    failed = relay.fails()
    assert (failed.code(), failed.details()) == (grpc.StatusCode.FAILED_PRECONDITION, status.message)
    assert dict(failed.trailing_metadata())["grpc-status-details-bin"] == status.SerializeToString()


def test_what_is_no_status_of_ours_is_a_fault(relay: Relay) -> None:
    """A code that the contract does not use is not passed on, nor are the library's words."""
    relay.stub.behave = lambda _request, context: refuse(context, Status(code=Code.DATA_LOSS, message="10.0.0.1"))
    failed = relay.fails()
    assert failed.code() is grpc.StatusCode.INTERNAL
    assert "10.0.0.1" not in str(failed.details())


def test_nobody_waits_longer_than_the_caller_or_the_gateway(relay: Relay) -> None:
    """The service hears how long the caller waits, and never more than the gateway's own limit."""
    waits = []

    def behave(request: bytes, context: grpc.ServicerContext) -> bytes:
        waits.append(context.time_remaining())
        return request

    relay.stub.behave = behave
    for timeout in (5, 500, None):
        relay.method()(b"", timeout=timeout)
    assert waits[0] < 5 + ROUNDED
    assert all(5 < wait < DEADLINE + ROUNDED for wait in waits[1:])


def test_a_service_that_hangs_holds_up_no_other(relay: Relay) -> None:
    """Each service has threads of its own at the door, and a caller that gives up lets the service stop."""
    begun, gone = Event(), Event()

    def behave(request: bytes, context: grpc.ServicerContext) -> bytes:
        if request == b"hang":
            context.add_callback(gone.set)
            begun.set()
            assert gone.wait(20)
        return request

    relay.stub.behave = behave
    hanging = relay.method(CUSTOMER).future(b"hang", timeout=30)
    assert begun.wait(10)
    assert relay.method(TICKET)(b"other", timeout=10) == b"other"
    hanging.cancel()
    assert gone.wait(10)
    assert relay.method(CUSTOMER)(b"next", timeout=10) == b"next"


def test_a_message_above_the_limit_is_refused(relay: Relay) -> None:
    """Sixteen mebibytes go on, more is refused with our reason and does not."""
    relay.stub.behave = lambda request, _context: request[:1]
    assert relay.method()(bytes(MAX_MESSAGE), timeout=30) == b"\0"
    refusal = Refusal.of(cast("Status", rpc_status.from_call(cast("Any", relay.fails(bytes(17 * 2**20))))))
    assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "BODY_TOO_LARGE")
    assert refusal.metadata == {"limit_mib": "16"}
    assert len(relay.stub.calls) == 1


def test_a_queue_has_an_end(relay: Relay) -> None:
    """When as many calls wait for a service as may, the next one is refused at once, and other services are called."""
    begun, go = Event(), Event()

    def behave(request: bytes, _context: grpc.ServicerContext) -> bytes:
        if request == b"hang":
            begun.set()
            assert go.wait(30)
        return request

    relay.stub.behave = behave
    waiting = [relay.method(CUSTOMER).future(b"hang", timeout=60) for _ in range(1 + WAITING)]
    assert begun.wait(10)
    until(lambda: relay.server.relays[SERVICE].pending == len(waiting))
    assert relay.fails().code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert relay.method(TICKET)(b"other", timeout=10) == b"other"
    go.set()
    assert [call.result() for call in waiting] == [b"hang"] * len(waiting)
