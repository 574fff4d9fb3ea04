"""A process that is ended with -9 while it sends: each message arrives once, or is marked as of unknown acceptance."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import grpc
import pytest

from chassis.client import open_channel
from chassis.clock import system_clock
from chassis.tokens import Signer
from chassis.vault import generate_key
from cli.suite import ROOT, free_port
from services.notify.tests.desk import Desk, wait_for
from services.notify.tests.mail import SENDER, TAKEN, MailServer
from services.notify.tests.neighbours import Neighbours, Person, confirmed, customer
from shuke.notify.v1.messages_pb2 import Message
from tests.running import CHAIN, Running, keys

MANY, KILLS = 200, 3
FINAL = {Message.SENT, Message.DEAD}


class Process:
    """The notify service in a process of its own, on one database and port, which can be ended and begun again."""

    def __init__(self, home: Path, beside: Neighbours, mail: str) -> None:
        private, public = keys()
        trust = {name: {"public_key": json.loads(public), "may_claim": ["*"]} for name in ("gateway", "notify")}
        (home / "trust.json").write_text(json.dumps(trust))
        self.address = f"127.0.0.1:{free_port()}"
        settings = {
            "DATABASE_URL": f"sqlite:///{home / 'notify.db'}",
            "PORT": self.address.rpartition(":")[2],
            "SIGNING_KEY": private,
            "VAULT_KEY": generate_key(),
            "INDEX_KEY": generate_key(),
            **{name.upper(): address for name, address in beside.addresses.items()},
            "SMTP_ADDRESS": mail,
            "SMTP_SENDER": SENDER,
            "SMTP_TLS": "none",
            "SMTP_TIMEOUT_SECONDS": "1.2",
            "LEASE_SECONDS": "5",
            "FIRST_PAUSE_SECONDS": "1",
        }
        path = os.pathsep.join((str(ROOT), str(ROOT / "protos" / "gen")))
        ours = {f"SHUKE_NOTIFY_{name}": value for name, value in settings.items()}
        self.environ = {**os.environ, **CHAIN, **ours, "SHUKE_TRUST": str(home / "trust.json"), "PYTHONPATH": path}
        self.log = home / "notify.log"

    def begin(self) -> None:
        """Start it."""
        command = [sys.executable, "-m", "services.notify", "serve", "--migrate"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=self.environ, stdout=log, stderr=log)

    @contextmanager
    def client(self, beside: Neighbours, mail: MailServer) -> Iterator[Desk]:
        """Wait until it answers, and make a client of it."""
        with open_channel(self.address) as channel:
            grpc.channel_ready_future(channel).result(30)
            # A client needs of a service only its name; this one runs elsewhere.
            elsewhere = cast("Any", SimpleNamespace(foundation=SimpleNamespace(api="notify")))
            signer = Signer("gateway", keys()[0], system_clock)
            yield Desk(Running(elsewhere, channel, signer, cast("Any", system_clock)), beside, mail, Path())

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()


@pytest.mark.requirement("N-09")
@pytest.mark.timeout(180)
def test_a_process_that_is_killed_sends_nothing_twice(
    tmp_path: Path, beside: Neighbours, mailbox: tuple[MailServer, str]
) -> None:
    """Ended with -9 again and again while it tells a grading: every notice arrives once, or is marked as unknown."""
    chance = random.Random(20260302)
    mail, address = mailbox
    process = Process(tmp_path, beside, address)
    people = [customer(number) for number in range(1, MANY + 1)]
    for number, who in enumerate(people):
        beside.people[who] = Person(points={"EMAIL": f"{number}@home.example"})
    due = sorted(chance.sample(range(1, MANY), KILLS))

    def taking(_message: object) -> str:
        # On the mail server's thread: the process dies between the letter and the answer, or a little later.
        if due and len(mail.taken) >= due[0]:
            due.pop(0)
            process.process.kill()
        return TAKEN

    mail.keeps_before_answer = True
    mail.at_body = taking
    process.begin()
    try:
        with process.client(beside, mail) as desk:
            desk.rule()
        beside.tell(*map(confirmed, people))
        for _ in range(KILLS):
            process.process.wait(30)
            process.begin()
        with process.client(beside, mail) as desk:
            messages = wait_for(partial(told, desk), 60)
            attempts = [attempt for message in messages for attempt in desk.get(message.name).attempts]
        taken = Counter(mail.ids())
        unknown = [message for message in messages if message.state == Message.DEAD]
        assert {message.reason for message in unknown} <= {Message.ACCEPTANCE_UNKNOWN}
        # A worker has one message in hand, and one that dies leaves an attempt without an end.
        assert len([attempt for attempt in attempts if not attempt.HasField("end_time")]) <= KILLS
        assert {taken[message.name] for message in messages if message.state == Message.SENT} == {1}
        assert {taken[message.name] for message in unknown} <= {0, 1}
        assert {message.customer for message in messages} == set(people)
    finally:
        process.kill()


def told(desk: Desk) -> list[Message]:
    """List the notices once all of them have come to their end."""
    found = list(desk.messages(size=MANY).messages)
    return found if len(found) == MANY and {message.state for message in found} <= FINAL else []
