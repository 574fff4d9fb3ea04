"""The line that each test of faults tells, shown at the end of the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import pytest

PROPERTY = "fault"


class Tell(Protocol):
    """Tells what became of a fault."""

    def __call__(self, *, injected: str, acknowledged: str, found: str) -> None:
        """Say what was done to the suite, what it had promised, and what was there in the end."""


@pytest.fixture
def tell(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Tell:
    """Tell a test's line at the end of the run, whichever process ran it."""

    def line(*, injected: str, acknowledged: str, found: str) -> None:
        name = request.node.name.removeprefix("test_")
        record_property(PROPERTY, f"{name}: injected {injected}; acknowledged {acknowledged}; found {found}")

    return line


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the lines."""
    lines = [
        value
        for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
        for name, value in report.user_properties
        if name == PROPERTY
    ]
    if lines:
        terminalreporter.section("faults")
        for line in sorted(lines):
            terminalreporter.write_line(str(line))
