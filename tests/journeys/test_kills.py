"""Every process of the demonstration is ended with -9, at random points, while it works."""

from __future__ import annotations

import os
import random
import re
import threading
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cli.demo import Demo, playing
from cli.demo_notices import MOVING, messages
from cli.online_retail import Plan
from cli.replay import replay
from tests.journeys.retail import LAST_DAY, as_of, ladder, nets, slice_of, spent

PROCESSES = ("customer", "tiering", "notify", "gateway", "mail")
KILLS_WHILE_SELLING = 5
KILLS_WHILE_TELLING = 5
# A mail server on this machine answers at once, so that a worker which is silent for longer has died.
SETTINGS = {
    "SHUKE_NOTIFY_FIRST_PAUSE_SECONDS": "1",
    "SHUKE_NOTIFY_SMTP_TIMEOUT_SECONDS": "2",
    "SHUKE_NOTIFY_LEASE_SECONDS": "10",
}
SAMPLED = 40


@pytest.fixture
def retail(tmp_path: Path) -> Plan:
    """Plan the first days of the file."""
    return slice_of(tmp_path)


def kill(demo: Demo, name: str) -> None:
    """End a process at once, and start it again beside what goes on."""
    if name == "mail":
        assert demo.mail.process is not None
        demo.mail.process.kill()
        demo.mail.process.wait()
        demo.mail.start()
    else:
        demo.suite.processes[name].kill()
        demo.suite.processes[name].wait()
        demo.suite.restart(name)


def letters(demo: Demo) -> Counter[str]:
    """Count what the mail server has kept, by the names of the messages."""
    found = (re.fullmatch(r"<([0-9a-f-]+)@.*>", str(letter["Message-ID"])) for letter in demo.mail.messages())
    return Counter(f"messages/{match[1]}" for match in found if match)


def contacts(demo: Demo, token: str, customers: Iterable[str]) -> Counter[str]:
    """Count the messages in the communication logs of customers, by name."""
    logs = (demo.api.get(f"/v1/{customer}/interactions", token)["interactions"] for customer in customers)
    return Counter(entry["message"] for log in logs for entry in log)


@pytest.mark.requirement("C-15", "C-23", "T-14", "N-07", "N-08", "N-09")
@pytest.mark.whole
@pytest.mark.timeout(400)
def test_processes_that_are_killed_lose_nothing_and_double_nothing(tmp_path: Path, retail: Plan) -> None:
    """Every sum and class is exact; each notice arrives and is logged once, or is marked as of unknown acceptance."""
    chance = random.Random(20101201)
    total = sum(bool(each.sales) + bool(each.refunds) for day in retail.days for each in day.stores)
    due = dict(zip(sorted(chance.sample(range(1, total), KILLS_WHILE_SELLING)), PROCESSES, strict=True))
    batches, lock = 0, threading.Lock()

    with playing(tmp_path / "home", Console(quiet=True), {**os.environ, **SETTINGS}) as demo:
        people, tills = demo.keys(retail)
        demo.policies(people, told_from=LAST_DAY)

        def sent(_number: int) -> None:
            nonlocal batches
            with lock:
                batches += 1
                if batches in due:
                    kill(demo, due.pop(batches))

        outcome = replay(demo.api, retail, tills.__getitem__, sent, demo.result["policies"]["notice"])
        assert due == {}
        assert outcome.errors == []
        graded = as_of(demo, people["approver"])
        told = sum(graded["ladder"].values())

        ahead = sorted(chance.sample(range(1, told // 2), KILLS_WHILE_TELLING))
        order = chance.sample(PROCESSES, KILLS_WHILE_TELLING)
        while ahead:
            if letters(demo).total() >= ahead[0]:
                ahead.pop(0)
                kill(demo, order.pop())
        found = list[dict[str, Any]]()
        while len(found) < told or any(message["state"] in MOVING for message in found):
            found = list(messages(demo.api, people["approver"]))

        assert graded["ladder"] == ladder(retail)
        assert graded["denominator"] == len(nets(retail))
        assert spent(demo, outcome, people["manager"]) == nets(retail)

        arrived, states = letters(demo), Counter(message["state"] for message in found)
        assert len({message["customer"] for message in found}) == len(found) == told
        assert set(states) <= {"SENT", "SUPPRESSED", "DEAD"}
        assert {message["reason"] for message in found if message["state"] == "DEAD"} <= {"ACCEPTANCE_UNKNOWN"}
        # One of each kind of kill leaves at most one hand-over in doubt.
        assert states["DEAD"] <= KILLS_WHILE_TELLING
        assert max(arrived.values()) == 1
        in_doubt = {message["name"] for message in found if message["state"] == "DEAD"}
        handed_over = {message["name"]: message["customer"] for message in found if message["state"] == "SENT"}
        assert arrived.keys() - in_doubt == handed_over.keys()
        while (logged := contacts(demo, people["manager"], handed_over.values())).total() < len(handed_over):
            pass
        assert logged == Counter(handed_over.keys())

        assert planted(demo, retail) == []


def planted(demo: Demo, retail: Plan) -> list[str]:
    """List the files of the suite, the mail server's aside, that hold what customers told of themselves in clear."""
    people = [one.person for day in retail.days for store_day in day.stores for one in store_day.enrolments]
    secrets = [
        text.encode()
        for person in random.Random(1).sample(people, SAMPLED)
        for text in (person.display_name, *(point.value for point in person.contact_points))
    ]
    files = [path for path in demo.suite.home.rglob("*") if path.is_file() and demo.mail.folder not in path.parents]
    assert {"customer.db", "tiering.db", "notify.db", "notify.log"} <= {path.name for path in files}
    return sorted({path.name for path in files for secret in secrets if secret in path.read_bytes()})
