"""What the tests of the notify service share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.notify.server import PROGRAM
from services.notify.tests import mail, neighbours
from services.notify.tests.desk import Desk
from services.notify.tests.mail import SENDER, MailServer
from services.notify.tests.neighbours import Neighbours
from services.notify.tests.studio import Studio
from tests.running import Running, StartService


@pytest.fixture
def beside() -> Iterator[Neighbours]:
    """Serve the customer service's contacts, and the feeds of the services beside notify."""
    with neighbours.serving() as served:
        yield served


@pytest.fixture
def mailbox() -> Iterator[tuple[MailServer, str]]:
    """Serve mail; answer the server and its address."""
    with mail.serving() as served:
        yield served


@pytest.fixture
def notify(beside: Neighbours, mailbox: tuple[MailServer, str], tmp_path: Path, start_service: StartService) -> Running:
    """Start the notify service, on each engine in turn, with every channel on.

    The neighbours come first, so that they outlive it.
    """
    return start_service(
        PROGRAM,
        None,
        **beside.addresses,
        smtp_address=mailbox[1],
        smtp_sender=SENDER,
        smtp_tls="none",
        smtp_timeout_seconds="0.5",
        file_dir=str(tmp_path / "outgoing"),
    )


@pytest.fixture
def studio(notify: Running) -> Studio:
    """Make a client for templates and rules."""
    return Studio(notify)


@pytest.fixture
def desk(notify: Running, beside: Neighbours, mailbox: tuple[MailServer, str], tmp_path: Path) -> Desk:
    """Make a client for messages, with the example template and rule in force."""
    return Desk(notify, beside, mailbox[0], tmp_path / "outgoing")
