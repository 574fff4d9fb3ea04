"""Two replicas of everything, on PostgreSQL and NATS of their own: they restart one by one, or die, under load."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest
import sqlalchemy as sa
from google.protobuf.json_format import MessageToDict

from chassis.client import target
from chassis.database import Database
from chassis.tests.events import until
from cli.api import RETRIED, Api, ApiError
from cli.suite import PARTS, Suite
from services.customer.server import PROGRAM as CUSTOMER
from services.customer.tests.builders import line, sale
from shuke.customer.v1 import purchases_pb2, purchases_pb2_grpc
from tests.faults.reading import heard, holders, numbered, sold
from tests.faults.telling import Tell
from tests.running import CHAIN

STORE = "LEEDS"
PEOPLE = 4
# How a client calls again, as docs/integrating.md has it.
AGAIN = {
    "maxAttempts": 4,
    "initialBackoff": "0.2s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
CONFIG = json.dumps(
    {"loadBalancingConfig": [{"round_robin": {}}], "methodConfig": [{"name": [{}], "retryPolicy": AGAIN}]}
)
# Whoever lost a replica looks for it again every two seconds, and finds it before the next one goes.
OPTIONS = [("grpc.service_config", CONFIG), ("grpc.max_reconnect_backoff_ms", 2000)]
FOUND_AGAIN = 3.0
# Seconds between two sales of a till.
PACE = 0.05
# Sales that must go through between two restarts.
BETWEEN = 5


@dataclass
class Load:
    """Tills that sell without a pause, and what became of their sales."""

    suite: Suite
    key: str
    people: list[str]
    amounts: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    sold: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def sales(self) -> Iterator[tuple[int, purchases_pb2.RecordPurchaseRequest]]:
        """Write one sale after the other, with its amount, until the load ends."""
        while not self.ended.is_set():
            amount = next(self.amounts)
            purchase = sale(f"R{amount}", line(amount=amount), customer=self.people[amount % len(self.people)])
            yield amount, purchases_pb2.RecordPurchaseRequest(purchase=purchase, settled=True)
            # The machine is to have time for those that start.
            self.ended.wait(PACE)

    def sell(self) -> None:
        """Sell, as a till that calls gRPC."""
        caller = (("authorization", f"Bearer {self.key}"),)
        address = target(self.suite.addresses["gateway"])
        with grpc.insecure_channel(address, options=OPTIONS) as channel:
            ledger = purchases_pb2_grpc.PurchaseServiceStub(channel)
            for amount, request in self.sales():
                try:
                    answer = ledger.RecordPurchase(request, metadata=caller, timeout=30)
                except grpc.RpcError as error:
                    self.failed.append(f"{error.code()} {error.details()}")
                else:
                    self.sold[answer.purchase.name] = amount

    def sell_over_http(self) -> None:
        """Sell, as a till that calls HTTP, and that turns to the other gateway where one does not answer."""
        with ExitStack() as opened:
            gateways = [opened.enter_context(closing(Api(url, tries=1))) for url in self.suite.urls]
            for amount, request in self.sales():
                try:
                    answer = post(gateways * 2, MessageToDict(request), self.key)
                except (ApiError, httpx2.TransportError) as error:
                    self.failed.append(repr(error))
                else:
                    self.sold[answer["purchase"]["name"]] = amount

    def go_on(self) -> None:
        """Sell on for as long as docs/operations.md says, and until further sales have gone through."""
        self.ended.wait(FOUND_AGAIN)
        enough = len(self.sold) + BETWEEN
        while len(self.sold) < enough and not self.failed:
            self.ended.wait(0.01)


def post(gateways: Sequence[Api], body: dict[str, Any], key: str) -> dict[str, Any]:
    """Record a sale at the first gateway that can; where that is none, raise what the last one said."""
    for gateway in gateways:
        try:
            answer: dict[str, Any] = gateway.post("/v1/purchases", body, key)
        except httpx2.TransportError as error:
            last: Exception = error
        except ApiError as error:
            if error.status not in RETRIED:
                raise
            last = error
        else:
            return answer
    raise last


@pytest.fixture
def suite() -> Iterator[Suite]:
    """Run two replicas of everything; the folder is one that PostgreSQL's user may enter where tests run as root."""
    home = Path(tempfile.mkdtemp(prefix="shuke-replicas-"))
    running = Suite(home, {**os.environ, **CHAIN}, free_ports=True, replicas=2, production=True)
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(home)


@contextmanager
def selling(suite: Suite) -> Iterator[Load]:
    """Open a store with a few customers, and let its tills sell meanwhile."""
    admin = suite.admin_token
    with closing(Api(suite.url)) as api, ThreadPoolExecutor() as tills:
        opened = {"displayName": STORE, "openingDate": {"year": 2020, "month": 1, "day": 1}}
        api.post("/v1/stores", {"storeId": STORE, "store": opened}, admin)
        till = api.post("/v1/apiKeys", {"apiKey": {"kind": "SYSTEM", "roles": ["till"], "stores": [STORE]}}, admin)
        key = str(till["token"])
        people = []
        for number in range(PEOPLE):
            points = [{"kind": "EMAIL", "value": f"{number}@home.example"}]
            enrolment = {"store": STORE, "enrolmentRef": f"E{number}", "contactPoints": points}
            answer = api.post("/v1/customers:enrol", {**enrolment, "displayName": f"Customer {number}"}, key)
            people.append(answer["customer"]["name"])
        load = Load(suite, key, people)
        sellers = [tills.submit(sell) for sell in (load.sell, load.sell, load.sell_over_http)]
        try:
            load.go_on()
            yield load
        finally:
            load.ended.set()
        for seller in sellers:
            seller.result(60)


def again(suite: Suite, name: str, how: Callable[[], None]) -> None:
    """End a process, wait for its end, and start it again."""
    how()
    suite.processes[name].wait()
    suite.restart(name)


@contextmanager
def databases(suite: Suite) -> Iterator[tuple[Database, Database]]:
    """Open the databases of customer and tiering beside the suite."""
    with ExitStack() as opened:
        urls = (suite.engines.settings[f"SHUKE_{name}_DATABASE_URL"] for name in ("CUSTOMER", "TIERING"))
        customer, tiering = (Database(url, pool_size=1) for url in urls)
        opened.callback(customer.close)
        opened.callback(tiering.close)
        yield customer, tiering


@pytest.mark.requirement("C-15", "C-23")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "rolled",
    [
        ["gateway-2"],
        pytest.param([f"{part.name}{number}" for part in PARTS for number in ("", "-2")], marks=pytest.mark.whole),
    ],
    ids=["short", "whole"],
)
def test_replicas_that_restart_or_die_fail_no_call(suite: Suite, tell: Tell, rolled: Sequence[str]) -> None:
    """While others sell on, some restart in turn and who numbers events dies: no call fails, each sale counts once."""
    # One of the two holds the sequencer's lease.
    killed = ["customer", "customer-2"]
    with databases(suite) as (customer, tiering):
        with selling(suite) as load:
            for name in rolled:
                again(suite, name, suite.processes[name].terminate)
                load.go_on()
            before = holders(customer, CUSTOMER)["sequencer"]
            for name in killed:
                again(suite, name, suite.processes[name].kill)
                load.go_on()
        until(lambda: heard(customer, tiering))
        told, sums = numbered(customer), sold(tiering)
        with customer.read() as tx:
            assert tx.scalar(sa.select(sa.func.count()).select_from(CUSTOMER.log.epochs)) == 1
        tell(
            injected=f"{len(rolled)} restarts in turn, {len(killed)} kills of customer",
            acknowledged=f"{len(load.sold)} sales, {len(load.failed)} calls failed",
            found=f"{len(told)} sales numbered once, tiering's sums of {sums}",
        )
        assert load.failed == []
        assert told == dict.fromkeys(load.sold, 1)
        assert sums == (len(load.sold), sum(load.sold.values()))
        assert holders(customer, CUSTOMER)["sequencer"] != before
