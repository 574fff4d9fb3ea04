"""A client for messages, with a method for what tests do again and again."""

# ruff: noqa: ANN401  (a keyword argument is whatever the field of the message takes)

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from chassis import wire
from chassis.calendar import SECOND
from services.notify.tests.feeds import Feed
from services.notify.tests.mail import MailServer
from services.notify.tests.neighbours import ANNA, Neighbours, Person
from services.notify.tests.studio import Studio, example_rule, named
from shuke.event.v1 import event_pb2, event_pb2_grpc
from shuke.notify.v1 import events_pb2, messages_pb2_grpc
from shuke.notify.v1 import messages_pb2 as pb
from shuke.notify.v1.messages_pb2 import Message
from shuke.notify.v1.templates_pb2 import Template, TemplateBody, TemplateVariable
from tests.running import Running

MESSAGES, FEED = messages_pb2_grpc.MessageServiceStub, event_pb2_grpc.EventFeedServiceStub
ADDRESS, MOBILE = "anna@home.example", "+447700900101"
PATIENCE = 20.0
WAITING = (Message.ACCEPTED, Message.HELD, Message.QUEUED, Message.SENDING)

T = TypeVar("T")


def wait_for(look: Callable[[], T | None], patience: float = PATIENCE) -> T:
    """Look again and again until there is something."""
    until = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)
    return found


def plain(purpose: Template.Purpose.ValueType = Template.SERVICE) -> Template:
    """Write a template with one variable and a body for each channel."""
    bodies = [
        TemplateBody(
            channel=channel, language=language, text=text, subject="{code}" if channel == Template.EMAIL else ""
        )
        for channel in (Template.EMAIL, Template.SMS, Template.PHONE)
        for language, text in (
            ("zh-CN", "{customer_name}，代码 {code}"),
            ("en", "{customer_name}, code {code}"),
        )
    ]
    variable = TemplateVariable(
        name="code", kind=TemplateVariable.TEXT, sample=named("x", text="A1").value, required=True
    )
    return Template(display_name="Plain", purpose=purpose, variables=[variable], bodies=bodies)


class Desk:
    """Sends messages of a running notify service, beside people and a mail server that a test writes."""

    def __init__(self, running: Running, beside: Neighbours, mail: MailServer, folder: Path) -> None:
        self.running = running
        self.beside = beside
        self.mail = mail
        self.folder = folder
        self.studio = Studio(running)
        self.read = dict.fromkeys(range(16), 0)

    # ------------------------------------------------------------------------------------------------------- settings

    def rule(self, **fields: Any) -> None:
        """Put the example template in force, and the example rule with other fields where they are given."""
        self.studio.create()
        self.studio.approve()
        self.studio.activate(example_rule(**fields))

    def template(self, code: str = "plain", **fields: Any) -> None:
        """Put the plain template in force."""
        name = self.studio.create(plain(**fields), code).name
        self.studio.approve(name)

    def person(self, who: str = ANNA, **fields: Any) -> Person:
        """Write a customer into the book, with an e-mail address and a mobile where nothing else is said."""
        person = Person(**{"points": {"EMAIL": ADDRESS, "SMS": MOBILE, "PHONE": MOBILE}, **fields})
        self.beside.people[who] = person
        return person

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.running.clock.now += int(seconds * SECOND)

    # ------------------------------------------------------------------------------------------------------- messages

    def request(self, who: str = ANNA, code: str = "A1", **fields: Any) -> pb.SendMessageRequest:
        """Write a request of the plain template."""
        given = {"template": "templates/plain", "values": [named("code", text=code)], **fields}
        return pb.SendMessageRequest(customer=who, **given)

    def send(self, *arguments: Any, request_id: str = "", **fields: Any) -> Message:
        """Send a message of the plain template."""
        request = self.request(*arguments, **fields)
        request.request_id = request_id
        answer: Message = self.running.call(MESSAGES, "SendMessage", request)
        return answer

    def get(self, name: str) -> Message:
        """Read a message with its attempts."""
        answer: Message = self.running.call(MESSAGES, "GetMessage", pb.GetMessageRequest(name=name))
        return answer

    def explain(self, name: str, language: str = "en") -> pb.ExplainMessageResponse:
        """Ask why a message stands where it stands."""
        request = pb.ExplainMessageRequest(name=name)
        answer: pb.ExplainMessageResponse = self.running.call(MESSAGES, "ExplainMessage", request, language=language)
        return answer

    def messages(self, size: int = 0, token: str = "", **fields: Any) -> pb.ListMessagesResponse:
        """List messages."""
        request = pb.ListMessagesRequest(page_size=size, page_token=token, **fields)
        answer: pb.ListMessagesResponse = self.running.call(MESSAGES, "ListMessages", request)
        return answer

    def cancel(self, name: str, **fields: Any) -> Message:
        """Cancel a message."""
        answer: Message = self.running.call(MESSAGES, "CancelMessage", pb.CancelMessageRequest(name=name, **fields))
        return answer

    def retry(self, name: str, **fields: Any) -> Message:
        """Send the content of a message again."""
        answer: Message = self.running.call(MESSAGES, "RetryMessage", pb.RetryMessageRequest(name=name, **fields))
        return answer

    def settled(self, name: str) -> Message:
        """Wait until a worker has brought a message as far as it goes for now."""
        return wait_for(lambda: found if (found := self.get(name)).state not in WAITING else None)

    def sent(self, *arguments: Any, **fields: Any) -> Message:
        """Send a message and wait until it has come as far as it goes for now."""
        return self.settled(self.send(*arguments, **fields).name)

    def tried(self, name: str, attempts: int) -> bool:
        """Tell whether a message has been tried so often, and no attempt goes on."""
        message = self.get(name)
        return len(message.attempts) == attempts and message.state != Message.SENDING

    def suppressed(self, name: str) -> bool:
        """Tell whether a message has been suppressed."""
        return self.get(name).state == Message.SUPPRESSED

    def together(self, wanted: Iterable[tuple[str, str]]) -> list[str]:
        """Send messages, each to a customer with a code, that are all due at the same moment; answer their names."""
        moment = wire.timestamp(self.running.clock.now + SECOND)
        names = [self.send(who, code, send_after=moment).name for who, code in wanted]
        self.pass_time(1)
        return names

    # --------------------------------------------------------------------------------------------------------- events

    def settle(self) -> None:
        """Wait until all events are in, and every message has come as far as it goes for now."""
        self.running.wake()
        for feed in (self.beside.customer, self.beside.tiering, self.beside.ticketing):
            wait_for(partial(self._read_all, feed))
        wait_for(lambda: not self._waiting())

    def _read_all(self, feed: Feed) -> bool:
        return self.positions(feed.owner) == feed.heads

    def _waiting(self) -> int:
        with self.running.database.read() as tx:
            query = "SELECT count(*) FROM messages WHERE state IN ('ACCEPTED', 'QUEUED', 'SENDING')"
            return int(tx.exec_driver_sql(query).scalar_one())

    def positions(self, owner: str) -> dict[int, int]:
        """Read the cursors of a service's feed."""
        with self.running.database.read() as tx:
            query = f"SELECT partition, position FROM cursors WHERE source = '{owner}.shuke'"  # noqa: S608  (our names)
            rows = tx.exec_driver_sql(query).all()
        return dict.fromkeys(range(16), 0) | dict(map(tuple, rows))

    def told(self) -> list[Any]:
        """Read what notify has told since the last time."""
        cursors = [event_pb2.Cursor(partition=part, position=position) for part, position in self.read.items()]
        answer = self.running.call(FEED, "ReadEvents", event_pb2.ReadEventsRequest(cursors=cursors, limit=2000))
        self.read |= {head.partition: head.position for head in answer.heads}
        opened = []
        for event in answer.events:
            message = getattr(events_pb2, event.type.rpartition(".")[2])()
            assert event.data.Unpack(message)
            opened.append(message)
        return opened

    # ---------------------------------------------------------------------------------------------------------- files

    def lines(self) -> list[dict[str, str]]:
        """Read what was written for gateways and desks."""
        files = sorted(self.folder.glob("*.jsonl")) if self.folder.exists() else []
        return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
