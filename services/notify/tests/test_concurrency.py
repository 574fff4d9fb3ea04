"""Many at once: two workers never send one message twice, and one business key is one message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from chassis import wire
from chassis.calendar import SECOND
from chassis.service import Service
from chassis.settings import Suite
from services.notify.server import build
from services.notify.tests.desk import Desk, wait_for
from services.notify.tests.neighbours import customer
from shuke.notify.v1.messages_pb2 import Attempt, Message
from tests.running import Refusal

MANY = 80


@contextmanager
def another(desk: Desk) -> Iterator[Service]:
    """Run the same service once more on the same database, as a second replica."""
    base = desk.running.service.foundation
    config = base.config.model_copy(update={"port": 0})
    suite = Suite.read({"SHUKE_TRUST": str(desk.folder.parent / "trust.json")})
    service = build(config, suite, base.chain, desk.running.clock)  # type: ignore[arg-type]
    service.start()
    try:
        yield service
    finally:
        service.stop()


@pytest.mark.parametrize("engine", ["postgresql"])
def test_two_workers_send_each_message_once(desk: Desk) -> None:
    """Of messages that are all due at once, each is handed over once, with one attempt, whoever takes it."""
    desk.template()
    people = [customer(number) for number in range(1, MANY + 1)]
    for who in people:
        desk.person(who, points={"EMAIL": f"{who[-4:]}@home.example"})
    with another(desk):
        names = desk.together((who, "A1") for who in people)
        messages = [desk.settled(name) for name in names]
        assert {message.state for message in messages} == {Message.SENT}
        assert {len(message.attempts) for message in messages} == {1}
        assert Counter(desk.mail.ids()) == Counter(names)
        assert desk.mail.sessions == 2
    assert Counter(told.message for told in desk.told()) == Counter(names)


def test_a_message_cancelled_meanwhile_is_not_sent(desk: Desk) -> None:
    """Cancelled while its customer is asked about, a message stays cancelled and nothing goes out."""
    desk.template()
    desk.person()
    name = desk.send(send_after=wire.timestamp(desk.running.clock.now + SECOND)).name
    desk.beside.when_asked = lambda: desk.cancel(name)
    desk.pass_time(1)
    assert desk.settled(name).state == Message.CANCELLED
    desk.beside.when_asked = lambda: None
    assert desk.sent(code="B2").attempts[0].outcome == Attempt.ACCEPTED
    assert desk.mail.ids().count(name) == 0


@pytest.mark.parametrize("engine", ["postgresql"])
def test_a_message_is_cancelled_or_sent_and_never_both(desk: Desk) -> None:
    """While a worker sends, whoever cancels is told the truth: what is called cancelled does not go out."""
    desk.template()
    people = [customer(number) for number in range(1, MANY + 1)]
    for who in people:
        desk.person(who, points={"EMAIL": f"{who[-4:]}@home.example"})
    names = desk.together((who, "A1") for who in people)

    def cancelled(name: str) -> bool:
        try:
            return desk.cancel(name).state == Message.CANCELLED
        except Refusal as refusal:
            return refusal.reason != "MESSAGE_STATE_FORBIDS"

    wait_for(lambda: desk.mail.taken)
    with ThreadPoolExecutor(8) as pool:
        outcomes = dict(zip(names, pool.map(cancelled, names), strict=True))
    assert {desk.settled(name).state for name in names} == {Message.CANCELLED, Message.SENT}
    assert set(desk.mail.ids()) == {name for name, ended in outcomes.items() if not ended}


def test_one_business_key_from_eight_threads_is_one_message(desk: Desk) -> None:
    """Of eight equal calls one takes the message in and seven answer it; of eight different ones seven are refused."""
    desk.template()
    desk.person()
    with ThreadPoolExecutor(8) as pool:
        same = list(pool.map(lambda _: desk.send(business_key="k1").name, range(8)))

        def other(number: int) -> str:
            try:
                return desk.send(code=f"N{number}", business_key="k2").name
            except Refusal as refusal:
                return refusal.reason

        answers = Counter(pool.map(other, range(8)))
    assert len(set(same)) == 1
    assert answers["BUSINESS_KEY_REUSED"] == 7
    assert len(desk.messages().messages) == 2
