"""The application behind the real HTTP server, on a socket."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import httpx2
import pytest
import uvicorn

from chassis.texts import Texts
from gateway.routes import RouteTable
from gateway.tests.test_http import Services, make_app
from shuke.customer.v1 import customer_pb2


@pytest.fixture
def address(table: RouteTable, texts: Texts, services: Services) -> Iterator[tuple[str, int]]:
    """Serve the application on a port of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(make_app(table, texts, services), log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname()[:2]
    server.should_exit = True
    thread.join()
    listener.close()


@pytest.fixture
def services() -> Services:
    """Answer one customer."""
    services = Services()
    services.answer = customer_pb2.Customer(name="customers/a/b 张").SerializeToString()
    return services


def test_an_encoded_path_and_query_come_through(address: tuple[str, int], services: Services) -> None:
    """The server hands the path on as it was sent, so that an encoded slash or colon stays part of a name."""
    with httpx2.Client(base_url=f"http://{address[0]}:{address[1]}") as client:
        response = client.get("/v1/customers/a%2Fb%20%3A%E5%BC%A0")
        head = client.head("/v1/customers/c1")
    assert response.json()["name"] == "customers/a/b 张"
    assert customer_pb2.GetCustomerRequest.FromString(services.calls[0][1]).name == "customers/a/b :张"
    assert (head.status_code, head.content) == (200, b"")


def test_an_endless_body_is_cut_off(address: tuple[str, int], services: Services) -> None:
    """A chunked body is answered with 413 as soon as it passes the limit, and the connection ends."""
    chunk = b"100000\r\n" + bytes(2**20) + b"\r\n"
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(b"POST /v1/purchases HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(33):
            connection.sendall(chunk)
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert services.calls == []


def test_an_announced_length_is_refused_before_it_is_sent(address: tuple[str, int]) -> None:
    """A client that asks first is told at once."""
    request = b"POST /v1/purchases HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\nexpect: 100-continue\r\n\r\n"
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(request)
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_goes_away_harms_nobody(address: tuple[str, int], services: Services) -> None:
    """A body that breaks off is dropped, and others are served."""
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(b"POST /v1/purchases HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
    with httpx2.Client(base_url=f"http://{address[0]}:{address[1]}") as client:
        assert client.get("/v1/customers/c1").status_code == 200
    assert [route.verb for route, _, _ in services.calls] == ["GET"]
