"""The gateway's metrics, as Prometheus reads them."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import grpc
import httpx2
import pytest

from chassis.client import open_channel
from chassis.tests.events import until
from gateway.tests.door import ADMIN, Door, bearer, opened
from gateway.tests.scraping import scraped
from gateway.tests.stub import Held, serve
from services.customer.server import PROGRAM as CUSTOMER
from tests.running import Clock, StartService

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
STORES = "/shuke.customer.v1.DirectoryService/ListStores"
KEYS = "/shuke.gateway.v1.ApiKeyService/ListApiKeys"
TICKET = "/shuke.ticketing.v1.TicketService/GetTicket"
PLANTED = "13800138000"


def over_grpc(door: Door, path: str, token: str = ADMIN) -> None:
    """Call a method, whatever comes of it."""
    with open_channel(door.gateway.address) as channel:
        method: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
        method.future(b"", metadata=tuple(bearer(token).items()), timeout=20).exception()


def calls(door: Door) -> dict[str, float]:
    """Read how many calls there were, by code, door and method."""
    name = "shuke_call_seconds_count "
    return {key.removeprefix(name): value for key, value in scraped(door).items() if key.startswith(name)}


def test_calls_are_counted_by_door_method_and_code(door: Door) -> None:
    """Each call counts where it came in, under the contract's name of its method, with what became of it."""
    assert door.get("/v1/stores").status_code == 200
    assert door.get("/v1/stores", "shk_unknown").status_code == 401
    over_grpc(door, STORES)
    over_grpc(door, STORES, "shk_unknown")
    assert door.get("/v1/apiKeys").status_code == 200
    assert calls(door) == {
        f"200 http {STORES}": 1,
        f"401 http {STORES}": 1,
        f"OK grpc {STORES}": 1,
        f"UNAUTHENTICATED grpc {STORES}": 1,
        # The gateway serves its own API over gRPC, and passes on to it what comes over HTTP.
        f"200 http {KEYS}": 1,
        f"OK grpc {KEYS}": 1,
    }


def test_nothing_that_a_caller_makes_up_becomes_a_label(door: Door) -> None:
    """Whoever calls what there is not, in ever new ways, adds one series per door and leaves no trace of the words."""
    for number in range(3):
        assert door.get(f"/v1/{PLANTED}/{number}").status_code == 404
        over_grpc(door, f"/{PLANTED}.v1.Service/Do{number}")
    door.http.request(PLANTED, "/v1/stores")
    door.get(f"/v1/customers/{PLANTED}")
    assert calls(door) == {
        "404 http UNKNOWN": 3,
        "UNIMPLEMENTED grpc UNKNOWN": 3,
        "405 http UNKNOWN": 1,
        "400 http /shuke.customer.v1.CustomerService/GetCustomer": 1,
    }
    told = door.http.get("/metrics").text
    assert PLANTED not in told
    assert ADMIN not in told


def in_flight(found: dict[str, float]) -> tuple[float, float]:
    """Read how many calls are under way, over HTTP and over gRPC."""
    return found["shuke_calls_in_flight http"], found["shuke_calls_in_flight grpc"]


def test_what_is_under_way_is_told(start_service: StartService) -> None:
    """Calls in flight are told by their door while they last, beside connections and what the process takes."""
    held, clock = Held(), Clock()
    customer = start_service(CUSTOMER, clock).address
    with (
        serve() as stub,
        opened(start_service, clock, customer, ticketing_address=stub.address) as door,
        ThreadPoolExecutor() as callers,
    ):
        stub.behave = held
        waiting: list[Future[Any]] = [
            callers.submit(httpx2.get, f"{door.http.base_url}/v1/tickets/t1", headers=bearer(ADMIN), timeout=30),
            callers.submit(over_grpc, door, TICKET),
        ]
        assert all(held.begun.acquire(timeout=10) for _ in waiting)
        during = scraped(door)
        held.go.set()
        for one in waiting:
            one.result(20)
        # Over gRPC a caller has the answer a moment before the call has ended.
        until(lambda: in_flight(scraped(door)) == (0, 0))
    assert in_flight(during) == (1, 1)
    assert during["shuke_http_connections"] == 2
    assert during["process_resident_memory_bytes"] > 0
