"""Clients that are slow, idle or too many, on real sockets: each comes to an end, and nobody else notices."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from chassis.tests.events import until
from gateway.tests.door import ADMIN, Door, opened
from gateway.tests.scraping import scraped
from gateway.tests.stub import serve
from services.customer.server import PROGRAM as CUSTOMER
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
        slow.sendall(f"GET /v1/tickets/t1 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN}\r\n\r\n".encode())
        assert rest(slow).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("ending", [b"", b"connection: close\r\n"], ids=["kept", "closed"])
def test_an_answer_that_is_not_taken_is_dropped(start_service: StartService, ending: bytes) -> None:
    """A client that asks for much and reads nothing holds its connection no longer than one that sends nothing."""
    with limited(start_service, receive_seconds=SHORT) as door, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((door.http.base_url.host, door.http.base_url.port))
        ask = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n"
        connection.sendall((ask + b"\r\n") * 50 + ask + ending + b"\r\n")
        until(lambda: scraped(door)["shuke_http_connections"] == 1)


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
