"""The time, as something that is passed in. Instants are whole microseconds since 1970-01-01T00:00Z."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]


def system_clock() -> int:
    """Tell the machine's time in microseconds."""
    return time.time_ns() // 1000


def elapsed() -> int:
    """Tell the microseconds since some instant; it goes on evenly, whatever the machine's clock is set to."""
    return time.monotonic_ns() // 1000
