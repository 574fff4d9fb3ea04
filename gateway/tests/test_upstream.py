"""Calls reach the right service over real gRPC, and its refusals come back as it sent them."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator

import grpc
import pytest
from google.longrunning.operations_pb2 import GetOperationRequest
from google.protobuf import any_pb2
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from chassis.errors import BodyTooLarge, MethodUnknown, Overloaded, Refused, Unauthenticated, Unavailable
from chassis.operations import OperationNotFound
from chassis.status import InternalFault, Relayed
from gateway.errors import Late
from gateway.routes import Route, RouteTable
from gateway.tests.stub import Stub, refuse, serve
from gateway.upstream import Metadata, TokenSource, Upstream

HEADERS = {"x-request-id": "r1", "authorization": "Bearer theirs", "x-operator": "S1"}


class NoToken(Unauthenticated):
    """The caller showed nothing."""

    reason = "TOKEN_MISSING"


async def token_for(_metadata: Metadata, api: str) -> str:
    """Make a token that tells the API."""
    return f"ours-for-{api}"


async def no_token(_metadata: Metadata, _api: str) -> str:
    """Refuse every caller."""
    raise NoToken


@pytest.fixture
def stub() -> Iterator[Stub]:
    """Serve one stub for all APIs."""
    with serve() as served:
        yield served


@pytest.fixture
def route(table: RouteTable) -> Route:
    """A method of the customer service."""
    return table.find("GET", "/v1/customers/c1").route


def call(
    addresses: dict[str, str],
    route: Route,
    request: bytes = b"",
    *,
    tokens: TokenSource = token_for,
    deadline: float = 10.0,
) -> bytes:
    """Call through an upstream that lives for this call."""

    async def run() -> bytes:
        upstream = Upstream(addresses, tokens, deadline=deadline)
        try:
            return await upstream(route, request, HEADERS)
        finally:
            await upstream.close()

    return asyncio.run(run())


def refusal(addresses: dict[str, str], route: Route, *, deadline: float = 10.0) -> Refused:
    """Call, and answer how it was refused."""
    with pytest.raises(Refused) as refused:
        call(addresses, route, deadline=deadline)
    return refused.value


def free_port() -> int:
    """Find a port on which nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def test_bytes_go_there_and_back(stub: Stub, route: Route) -> None:
    """A request reaches the method of its route as it is, and so does the answer."""
    stub.behave = lambda request, _context: request[::-1]
    assert call({"customer": stub.address}, route, b"abc") == b"cba"
    method, request, _ = stub.calls[0]
    assert (method, request) == ("/shuke.customer.v1.CustomerService/GetCustomer", b"abc")


def test_the_service_sees_our_token_and_never_the_callers(stub: Stub, route: Route) -> None:
    """The caller's credential stays at the gateway; the other headers go on."""
    call({"customer": stub.address}, route)
    headers = stub.calls[0][2]
    assert headers["authorization"] == "Bearer ours-for-customer"
    assert (headers["x-request-id"], headers["x-operator"]) == ("r1", "S1")


def test_a_caller_without_token_reaches_no_service(stub: Stub, route: Route) -> None:
    """Who is not known is refused before anything is sent."""
    with pytest.raises(NoToken):
        call({"customer": stub.address}, route, tokens=no_token)
    assert stub.calls == []


def test_an_operation_goes_to_the_service_that_its_name_tells(stub: Stub, table: RouteTable) -> None:
    """Operations have one path and many homes."""
    route = table.find("GET", "/v1/operations/tiering-1").route
    request = GetOperationRequest(name="operations/tiering-1").SerializeToString()
    call({"customer": f"127.0.0.1:{free_port()}", "tiering": stub.address}, route, request)
    assert stub.calls[0][2]["authorization"] == "Bearer ours-for-tiering"


@pytest.mark.parametrize("name", ["", "operations/", "operations/tiering", "operations/nobody-1", "x/tiering-1"])
def test_an_operation_of_nobody_is_not_found(stub: Stub, table: RouteTable, name: str) -> None:
    """A name that leads to no service is answered by the gateway."""
    route = table.find("GET", "/v1/operations/tiering-1").route
    with pytest.raises(OperationNotFound):
        call({"tiering": stub.address}, route, GetOperationRequest(name=name).SerializeToString())


def test_a_status_comes_back_with_its_details(stub: Stub, route: Route) -> None:
    """What the service says of a refusal is not changed on the way."""
    status = Status(code=Code.NOT_FOUND, message="没有 such customer.")
    status.details.add().Pack(ErrorInfo(reason="CUSTOMER_NOT_FOUND"))
    stub.behave = lambda _request, context: refuse(context, status)
    with pytest.raises(Relayed) as refused:
        call({"customer": stub.address}, route)
    assert refused.value.status == status


def test_unavailable_is_tried_again(stub: Stub, route: Route) -> None:
    """A service that is away for a moment costs the caller only time."""

    def behave(request: bytes, context: grpc.ServicerContext) -> bytes:
        if len(stub.calls) < 3:
            refuse(context, Status(code=Code.UNAVAILABLE, message="later"))
        return request

    stub.behave = behave
    assert call({"customer": stub.address}, route, b"abc") == b"abc"
    assert len(stub.calls) == 3


def test_unavailable_is_not_tried_for_ever(stub: Stub, route: Route) -> None:
    """After four tries the caller hears of it."""
    stub.behave = lambda _request, context: refuse(context, Status(code=Code.UNAVAILABLE, message="later"))
    with pytest.raises(Relayed):
        call({"customer": stub.address}, route)
    assert len(stub.calls) == 4


@pytest.mark.parametrize("code", [Code.INTERNAL, Code.ABORTED, Code.RESOURCE_EXHAUSTED, Code.DEADLINE_EXCEEDED])
def test_nothing_else_is_tried_again(stub: Stub, route: Route, code: Code.ValueType) -> None:
    """Only UNAVAILABLE says that the same call may succeed at once."""
    stub.behave = lambda _request, context: refuse(context, Status(code=code, message="no"))
    with pytest.raises(Relayed):
        call({"customer": stub.address}, route)
    assert len(stub.calls) == 1


def test_a_service_that_is_down_is_unavailable(route: Route) -> None:
    """Its address is not told."""
    assert isinstance(refusal({"customer": f"127.0.0.1:{free_port()}"}, route), Unavailable)


def test_a_service_that_comes_back_is_called_again_soon(route: Route) -> None:
    """A restart of a service costs its callers seconds, not minutes."""

    async def run(port: int) -> float:
        upstream = Upstream({"customer": f"127.0.0.1:{port}"}, token_for)
        started = time.monotonic()
        while time.monotonic() < started + 1.5:
            with pytest.raises(Unavailable):
                await upstream(route, b"", HEADERS)
        with serve(port):
            started = time.monotonic()
            while True:
                try:
                    await upstream(route, b"", HEADERS)
                except Unavailable:
                    continue
                await upstream.close()
                return time.monotonic() - started

    assert asyncio.run(run(free_port())) < 10


def test_calls_are_spread_over_replicas(stub: Stub, route: Route) -> None:
    """An address may name several replicas."""

    async def run(address: str) -> None:
        upstream = Upstream({"customer": address}, token_for)
        deadline = time.monotonic() + 30
        while not (stub.calls and other.calls) and time.monotonic() < deadline:
            await upstream(route, b"", HEADERS)
        await upstream.close()

    with serve() as other:
        asyncio.run(run(f"{stub.address},{other.address}"))
        assert stub.calls
        assert other.calls


def test_a_slow_service_is_late(stub: Stub, route: Route) -> None:
    """Nobody waits longer than the deadline, and nothing is said of whether the work was done."""

    def behave(_request: bytes, _context: grpc.ServicerContext) -> bytes:
        time.sleep(0.5)
        return b""

    stub.behave = behave
    assert isinstance(refusal({"customer": stub.address}, route, deadline=0.1), Late)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNIMPLEMENTED, MethodUnknown),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Overloaded),
        (grpc.StatusCode.CANCELLED, Unavailable),
        (grpc.StatusCode.UNKNOWN, InternalFault),
        (grpc.StatusCode.PERMISSION_DENIED, InternalFault),
    ],
)
def test_a_refusal_without_status_gets_one_of_ours(
    stub: Stub, route: Route, code: grpc.StatusCode, kind: type[Refused]
) -> None:
    """What gRPC itself says is put into the contract's words, without its own."""
    stub.behave = lambda _request, context: context.abort(code, "ipv4:10.0.0.1:50051 said no")
    refused = refusal({"customer": stub.address}, route)
    assert type(refused) is kind
    assert "10.0.0.1" not in str(refused)


def test_a_status_that_contradicts_its_code_is_a_fault(stub: Stub, route: Route) -> None:
    """A service that does not keep to the protocol is not believed."""

    def behave(_request: bytes, context: grpc.ServicerContext) -> bytes:
        packed = any_pb2.Any(type_url="x").SerializeToString()
        context.set_trailing_metadata((("grpc-status-details-bin", packed),))
        context.abort(grpc.StatusCode.INTERNAL, "no")
        raise AssertionError("abort raises")

    stub.behave = behave
    assert isinstance(refusal({"customer": stub.address}, route), InternalFault)


def test_a_message_that_services_do_not_take_is_not_sent(stub: Stub, route: Route) -> None:
    """Beyond 16 MiB the caller hears the limit."""
    with pytest.raises(BodyTooLarge) as refused:
        call({"customer": stub.address}, route, bytes(16 * 2**20 + 1))
    assert refused.value.metadata == {"limit_mib": "16"}
    assert stub.calls == []


def test_a_large_answer_is_taken(stub: Stub, route: Route) -> None:
    """Answers may be as large as services may make them."""
    stub.behave = lambda _request, _context: bytes(16 * 2**20)
    assert len(call({"customer": stub.address}, route)) == 16 * 2**20
