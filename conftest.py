"""What every test of the suite may use."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from chassis.service import collect_less

pytest_plugins = ["tests.databases", "tests.faults.telling", "tests.live", "tests.running", "tests.streams"]

# Nothing fails on time: a machine that is busy with other things is no fault of the code.
# The suite tries the same examples each time, so that a change is what turns it red; `make explore` looks for new ones.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.register_profile("explore", settings.get_profile("suite"), derandomize=False, max_examples=1000)
settings.load_profile("suite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take longest, or one worker would sit over them when the others have ended."""
    items.sort(key=_time_limit, reverse=True)


def pytest_collection_finish() -> None:
    """Leave thousands of tests and all modules alone, as a service does: looking at them took a tenth of the time."""
    collect_less()


def _time_limit(item: pytest.Item) -> float:
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker else 0.0
