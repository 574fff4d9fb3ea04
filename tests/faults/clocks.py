"""The clocks of machines that were set wrong."""

from __future__ import annotations

from chassis.calendar import SECOND
from chassis.clock import system_clock
from tests.running import Clock


class Wrong(Clock):
    """The clock of a machine that was set wrong, by some seconds."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds

    def __call__(self) -> int:
        """Tell that machine's time."""
        return system_clock() + self.seconds * SECOND
