"""Step 6 of the demonstration: customers are told their class, by e-mail, as far as they allow it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from email.message import EmailMessage
from typing import Any

from rich.console import Console

from cli.api import Api
from cli.progress import Bar

# States from which a message still moves on by itself.
MOVING = ("ACCEPTED", "HELD", "QUEUED", "SENDING", "FAILED_TEMPORARY")
POLL_SECONDS = 2.0
SAMPLES = 3
PAGE = "200"


def messages(api: Api, token: str, **filters: str) -> Iterator[dict[str, Any]]:
    """List messages, page by page."""
    query = {**filters, "pageSize": PAGE}
    while True:
        answer = api.get("/v1/messages", token, **query)
        yield from answer["messages"]
        if not answer["nextPageToken"]:
            return
        query["pageToken"] = answer["nextPageToken"]


def settle(api: Api, token: str, console: Console, told: int) -> dict[str, int]:
    """Wait until every customer who is to be told has a message at its end; count them by state and reason."""
    with Bar(console, "notices", told) as bar:
        while True:
            found = Counter((message["state"], message["reason"]) for message in messages(api, token))
            ended = sum(number for (state, _), number in found.items() if state not in MOVING)
            bar.follow({"stage": "notices", "done": ended, "total": told})
            if ended >= told:
                return {named(*key): number for key, number in sorted(found.items())}
            time.sleep(POLL_SECONDS)


def named(state: str, reason: str) -> str:
    """Write a state, with the reason where there is one."""
    return state if reason == "REASON_UNSPECIFIED" else f"{state} {reason}"


def show(console: Console, states: dict[str, int], letters: Sequence[EmailMessage]) -> None:
    """Show the counts and some of what has arrived."""
    console.print(", ".join(f"{name} {number:,}" for name, number in states.items()), highlight=False)
    for letter in samples(letters):
        console.print(f"[bold]{letter['Subject']}[/bold]\n{letter.get_content().strip()}\n", highlight=False)


def samples(letters: Sequence[EmailMessage]) -> list[EmailMessage]:
    """Choose letters of both languages; the subjects of the English ones are in ASCII."""
    english = [letter for letter in letters if str(letter["Subject"]).isascii()]
    chinese = [letter for letter in letters if not str(letter["Subject"]).isascii()]
    return chinese[: SAMPLES // 2] + english[: SAMPLES - SAMPLES // 2]
