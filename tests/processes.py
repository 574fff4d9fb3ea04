"""Services for tests as processes of their own, which a test may end in any way."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Protocol

import pytest

from cli.suite import ROOT
from tests.running import CHAIN, keys, trusted


@dataclass(frozen=True)
class Process:
    """A process of a service, and the file that it logs to."""

    popen: subprocess.Popen[bytes]
    log: Path

    def wait_for(self, event: str) -> None:
        """Wait until it logs an event; fail with all that it said where it ends instead."""
        while True:
            ended = self.popen.poll() is not None
            lines = self.log.read_text().splitlines()
            if any(json.loads(line)["event"] == event for line in lines if line.startswith("{") and line.endswith("}")):
                return
            if ended:
                pytest.fail("\n".join(lines))
            Event().wait(0.01)

    def kill(self) -> None:
        """End it at once."""
        self.popen.kill()
        self.popen.wait()


class Begin(Protocol):
    """Begins processes of one service."""

    def __call__(self, *command: str) -> Process:
        """Begin a command of the service."""


@contextmanager
def beginning(service: str, folder: Path, **settings: str) -> Iterator[Begin]:
    """Begin processes of a service that trusts what tests run, with further settings of it; end them at the end."""
    trust = folder / "processes.json"
    trust.write_text(json.dumps(trusted()))
    given = {"signing_key": keys()[0], "port": "0", **settings}
    environ = {
        **os.environ,
        **CHAIN,
        **{f"SHUKE_{service.upper()}_{name.upper()}": value for name, value in given.items()},
        "SHUKE_TRUST": str(trust),
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "protos" / "gen"))),
    }
    numbers = itertools.count(1)
    with ExitStack() as running:

        def start(*command: str) -> Process:
            path = folder / f"process-{next(numbers)}.log"
            with path.open("wb") as log:
                popen = subprocess.Popen(
                    [sys.executable, "-m", f"services.{service}", *command], env=environ, stdout=log, stderr=log
                )
            process = Process(popen, path)
            running.callback(process.kill)
            return process

        yield start
