"""`shuke admin`: the services' own commands, with what the suite on a folder was told."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from cli.groups.admin import _progress
from cli.suite import SETTINGS
from cli.tests.running import Suite
from tests.databases import text_of
from tests.running import CHAIN, keys


@pytest.fixture
def suite_with_settings(suite: Suite) -> Suite:
    """Write down what `shuke up` would have told tiering."""
    told = {
        **CHAIN,
        "SHUKE_TIERING_DATABASE_URL": text_of(suite.tiering.running.database.url),
        "SHUKE_TIERING_SIGNING_KEY": keys()[0],
        "SHUKE_TRUST": str(suite.shell.home / "trust.json"),
    }
    (suite.shell.home / SETTINGS).write_text(json.dumps(told))
    return suite


def test_a_service_is_mended_by_its_own_commands(suite_with_settings: Suite) -> None:
    """What the service's command says is shown, and what it refuses is one clear line."""
    shell = suite_with_settings.shell
    assert shell.rows("admin", "parked", "--service", "tiering") == [["parked subjects: 0"]]
    assert shell.rows("admin", "rebuild", "--service", "tiering")[-1] == ["customer.shuke: built anew"]
    refused = shell.refused(1, "admin", "replay", "--service", "tiering", "customers/nobody")
    assert refused == "Error: no event of customers/nobody is parked\n"


def test_a_service_that_is_not_described_says_what_is_missing(suite_with_settings: Suite) -> None:
    """Without a suite's folder or the variables the first setting that is missing is named."""
    refused = suite_with_settings.shell.refused(1, "admin", "restored", "--service", "notify")
    assert "SHUKE_NOTIFY_" in refused


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(*, terminal: bool) -> None:
    """Both tell of what source how much is done of how much."""
    written = io.StringIO()
    console = Console(file=written, force_terminal=terminal, width=100)
    with _progress(console) as tell:
        tell("customer.shuke: 500 of 1000 events")
        tell("customer.shuke: built anew")
    shown = written.getvalue()
    assert "customer.shuke: built anew" in shown
    assert ("customer.shuke: 500 of 1000 events" in shown) is not terminal
    assert ("500/1000" in shown) is terminal
