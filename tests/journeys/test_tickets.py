"""A complaint, a fault report and an inquiry through the real suite, as the demo plays them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from rich.console import Console

from cli.demo import playing
from cli.replay import replay
from tests.journeys.retail import as_of, slice_of

# One day's customers are enough for three tickets.
FIRST_DAY = dt.date(2010, 12, 1)
QUIET = Console(quiet=True)


@pytest.mark.requirement("K-18", "K-20", "K-39", "K-47", "K-50", "K-55", "K-73", "N-15")
@pytest.mark.timeout(300)
def test_a_complaint_and_a_fault_report_reach_everybody_whom_they_should(tmp_path: Path) -> None:
    """A complaint ends with a call due, and a fault report that comes late alerts the manager by e-mail at once."""
    with playing(tmp_path / "home", QUIET) as demo:
        retail = slice_of(tmp_path, FIRST_DAY)
        people, tills = demo.keys(retail)
        demo.policies(people)
        outcome = replay(demo.api, retail, tills.__getitem__, lambda _: None, demo.result["policies"]["notice"])
        assert outcome.errors == []
        as_of(demo, people["approver"])
        demo.tickets(people, retail.stores[0].code)
        result = demo.result["tickets"]
        assert (result["inquiry"], result["complaint"]) == ("CLOSED_SATISFIED", "CLOSED_SATISFIED")
        assert result["gold_first"]
        assert result["follow_up"] == "DUE"
        assert result["breached"] == ["CONFIRM"]
        assert "v-0001@example.com" in result["alert"]
        assert result["timeline"] == ["OPEN", "CLOCK_BREACHED", "CONFIRM_REPORT"]
