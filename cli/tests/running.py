"""A suite in this process with the real gateway before it, and the `shuke` command that calls it."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from chassis.service import Program
from cli.commands import shuke
from cli.suite import free_port
from gateway.tests.door import ADMIN, Door, opened
from services.customer.server import PROGRAM as CUSTOMER
from services.customer.tests.builders import Shop
from services.ticketing.server import PROGRAM as TICKETING
from services.ticketing.tests.clerk import ALICE, Clerk
from services.tiering.server import PROGRAM as TIERING
from services.tiering.tests.clients import Tiering
from services.tiering.tests.owner import Owner
from tests.databases import Lender, lending
from tests.running import Clock, starting


@dataclass(frozen=True)
class Shell:
    """Types commands, against a suite that answers at an address, on a folder of its own."""

    url: str
    home: Path
    token: str = ADMIN

    def environ(self) -> dict[str, str]:
        """Answer the variables that tell the command of the suite."""
        return {"SHUKE_URL": self.url, "SHUKE_TOKEN": self.token, "SHUKE_HOME": str(self.home)}

    def type(self, *words: str, typed: str | None = None) -> Result:
        """Run a command, perhaps with something on standard input; one that fails does so without a traceback."""
        result = CliRunner(env=self.environ()).invoke(shuke, words, input=typed, prog_name="shuke")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    def rows(self, *words: str) -> list[list[str]]:
        """Run a command that must succeed; answer what it shows, line by line in cells."""
        result = self.type(*words)
        assert result.exit_code == 0, result.stderr
        return [line.split("\t") for line in result.stdout.splitlines()]

    def json(self, *words: str) -> Any:  # noqa: ANN401  (JSON)
        """Run a command that must succeed; answer the one JSON document that it writes."""
        result = self.type(*words, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    def refused(self, exit_code: int, *words: str) -> str:
        """Run a command that must fail so; answer what it says, which is nothing on standard output."""
        result = self.type(*words)
        assert (result.exit_code, result.stdout) == (exit_code, ""), result.stderr
        return result.stderr

    def using(self, token: str) -> Shell:
        """Type with another key."""
        return replace(self, token=token)


@dataclass(frozen=True)
class Suite:
    """The suite, and what tests enter behind its front door."""

    door: Door
    shop: Shop
    tiering: Tiering
    shell: Shell
    clock: Clock

    def key(self, staff: str, role: str) -> str:
        """Make a key for a member of staff."""
        return self.door.key(kind="STAFF", staff=staff, roles=[role], stores=["*"])


@contextmanager
def serving(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """Run a web server; answer its address."""
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def opened_suite(lender: Lender, folder: Path, tiering_program: Program = TIERING) -> Iterator[Suite]:
    """Start customer, tiering, ticketing and the gateway on one clock that stands still."""
    with lending(lender) as make, starting(make, folder) as start:
        clock = Clock()
        customer = start(CUSTOMER, clock)
        tiering = start(tiering_program, clock, customer_address=customer.address)
        ticketing = start(TICKETING, clock, customer_address=customer.address)
        Clerk(ticketing)
        beside = {"tiering_address": tiering.address, "ticketing_address": ticketing.address}
        # Nobody is there: what the suite cannot do at present is tried on it.
        beside["notify_address"] = f"127.0.0.1:{free_port()}"
        with opened(start, clock, customer.address, **beside) as door:
            door.store("LEEDS")
            door.member(ALICE, roles=["specialist"], chainWide=True)
            shell = Shell(str(door.http.base_url), folder)
            yield Suite(door, Shop(customer), Tiering(tiering, Owner()), shell, clock)
