"""The gRPC server of a service: our methods behind the steps, health, reflection, early refusal and drain."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from chassis.call import UNKNOWN, Call, Inner, Method
from chassis.errors import MethodUnknown, Overloaded, Refused
from chassis.metrics import GRPC
from chassis.steps import MAX_MESSAGE, Parts, compose

P = ParamSpec("P")
R = TypeVar("R")

if TYPE_CHECKING:
    Served = grpc.RpcMethodHandler[bytes, bytes]

THREADS = 16
CONNECTION_SECONDS = 300.0
# Calls that may wait for a thread, beyond which a call is refused at once.
WAITING = 256
# Beyond its time a connection takes no new calls, and this many seconds later those that are left are cut off: more
# than any call may take. It also ends calls whose request never comes, each of which holds a thread.
GRACE = 40.0
# grpcio runs a behaviour that names a pool there, and not among the others.
POOL = "experimental_thread_pool"


class HandlerMissingError(Exception):
    """A method of the contract that nothing implements."""


class CountingPool(ThreadPoolExecutor):
    """A thread pool that knows how much work it has taken on."""

    def __init__(self, threads: int, name: str) -> None:
        super().__init__(threads, thread_name_prefix=name)
        self.pending = 0
        self._counting = threading.Lock()

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Count the work until it is done, cancelled or failed."""
        with self._counting:
            self.pending += 1
        future = super().submit(fn, *args, **kwargs)
        future.add_done_callback(self._done)
        return future

    def _done(self, _future: Future[Any]) -> None:
        with self._counting:
            self.pending -= 1


class Admission(grpc.ServerInterceptor):
    """The one interceptor: it runs on the single serving thread, so it only counts and chooses a handler."""

    def __init__(self, pool: CountingPool, limit: int, parts: Parts) -> None:
        self.pool = pool
        self.limit = limit
        self.parts = parts
        self.refusals = ThreadPoolExecutor(2, thread_name_prefix="refusals")

    def intercept_service(  # type: ignore[override]  # the stub leaves a type variable free that no handler can be
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Served | None],
        details: grpc.HandlerCallDetails,
    ) -> Served:
        """Take the call on, or answer at once that there are too many, or that there is no such method."""
        handler = continuation(details)
        if handler is None:
            return self._refusing(replace(UNKNOWN, full_name=details.method), MethodUnknown(method=details.method))
        pool: CountingPool = getattr(handler.unary_unary, POOL, self.pool)
        if pool.pending >= self.limit:
            return self._refusing(replace(UNKNOWN, full_name=details.method, known=True), Overloaded())
        return handler

    def _refusing(self, method: Method, error: Refused) -> Served:
        def refuse(_request: bytes, _call: Call) -> NoReturn:
            raise error

        answer = compose(method, refuse, self.parts, through="errors")

        def run(request: bytes, rpc: grpc.ServicerContext) -> bytes:
            refusal: bytes = answer(request, Call(rpc, method, self.parts.texts))
            return refusal

        # Refusals must not wait behind the work that caused them.
        setattr(run, POOL, self.refusals)
        return grpc.unary_unary_rpc_method_handler(run)


class Server:
    """A gRPC server that serves implementations by their service descriptors."""

    def __init__(
        self,
        parts: Parts,
        *,
        threads: int = THREADS,
        connection_seconds: float = CONNECTION_SECONDS,
        grace: float = GRACE,
    ) -> None:
        self.parts = parts
        self.threads = threads
        self.pool = CountingPool(threads, "calls")
        # The threads in which calls wait for each service that runs elsewhere.
        self.relays: dict[str, CountingPool] = {}
        self.health = health.HealthServicer(experimental_non_blocking=True)
        self.grpc = grpc.server(
            self.pool,
            interceptors=[Admission(self.pool, threads + WAITING, parts)],
            options=[
                # Above what is taken, so that a message that is too large gets our reason and not the library's.
                ("grpc.max_receive_message_length", 2 * MAX_MESSAGE),
                ("grpc.max_send_message_length", MAX_MESSAGE),
                # A taken port must fail the start; shared ports would take calls into another suite's database.
                ("grpc.so_reuseport", 0),
                ("grpc.max_connection_age_ms", int(connection_seconds * 1000)),
                ("grpc.max_connection_age_grace_ms", int(grace * 1000)),
            ],
        )
        parts.metrics.in_flight.labels(GRPC).set_function(self._in_flight)
        self.names: list[str] = []
        self.port = 0
        # Health is told by whoever starts and stops, and by whoever watches what calls need.
        self._taking = False
        self._able = True
        # What was told last, for whoever watches is told of each time.
        self._well: bool | None = None
        self._telling = threading.Lock()

    def add(self, service: ServiceDescriptor, *implementations: object) -> None:
        """Serve every method of a service; a method without handler or access rule stops the start."""
        handlers: dict[str, Served] = {}
        for descriptor in service.methods:
            handler = next(filter(None, (getattr(part, descriptor.name, None) for part in implementations)), None)
            if handler is None:
                raise HandlerMissingError(f"{service.full_name} has no handler for {descriptor.name}")
            method = Method.of(descriptor)
            run = self._behaviour(method, compose(method, handler, self.parts))
            handlers[descriptor.name] = grpc.unary_unary_rpc_method_handler(run)
        self.grpc.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))
        self.names.append(service.full_name)

    def relay(self, service: ServiceDescriptor, relays: Mapping[str, Inner]) -> None:
        """Serve methods of a service that runs elsewhere, by their names: a relay takes and gives bytes.

        It runs behind the steps up to size, so it knows its caller, and the service itself must see to the rest. Each
        service has threads of its own: one that hangs holds up no other.
        """
        pool = self.relays[service.full_name] = CountingPool(self.threads, service.name)
        handlers: dict[str, Served] = {}
        for name, relay in relays.items():
            method = Method.of(service.methods_by_name[name])
            run = self._behaviour(method, compose(method, relay, self.parts, through="size"))
            setattr(run, POOL, pool)
            handlers[name] = grpc.unary_unary_rpc_method_handler(run)
        self.grpc.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))

    def _behaviour(self, method: Method, run: Inner) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        texts = self.parts.texts

        def behave(request: bytes, rpc: grpc.ServicerContext) -> bytes:
            answer: bytes = run(request, Call(rpc, method, texts))
            return answer

        return behave

    def start(self, address: str, credentials: grpc.ServerCredentials | None = None) -> int:
        """Listen; answer the port, and raise when it is taken."""
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.grpc)
        listed = (*self.names, *self.relays, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(listed, self.grpc)
        if credentials is None:
            self.port = self.grpc.add_insecure_port(address)
        else:
            self.port = self.grpc.add_secure_port(address, credentials)
        self.grpc.start()
        self.serving(ready=True)
        return self.port

    def serving(self, *, ready: bool) -> None:
        """Tell health checks whether calls are taken."""
        with self._telling:
            self._taking = ready
            self._tell()

    def able(self, *, able: bool) -> None:
        """Tell health checks whether what calls need is there; a server that takes none is not serving all the same."""
        with self._telling:
            self._able = able
            self._tell()

    def _tell(self) -> None:
        well = self._taking and self._able
        if well == self._well:
            return
        self._well = well
        state = health_pb2.HealthCheckResponse.SERVING if well else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", *self.names):
            self.health.set(name, state)

    def _in_flight(self) -> int:
        return sum(pool.pending for pool in (self.pool, *self.relays.values()))

    def drain(self, grace: float) -> None:
        """Take no new calls, let those in flight finish, then stop."""
        self.serving(ready=False)
        self.grpc.stop(grace).wait()
        for pool in (self.pool, *self.relays.values()):
            pool.shutdown(cancel_futures=True)
