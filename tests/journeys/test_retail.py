"""The first days of a year of purchases, through the real suite."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from cli.demo import playing
from cli.online_retail import Plan
from cli.replay import receipts_in, replay
from cli.suite import PARTS, free_port
from tests.journeys.retail import as_of, ladder, nets, slice_of, spent

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def retail(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Plan the first days of the file."""
    return slice_of(tmp_path_factory.mktemp("retail"))


@pytest.mark.requirement("C-23", "T-01", "T-02", "T-03", "T-04", "T-13")
@pytest.mark.timeout(300)
def test_purchases_become_tiers_and_a_second_import_changes_nothing(tmp_path: Path, retail: Plan) -> None:
    """The suite arrives at the sums and classes that the file gives, and stays there when all is sent again."""
    with playing(tmp_path / "home", QUIET) as demo:
        people, tills = demo.keys(retail)
        demo.policies(people)
        notice = demo.result["policies"]["notice"]
        first = replay(demo.api, retail, tills.__getitem__, lambda _: None, notice)
        assert first.errors == []
        assert first.counts["enrolled"] == retail.totals.customers
        assert first.counts["purchases_recorded"] == retail.totals.sales
        assert first.counts["refunds_recorded"] == retail.totals.refunds
        graded = as_of(demo, people["approver"])
        assert graded["ladder"] == ladder(retail)
        assert graded["denominator"] == len(nets(retail)) == sum(graded["ladder"].values()) + graded["none"]

        again = replay(demo.api, retail, tills.__getitem__, lambda _: None, notice)
        assert again.errors == []
        assert again.customers == first.customers
        assert again.counts["purchases_replayed"] + again.counts["refunds_replayed"] == receipts_in(retail)
        assert again.counts["purchases_recorded"] + again.counts["refunds_recorded"] + again.counts["enrolled"] == 0
        assert spent(demo, again, people["manager"]) == nets(retail)
        assert as_of(demo, people["approver"]) == graded


@pytest.mark.timeout(120)
def test_up_says_where_it_answers_and_drains_on_a_signal(tmp_path: Path) -> None:
    """`shuke up` prints one line when it is ready, and ends cleanly on SIGTERM with nothing left behind."""
    ports = {name: str(port) for name, port in free_ports().items()}
    environ = {**os.environ, **ports, "SHUKE_HOME": str(tmp_path / "home")}
    with subprocess.Popen(
        [sys.executable, "-m", "cli", "up"], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith(f"ready: http://127.0.0.1:{ports['SHUKE_GATEWAY_HTTP_PORT']}")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    token = tmp_path / "home" / "admin.token"
    assert token.stat().st_mode & 0o777 == 0o600


def free_ports() -> dict[str, int]:
    """Choose a free port for every part."""
    return {f"SHUKE_{part.name.upper()}_{port}": free_port() for part in PARTS for port in part.ports}
