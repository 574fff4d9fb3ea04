"""A real mail server on a loopback port, which can be told to misbehave."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from cli.suite import free_port

SENDER = "service@shop.example"
TAKEN = "250 2.0.0 taken"
# What a server does in place of an answer.
DROP, HANG = "drop", "hang"


class MailServer:
    """Keeps what it takes; a test says per recipient or for all what it answers to the sender, recipient and body."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.sessions = 0
        self.at_sender: Callable[[], str] = lambda: "250 2.1.0 fine"
        self.at_recipient: Callable[[str], str] = lambda _to: "250 2.1.5 fine"
        self.at_body: Callable[[EmailMessage], str] = lambda _message: TAKEN
        self.keeps_before_answer = False
        self._ended = asyncio.Event()

    async def handle_EHLO(  # noqa: N802  (aiosmtpd names it)
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Count the lines that were opened."""
        session.host_name = hostname
        self.sessions += 1
        return responses

    async def handle_MAIL(  # noqa: N802  (as above)
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take the sender, or do not."""
        envelope.mail_from = address
        return await self._answer(server, self.at_sender())

    async def handle_RCPT(  # noqa: N802  (as above)
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take the recipient, or do not."""
        answer = await self._answer(server, self.at_recipient(address))
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(  # noqa: N802  (as above)
        self, server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Take the letter, or do not; one that keeps before it answers may drop the line with the letter taken."""
        message: Any = email.message_from_bytes(cast("bytes", envelope.content), policy=email.policy.SMTP)
        answer = self.at_body(message)
        if answer.startswith("2") or self.keeps_before_answer:
            self.taken.append(message)
        return await self._answer(server, answer)

    async def _answer(self, server: SMTP, answer: str) -> str:
        if answer == DROP:
            transport: Any = server.transport
            transport.abort()
        elif answer == HANG:
            await self._ended.wait()
        return answer

    def subjects(self) -> list[str]:
        """Answer the subjects of the letters that were taken."""
        return [str(message["Subject"]) for message in self.taken]

    def to(self, address: str) -> list[EmailMessage]:
        """Answer the letters that were taken for an address."""
        return [message for message in self.taken if message["To"] == address]

    def ids(self) -> list[str]:
        """Answer the messages, by name, whose letters were taken."""
        return [f"messages/{str(message['Message-ID']).strip('<>').partition('@')[0]}" for message in self.taken]


@contextmanager
def serving(**settings: Any) -> Iterator[tuple[MailServer, str]]:  # noqa: ANN401  (settings of aiosmtpd)
    """Serve mail for one test; answer the server and its address."""
    server = MailServer()
    controller = Controller(server, hostname="127.0.0.1", port=free_port(), **settings)
    controller.start()
    try:
        yield server, f"127.0.0.1:{controller.port}"
    finally:
        controller.loop.call_soon_threadsafe(server._ended.set)
        controller.stop()
