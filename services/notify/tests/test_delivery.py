"""Delivery: whom a message reaches and how, and what becomes of it when the mail server misbehaves."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from chassis import wire
from chassis.calendar import EPOCH, SECOND
from chassis.tokens import Verifier, read_trust
from services.notify.tests.desk import ADDRESS, MOBILE, Desk, wait_for
from services.notify.tests.mail import DROP, HANG, TAKEN
from services.notify.tests.neighbours import ANNA, BERT, CARLA, customer
from shuke.customer.v1.consents_pb2 import Consent
from shuke.notify.v1.events_pb2 import MessageFailed, MessageSuppressed
from shuke.notify.v1.messages_pb2 import Attempt, Message
from shuke.notify.v1.templates_pb2 import Template
from tests.running import START

LEASE, FIRST_PAUSE = 120, 60


# ------------------------------------------------------------------------------------------------ consent and contact


@pytest.mark.requirement("N-07")
@pytest.mark.parametrize(
    ("person", "reason"),
    [
        ({"purposes": set()}, Message.NO_CONSENT),
        ({"points": {}}, Message.NO_CONTACT),
        ({"outcome": "ERASED"}, Message.CUSTOMER_ERASED),
        ({"outcome": "BLOCKED"}, Message.CUSTOMER_BLOCKED),
        (None, Message.CUSTOMER_UNKNOWN),
    ],
)
def test_who_may_not_be_addressed_gets_nothing(
    desk: Desk, person: dict[str, Any] | None, reason: Message.Reason.ValueType
) -> None:
    """Without consent, contact point or file the message is suppressed with the reason, and this is told."""
    desk.template()
    if person is not None:
        desk.person(**person)
    message = desk.sent()
    assert (message.state, message.reason, list(message.attempts)) == (Message.SUPPRESSED, reason, [])
    assert desk.told() == [MessageSuppressed(message=message.name, customer=ANNA, reason=reason)]
    assert (desk.mail.taken, desk.lines()) == ([], [])


@pytest.mark.requirement("N-07")
def test_a_message_serves_the_purpose_that_was_told(desk: Desk) -> None:
    """Consent is asked for the template's purpose: who allows service notices gets no offers."""
    desk.template()
    desk.template("offer", purpose=Template.OFFERS)
    desk.person(purposes={"SERVICE"})
    service, offer = desk.sent(), desk.sent(template="templates/offer")
    assert (service.state, offer.state, offer.reason) == (Message.SENT, Message.SUPPRESSED, Message.NO_CONSENT)
    assert [request.purpose for request in desk.beside.asked] == [Consent.SERVICE, Consent.OFFERS]
    assert len(desk.mail.taken) == 1


@pytest.mark.requirement("N-07")
def test_a_withdrawal_stops_a_message_that_waits(desk: Desk) -> None:
    """Whether held or between two attempts: after a withdrawal nothing is sent any more."""
    desk.template()
    person = desk.person()
    held = desk.send(send_after=wire.timestamp(desk.running.clock.now + 600 * SECOND))
    desk.mail.at_recipient = lambda _to: "450 busy"
    failed = desk.sent(code="B2")
    assert failed.state == Message.FAILED_TEMPORARY
    person.purposes.clear()
    desk.mail.at_recipient = lambda _to: "250 fine"
    desk.pass_time(600)
    for name in (held.name, failed.name):
        wait_for(partial(desk.suppressed, name))
        assert desk.get(name).reason == Message.NO_CONSENT
    assert desk.mail.taken == []


@pytest.mark.requirement("N-07")
def test_an_answer_about_consent_grows_stale(desk: Desk) -> None:
    """A batch that takes long asks anew: whoever withdrew while others were served gets nothing."""
    desk.template()
    people = [customer(number) for number in range(1, 6)]
    for who in people:
        desk.person(who, points={"EMAIL": f"{who[-4:]}@home.example"})

    def slowly(_message: object) -> str:
        desk.pass_time(6)
        for who in people:
            desk.beside.people[who].purposes.clear()
        return TAKEN

    desk.mail.at_body = slowly
    names = desk.together((who, "A1") for who in people)
    states = [desk.settled(name).state for name in names]
    assert [len(request.customers) for request in desk.beside.asked] == [5, 4]
    assert sorted(states) == sorted([Message.SENT, *[Message.SUPPRESSED] * 4])
    assert len(desk.mail.taken) == 1


@pytest.mark.requirement("N-01", "N-03")
@pytest.mark.parametrize(
    ("preferred", "points", "channel"),
    [
        ("", {"EMAIL": ADDRESS, "SMS": MOBILE}, Template.EMAIL),
        ("SMS", {"EMAIL": ADDRESS, "SMS": MOBILE}, Template.SMS),
        ("PHONE", {"EMAIL": ADDRESS, "PHONE": MOBILE}, Template.PHONE),
        ("EMAIL", {"SMS": MOBILE}, Template.SMS),
        ("WECHAT", {"PHONE": MOBILE}, Template.PHONE),
    ],
)
def test_a_message_takes_the_channel_that_is_recorded(
    desk: Desk, preferred: str, points: dict[str, str], channel: Template.Channel.ValueType
) -> None:
    """The preferred channel is used, else the next one with a contact point; text messages and call tasks are lines."""
    desk.template()
    desk.person(preferred=preferred, points=points)
    message = desk.sent()
    assert (message.state, message.channel) == (Message.SENT, channel)
    wanted = Template.Channel.Name(channel)
    line = {"message": message.name, "channel": wanted, "to": MOBILE, "text": "Anna Ashford, code A1"}
    assert desk.lines() == ([] if channel == Template.EMAIL else [line])
    assert len(desk.mail.taken) == (channel == Template.EMAIL)
    [asked] = desk.beside.asked
    assert list(map(Consent.Channel.Name, asked.channels)) == ["EMAIL", "SMS", "PHONE"]


@pytest.mark.parametrize("engine", ["sqlite"])
def test_lines_are_for_their_reader_alone(desk: Desk) -> None:
    """A file per channel and day of the chain, readable by nobody else; what comes later is added."""
    desk.template()
    desk.person(points={"SMS": MOBILE, "PHONE": MOBILE})
    for code, channel in (("A1", Template.SMS), ("A2", Template.SMS), ("A3", Template.PHONE)):
        desk.sent(code=code, channels=[channel])
    day = (EPOCH + timedelta(microseconds=START)).date().isoformat()
    assert {file.name for file in desk.folder.iterdir()} == {f"sms-{day}.jsonl", f"phone-{day}.jsonl"}
    assert {file.stat().st_mode & 0o777 for file in desk.folder.iterdir()} == {0o600}
    assert desk.folder.stat().st_mode & 0o777 == 0o700
    assert [line["text"][-2:] for line in desk.lines()] == ["A3", "A1", "A2"]


@pytest.mark.parametrize("engine", ["sqlite"])
@pytest.mark.parametrize(("language", "text"), [("zh-CN", "Anna Ashford，代码 A1"), ("fr", "Anna Ashford，代码 A1")])
def test_a_message_speaks_the_customers_language(desk: Desk, language: str, text: str) -> None:
    """Each customer reads the body of the own language, else the template's first one."""
    desk.template()
    desk.person(language=language)
    message = desk.sent()
    assert message.language_code == "zh-CN"
    assert desk.mail.taken[0].get_content() == f"{text}\r\n"


def test_customers_are_asked_for_together(desk: Desk) -> None:
    """Messages that wait together take one call per purpose and channels, and the call shows a token that claims it."""
    desk.template()
    people = [customer(number) for number in range(1, 21)]
    for who in people:
        desk.person(who)
    names = desk.together((who, code) for who in people for code in ("A1", "B2"))
    assert {desk.settled(name).state for name in names} == {Message.SENT}
    assert [list(request.customers) for request in desk.beside.asked] == [people]
    trust = read_trust(desk.folder.parent / "trust.json")
    principal = Verifier("customer", trust, desk.running.clock).verify(desk.beside.tokens[0])
    assert (principal.name, principal.permissions) == ("services/notify", ("events.read", "customer.contacts.get"))


# ----------------------------------------------------------------------------------------------- a server that refuses


def test_what_the_server_refuses_for_now_comes_again(desk: Desk) -> None:
    """4xx to recipient or body: tried again after 60 s, then 240 s and so on, and dead after the sixth time."""
    desk.template()
    desk.person()
    desk.mail.at_recipient = lambda _to: "450 4.2.1 busy"
    message = desk.sent()
    for failures in range(1, 6):
        assert (message.state, len(message.attempts)) == (Message.FAILED_TEMPORARY, failures)
        wait = wire.instant(message.next_attempt_time) - desk.running.clock.now
        least = FIRST_PAUSE * 4 ** (failures - 1) * SECOND
        assert least <= wait < least * 5 // 4
        desk.mail.at_recipient = lambda _to: "250 fine"
        desk.mail.at_body = lambda _message: "451 4.3.0 later"
        desk.running.clock.now += wait
        wait_for(partial(desk.tried, message.name, failures + 1))
        message = desk.get(message.name)
    assert (message.state, message.reason) == (Message.DEAD, Message.ATTEMPTS_EXHAUSTED)
    assert [attempt.detail for attempt in message.attempts] == ["RCPT 4.2.1", *["BODY 4.3.0"] * 5]
    assert desk.mail.taken == []
    assert desk.told() == [
        MessageFailed(
            message=message.name,
            customer=ANNA,
            state=Message.DEAD,
            reason=Message.ATTEMPTS_EXHAUSTED,
            channel=Template.EMAIL,
        )
    ]


@pytest.mark.parametrize("engine", ["sqlite"])
@pytest.mark.parametrize("step", ["recipient", "body"])
def test_what_the_server_refuses_for_good_is_over(desk: Desk, step: str) -> None:
    """5xx ends the message, and the next one goes out on the same line."""
    desk.template()
    desk.person()
    desk.person(BERT, points={"EMAIL": "bert@home.example"})
    if step == "recipient":
        desk.mail.at_recipient = lambda to: "550 5.1.1 no such user" if to == ADDRESS else "250 fine"
    else:
        desk.mail.at_body = lambda message: "554 5.7.1 spam" if message["To"] == ADDRESS else TAKEN
    refused, fine = desk.sent(), desk.sent(BERT)
    assert (refused.state, refused.reason) == (Message.FAILED_PERMANENT, Message.RECIPIENT_REFUSED)
    assert refused.attempts[0].outcome == Attempt.REFUSED
    assert (fine.state, desk.mail.sessions) == (Message.SENT, 1)
    assert {type(told).__name__: told.message for told in desk.told()} == {
        "MessageFailed": refused.name,
        "MessageDelivered": fine.name,
    }


@pytest.mark.parametrize("engine", ["sqlite"])
def test_an_address_that_is_not_ascii_is_written_as_servers_take_it(desk: Desk) -> None:
    """A domain of other letters is encoded; an account of other letters is refused, for no server is asked for it."""
    desk.template()
    desk.person(points={"EMAIL": "anna@müller.example"})
    desk.person(BERT, points={"EMAIL": "贝特@home.example"})
    assert (desk.sent().state, desk.sent(BERT).state) == (Message.SENT, Message.FAILED_PERMANENT)
    assert [letter["To"] for letter in desk.mail.taken] == ["anna@xn--mller-kva.example"]


# ------------------------------------------------------------------------------------ a server that breaks off or hangs


@pytest.mark.parametrize("engine", ["sqlite"])
@pytest.mark.parametrize("fault", [DROP, HANG])
def test_a_line_that_breaks_before_the_letter_is_no_harm(desk: Desk, fault: str) -> None:
    """Dropped or silent before the letter was out: tried again, on a new line, and it arrives once."""
    desk.template()
    desk.person()
    desk.mail.at_recipient = lambda _to: fault
    message = desk.sent()
    assert (message.state, message.attempts[0].outcome) == (Message.FAILED_TEMPORARY, Attempt.REFUSED_TEMPORARILY)
    desk.mail.at_recipient = lambda _to: "250 fine"
    desk.pass_time(100)
    wait_for(lambda: desk.get(message.name).state == Message.SENT)
    assert desk.mail.ids() == [message.name]


@pytest.mark.parametrize("engine", ["sqlite"])
@pytest.mark.parametrize(("fault", "kept"), [(DROP, True), (DROP, False), (HANG, False)])
def test_a_line_that_breaks_after_the_letter_leaves_it_open(desk: Desk, fault: str, *, kept: bool) -> None:
    """Dropped or silent once the letter was out: nobody knows whether it arrived, so it is never sent again."""
    desk.template()
    desk.person()
    desk.mail.at_body = lambda _message: fault
    desk.mail.keeps_before_answer = kept
    message = desk.sent()
    assert (message.state, message.reason) == (Message.DEAD, Message.ACCEPTANCE_UNKNOWN)
    assert message.attempts[0].outcome == Attempt.UNKNOWN
    desk.mail.at_body = lambda _message: TAKEN
    desk.pass_time(100_000)
    assert desk.sent(code="next").state == Message.SENT
    assert desk.mail.ids().count(message.name) == kept
    assert desk.get(message.name).state == Message.DEAD


# --------------------------------------------------------------------------------------------------- a channel at fault


@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_server_that_refuses_the_sender_fails_no_message(desk: Desk) -> None:
    """While the sender is refused nothing is counted against a message, other channels go on, and then it arrives."""
    desk.template()
    desk.person()
    desk.mail.at_sender = lambda: "550 5.7.1 you may not send"
    mail = desk.send()
    desk.person(BERT, points={"SMS": MOBILE})
    assert desk.sent(BERT).state == Message.SENT
    wait_for(lambda: desk.get(mail.name).state == Message.QUEUED)
    assert list(desk.get(mail.name).attempts) == []
    desk.mail.at_sender = lambda: "250 fine"
    desk.pass_time(FIRST_PAUSE)
    assert len(desk.settled(mail.name).attempts) == 1
    assert desk.mail.ids() == [mail.name]


@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_sign_in_that_is_asked_for_later_fails_no_message(desk: Desk) -> None:
    """530 to a recipient speaks of us: the attempt is written down and does not count."""
    desk.template()
    desk.person()
    desk.mail.at_recipient = lambda _to: "530 5.7.0 sign in first"
    message = desk.send()
    for attempts in range(1, 9):
        wait_for(partial(desk.tried, message.name, attempts))
        desk.pass_time(100)
        desk.running.service.workers[-1].wake()  # type: ignore[attr-defined]
    desk.mail.at_recipient = lambda _to: "250 fine"
    desk.pass_time(100)
    wait_for(lambda: desk.get(message.name).state == Message.SENT)
    outcomes = {attempt.outcome for attempt in desk.get(message.name).attempts}
    assert outcomes == {Attempt.CHANNEL_FAULT, Attempt.ACCEPTED}


@pytest.mark.parametrize("engine", ["sqlite"])
def test_one_line_serves_many_and_is_made_anew(desk: Desk) -> None:
    """Messages share a connection; one that the server has closed meanwhile costs no message an attempt."""
    desk.template()
    people = [customer(number) for number in range(1, 31)]
    for who in people:
        desk.person(who, points={"EMAIL": f"{who[-4:]}@home.example"})
    names = [desk.send(who).name for who in people]
    assert {desk.settled(name).state for name in names} == {Message.SENT}
    assert desk.mail.sessions == 1
    closing = iter([DROP])
    desk.mail.at_sender = lambda: next(closing, "250 fine")
    message = desk.sent(code="B2")
    assert (message.state, len(message.attempts), desk.mail.sessions) == (Message.SENT, 1, 2)
    assert len(set(desk.mail.ids())) == len(desk.mail.ids()) == 31


def test_a_customer_service_that_is_away_delays_and_loses_nothing(desk: Desk) -> None:
    """Without an answer about consent nothing is sent, and nothing is counted; then it goes out."""
    desk.template()
    desk.person()
    desk.beside.open = False
    message = desk.send()
    desk.person(CARLA)
    other = desk.send(CARLA)
    desk.beside.open = True
    assert [len(desk.settled(name).attempts) for name in (message.name, other.name)] == [1, 1]
    assert len(desk.mail.taken) == 2


def test_what_a_dead_worker_left_behind_is_swept_up(desk: Desk) -> None:
    """A message that stands in SENDING when its lease has run out is dead for unknown acceptance, and this is told."""
    desk.template()
    desk.person()
    held = desk.send(send_after=wire.timestamp(desk.running.clock.now + 10_000 * SECOND))
    leased = desk.running.clock.now + LEASE * SECOND
    with desk.running.database.write() as tx:
        tx.exec_driver_sql(f"UPDATE messages SET state = 'SENDING', due_time = {leased}")  # noqa: S608  (a number)
    desk.pass_time(LEASE - 1)
    assert desk.sent(code="B2").state == Message.SENT
    assert desk.get(held.name).state == Message.SENDING
    desk.pass_time(1)
    swept = desk.settled(held.name)
    assert (swept.state, swept.reason) == (Message.DEAD, Message.ACCEPTANCE_UNKNOWN)
    assert [type(told).__name__ for told in desk.told()] == ["MessageDelivered", "MessageFailed"]
    assert len(desk.mail.taken) == 1
