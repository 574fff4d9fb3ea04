"""More calls than a service takes on: the rest is refused at once, with a time to come back, and comes through then."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx2
import pytest

from chassis.server import WAITING
from chassis.tests.events import until
from gateway.tests.door import SALE, bearer, opened
from services.customer.server import PROGRAM as CUSTOMER
from tests.faults.telling import Tell
from tests.running import Clock, Running, StartService

# One call is worked on, so many wait, and so many are too many.
TAKEN, BEYOND = 1 + WAITING, 60


async def flood(url: str, token: str, customer: Running) -> list[httpx2.Response]:
    """Send sales while the only thread is held up; answer the refusals, and the answers once it is let go."""
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(base_url=url, timeout=60, limits=limits) as client:

        def send() -> asyncio.Task[httpx2.Response]:
            return asyncio.create_task(client.post("/v1/purchases", json=SALE, headers=bearer(token)))

        server = customer.service.foundation.server
        with customer.database.write():
            waiting = [send() for _ in range(TAKEN)]
            await asyncio.to_thread(until, lambda: server.pool.pending == TAKEN)
            # They are answered while all others wait.
            refused = await asyncio.gather(*(send() for _ in range(BEYOND)))
            assert not any(task.done() for task in waiting)
        answered = await asyncio.gather(*waiting)
        again = await asyncio.gather(*(send() for _ in range(BEYOND)))
    return [*refused, *answered, *again]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_flood_is_refused_early(start_service: StartService, tell: Tell) -> None:
    """What a service cannot take on hears 429 through the gateway, and when to come back; what it took on is done."""
    clock = Clock()
    customer = start_service(CUSTOMER, clock, threads="1")
    with opened(start_service, clock, customer.address) as door:
        till = door.key(kind="TILL", roles=["till"], stores=["LEEDS"])
        door.sell(till)
        answers = asyncio.run(flood(str(door.http.base_url), till, customer))
    refused, others = answers[:BEYOND], answers[BEYOND:]
    assert {(each.status_code, each.headers["retry-after"]) for each in refused} == {(429, "1")}
    reasons = Counter(detail.get("reason") for each in refused for detail in each.json()["error"]["details"])
    assert reasons["OVERLOADED"] == BEYOND
    assert {each.status_code for each in others} == {200}
    tell(
        injected=f"{len(answers)} calls at one thread",
        acknowledged=f"{len(others)}",
        found=f"{BEYOND} refused with 429 while {TAKEN} waited, all others answered",
    )
