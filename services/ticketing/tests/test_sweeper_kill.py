"""A sweeper that is ended with -9 at any line and started again: each alert is fired once."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from cli.suite import ROOT, free_port
from services.ticketing.clocks.tables import EVENTS
from services.ticketing.tests.clerk import Clerk
from services.ticketing.tests.neighbours import Neighbours
from services.ticketing.tests.test_sweeper import alerts
from shuke.ticketing.v1.ticket_pb2 import Clock
from tests.databases import text_of
from tests.running import CHAIN, SECRETS, keys

MANY, KILLS, PATIENCE = 30, 2, 60
LIMITS = (Clock.ACKNOWLEDGE, Clock.RESPOND, Clock.RESOLVE)
FIRED = sa.select(sa.func.count()).where(EVENTS.c.step == "BREACHED")


@contextmanager
def another(clerk: Clerk, beside: Neighbours, home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the service once more on the same database, in a process of its own whose clock is that of the machine."""
    settings = {
        "DATABASE_URL": text_of(clerk.running.database.url),
        "PORT": str(free_port()),
        "SIGNING_KEY": keys()[0],
        "VAULT_KEY": SECRETS["vault_key"],
        "INDEX_KEY": SECRETS["index_key"],
        "CUSTOMER_ADDRESS": beside.address,
        "TIERING_ADDRESS": beside.address,
    }
    ours = {f"SHUKE_TICKETING_{name}": value for name, value in settings.items()}
    path = os.pathsep.join((str(ROOT), str(ROOT / "protos" / "gen")))
    environ = {**os.environ, **CHAIN, **ours, "SHUKE_TRUST": str(home / "trust.json"), "PYTHONPATH": path}
    with (home / "ticketing.log").open("ab") as log:
        command = [sys.executable, "-m", "services.ticketing", "serve"]
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until(clerk: Clerk, fired: int) -> None:
    """Look again and again until so many alerts have been fired."""
    until = time.monotonic() + PATIENCE
    with clerk.running.database.read() as tx:
        while (tx.scalar(FIRED) or 0) < fired:
            assert time.monotonic() < until, "it did not happen in time"
            time.sleep(0.001)


@pytest.mark.requirement("X-14")
@pytest.mark.timeout(180)
def test_a_sweeper_that_is_killed_fires_each_alert_once(clerk: Clerk, beside: Neighbours, tmp_path: Path) -> None:
    """Ended with -9 again and again amid its work: clock, timeline and events tell each breach, once."""
    chance = random.Random(20260302)
    tickets = [clerk.open() for _ in range(MANY)]
    # To the test's own service the limits lie months ahead; to a process that asks the machine they have passed. Its
    # background work is that process's.
    for worker in reversed(clerk.running.service.workers):
        worker.stop()
    for due in sorted(chance.sample(range(1, MANY * len(LIMITS)), KILLS)):
        with another(clerk, beside, tmp_path):
            wait_until(clerk, due)
    with another(clerk, beside, tmp_path):
        wait_until(clerk, MANY * len(LIMITS))
        assert Counter(alerts(clerk)) == {("ClockBreached", Clock.Kind.Name(kind)): MANY for kind in LIMITS}
    for ticket in tickets:
        assert Counter(clerk.verbs(ticket)) == {"OPEN": 1, "CLOCK_BREACHED": len(LIMITS)}
        assert {clock.kind for clock in clerk.get(ticket).clocks if clock.HasField("breach_time")} == set(LIMITS)
    with clerk.running.database.read() as tx:
        assert tx.scalar(FIRED) == MANY * len(LIMITS)
