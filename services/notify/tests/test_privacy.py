"""What is told to a customer, and where, stands nowhere in clear but in the letter itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from chassis import wire
from chassis.calendar import SECOND
from services.notify.tests.desk import Desk, wait_for
from services.notify.tests.neighbours import ANNA, BERT, confirmed
from services.notify.tests.studio import named, refused
from services.notify.tests.ticketing import MANAGER, happened, member, notice, prepare
from shuke.notify.v1.messages_pb2 import Message

NAME, ADDRESS, MOBILE, TEXT = "欧阳禾舟", "ouyang.h@planted.example", "+447700900777", "Hidden Lane 77"
# What the book tells of every member of staff.
STAFF_NAME = "Mia Manager"
SECRETS = (NAME, ADDRESS, "planted.example", MOBILE, "7700900777", TEXT, STAFF_NAME)


def plant(desk: Desk) -> list[Message]:
    """Let everything happen to messages that hold something personal; answer them."""
    desk.rule()
    desk.template()
    desk.person(ANNA, name=NAME, points={"EMAIL": ADDRESS})
    desk.person(BERT, name=NAME, points={"SMS": MOBILE})
    prepare(desk, notice())
    desk.beside.staff[MANAGER] = "mia@planted.example"
    desk.beside.customer.tell(member(MANAGER, "service_manager"))
    desk.settle()
    desk.beside.ticketing.tell(happened("TicketOpened"))
    desk.settle()
    given: dict[str, Any] = {"values": [named("code", text=TEXT)]}
    sent = desk.sent(ANNA, business_key="k1", request_id="r1", **given)
    refused(desk.send, ANNA, business_key="k1")
    refused(desk.send, ANNA, values=[named("code", text=TEXT * 200)])
    line = desk.sent(BERT, **given)
    desk.mail.at_recipient = lambda to: f"550 5.1.1 <{to}> is unknown here, {NAME}"
    failed = desk.sent(ANNA, **given)
    desk.mail.at_sender = lambda: f"550 {ADDRESS} may not send"
    waiting = desk.send(ANNA, **given)
    desk.beside.tell(confirmed(ANNA), confirmed(BERT))
    put_back = wire.timestamp(desk.running.clock.now + 60 * SECOND)
    wait_for(lambda: desk.get(waiting.name).next_attempt_time == put_back)
    names = [sent.name, line.name, failed.name]
    messages = [desk.settled(name) for name in names]
    desk.explain(failed.name)
    desk.retry(failed.name)
    desk.told()
    return [*messages, desk.get(waiting.name)]


def cells(desk: Desk) -> Iterator[tuple[str, bytes]]:
    """Read every column of every table, as the bytes that stand there."""
    with desk.running.database.read() as tx:
        for table in sa.inspect(tx).get_table_names():
            for row in tx.execute(sa.text(f'SELECT * FROM "{table}"')).mappings():  # noqa: S608  (our own tables)
                for column, value in row.items():
                    yield f"{table}.{column}", value if isinstance(value, bytes) else str(value).encode()


@pytest.mark.requirement("G-22")
def test_nothing_personal_stands_in_a_column(desk: Desk) -> None:
    """No name, address, number or value of a message stands in any column, and none is answered by the API."""
    messages = plant(desk)
    to_staff, to_customer = (letter.get_content() for letter in desk.mail.taken)
    assert STAFF_NAME in to_staff
    assert TEXT in to_customer
    found = list(cells(desk))
    assert {column.partition(".")[0] for column, _ in found} >= {"messages", "message_attempts", "events", "requests"}
    assert [column for column, value in found for secret in SECRETS if secret.encode() in value] == []
    assert [secret for message in messages for secret in SECRETS if secret in str(message)] == []


@pytest.mark.requirement("G-22")
@pytest.mark.parametrize("engine", ["sqlite"])
def test_nothing_personal_stands_in_the_file(desk: Desk) -> None:
    """Neither the database file nor its log holds any of it."""
    plant(desk)
    path = Path(str(desk.running.database.url.database))
    content = b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))
    assert ANNA.removeprefix("customers/").encode() in content
    assert [secret for secret in SECRETS if secret.encode() in content] == []


@pytest.mark.requirement("G-21", "G-22")
@pytest.mark.parametrize("engine", ["sqlite"])
def test_no_log_line_holds_personal_data(desk: Desk, capfd: pytest.CaptureFixture[str]) -> None:
    """What the service writes down of its work names messages, and nobody."""
    plant(desk)
    written = "".join(capfd.readouterr())
    assert "SendMessage" in written
    assert "channel down" in written
    assert [secret for secret in SECRETS if secret in written] == []
