"""Messages over the real channel: sent, listed, cancelled, retried and explained; and what is refused."""

from __future__ import annotations

from functools import partial

import pytest

from chassis import wire
from chassis.calendar import SECOND
from services.notify.tests.desk import ADDRESS, MESSAGES, Desk, wait_for
from services.notify.tests.neighbours import ANNA, BERT, CARLA
from services.notify.tests.studio import named, refused
from shuke.notify.v1 import messages_pb2 as pb
from shuke.notify.v1.events_pb2 import MessageDelivered
from shuke.notify.v1.messages_pb2 import Attempt, Message
from shuke.notify.v1.templates_pb2 import Template

NOBODY = "messages/0190a8f0-0000-7000-8000-00000000ffff"


@pytest.mark.requirement("N-01")
def test_a_message_goes_out(desk: Desk) -> None:
    """A message that is sent is handed to the mail server once, in the customer's language, and says so."""
    desk.template()
    desk.person()
    message = desk.sent()
    assert (message.state, message.channel, message.language_code) == (Message.SENT, Template.EMAIL, "en")
    assert (message.purpose, message.template_version) == (Template.SERVICE, "templates/plain/versions/1")
    assert message.source == Message.Source(caller="apiKeys/test")
    assert not message.HasField("next_attempt_time")
    [attempt] = message.attempts
    assert (attempt.number, attempt.outcome, attempt.code) == (1, Attempt.ACCEPTED, 250)
    assert attempt.detail == "BODY 2.0.0"
    [letter] = desk.mail.taken
    assert letter["To"] == ADDRESS
    assert letter.get_content() == "Anna Ashford, code A1\r\n"
    [told] = desk.told()
    assert told == MessageDelivered(
        message=message.name,
        customer=ANNA,
        template_version="templates/plain/versions/1",
        purpose=Template.SERVICE,
        channel=Template.EMAIL,
    )


def test_a_business_key_sends_one_message(desk: Desk) -> None:
    """The same content under a key answers the first message, other content is refused; it goes out once."""
    desk.template()
    desk.person()
    first = desk.send(business_key="repair/4711")
    desk.settled(first.name)
    again = desk.send(business_key="repair/4711")
    assert (again.name, again.state) == (first.name, Message.SENT)
    refusal = refused(desk.send, code="B2", business_key="repair/4711")
    assert (refusal.code, refusal.reason) == ("ALREADY_EXISTS", "BUSINESS_KEY_REUSED")
    assert refusal.metadata == {"field": "business_key", "name": first.name}
    assert len(desk.mail.taken) == 1


def test_a_request_id_sends_one_message(desk: Desk) -> None:
    """A retry of a call answers the first message, and other content under the id is refused."""
    desk.template()
    first = desk.send(request_id="r1")
    assert desk.send(request_id="r1") == first
    assert refused(desk.send, code="B2", request_id="r1").reason == "REQUEST_ID_REUSED"
    assert len(desk.messages().messages) == 1


def test_what_is_wrong_is_told_by_field(desk: Desk) -> None:
    """A wrong shape, a missing or unknown value, an early expiry and a template that is not there name what to mend."""
    refusal = refused(desk.send, template="templates/plain")
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "TEMPLATE_NOT_APPROVED")
    desk.template()
    refusal = refused(desk.send, who="customers/1", template="plain", business_key="two words", channels=[0, 9])
    assert refusal.code == "INVALID_ARGUMENT"
    assert refusal.fields.keys() == {"customer", "template", "business_key", "channels[0]", "channels[1]"}
    assert refused(desk.send, channels=[Template.SMS] * 2).fields == {"channels": "REPEATED_UNIQUE"}
    assert refused(desk.send, values=[]).fields == {"values[code]": "TEMPLATE_VARIABLE_MISSING"}
    both = [named("code", text="A"), named("colour", text="red")]
    assert refused(desk.send, values=both).fields == {"values[colour]": "TEMPLATE_VARIABLE_UNKNOWN"}
    now = wire.timestamp(desk.running.clock.now)
    refusal = refused(desk.send, expire_time=now)
    assert refusal.fields == {"expire_time": "EXPIRY_TOO_EARLY"}
    assert desk.messages().messages == []


def test_a_message_is_held_until_its_time(desk: Desk) -> None:
    """One for later waits, says when it is due, and goes out then."""
    desk.template()
    desk.person()
    later = wire.timestamp(desk.running.clock.now + 3600 * SECOND)
    held = desk.send(send_after=later)
    now = desk.sent(code="now")
    assert (held.state, held.next_attempt_time, now.state) == (Message.HELD, later, Message.SENT)
    assert desk.get(held.name) == held
    desk.pass_time(3600)
    assert desk.settled(held.name).state == Message.SENT


def test_a_message_that_is_late_expires(desk: Desk) -> None:
    """A message whose time has passed before it was handed over is not sent any more, and this is told."""
    desk.template()
    desk.person()
    desk.beside.open = False
    message = desk.send(expire_time=wire.timestamp(desk.running.clock.now + 60 * SECOND))
    desk.pass_time(60)
    assert desk.settled(message.name).state == Message.EXPIRED
    [told] = desk.told()
    assert (told.message, told.state) == (message.name, Message.EXPIRED)


def test_a_batch_answers_each_item(desk: Desk) -> None:
    """Good items are sent and bad ones are refused in their own place; a repeat of the call answers the same."""
    desk.template()
    desk.person()
    requests = [
        desk.request(business_key="k1"),
        desk.request(who="nobody"),
        desk.request(business_key="k1"),
        desk.request(values=[]),
        desk.request(code="B2", business_key="k1"),
    ]
    batch = pb.BatchSendMessagesRequest(requests=requests, request_id="b1")
    results = list(desk.running.call(MESSAGES, "BatchSendMessages", batch).results)
    assert [result.WhichOneof("result") for result in results] == ["message", "error", "message", "error", "error"]
    assert results[2].message.name == results[0].message.name
    assert results == list(desk.running.call(MESSAGES, "BatchSendMessages", batch).results)
    desk.settled(results[0].message.name)
    assert len(desk.mail.taken) == 1


def test_a_list_shows_what_was_asked_for(desk: Desk) -> None:
    """Messages are listed by customer, state and time, the newest first, page after page."""
    desk.template()
    desk.person()
    names = []
    for who in (ANNA, BERT, ANNA, CARLA, ANNA):
        names.append(desk.sent(who).name)
        desk.pass_time(1)
    newest = list(reversed(names))
    assert [message.name for message in desk.messages().messages] == newest
    mine = [newest[0], newest[2], newest[4]]
    first = desk.messages(size=2, customer=ANNA)
    assert [message.name for message in first.messages] == mine[:2]
    rest = desk.messages(size=2, customer=ANNA, token=first.next_page_token)
    assert ([message.name for message in rest.messages], rest.next_page_token) == (mine[2:], "")
    suppressed = desk.messages(state=Message.SUPPRESSED).messages
    assert [message.name for message in suppressed] == [newest[1], newest[3]]
    start = wire.timestamp(desk.running.clock.now - 4 * SECOND)
    end = wire.timestamp(desk.running.clock.now - 2 * SECOND)
    window = desk.messages(start_time=start, end_time=end).messages
    assert [message.name for message in window] == newest[2:4]
    page = refused(desk.messages, size=2, customer=BERT, token=first.next_page_token)
    assert page.fields == {"page_token": "PAGE_TOKEN_INVALID"}


def test_a_message_is_cancelled_before_it_is_sent(desk: Desk) -> None:
    """A message that waits is ended for good; one that was sent, or is not there, cannot be cancelled."""
    desk.template()
    desk.person()
    held = desk.send(send_after=wire.timestamp(desk.running.clock.now + 60 * SECOND))
    assert desk.cancel(held.name, request_id="c1").state == Message.CANCELLED
    assert desk.cancel(held.name, request_id="c1").state == Message.CANCELLED
    sent = desk.sent(code="B2")
    desk.pass_time(60)
    for name, state in ((held.name, "CANCELLED"), (sent.name, "SENT")):
        refusal = refused(desk.cancel, name)
        assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "MESSAGE_STATE_FORBIDS")
        assert refusal.metadata == {"name": name, "state": state}
    refusal = refused(desk.cancel, NOBODY)
    assert (refusal.code, refusal.reason, refusal.metadata) == ("NOT_FOUND", "MESSAGE_NOT_FOUND", {"name": NOBODY})
    assert len(desk.mail.taken) == 1


def test_what_was_not_sent_is_sent_again_as_a_new_message(desk: Desk) -> None:
    """A retry makes one new message with the old values, names the old one, and leaves that as it is."""
    desk.template()
    desk.person(purposes=set())
    old = desk.sent(business_key="k1")
    assert old.state == Message.SUPPRESSED
    desk.person()
    new = desk.retry(old.name, request_id="r1")
    assert (new.source.retry_of, new.business_key, new.template_version) == (old.name, "", old.template_version)
    assert desk.settled(new.name).state == Message.SENT
    assert desk.retry(old.name, request_id="r1").name == new.name
    assert desk.get(old.name) == old
    refusal = refused(desk.retry, old.name)
    assert (refusal.code, refusal.reason) == ("ALREADY_EXISTS", "MESSAGE_RETRIED")
    assert refusal.metadata == {"name": old.name, "retry": new.name}
    assert refused(desk.retry, new.name).reason == "MESSAGE_STATE_FORBIDS"
    assert refused(desk.retry, NOBODY).reason == "MESSAGE_NOT_FOUND"
    assert [letter.get_content() for letter in desk.mail.taken] == ["Anna Ashford, code A1\r\n"]


def test_a_message_explains_itself(desk: Desk) -> None:
    """Whoever asks is told in Chinese or English where a message came from, what it rests on and what comes next."""
    desk.template()
    desk.person()
    desk.mail.at_recipient = lambda _to: "450 4.2.1 busy"
    message = desk.send()
    wait_for(lambda: desk.get(message.name).state == Message.FAILED_TEMPORARY)
    explained = desk.explain(message.name)
    assert explained.message == desk.get(message.name)
    assert explained.consent_basis == "GRANTED"
    assert list(explained.findings) == [
        "apiKeys/test asked for it.",
        "It renders templates/plain/versions/1, for the purpose SERVICE.",
        "When asked last, consent rested on GRANTED.",
        "It may use EMAIL, SMS, PHONE, the preferred one first.",
        "EMAIL was chosen, in en.",
        "Attempt 1 over EMAIL: REFUSED_TEMPORARILY 450 RCPT 4.2.1.",
        "It is FAILED_TEMPORARY; a worker will take it up again.",
    ]
    desk.person(purposes=set())
    desk.pass_time(600)
    wait_for(lambda: desk.get(message.name).state == Message.SUPPRESSED)
    said = desk.explain(message.name, "zh-CN").findings
    assert said[0] == "由 apiKeys/test 请求发送。"
    assert said[-1] == "状态 SUPPRESSED，原因 NO_CONSENT；不再有后续动作。"
    assert refused(desk.explain, NOBODY).reason == "MESSAGE_NOT_FOUND"


@pytest.mark.parametrize(
    ("method", "request_type", "permission"),
    [
        ("SendMessage", pb.SendMessageRequest, "notify.messages.send"),
        ("BatchSendMessages", pb.BatchSendMessagesRequest, "notify.messages.send"),
        ("GetMessage", pb.GetMessageRequest, "notify.messages.get"),
        ("ListMessages", pb.ListMessagesRequest, "notify.messages.list"),
        ("CancelMessage", pb.CancelMessageRequest, "notify.messages.cancel"),
        ("RetryMessage", pb.RetryMessageRequest, "notify.messages.retry"),
        ("ExplainMessage", pb.ExplainMessageRequest, "notify.messages.get"),
    ],
)
@pytest.mark.parametrize("engine", ["sqlite"])
def test_each_call_needs_its_permission(desk: Desk, method: str, request_type: type, permission: str) -> None:
    """Without the permission nobody learns anything, whatever the request holds."""
    call = partial(desk.running.call, MESSAGES, method, request_type(), permissions=("notify.templates.*",))
    refusal = refused(call)
    assert (refusal.code, refusal.metadata) == ("PERMISSION_DENIED", {"permission": permission})
