"""The server: early refusal, health that tells the truth, drain, reflection, and a start that fails loudly."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread
from typing import Any, cast

import grpc
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from structlog.testing import capture_logs

from chassis.call import AccessMissing, Call
from chassis.client import CONNECTING
from chassis.server import WAITING, CountingPool, HandlerMissingError, Server
from chassis.steps import MAX_MESSAGE, Parts
from chassis.tests.events import until
from chassis.tests.serving import PACKAGE, SERVICE, Running, Sent, Tiny, do_request, refusal_of, serving
from shuke.options.v1 import options_pb2
from tests.running import Refusal

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
def running() -> Iterator[Running]:
    """Run the tiny service."""
    with serving() as started:
        yield started


class Blocked:
    """Work that a test holds up."""

    def __init__(self) -> None:
        self.begun = Event()
        self.go = Event()

    def __call__(self, _request: Sent, _call: Call) -> str:
        """Wait until the test says go."""
        self.begun.set()
        assert self.go.wait(20)
        return "done"


def stub(running: Running) -> Any:  # noqa: ANN401  (the library's stubs are untyped)
    """Make a client of the health service."""
    return health_pb2_grpc.HealthStub(running.channel)


def health(running: Running, name: str = "") -> object:
    """Ask how a service is."""
    return stub(running).Check(health_pb2.HealthCheckRequest(service=name), timeout=5).status


def test_too_many_calls_are_refused_at_once() -> None:
    """With all threads busy and the queue full, a further call is refused at once, in the contract's form."""
    blocked = Blocked()
    with serving(threads=1) as running:
        running.tiny.work = blocked
        headers, sent = running.token("*"), do_request().SerializeToString()
        method = running.method("Do")
        waiting = [method.future(sent, metadata=headers, timeout=30) for _ in range(1 + WAITING)]
        blocked.begun.wait(10)
        until(lambda: running.server.pool.pending == len(waiting))
        given = (*headers, ("x-request-id", "late-1"), ("accept-language", "en"))
        with capture_logs() as logs, pytest.raises(grpc.RpcError) as error:
            method(sent, metadata=given, timeout=10)
        refused = refusal_of(error.value)
        blocked.go.set()
        assert [call.code() for call in waiting] == [grpc.StatusCode.OK] * len(waiting)
        assert running.call("Do", do_request())[0] == "done"
    assert (refused.code, refused.reason) == ("RESOURCE_EXHAUSTED", "OVERLOADED")
    assert refused.localized == "The service has too many calls to handle. Try again shortly."
    assert ("x-request-id", "late-1") in cast("grpc.Call", error.value).trailing_metadata()
    counted = {"door": "grpc", "method": f"/{PACKAGE}.TinyService/Do", "code": "RESOURCE_EXHAUSTED"}
    metrics = running.server.parts.metrics
    assert metrics.registry.get_sample_value("shuke_call_seconds_count", counted) == 1
    assert [(line["event"], line["code"], line["reason"]) for line in logs] == [
        ("call", "RESOURCE_EXHAUSTED", "OVERLOADED")
    ]


def test_the_pool_counts_what_it_has_taken_on() -> None:
    """Work counts from when it is taken on until it is done, has failed or was cancelled."""
    go = Event()
    with CountingPool(4, "test") as pool:
        futures = [pool.submit(go.wait, 10) for _ in range(8)]
        failing = pool.submit(int, "x")
        assert pool.pending == 9
        assert futures[-1].cancel()
        assert pool.pending == 8
        go.set()
        assert isinstance(failing.exception(10), ValueError)
    assert pool.pending == 0


def test_the_count_of_the_pool_does_not_drift() -> None:
    """However many threads end work at the same moment, none is forgotten."""
    with CountingPool(8, "test") as pool, ThreadPoolExecutor(4) as callers:
        list(callers.map(lambda _: [pool.submit(int) for _ in range(500)], range(8)))
    assert pool.pending == 0


@pytest.mark.parametrize("path", [f"/{PACKAGE}.TinyService/Nothing", "/nothing.v1.Service/Do", "/nonsense"])
def test_an_unknown_method_is_named(running: Running, path: str) -> None:
    """A method that is not there is told by name, in the contract's form."""
    with pytest.raises(Refusal) as refused:
        running.call(path)
    assert (refused.value.code, refused.value.reason) == ("UNIMPLEMENTED", "METHOD_UNKNOWN")
    assert refused.value.metadata == {"method": path}


def test_health_is_told_per_service(running: Running) -> None:
    """The server as a whole and each service answer health checks; an unknown service is not found."""
    assert health(running) == SERVING
    assert health(running, f"{PACKAGE}.TinyService") == SERVING
    with pytest.raises(grpc.RpcError) as error:
        health(running, "nothing")
    assert error.value.code() is grpc.StatusCode.NOT_FOUND


def test_health_tells_of_what_calls_need(running: Running) -> None:
    """While what calls need is away the server is not serving; its return does not hide that it shuts down."""
    running.server.able(able=False)
    assert health(running) == health(running, f"{PACKAGE}.TinyService") == NOT_SERVING
    running.server.able(able=True)
    assert health(running) == SERVING
    running.server.serving(ready=False)
    running.server.able(able=True)
    assert health(running) == NOT_SERVING


@pytest.mark.parametrize("threads", [1, 4])
def test_what_waited_past_its_deadline_is_not_started(threads: int) -> None:
    """Calls whose time is over when a thread becomes free do nothing at all; those that have time are answered."""
    blocked, begun = Blocked(), list[str]()
    with serving(threads=threads) as running:
        running.tiny.work = blocked
        headers, method = running.token("*"), running.method("Do")

        def call(text: str, timeout: float) -> Any:  # noqa: ANN401  (a future of the library's)
            return method.future(do_request(text).SerializeToString(), metadata=headers, timeout=timeout)

        holding = [call("hold", 60) for _ in range(threads)]
        until(lambda: running.server.pool.pending == threads)
        late = [call("late", 0.2) for _ in range(20)]
        patient = [call("wait", 60) for _ in range(20)]
        assert {each.code() for each in late} == {grpc.StatusCode.DEADLINE_EXCEEDED}
        until(lambda: running.server.pool.pending == threads + 40)

        def work(request: Sent, _call: Call) -> str:
            begun.append(request.text)
            return ""

        running.tiny.work = work
        blocked.go.set()
        assert {each.code() for each in (*holding, *patient)} == {grpc.StatusCode.OK}
        until(lambda: running.server.pool.pending == 0)
    assert begun == ["wait"] * 20


def method_of(channel: grpc.Channel) -> grpc.UnaryUnaryMultiCallable[bytes, bytes]:
    """Find the tiny service's method on another channel."""
    return channel.unary_unary(f"/{PACKAGE}.TinyService/Do", request_serializer=bytes, response_deserializer=bytes)


def test_a_drain_lets_calls_in_flight_finish(running: Running) -> None:
    """Health falls first, a call in flight is answered, and no new one is taken."""
    blocked = Blocked()
    running.tiny.work = blocked
    seen = []
    watch = stub(running).Watch(health_pb2.HealthCheckRequest())

    def follow() -> None:
        for answer in watch:
            seen.append(answer.status)
            if answer.status == NOT_SERVING:
                watch.cancel()
                return

    watcher = Thread(target=follow)
    watcher.start()
    headers, sent = running.token("*"), do_request().SerializeToString()
    call = running.method("Do").future(sent, metadata=headers)
    blocked.begun.wait(10)
    until(lambda: bool(seen))
    drain = Thread(target=running.server.drain, args=(60,))
    drain.start()
    watcher.join(10)
    assert seen == [SERVING, NOT_SERVING]
    assert not call.done()
    running.tiny.work = lambda _request, _call: ""
    with grpc.insecure_channel(
        f"127.0.0.1:{running.server.port}", options=[("grpc.enable_retries", 0), *CONNECTING]
    ) as late:

        def refused() -> bool:
            code = method_of(late).future(sent, metadata=headers, timeout=5).code()
            # The library cancels a call on a connection that came in the very moment in which it ceased to take any.
            assert code in (grpc.StatusCode.OK, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)
            return code is grpc.StatusCode.UNAVAILABLE

        until(refused)
    assert not call.done()
    blocked.go.set()
    assert call.code() is grpc.StatusCode.OK
    drain.join(10)
    assert not drain.is_alive()


def test_reflection_lists_the_services(running: Running) -> None:
    """Tools can ask what is served, and for its description."""
    reflection: Any = reflection_pb2_grpc.ServerReflectionStub(running.channel)
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=f"{PACKAGE}.TinyService"),
    ]
    listed, described = reflection.ServerReflectionInfo(iter(requests), timeout=5)
    assert {service.name for service in listed.list_services_response.service} == {
        f"{PACKAGE}.TinyService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert described.file_descriptor_response.file_descriptor_proto


def test_a_taken_port_fails_the_start(running: Running) -> None:
    """Two suites never share a port: the second one does not start."""
    second = Server(running.server.parts)
    second.add(SERVICE, Tiny())
    with pytest.raises(RuntimeError):
        second.start(f"127.0.0.1:{running.server.port}")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(RuntimeError):
            Server(running.server.parts).start(f"127.0.0.1:{other.getsockname()[1]}")


def test_a_request_that_never_comes_is_not_waited_for() -> None:
    """A caller that begins and sends nothing holds a thread until its connection ends, and then others are answered."""
    with serving(threads=1, connection_seconds=0.1, grace=0.1) as running:
        over = Event()

        def nothing() -> Iterator[bytes]:
            over.wait(60)
            yield from ()

        begin: grpc.StreamUnaryMultiCallable[bytes, bytes] = running.channel.stream_unary(f"/{PACKAGE}.TinyService/Do")
        assert begin.future(nothing(), timeout=60).code() is grpc.StatusCode.UNAVAILABLE
        over.set()
        assert running.call("Do", do_request("hello"))[0] == "hello"


def test_a_connection_ends_without_harm_to_its_calls() -> None:
    """A call that lasts longer than a connection is used is answered, and so are all that follow."""
    blocked, begun = Blocked(), []

    def work(request: Sent, call: Call) -> str:
        # A call that is cut off comes again.
        begun.append(call.request_id)
        return blocked(request, call)

    with serving(connection_seconds=0.05) as running:
        running.tiny.work = work
        headers, sent = running.token("*"), do_request("late").SerializeToString()
        call = running.method("Do").future(sent, metadata=headers, timeout=60)
        assert blocked.begun.wait(10)
        peers: set[str] = set()

        def peer(_request: Sent, call: Call) -> str:
            peers.add(call.rpc.peer())
            return ""

        running.tiny.work = peer
        until(lambda: running.call("Do", do_request()) is not None and len(peers) > 3)
        assert not call.done()
        blocked.go.set()
        assert call.code() is grpc.StatusCode.OK
        assert len(begun) == 1


def planted(package: str, access: options_pb2.Access | None) -> ServiceDescriptor:
    """Describe a service with one method that has the given access rule."""
    file = FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    file.dependency.extend(["google/protobuf/empty.proto", "shuke/options/v1/options.proto"])
    empty = ".google.protobuf.Empty"
    method = file.service.add(name="PlantedService").method.add(name="Do", input_type=empty, output_type=empty)
    if access is not None:
        method.options.Extensions[options_pb2.access].CopyFrom(access)
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    found: ServiceDescriptor = pool.FindServiceByName(f"{package}.PlantedService")
    return found


@pytest.mark.parametrize(
    ("number", "access"),
    list(
        enumerate(
            [
                None,
                options_pb2.Access(exposure=options_pb2.EXPOSURE_PUBLIC, audit=options_pb2.AUDIT_NONE),
                options_pb2.Access(permission="x.y", audit=options_pb2.AUDIT_NONE),
                options_pb2.Access(permission="x.y", exposure=options_pb2.EXPOSURE_PUBLIC),
            ]
        )
    ),
)
def test_a_method_without_access_stops_the_start(running: Running, number: int, access: options_pb2.Access) -> None:
    """A method that does not say who may call it, from where, and what is kept is never served."""
    with pytest.raises(AccessMissing, match="PlantedService/Do"):
        Server(running.server.parts).add(planted(f"test.planted{number}.v1", access), Tiny())


def test_a_method_without_handler_stops_the_start(running: Running) -> None:
    """What the contract promises is implemented, or the service does not start; parts may share the work."""
    with pytest.raises(HandlerMissingError, match=r"TinyService has no handler for Do"):
        Server(running.server.parts).add(SERVICE, object())
    parts: Parts = running.server.parts
    Server(parts).add(SERVICE, object(), Tiny())


def test_messages_have_a_limit(running: Running) -> None:
    """Sixteen mebibytes are read, and a caller who is known hears that more is too large."""
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{running.server.port}", options=options) as channel:

        def refused(size: int, headers: tuple[tuple[str, str], ...]) -> tuple[str, str]:
            with pytest.raises(grpc.RpcError) as error:
                method_of(channel)(bytes(size), metadata=headers, timeout=10)
            refusal = refusal_of(error.value)
            return refusal.code, refusal.reason

        assert refused(MAX_MESSAGE, running.token("*"))[1] != "BODY_TOO_LARGE"
        assert refused(MAX_MESSAGE + 1, running.token("*")) == ("INVALID_ARGUMENT", "BODY_TOO_LARGE")
        assert refused(MAX_MESSAGE + 1, ()) == ("UNAUTHENTICATED", "TOKEN_MISSING")
