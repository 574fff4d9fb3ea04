"""Clients that are slow, idle or too many, on real sockets: each comes to an end, and nobody else notices."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
import pytest

from chassis.tests.events import until
from gateway.connections import Connection
from gateway.server import HttpServer
from gateway.tests.door import ADMIN, Door, opened
from gateway.tests.scraping import scraped
from gateway.tests.stub import Stub, serve
from services.customer.server import PROGRAM as CUSTOMER
from shuke.ticketing.v1 import ticket_pb2
from tests.running import Clock, StartService

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
Open = Callable[..., Iterator[Door]]
POST = f"POST /v1/stores HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN}\r\naccept-language: en\r\n".encode()
SHORT, LONG = "0.2", "600"


@contextmanager
def limited(start_service: StartService, **settings: str) -> Iterator[Door]:
    """Open a front door at which nothing ends soon but what the settings say."""
    clock = Clock()
    given = {"receive_seconds": LONG, "idle_seconds": LONG, **settings}
    with opened(start_service, clock, start_service(CUSTOMER, clock).address, **given) as door:
        yield door


def connected(door: Door) -> socket.socket:
    """Open a connection."""
    return socket.create_connection((door.http.base_url.host, door.http.base_url.port or 0), timeout=30)


def rest(connection: socket.socket) -> bytes:
    """Read until the other side ends the connection, however it does."""
    told = b""
    try:
        while part := connection.recv(65536):
            told += part
    except ConnectionResetError:
        pass
    return told


def asked(name: str, ending: str = "") -> bytes:
    """Write a request for a ticket."""
    return f"GET /v1/tickets/{name} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN}\r\n{ending}\r\n".encode()


def connections(door: Door) -> list[Connection]:
    """List the server's connections."""
    front = door.gateway.service.fronts[0]
    assert isinstance(front, HttpServer)
    assert front._server is not None
    return [each for each in list(front._server.server_state.connections) if isinstance(each, Connection)]


def held(door: Door) -> bool:
    """Tell whether a connection waits until its client takes what was written."""
    return any(each.flow.write_paused for each in connections(door))


@pytest.mark.parametrize("sent", [b"", b"P", POST], ids=["nothing", "a letter", "no end"])
def test_a_head_that_does_not_come_is_not_waited_for(start_service: StartService, sent: bytes) -> None:
    """A connection on which no whole head arrives in time is ended, without a word."""
    with limited(start_service, receive_seconds=SHORT) as door, connected(door) as connection:
        connection.sendall(sent)
        assert rest(connection) == b""


def test_a_head_that_drips_is_not_waited_for(start_service: StartService) -> None:
    """A letter now and then does not prolong the time: it counts from the first one."""
    with limited(start_service, receive_seconds=SHORT) as door, connected(door) as connection:
        connection.settimeout(0.05)

        def ended() -> bool:
            try:
                connection.sendall(b"x")
                return connection.recv(1) == b""
            except TimeoutError:
                return False
            except OSError:
                return True

        until(ended)


@pytest.mark.parametrize(
    "sent", [b"content-length: 100\r\n\r\n{", b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n"], ids=["short", "chunked"]
)
def test_a_body_that_does_not_come_is_answered_and_the_connection_ended(
    start_service: StartService, sent: bytes
) -> None:
    """The caller reads that nothing was done and what to mend, and what room the body took is given back."""
    with limited(start_service, receive_seconds=SHORT) as door, connected(door) as connection:
        connection.sendall(POST + sent)
        head, _, body = rest(connection).partition(b"\r\n\r\n")
        counted = scraped(door)
    assert head.startswith(b"HTTP/1.1 408 ")
    error = json.loads(body)["error"]
    assert (error["code"], error["status"]) == (408, "DEADLINE_EXCEEDED")
    assert error["message"].startswith("The request had not arrived whole after 0.2 seconds; nothing was done.")
    assert error["details"][0]["reason"] == "REQUEST_LATE"
    assert counted["shuke_call_seconds_count 408 http /shuke.customer.v1.DirectoryService/CreateStore"] == 1
    assert counted["shuke_calls_in_flight http"] == 0


def test_a_body_that_nobody_reads_does_not_drip_for_ever(start_service: StartService) -> None:
    """Whoever is refused before the body is read, and goes on sending it, is cut off."""
    with limited(start_service, receive_seconds=SHORT) as door, connected(door) as connection:
        connection.sendall(b"POST /v1/stores HTTP/1.1\r\nhost: x\r\ncontent-length: 99999\r\n\r\n{")
        assert connection.recv(65536).startswith(b"HTTP/1.1 401 ")
        connection.sendall(b" ")
        rest(connection)


def test_an_idle_connection_is_ended(start_service: StartService) -> None:
    """After an answer a connection stays open as long as the setting says, and no longer."""
    with limited(start_service, idle_seconds=SHORT) as door, connected(door) as connection:
        until(lambda: len(connections(door)) == 1)
        [made] = connections(door)
        # Otherwise uvicorn would end it as well, only later.
        assert made.timeout_keep_alive == float(SHORT)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert rest(connection).endswith(b'{"status":"alive"}')


def test_slow_work_is_no_slow_request(start_service: StartService) -> None:
    """How long a service takes to answer is not held against the client."""
    with (
        serve() as stub,
        limited(start_service, receive_seconds=SHORT, idle_seconds=SHORT, ticketing_address=stub.address) as door,
        connected(door) as slow,
        connected(door) as silent,
    ):
        # When the silent one has been ended, the slow one's time would be over, too.
        stub.behave = lambda _request, _context: rest(silent)
        slow.sendall(asked("t1"))
        assert rest(slow).startswith(b"HTTP/1.1 200 ")


@contextmanager
def large(start_service: StartService, receive_seconds: str) -> Iterator[tuple[Door, Stub, socket.socket]]:
    """Lend a door whose tickets are too large for what the system keeps of an answer, and a connection to it."""
    with (
        serve() as stub,
        limited(start_service, receive_seconds=receive_seconds, ticketing_address=stub.address) as door,
        socket.socket() as connection,
    ):
        told = ticket_pb2.Ticket(description="x" * 8 * 2**20).SerializeToString()
        stub.behave = lambda _request, _context: told
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.settimeout(30)
        connection.connect((door.http.base_url.host, door.http.base_url.port))
        yield door, stub, connection


@pytest.mark.parametrize("ending", ["", "connection: close\r\n"], ids=["kept", "closed"])
def test_an_answer_that_is_not_taken_is_dropped(start_service: StartService, ending: str) -> None:
    """A client that reads nothing holds its connection no longer than one that sends nothing, even if it sends on."""
    with large(start_service, "1") as (door, _stub, connection):
        connection.sendall(asked("t1", ending=ending))
        until(lambda: held(door))
        # Down to the last byte: what is left of an answer is no less in the way than all of it.
        assert {each.transport.get_write_buffer_limits() for each in connections(door)} == {(0, 0)}
        connection.sendall(b"G")
        until(lambda: scraped(door)["shuke_http_connections"] == 1)


def test_an_answer_that_was_taken_counts_no_longer(start_service: StartService) -> None:
    """Whoever took the answer in time gets the next one, however long a service works on that."""
    with large(start_service, "3") as (door, stub, connection):
        first = stub.behave

        def behave(request: bytes, context: grpc.ServicerContext) -> bytes:
            if b"t2" not in request:
                return first(request, context)
            # What is opened now is ended later than a connection that has waited since the first answer.
            with connected(door) as silent:
                rest(silent)
            return b""

        stub.behave = behave
        connection.sendall(asked("t1") + asked("t2", ending="connection: close\r\n"))
        until(lambda: held(door))
        assert rest(connection).count(b"HTTP/1.1 200 ") == 2


def test_connections_have_a_limit(start_service: StartService) -> None:
    """One connection too many is closed at once, those that are there go on, and there is room when one ends."""
    with limited(start_service, http_connections="2") as door:
        assert door.http.get("/healthz").status_code == 200
        with connected(door) as second:
            with connected(door) as third:
                assert rest(third) == b""
            second.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            assert rest(second).startswith(b"HTTP/1.1 200 ")
        assert door.http.get("/healthz").status_code == 200
        until(lambda: scraped(door)["shuke_http_connections"] == 1)
        with connected(door) as again:
            again.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            assert rest(again).startswith(b"HTTP/1.1 200 ")


def test_a_head_has_a_limit(start_service: StartService) -> None:
    """A head beyond what is ever read is refused, and the connection ended, before it is read as a request."""
    with limited(start_service) as door, connected(door) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-purpose: " + b"P" * 300_000 + b"\r\n\r\n")
        assert rest(connection).startswith(b"HTTP/1.1 400 ")
