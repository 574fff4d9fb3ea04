"""A mail server on this machine for the demonstration: it keeps what it takes in a folder, and sends nothing on."""

from __future__ import annotations

import mailbox
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from cli.failures import Problem

START_SECONDS = 20.0
PAUSE = 0.05
SENDER = "service@shop.example"


class MailError(Problem):
    """The mail server did not start."""


@dataclass(slots=True)
class MailServer:
    """A process that takes e-mail on a port of loopback and keeps each message as a file of a Maildir."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def settings(self) -> dict[str, str]:
        """What the notify service has to be told to send there."""
        return {
            "SHUKE_NOTIFY_SMTP_ADDRESS": f"127.0.0.1:{self.port}",
            "SHUKE_NOTIFY_SMTP_SENDER": SENDER,
            "SHUKE_NOTIFY_SMTP_TLS": "none",
        }

    def start(self) -> None:
        """Start the process, also again after it has ended, and wait until it answers."""
        listen = ("--nosetuid", "--listen", f"127.0.0.1:{self.port}")
        keep = ("--class", "aiosmtpd.handlers.Mailbox", str(self.folder))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "aiosmtpd", *listen, *keep],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            try:
                smtplib.SMTP("127.0.0.1", self.port, timeout=1).quit()
            except OSError:
                time.sleep(PAUSE)
            else:
                return
        raise MailError(f"the mail server does not answer on port {self.port}")

    def stop(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()

    def messages(self) -> Iterator[EmailMessage]:
        """Read what has arrived, in the order of the files' names."""
        kept = mailbox.Maildir(self.folder, create=False)
        for key in sorted(kept.keys()):
            yield message_from_bytes(kept.get_bytes(key), policy=policy.default)
