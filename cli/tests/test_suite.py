"""How a suite ends when parts of it do not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli import suite
from cli.suite import PARTS, Replica, Suite, SuiteError

# What these do says so on its output first, and then hears no request to end.
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
FROZEN = "import os, signal; print(flush=True); os.kill(os.getpid(), signal.SIGSTOP)"
PROMPT = "import signal; print(flush=True); signal.pause()"


Begin = Callable[[str], subprocess.Popen[bytes]]


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Begin processes, wait until they do what they are to do, and end whatever is left of them."""
    begun = []

    def start(program: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        begun.append(process)
        assert process.stdout is not None
        with process.stdout as output:
            output.readline()
        return process

    yield start
    for process in begun:
        process.kill()
        process.wait()


def test_whoever_is_late_is_ended_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begin: Begin) -> None:
    """All processes end, those that hang or stand still too, which are named; the servers beneath end all the same."""
    monkeypatch.setattr(suite, "STOP_SECONDS", 0.5)
    monkeypatch.setattr(suite, "ABORT_SECONDS", 0.5)
    running = Suite(tmp_path, {})
    running.members = [Replica(part.name, part, {}) for part in PARTS[:3]]
    for member, program in zip(running.members, (DEAF, PROMPT, FROZEN), strict=True):
        running.processes[member.name] = begin(program)
    running.engines.processes["nats"] = begin(PROMPT)
    with pytest.raises(SuiteError, match=r"were ended: customer, ticketing; the logs in .*/logs tell where they hung"):
        running.stop()
    ends = {name: process.poll() for name, process in {**running.processes, **running.engines.processes}.items()}
    assert ends == {"customer": -6, "tiering": -15, "ticketing": -9, "nats": -15}
