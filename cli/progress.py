"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PLAIN_EVERY_SECONDS = 10.0


class Bar:
    """Shows how far one piece of work has come."""

    def __init__(self, console: Console, name: str, total: int | None) -> None:
        self.console = console
        self.name = name
        self.total = total
        self.done = 0
        self._started = self._told = time.monotonic()
        self._lock = threading.Lock()
        columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
        self._live = Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal)
        self._task = self._live.add_task(name, total=total, rate="")

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        if not self.console.is_terminal and kind is None:
            self._line()

    def advance(self, number: int) -> None:
        """Tell that more is done."""
        with self._lock:
            self._show(self.done + number)

    def follow(self, metadata: Mapping[str, Any]) -> None:
        """Show an operation's own progress: its stage, and what is done of how much."""
        with self._lock:
            self.name = str(metadata.get("stage", self.name))
            self.total = int(metadata.get("total", 0)) or None
            self._show(int(metadata.get("done", 0)))

    def _show(self, done: int) -> None:
        self.done = done
        passed = time.monotonic() - self._started
        rate = f"{done / passed:,.0f}/s" if passed else ""
        self._live.update(self._task, description=self.name, total=self.total, completed=done, rate=rate)
        if not self.console.is_terminal and time.monotonic() - self._told > PLAIN_EVERY_SECONDS:
            self._told = time.monotonic()
            self._line()

    def _line(self) -> None:
        passed = max(time.monotonic() - self._started, 0.001)
        of = f" of {self.total:,}" if self.total else ""
        left = f", {(self.total - self.done) * passed / self.done:.0f} s left" if self.total and self.done else ""
        self.console.print(f"{self.name}: {self.done:,}{of}, {self.done / passed:,.0f}/s{left}", highlight=False)
