"""A gRPC server that answers any method with bytes that a test chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Semaphore
from typing import NoReturn

import grpc
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

Behaviour = Callable[[bytes, grpc.ServicerContext], bytes]


@dataclass
class Held:
    """A behaviour that holds every call until the test lets them go."""

    begun: Semaphore = field(default_factory=lambda: Semaphore(0))
    go: Event = field(default_factory=Event)

    def __call__(self, _request: bytes, _context: grpc.ServicerContext) -> bytes:
        """Tell that a call has come, and wait."""
        self.begun.release()
        assert self.go.wait(20)
        return b""


class Stub(grpc.GenericRpcHandler):
    """Answers with `behave`, and remembers the calls: method, request and headers."""

    def __init__(self) -> None:
        self.behave: Behaviour = lambda request, _context: request
        self.calls: list[tuple[str, bytes, dict[str, str]]] = []
        self.address = ""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        """Take every method."""

        def run(request: bytes, context: grpc.ServicerContext) -> bytes:
            headers = {str(name): str(value) for name, value in context.invocation_metadata()}
            self.calls.append((handler_call_details.method, request, headers))
            return self.behave(request, context)

        return grpc.unary_unary_rpc_method_handler(run)


@contextmanager
def serve(port: int = 0) -> Iterator[Stub]:
    """Serve a stub, on a port of its own unless the test names one."""
    stub = Stub()
    server = grpc.server(
        ThreadPoolExecutor(4), handlers=[stub], options=[("grpc.max_receive_message_length", 64 * 2**20)]
    )
    stub.address = f"127.0.0.1:{server.add_insecure_port(f'127.0.0.1:{port}')}"
    server.start()
    try:
        yield stub
    finally:
        server.stop(None).wait()


def refuse(context: grpc.ServicerContext, status: Status) -> NoReturn:
    """End a call with a status, as the services do."""
    wire = rpc_status.to_status(status)
    context.set_trailing_metadata(wire.trailing_metadata)
    context.abort(wire.code, wire.details)
    raise AssertionError("abort raises")
