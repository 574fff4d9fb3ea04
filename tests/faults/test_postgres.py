"""A PostgreSQL that is ended, or hangs, while tills sell; nothing else is restarted."""

from __future__ import annotations

import os
import random
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis.client import open_channel
from cli.suite import Suite
from tests.faults.ledgers import PARTS, ledgers, settings
from tests.faults.postgres import Postgres, own_postgres
from tests.faults.telling import Tell
from tests.faults.tills import Shift, selling

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
# How many calls must have been refused before the server comes back.
REFUSED = 20


def await_health(channel: grpc.Channel, state: int) -> None:
    """Wait until a process says that it is well, or that it is not."""
    stub: Any = health_pb2_grpc.HealthStub(channel)  # the library's stubs are untyped
    while stub.Check(health_pb2.HealthCheckRequest(), timeout=10).status != state:
        Event().wait(0.01)


def outage(server: Postgres, shift: Shift, customer: grpc.Channel, *, hangs: bool) -> None:
    """Let the server be away until health has told it and tills were refused; come back, and see health tell that."""
    before = shift.books.refused.total()
    server.suspend() if hangs else server.stop()
    await_health(customer, NOT_SERVING)
    # What they might still do may have been done before the server was away; then they wait.
    shift.go_on(len(shift.books.acknowledged))
    while shift.books.refused.total() < before + REFUSED:
        assert shift.busy()
        Event().wait(0.01)
    server.resume() if hangs else server.start()
    await_health(customer, SERVING)


def said(suite: Suite, line: str) -> int:
    """Count a line in the log of the customer service."""
    return (suite.home / "logs" / "customer.log").read_text().count(f'"event": "{line}"')


@pytest.mark.requirement("C-15", "C-23")
@pytest.mark.parametrize(
    ("sales", "refunds", "stops", "hangs"),
    [
        pytest.param(160, 16, 1, 1, id="short", marks=pytest.mark.timeout(600)),
        pytest.param(10_000, 1_000, 20, 5, id="full", marks=[pytest.mark.whole, pytest.mark.timeout(900)]),
    ],
)
def test_postgres(tmp_path: Path, tell: Tell, sales: int, refunds: int, stops: int, hangs: int) -> None:
    """While the server is away calls hear UNAVAILABLE in time; what was acknowledged is there, and all recovers."""
    chance = random.Random(20260301)
    with ExitStack() as running:
        server = running.enter_context(own_postgres())
        urls = {part: server.make(part) for part in PARTS}
        environ = {**os.environ, **settings(urls)}
        suite = Suite(tmp_path / "home", environ, {"SHUKE_CHAIN_CURRENCY": "GBP"}, free_ports=True)
        running.callback(suite.stop)
        suite.start()
        processes = {name: process.pid for name, process in suite.processes.items()}
        customer = running.enter_context(open_channel(suite.addresses["customer"]))
        with selling(suite, sales, refunds, customers=sales // 20, chance=chance) as shift:
            outages = chance.sample([True] * hangs + [False] * stops, hangs + stops)
            for each, due in zip(outages, sorted(chance.sample(range(1, sales // 2), len(outages))), strict=True):
                shift.until(due)
                outage(server, shift, customer, hangs=each)
        books = running.enter_context(ledgers(urls))
        books.settle()
        found = books.check(shift.books)
        told = shift.books
        tell(
            injected=f"{stops} stops and {hangs} hangs of the server, {told.tries} tries",
            acknowledged=f"{len(told.acknowledged)}, {told.repeated} more than once",
            found=f"{told.refused.total()} refused as UNAVAILABLE, {found}",
        )
        assert len(told.acknowledged) == sales + refunds
        assert set(told.refused) == {"UNAVAILABLE"}
        assert {name: process.pid for name, process in suite.processes.items()} == processes
        assert suite.ended() is None
        assert said(suite, "database does not answer") == said(suite, "database answers again") == stops + hangs
