"""The logs of a suite on this machine: reading them while they grow, choosing lines, and writing lines for people."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.sheets import harmless

LEVELS = ("info", "warning", "error")
# Who reads whose events is told many times a second, and tells nothing while it goes well.
FEED = "/shuke.event.v1.EventFeedService/ReadEvents"
# What every line shows in a place of its own.
SHOWN = ("timestamp", "service", "level", "event", "method", "code", "reason", "ms", "request_id", "exception")
GOOD = (0, 200, "OK")
UNREAD = "unread"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a log: as it stands there, and what it tells."""

    raw: str
    told: Mapping[str, Any]

    @classmethod
    def read(cls, service: str, raw: str) -> Line:
        """Read a line; what no logger wrote, such as an interpreter's last words, tells itself."""
        try:
            told = json.loads(raw)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            told = {"service": service, "event": raw, "level": UNREAD, "timestamp": ""}
        return cls(raw, told)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which lines are wanted: all that are, in `everything`, not only what may interest people."""

    request_id: str = ""
    level: str = LEVELS[0]
    errors: bool = False
    everything: bool = False

    def wants(self, line: Line) -> bool:
        """Tell whether a line is wanted. What no logger wrote counts as an error, for no process writes so if well."""
        told = line.told
        level = told.get("level", LEVELS[0])
        failed = level not in LEVELS[:2] or told.get("code", GOOD[0]) not in GOOD
        rank = LEVELS.index(level) if level in LEVELS else len(LEVELS)
        if self.request_id and told.get("request_id") != self.request_id:
            return False
        if rank < LEVELS.index(self.level) or (self.errors and not failed):
            return False
        return self.everything or failed or told.get("method") != FEED


@dataclass(slots=True)
class Log:
    """One service's log, read on from where it was read last. It may not be there yet, shrink, or be replaced."""

    path: Path
    _offset: int = 0
    _file: tuple[int, int] = (0, 0)
    _rest: bytes = field(default=b"")

    def lines(self) -> Iterator[Line]:
        """Read the lines that were written since; half a line waits for its end."""
        try:
            with self.path.open("rb") as file:
                found = os.fstat(file.fileno())
                if (found.st_dev, found.st_ino) != self._file or found.st_size < self._offset:
                    self._file, self._offset, self._rest = (found.st_dev, found.st_ino), 0, b""
                file.seek(self._offset)
                for part in file:
                    self._offset += len(part)
                    self._rest += part
                    if self._rest.endswith(b"\n"):
                        raw, self._rest = self._rest.decode("utf-8", "replace").rstrip("\n"), b""
                        if raw:
                            yield Line.read(self.path.stem, raw)
        except FileNotFoundError:
            return


def in_order(lines: Iterator[Line]) -> list[Line]:
    """Order lines of several logs by time; one without a time follows the line before it."""
    last, timed = "", []
    for line in lines:
        last = line.told.get("timestamp") or last
        timed.append((last, line))
    return [line for _, line in sorted(timed, key=lambda pair: pair[0])]


def readable(line: Line) -> str:
    """Write a line for people: time, service, level, what happened and to which call, then what else it tells."""
    told = line.told
    took = f"{told['ms']} ms" if "ms" in told else ""
    call = str(told.get("method", "")).removeprefix("/shuke.")
    rest = (f"{name}={value}" for name, value in told.items() if name not in SHOWN and value != "")
    parts = (
        _time(str(told.get("timestamp", ""))),
        f"{told.get('service', ''):9}",
        f"{told.get('level', ''):7}",
        call or told.get("event", ""),
        *(told.get(name, "") for name in ("code", "reason")),
        took,
        *rest,
        told.get("request_id", ""),
    )
    text = harmless(" ".join(str(part) for part in parts if part != ""))
    trace = (f"    {harmless(row)}" for row in str(told.get("exception", "")).splitlines())
    return "\n".join((text, *trace))


def _time(stamp: str) -> str:
    try:
        return dt.datetime.fromisoformat(stamp).astimezone().strftime("%H:%M:%S.%f")[:-3]
    except ValueError:
        return " " * len("00:00:00.000")
