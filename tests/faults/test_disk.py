"""A disk without room, while sales are recorded and told on."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from chassis.tests.events import until
from cli.suite import free_port
from services.customer.server import PROGRAM as CUSTOMER
from services.customer.tests.builders import Shop, line
from services.customer.tests.builders import sale as sold
from services.tiering.server import PROGRAM as TIERING
from shuke.customer.v1 import directory_pb2, directory_pb2_grpc
from tests.faults.disks import small_disk
from tests.faults.telling import Tell
from tests.running import Refusal, Running, starting

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
# A note that is kept with each sale, so that a page holds few of them.
NOTE = "x" * 900


def health(running: Running) -> object:
    """Ask a service whether it is well."""
    stub: Any = health_pb2_grpc.HealthStub(running.channel)  # the library's stubs are untyped
    return stub.Check(health_pb2.HealthCheckRequest(), timeout=10).status


def rows(running: Running, query: str) -> list[tuple[Any, ...]]:
    """Answer the rows of a query."""
    with running.database.read() as tx:
        return [tuple(row) for row in tx.execute(sa.text(query))]


class Clerk:
    """Records sales of one customer, and remembers which were acknowledged and which refused."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.customer = shop.customer()
        self.acknowledged: list[str] = []
        self.refused: list[Refusal] = []
        self.number = 0

    def sell(self) -> bool:
        """Record the next sale; where it is refused, it is the next one again."""
        number = f"R{self.number}"
        try:
            goods = line(1, 100 + self.number, product_name=NOTE[: 100 + self.number % 100])
            self.shop.record(sold(number, goods, customer=self.customer))
        except Refusal as refusal:
            self.refused.append(refusal)
            return False
        self.acknowledged.append(number)
        self.number += 1
        return True

    def until_refused(self) -> None:
        """Sell for as long as there is room."""
        while self.sell():
            pass


@pytest.mark.requirement("C-15", "C-23")
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@pytest.mark.parametrize("times", [pytest.param(2, id="short"), pytest.param(30, id="full", marks=[pytest.mark.whole])])
@pytest.mark.timeout(300)
def test_disk(tmp_path: Path, tell: Tell, engine: str, times: int) -> None:
    """Without room sales are refused whole and others are read; with room again all goes on, and nothing is missing."""
    chance = random.Random(20260301)
    with small_disk(engine, tmp_path) as disk, starting(disk.make, tmp_path) as start, capture_logs() as logs:
        port = free_port()
        customer = start(CUSTOMER, port=str(port))
        tiering = start(TIERING, customer_address=f"127.0.0.1:{port}")
        clerk = Clerk(Shop(customer))
        for _ in range(times):
            for _ in range(chance.randrange(20)):
                assert clerk.sell()
            disk.fill(customer.database, tiering.database)
            clerk.until_refused()
            until(lambda: health(customer) == NOT_SERVING)
            asked = directory_pb2.ListStoresRequest()
            assert customer.call(directory_pb2_grpc.DirectoryServiceStub, "ListStores", asked).stores == []
            clerk.sell()
            disk.free(customer.database, tiering.database)
            until(lambda: health(customer) == health(tiering) == SERVING)
            assert clerk.sell()
        counted = [(len(clerk.acknowledged), sum(100 + number for number in range(clerk.number)))]
        spent = "SELECT SUM(purchase_count), SUM(sales) FROM spend_days"
        until(lambda: rows(tiering, spent) == counted)
        assert rows(customer, "SELECT COUNT(*), SUM(total) FROM entries") == counted
        assert rows(customer, "SELECT purchases, gross FROM customer_spend WHERE scope = ''") == counted
        assert {row[0] for row in rows(customer, "SELECT receipt_no FROM receipts")} == set(clerk.acknowledged)
        told = rows(customer, "SELECT COUNT(*) FROM events WHERE type LIKE '%PurchaseRecorded'")
        assert told == [(len(clerk.acknowledged),)]
        assert rows(tiering, "SELECT * FROM parked_events") == []
    assert {(each.code, each.reason) for each in clerk.refused} == {("UNAVAILABLE", "TEMPORARILY_UNAVAILABLE")}
    lines = Counter(line["event"] for line in logs)
    assert times <= lines["database does not answer"] == lines["database answers again"] <= 2 * times
    assert lines["fault"] == 0
    tell(
        injected=f"{times} times no room",
        acknowledged=f"{len(clerk.acknowledged)}",
        found=f"each once in all tables and in tiering, {len(clerk.refused)} refused as UNAVAILABLE",
    )
