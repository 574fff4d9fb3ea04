"""E-mail: one kept connection to a mail server (RFC 5321). Used by one thread."""

from __future__ import annotations

import re
import smtplib
import ssl
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from chassis.calendar import EPOCH
from services.notify.delivery.domain import Answer, ChannelDown, Letter, outcome_of
from services.notify.messages.domain import Outcome

# RFC 3463: what a reply begins with when the server tells more than the code. The rest may quote the address.
STATUS = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}\b")
GO_ON = 354
LEAST_REFUSAL = 400
BROKEN = (smtplib.SMTPException, OSError)


@dataclass(frozen=True, slots=True)
class Server:
    """The mail server and how it is spoken to; `tls` is none, starttls or tls, `timeout` in seconds."""

    host: str
    port: int
    sender: str
    tls: str
    user: str
    password: str
    timeout: float


class SmtpChannel:
    """Hands letters to a mail server. The sender is named before a letter, so that a refusal of it costs no letter."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.domain = server.sender.rpartition("@")[2]
        self._line: smtplib.SMTP | None = None
        # Whether the server has taken a sender without a letter after it.
        self._begun = False

    def ready(self) -> None:
        """Have a line on which the server has taken the sender; one that was dropped is made anew."""
        if self._line is not None and self._sender_taken(self._line):
            return
        self.close()
        try:
            line = self._connect()
        except BROKEN as error:
            raise ChannelDown(problem=f"mail server: {type(error).__name__}") from error
        self._line, self._begun = line, False
        if not self._sender_taken(line):
            self.close()
            raise ChannelDown(problem="mail server: sender refused")

    def send(self, letter: Letter) -> Answer:
        """Hand a letter over. A line that breaks once the body is out leaves open whether the server took it."""
        line, step, broken = self._line, "RCPT", Outcome.REFUSED_TEMPORARILY
        if line is None:
            raise ChannelDown(problem="mail server: no line")
        try:
            recipient = _ascii(letter.to)
        except UnicodeError:
            return Answer(Outcome.REFUSED, detail="RCPT the address is not ASCII")
        body = self._body(letter, recipient)
        try:
            code, reply = line.rcpt(recipient)
            if outcome_of(code) is Outcome.ACCEPTED:
                step = "DATA"
                code, reply = line.docmd("DATA")
            if code == GO_ON:
                step, broken = "BODY", Outcome.UNKNOWN
                line.send(body)
                code, reply = line.getreply()
                self._begun = False
        except BROKEN as error:
            self.close()
            return Answer(broken, detail=f"{step} {type(error).__name__}")
        # Only the answer to the body says that the letter was taken, whatever a server says before it.
        outcome = outcome_of(code) if step == "BODY" or code >= LEAST_REFUSAL else broken
        status = STATUS.match(reply)
        return Answer(outcome, code, f"{step} {status[0].decode()}" if status else step)

    def close(self) -> None:
        """Drop the line; the server needs no word for that."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _sender_taken(self, line: smtplib.SMTP) -> bool:
        try:
            if self._begun:
                line.rset()
            self._begun = True
            code, _ = line.mail(self.server.sender)
        except BROKEN:
            return False
        return outcome_of(code) is Outcome.ACCEPTED

    def _connect(self) -> smtplib.SMTP:
        server, trust = self.server, ssl.create_default_context()
        if server.tls == "tls":
            line: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, self.domain, timeout=server.timeout, context=trust
            )
        else:
            line = smtplib.SMTP(server.host, server.port, self.domain, timeout=server.timeout)
        try:
            if server.tls == "starttls":
                line.starttls(context=trust)
            line.ehlo_or_helo_if_needed()
            if server.user:
                line.login(server.user, server.password)
        except BROKEN:
            line.close()
            raise
        return line

    def _body(self, letter: Letter, recipient: str) -> bytes:
        message = EmailMessage(policy=SMTP)
        message["From"] = self.server.sender
        message["To"] = recipient
        message["Subject"] = letter.subject
        message["Date"] = format_datetime(EPOCH + timedelta(microseconds=letter.time))
        # The same at every attempt, so that servers can drop a double.
        message["Message-ID"] = f"<{letter.message_id}@{self.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        # In this form no line begins with a dot, which would end the letter.
        message.set_content(letter.text, cte="base64")
        return message.as_bytes() + b".\r\n"


def _ascii(address: str) -> str:
    """Write an address so that every server takes it; an account that is not ASCII raises."""
    account, _, domain = address.rpartition("@")
    return f"{account.encode('ascii').decode()}@{domain.encode('idna').decode()}"
