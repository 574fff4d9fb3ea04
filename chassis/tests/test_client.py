"""Calls to other services: to a replica that serves, under a signed token that is used again for half of its life."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest

from chassis.calendar import SECOND
from chassis.client import Credentials, ask, open_channel
from chassis.errors import Unavailable
from chassis.principals import Principal
from chassis.tests.events import until
from chassis.tests.serving import PRIVATE, do_request, serving
from chassis.tokens import Signer
from tests.running import Clock


def test_calls_go_to_whichever_replica_serves() -> None:
    """Of two replicas each takes calls; when one of them stops, no call fails and the other takes all."""
    with serving() as one, serving() as two:
        one.tiny.work, two.tiny.work = (lambda *_: "one"), (lambda *_: "two")
        with open_channel(f"127.0.0.1:{one.server.port},127.0.0.1:{two.server.port}") as one.channel:

            def answers() -> set[str]:
                return {one.call("Do", do_request())[0] for _ in range(20)}

            until(lambda: answers() == {"one", "two"})
            two.server.drain(5)
            assert answers() == {"one"}


@contextmanager
def ending_with(code: grpc.StatusCode) -> Iterator[grpc.UnaryUnaryMultiCallable[bytes, bytes]]:
    """Serve a method of which every call ends with a code."""

    def end(_request: bytes, rpc: grpc.ServicerContext) -> bytes:
        rpc.abort(code, "ended")

    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {"Do": grpc.unary_unary_rpc_method_handler(end)}
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Ending", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel.unary_unary("/test.Ending/Do")
    server.stop(None).wait()


def test_a_call_that_nobody_answers_tells_so() -> None:
    """Without an answer a service counts as away, however the library puts it; what it answers goes to the caller."""
    for code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED):
        with ending_with(code) as method, pytest.raises(Unavailable):
            ask(method, b"", ())
    with ending_with(grpc.StatusCode.NOT_FOUND) as method, pytest.raises(grpc.RpcError):
        ask(method, b"", ())


def test_a_token_is_used_again_for_half_a_minute() -> None:
    """Signing costs more than a call: a token serves half of its life, per service, unless the clock is set back."""
    clock = Clock()
    credentials = Credentials(Signer("customer", PRIVATE, clock), Principal("services/customer", ("events.read",)))
    first, other = credentials.headers("tiering"), credentials.headers("notify")
    assert first != other
    clock.now += 30 * SECOND
    assert (credentials.headers("tiering"), credentials.headers("notify")) == (first, other)
    clock.now += 1
    [(name, value)] = credentials.headers("tiering")
    assert name == "authorization"
    assert value.startswith("Bearer ")
    assert ((name, value),) != first
    later = credentials.headers("notify")
    clock.now -= SECOND
    assert credentials.headers("notify") != later
