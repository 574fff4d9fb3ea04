"""The suite as it runs: every part a process of its own, on free ports and a new folder."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from cli.suite import Suite


@pytest.fixture(scope="module")
def live_suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """Run a suite for the tests of a module."""
    suite = Suite(tmp_path_factory.mktemp("suite"), os.environ, free_ports=True)
    try:
        suite.start()
        yield suite
    finally:
        suite.stop()
