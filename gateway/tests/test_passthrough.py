"""gRPC through the front door: generated stubs, a real gateway, and real services behind it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf import descriptor_pool, json_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from gateway.tests.contracts import services
from gateway.tests.door import ADMIN, SALE, Door, bearer, opened
from gateway.tests.stub import Held, serve
from services.customer.server import PROGRAM as CUSTOMER
from services.tiering.server import PROGRAM as TIERING
from shuke.customer.v1 import contacts_pb2, contacts_pb2_grpc, purchases_pb2, purchases_pb2_grpc
from shuke.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from shuke.options.v1 import options_pb2
from tests.running import Clock, Refusal, StartService

Headers = tuple[tuple[str, str], ...]
MakeStub = Callable[[grpc.Channel], Any]
PURCHASES = purchases_pb2_grpc.PurchaseServiceStub
OPERATIONS = operations_pb2_grpc.OperationsStub
GET_OPERATION = "/google.longrunning.Operations/GetOperation"
TICKET = "/shuke.ticketing.v1.TicketService/GetTicket"
BUF = str(Path(sys.executable).with_name("buf"))
STORE = {"displayName": "Leeds", "openingDate": {"year": 2020, "month": 1, "day": 1}}


def sale() -> purchases_pb2.RecordPurchaseRequest:
    """Write the sale as a till's program does."""
    return json_format.ParseDict(SALE, purchases_pb2.RecordPurchaseRequest())


def headers(token: str, **more: str) -> Headers:
    """Write the headers of a caller."""
    named = ((name.replace("_", "-"), value) for name, value in more.items())
    return (("authorization", f"Bearer {token}"), ("accept-language", "en"), *named)


def refused(door: Door, stub: MakeStub, name: str, request: Message, caller: Headers) -> Refusal:
    """Call through the door; answer how that was refused."""
    with pytest.raises(Refusal) as refusal:
        door.gateway.raw(stub, name, request, caller)
    return refusal.value


def method(channel: grpc.Channel, path: str) -> grpc.UnaryUnaryMultiCallable[bytes, bytes]:
    """Find a method that takes bytes and answers bytes."""
    return channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)


def health(channel: grpc.Channel) -> Any:  # noqa: ANN401  (the library's stubs are untyped)
    """Make a client of the health service."""
    return health_pb2_grpc.HealthStub(channel)


def failure(door: Door, path: str, request: bytes) -> Status:
    """Call a method with bytes as the administrator; answer the status that comes back."""
    with pytest.raises(grpc.RpcError) as failed:
        method(door.gateway.channel, path)(request, metadata=headers(ADMIN), timeout=20)
    return cast("Status", rpc_status.from_call(cast("Any", failed.value)))


@pytest.mark.requirement("G-01", "G-16")
def test_a_till_records_a_sale_over_grpc(door: Door) -> None:
    """With the generated stub and its key a till records a sale in its operator's name, and again is a replay."""
    door.store("LEEDS")
    door.member("E-7", stores=["stores/LEEDS"])
    till = headers(door.key(kind="TILL", roles=["till"], stores=["LEEDS"]), x_operator="E-7", x_request_id="till-1")
    record = PURCHASES(door.gateway.channel).RecordPurchase
    answer, call = record.with_call(sale(), metadata=till, timeout=30)
    assert (answer.replayed, answer.purchase.operator) == (False, "E-7")
    trailing = dict(call.trailing_metadata())
    assert trailing["x-request-id"] == "till-1"
    assert trailing["x-server-time"].isdigit()
    assert record(sale(), metadata=till, timeout=30).replayed
    assert door.http.get(f"/v1/{answer.purchase.name}", headers=dict(till)).json()["operator"] == "E-7"


@pytest.mark.requirement("G-03", "G-15")
def test_refusals_are_those_of_http(door: Door) -> None:
    """No key, a wrong key, an unknown operator, a foreign store and a missing permission: each has its reason."""
    till = door.key(kind="TILL", roles=["till"], stores=["YORK"])
    engineer = door.key(kind="STAFF", staff="E-1", roles=["engineer"], stores=["*"])
    callers = [(), headers("shk_unknown"), headers(till, x_operator="E-9"), headers(till), headers(engineer)]
    found = [refused(door, PURCHASES, "RecordPurchase", sale(), caller) for caller in callers]
    assert [(one.code, one.reason) for one in found] == [
        ("UNAUTHENTICATED", "TOKEN_MISSING"),
        ("UNAUTHENTICATED", "TOKEN_INVALID"),
        ("PERMISSION_DENIED", "OPERATOR_UNKNOWN"),
        ("PERMISSION_DENIED", "STORE_FOREIGN"),
        ("PERMISSION_DENIED", "PERMISSION_MISSING"),
    ]
    assert found[-1].metadata == {"permission": "customer.purchases.record"}
    assert found[-1].localized


def test_the_gateways_own_service_is_beside_them(door: Door) -> None:
    """Keys are made over the same port."""
    wanted = gateway_pb2.ApiKey(kind=gateway_pb2.ApiKey.TILL, roles=["till"], stores=["LEEDS"])
    request = gateway_pb2.CreateApiKeyRequest(api_key=wanted)
    made = door.gateway.raw(gateway_pb2_grpc.ApiKeyServiceStub, "CreateApiKey", request, headers(ADMIN))
    assert made.token.startswith("shk_")


def test_what_is_not_for_clients_is_unknown(door: Door) -> None:
    """An internal method, the event feed, a list of operations and what nobody has are all told to be no method."""
    request = contacts_pb2.BatchGetContactsRequest()
    refusal = refused(door, contacts_pb2_grpc.ContactServiceStub, "BatchGetContacts", request, headers(ADMIN))
    assert (refusal.code, refusal.reason) == ("UNIMPLEMENTED", "METHOD_UNKNOWN")
    for path in (
        "/shuke.customer.v1.DirectoryService/CheckStaff",
        "/shuke.event.v1.EventFeedService/ReadEvents",
        "/google.longrunning.Operations/ListOperations",
        "/nothing.v1.NothingService/Do",
    ):
        assert Refusal.of(failure(door, path, b"")).metadata == {"method": path}


def test_a_service_that_is_down_is_unavailable(door: Door) -> None:
    """The caller hears when to come again, and nothing of addresses."""
    request = operations_pb2.GetOperationRequest(name="operations/notify-1").SerializeToString()
    status = failure(door, GET_OPERATION, request)
    retry = RetryInfo()
    refusal = Refusal.of(status)
    assert (refusal.code, refusal.reason) == ("UNAVAILABLE", "TEMPORARILY_UNAVAILABLE")
    assert any(detail.Unpack(retry) for detail in status.details)
    assert retry.retry_delay.seconds == 1
    assert "127.0.0.1" not in status.message


def test_an_operation_goes_to_the_service_that_its_name_tells(start_service: StartService) -> None:
    """The service of that API answers for its operations; what names no API is refused at the door."""
    clock = Clock()
    behind = {"tiering_address": start_service(TIERING, clock).address}
    with opened(start_service, clock, start_service(CUSTOMER, clock).address, **behind) as door:
        till = headers(door.key(kind="TILL", roles=["till"], stores=["LEEDS"]))
        for name, reason in (("operations/tiering-1", "PERMISSION_MISSING"), ("operations/1", "OPERATION_NOT_FOUND")):
            request = operations_pb2.GetOperationRequest(name=name)
            assert refused(door, OPERATIONS, "GetOperation", request, till).reason == reason
        assert Refusal.of(failure(door, GET_OPERATION, b"\xff")).code == "INVALID_ARGUMENT"


def test_a_stop_lets_calls_in_flight_finish(start_service: StartService) -> None:
    """Health falls before anything else, and what is under way over gRPC and over HTTP is answered."""
    held, clock = Held(), Clock()
    customer = start_service(CUSTOMER, clock).address
    with (
        serve() as stub,
        opened(start_service, clock, customer, ticketing_address=stub.address) as door,
        ThreadPoolExecutor() as callers,
    ):
        stub.behave = held
        watch = health(door.gateway.channel).Watch(health_pb2.HealthCheckRequest())
        states = (answer.status for answer in watch)
        assert next(states) == health_pb2.HealthCheckResponse.SERVING
        over_grpc = method(door.gateway.channel, TICKET).future(b"", metadata=headers(ADMIN), timeout=30)
        over_http = callers.submit(door.http.get, "/v1/tickets/t1", headers=bearer(ADMIN))
        assert held.begun.acquire(timeout=10)
        assert held.begun.acquire(timeout=10)
        stopping = callers.submit(door.gateway.service.stop)
        assert next(states) == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()
        assert not stopping.done()
        assert not over_http.done()
        held.go.set()
        assert over_grpc.result() == b""
        assert over_http.result().status_code == 200
        stopping.result(20)


def listed() -> set[str]:
    """Say which services a client must find: those of ours with a public method, and those of the libraries."""
    public = {
        service.full_name
        for service in services()
        for method in service.methods
        if method.GetOptions().Extensions[options_pb2.access].exposure == options_pb2.EXPOSURE_PUBLIC
    }
    foreign = ("google.longrunning.Operations", "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection")
    return public | set(foreign)


def test_reflection_tells_of_the_public_services(door: Door) -> None:
    """Exactly the public services are listed, and each can be described, with all that it is made of."""
    reflection: Any = reflection_pb2_grpc.ServerReflectionStub(door.gateway.channel)
    ask = reflection.ServerReflectionInfo
    wanted = reflection_pb2.ServerReflectionRequest
    found = next(ask(iter([wanted(list_services="")]), timeout=10)).list_services_response.service
    assert {service.name for service in found} == listed()
    requests = [wanted(file_containing_symbol=name) for name in sorted(listed())]
    for request, answer in zip(requests, ask(iter(requests), timeout=10), strict=True):
        name = request.file_containing_symbol
        files = [FileDescriptorProto.FromString(one) for one in answer.file_descriptor_response.file_descriptor_proto]
        assert descriptor_pool.Default().FindServiceByName(name).file.name in {file.name for file in files}
        assert {needed for file in files for needed in file.dependency} <= {file.name for file in files}


def test_buf_curl_needs_no_proto_files(door: Door) -> None:
    """Who has no copy of the contracts lists the methods and calls one with a common tool."""

    def curl(*arguments: str) -> str:
        command = [BUF, "curl", "--protocol", "grpc", "--http2-prior-knowledge", *arguments]
        return subprocess.run(command, check=True, capture_output=True, encoding="utf-8", timeout=60).stdout

    url = f"http://{door.gateway.address}"
    assert "shuke.customer.v1.PurchaseService/RecordPurchase" in curl(url, "--list-methods")
    path = "shuke.customer.v1.DirectoryService/CreateStore"
    told = json.dumps({"storeId": "LEEDS", "store": STORE})
    answer = curl("-H", f"authorization: Bearer {ADMIN}", f"{url}/{path}", "-d", told)
    assert '"displayName": "Leeds"' in answer
