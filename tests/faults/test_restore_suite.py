"""The suite as it runs: the customer service's file is put back to an earlier copy, by the run book."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console

from cli.demo import Demo, playing
from cli.demo_notices import MOVING, messages
from cli.replay import Outcome, replay
from tests.faults.telling import Tell
from tests.journeys.retail import LAST_DAY, as_of, nets, receipts, slice_of, spent
from tests.journeys.test_kills import letters

SECOND_DAY = dt.date(2010, 12, 2)


def admin(demo: Demo, *words: str) -> list[str]:
    """Type a command as an operator does; answer its lines."""
    environ = {**os.environ, "SHUKE_HOME": str(demo.suite.home)}
    command = [sys.executable, "-m", "cli", "admin", *words]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def back_up(file: Path, target: Path) -> None:
    """Copy a database that is in use."""
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


def put_back(copy: Path, file: Path) -> None:
    """Put a copy in the place of a database that nobody uses."""
    for suffix in ("-wal", "-shm"):
        file.with_name(f"{file.name}{suffix}").unlink(missing_ok=True)
    file.write_bytes(copy.read_bytes())


def sums(demo: Demo, outcome: Outcome) -> dict[str, int]:
    """Read what tiering says each customer of the file has spent, in pence."""
    names = {name.partition("/")[2]: reference for reference, name in outcome.customers.items()}
    with closing(sqlite3.connect(demo.suite.home / "tiering.db")) as tiering:
        rows = tiering.execute("SELECT customer_id, SUM(sales - refunds) FROM spend_days GROUP BY customer_id")
        return {names.get(customer, customer): net for customer, net in rows}


@pytest.mark.requirement("C-23", "T-14", "N-09")
@pytest.mark.whole
@pytest.mark.timeout(600)
def test_the_run_book_restores_an_owner(tmp_path: Path, tell: Tell) -> None:
    """Killed, put back, told so and started, it loses nothing that tills send again; no letter goes out twice."""
    retail = slice_of(tmp_path, SECOND_DAY)
    half = sum(bool(each.sales) + bool(each.refunds) for day in retail.days for each in day.stores) // 2
    batches = 0
    with playing(tmp_path / "home", Console(quiet=True)) as demo:
        people, tills = demo.keys(retail)
        demo.policies(people, told_from=LAST_DAY)
        file, copy = demo.suite.home / "customer.db", tmp_path / "customer.copy"

        def sent(_number: int) -> None:
            nonlocal batches
            batches += 1
            if batches == half:
                back_up(file, copy)

        notice = demo.result["policies"]["notice"]
        first = replay(demo.api, retail, tills.__getitem__, sent, notice)
        assert first.errors == []
        told = sum(as_of(demo, people["approver"])["ladder"].values())
        while len(found := list(messages(demo.api, people["approver"]))) < told or any(
            message["state"] in MOVING for message in found
        ):
            pass
        before = letters(demo)

        demo.suite.processes["customer"].kill()
        demo.suite.processes["customer"].wait()
        put_back(copy, file)
        [line] = admin(demo, "restored", "--service", "customer")
        assert line.startswith("epoch ")
        demo.suite.restart("customer")
        again = replay(demo.api, retail, tills.__getitem__, lambda _: None, notice)
        assert again.errors == []
        assert spent(demo, again, people["manager"]) == nets(retail)
        while sums(demo, again) != nets(retail):
            pass
        recorded = again.counts["purchases_recorded"] + again.counts["refunds_recorded"]
        assert recorded > 0

        # By hand it comes to the same.
        assert admin(demo, "rebuild", "--service", "tiering")[-1] == "customer.shuke: built anew"
        assert sums(demo, again) == nets(retail)
        assert admin(demo, "parked") == ["parked subjects: 0"] * 4
        assert letters(demo) == before
        assert max(before.values()) == 1
        states = Counter(message["state"] for message in messages(demo.api, people["approver"]))
        log = (demo.suite.home / "logs" / "tiering.log").read_text()
    assert log.count("projection stale") == 1
    assert log.count("projection rebuilt") == 2
    tell(
        injected="customer killed with -9 and its file put back to a copy of half the receipts",
        acknowledged=f"{sum(1 for _ in receipts(retail))} receipts, of which {recorded} came again",
        found=f"both ledgers equal to the penny, {before.total()} letters before and after ({states.total()} messages)",
    )
