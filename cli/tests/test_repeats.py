"""What a command tries again happens once."""

from __future__ import annotations

import http.server
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import httpx2

from cli.tests.running import Shell, Suite, serving
from services.ticketing.tests.clerk import ALICE


@dataclass
class Wire:
    """A line to the gateway that loses the first answer to what is sent over it."""

    url: str
    sent: list[str] = field(default_factory=list)


@contextmanager
def losing(shell: Shell) -> Iterator[Wire]:
    """Run such a line."""
    wire = Wire("")

    class Relay(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            wire.sent.append(self.path)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            answer = httpx2.post(f"{shell.url.rstrip('/')}{self.path}", content=body, headers=headers)
            lost = len(wire.sent) == 1
            self.send_response(503 if lost else answer.status_code)
            self.end_headers()
            self.wfile.write(b'{"error": {"message": "The line broke."}}' if lost else answer.content)

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    with serving(Relay) as wire.url:
        yield wire


def test_a_ticket_whose_answer_was_lost_is_opened_once(suite: Suite) -> None:
    """The call is sent again under its own id, and the suite answers what it did the first time."""
    desk, anna = suite.shell.using(suite.key(ALICE, "specialist")), suite.shop.customer()
    with losing(desk) as wire:
        words = ("ticket", "open", "inquiry", "Hours", "--channel", "web", "--customer", anna)
        [_, row] = replace(desk, url=wire.url).rows(*words)
    assert len(wire.sent) == 2
    assert [one[0] for one in desk.rows("ticket", "list", "--customer", anna)[1:]] == [row[0]]


def test_a_key_whose_answer_was_lost_is_not_made_again(shell: Shell) -> None:
    """A key's token is told once, so that nobody would know that of the first one: it is sent once, exit code 3."""
    words = ("keys", "create", "system", "--role", "marketing", "--store", "*", "--display-name", "Lost")
    with losing(shell) as wire:
        assert "The line broke." in replace(shell, url=wire.url).refused(3, *words)
    assert len(wire.sent) == 1
    assert [row[7] for row in shell.rows("keys", "list", "--kind", "system")].count("Lost") == 1
