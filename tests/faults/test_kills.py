"""Processes that are ended with -9 at random points while tills sell."""

from __future__ import annotations

import os
import random
from contextlib import ExitStack
from pathlib import Path

import pytest

from cli.suite import Suite
from tests.faults.ledgers import PARTS, ledgers, settings
from tests.faults.postgres import own_postgres
from tests.faults.telling import Tell
from tests.faults.tills import selling

KILLED = ("customer", "tiering", "notify", "gateway")


def kill(suite: Suite, name: str) -> None:
    """End a process at once, and start it again."""
    suite.processes[name].kill()
    suite.processes[name].wait()
    suite.restart(name)


def databases(engine: str, folder: Path, running: ExitStack) -> dict[str, str]:
    """Name a database for each part, on a server of the test's own where the engine is one."""
    if engine == "sqlite":
        return {part: f"sqlite:///{folder / part}.db" for part in PARTS}
    server = running.enter_context(own_postgres())
    return {part: server.make(part) for part in PARTS}


FULL = (20_000, 2_000, 40)
LONG = (pytest.mark.whole, pytest.mark.timeout(1800))


@pytest.mark.requirement("C-15", "C-23", "T-14")
@pytest.mark.parametrize(
    ("engine", "replicas", "sales", "refunds", "kills"),
    [
        pytest.param("sqlite", 1, 200, 20, 3, id="short", marks=pytest.mark.timeout(600)),
        pytest.param("sqlite", 1, *FULL, id="sqlite", marks=LONG),
        pytest.param("postgresql", 2, *FULL, id="two-replicas-on-postgresql", marks=LONG),
    ],
)
def test_kills(tmp_path: Path, tell: Tell, engine: str, replicas: int, sales: int, refunds: int, kills: int) -> None:
    """Every acknowledged receipt is there once, all sums agree, and each event took effect once, whatever is killed."""
    chance = random.Random(20260301)
    with ExitStack() as running:
        urls = databases(engine, tmp_path, running)
        environ = {**os.environ, **settings(urls)}
        suite = Suite(tmp_path / "home", environ, {"SHUKE_CHAIN_CURRENCY": "GBP"}, free_ports=True, replicas=replicas)
        running.callback(suite.stop)
        suite.start()
        with selling(suite, sales, refunds, customers=sales // 20, chance=chance) as shift:
            # Each as often as the others, in any order.
            killed = [member.name for member in suite.members if member.part.name in KILLED]
            order = chance.sample(killed * -(-kills // len(killed)), kills)
            for name, due in zip(order, sorted(chance.sample(range(1, sales), kills)), strict=True):
                shift.until(due)
                kill(suite, name)
        books = running.enter_context(ledgers(urls))
        books.settle()
        found = books.check(shift.books)
        told = shift.books
        tell(
            injected=f"{kills} kills, {told.tries} tries of {sales + refunds} receipts",
            acknowledged=f"{len(told.acknowledged)}, {told.repeated} more than once",
            found=found,
        )
        assert len(told.acknowledged) == sales + refunds
