"""What notify hands over to customers stands in their communication logs, once each, and nothing else does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import Message

from chassis.consumer import Consumer
from chassis.events import partition_of
from chassis.ids import uuid7
from chassis.vault import Vault, read_keys
from services.customer.consumers import NOTIFY, NotifyEvents
from services.customer.interactions.repository import Interactions
from services.customer.tables import CURSORS, LOG, VAULT_KEYS
from services.customer.tests.builders import NOBODY, Shop, at, refused
from services.customer.tests.interacting import CommunicationLog
from shuke.customer.v1 import events_pb2
from shuke.customer.v1.interactions_pb2 import Interaction
from shuke.event.v1 import event_pb2
from shuke.notify.v1 import templates_pb2
from shuke.notify.v1.events_pb2 import MessageDelivered, MessageFailed, MessageSuppressed
from tests.running import SECRETS

EMAIL, SMS, PHONE = templates_pb2.Template.EMAIL, templates_pb2.Template.SMS, templates_pb2.Template.PHONE


def message(number: int) -> str:
    """Name a message."""
    return f"messages/01980000-0000-7000-8000-{number:012}"


def delivered(customer: str, number: int = 1, channel: Any = EMAIL) -> MessageDelivered:  # noqa: ANN401  (an enum's value)
    """Write what notify tells of a message that it handed over."""
    return MessageDelivered(
        message=message(number), customer=customer, template_version="templates/tier/versions/1", channel=channel
    )


class Told:
    """Lets notify tell the running service of messages, each partition from its first position on."""

    def __init__(self, shop: Shop) -> None:
        vault = Vault(VAULT_KEYS, read_keys(SECRETS["vault_key"]), read_keys(SECRETS["index_key"]))
        clock = shop.running.clock
        effect = NotifyEvents(LOG, Interactions(vault))
        self.consumer = Consumer(shop.running.database, CURSORS, NOTIFY, effect, clock=clock, new_id=uuid7(clock))
        self.heads: dict[int, int] = {}

    def event(self, told: Message) -> event_pb2.Event:
        """Write the next event of the customer or the message that it is about."""
        key = str(getattr(told, "customer", "")) or message(0)
        data, partition = Packed(), partition_of(key)
        data.Pack(told)
        self.heads[partition] = self.heads.get(partition, 0) + 1
        return event_pb2.Event(
            type=told.DESCRIPTOR.full_name,
            partition_key=key,
            time=at("2026-03-01 09:00"),
            data=data,
            partition=partition,
            position=self.heads[partition],
        )

    def tell(self, *told: Message) -> int:
        """Deliver events; answer how many were dealt with."""
        return self.deliver([self.event(each) for each in told])

    def deliver(self, events: Sequence[event_pb2.Event]) -> int:
        """Deliver events as they are."""
        return self.consumer.deliver(events, "first")


@pytest.fixture
def notify(shop: Shop) -> Told:
    """Stand in for notify."""
    return Told(shop)


@pytest.fixture
def talks(shop: Shop) -> CommunicationLog:
    """Make a client of the running service."""
    return CommunicationLog(shop)


@pytest.mark.requirement("C-15", "N-08")
def test_a_message_that_was_handed_over_is_a_contact(shop: Shop, notify: Told, talks: CommunicationLog) -> None:
    """It stands in the log as of the time at which it went out, without words, and names the message."""
    anna = shop.customer()
    assert notify.tell(delivered(anna)) == 1
    [entry] = talks.entries(anna)
    assert entry == Interaction(
        name=entry.name,
        customer=anna,
        kind=Interaction.EMAIL,
        direction=Interaction.OUTBOUND,
        occur_time=at("2026-03-01 09:00"),
        source=Interaction.NOTIFY,
        message=message(1),
        create_time=at("2026-03-02 04:00"),
    )
    assert shop.told(entry.name) == events_pb2.InteractionLogged(
        interaction=entry.name,
        customer=anna,
        kind=Interaction.EMAIL,
        direction=Interaction.OUTBOUND,
        occur_time=at("2026-03-01 09:00"),
        source=Interaction.NOTIFY,
        message=message(1),
    )


@pytest.mark.requirement("N-08")
def test_each_channel_makes_its_kind_of_contact(shop: Shop, notify: Told, talks: CommunicationLog) -> None:
    """An e-mail is one, a text message is a message, a call task a call; what a later release adds is another one."""
    anna = shop.customer()
    kinds = {EMAIL: Interaction.EMAIL, SMS: Interaction.MESSAGE, PHONE: Interaction.CALL, 99: Interaction.OTHER}
    notify.tell(*(delivered(anna, number, channel) for number, channel in enumerate(kinds)))
    assert {entry.message: entry.kind for entry in talks.entries(anna)} == {
        message(number): kind for number, kind in enumerate(kinds.values())
    }


@pytest.mark.requirement("C-15", "N-08")
def test_a_message_stands_in_the_log_once(shop: Shop, notify: Told, talks: CommunicationLog) -> None:
    """However often its event is delivered, and though notify tells of it anew, in one batch or in the next."""
    anna = shop.customer()
    event = notify.event(delivered(anna))
    assert notify.deliver([event, event]) == 1
    assert notify.deliver([event]) == 0
    assert notify.tell(delivered(anna), delivered(anna), delivered(anna, 2)) == 3
    entries = talks.entries(anna)
    assert sorted(entry.message for entry in entries) == [message(1), message(2)]
    assert all(len(shop.all_told(entry.name)) == 1 for entry in entries)


@pytest.mark.requirement("N-08")
def test_what_was_not_handed_over_is_no_contact(shop: Shop, notify: Told, talks: CommunicationLog) -> None:
    """A message that failed or was suppressed stands in no log, and what else notify tells is passed over."""
    anna = shop.customer()
    failed = MessageFailed(message=message(1), customer=anna, channel=EMAIL)
    suppressed = MessageSuppressed(message=message(2), customer=anna)
    other = events_pb2.CustomerCreated(customer=anna)
    assert notify.tell(failed, suppressed, other, delivered(anna, 3)) == 4
    assert [entry.message for entry in talks.entries(anna)] == [message(3)]


@pytest.mark.requirement("N-08")
def test_who_is_not_there_is_passed_over(shop: Shop, notify: Told, talks: CommunicationLog) -> None:
    """Messages to staff, to nobody and to an erased customer hold nothing up; a merged file still gets its own."""
    anna, ben, carl = shop.customer(), shop.customer(), shop.customer()
    with shop.running.database.write() as tx:
        for name, state in ((ben, "ERASED"), (carl, "MERGED")):
            tx.execute(
                sa.text("UPDATE customers SET state = :state WHERE id = :id"),
                {"state": state, "id": name.removeprefix("customers/")},
            )
    told = [delivered(customer, number) for number, customer in enumerate(("", NOBODY, ben, anna, carl))]
    assert notify.tell(*told) == 5
    assert [len(talks.entries(customer)) for customer in (anna, ben, carl)] == [1, 0, 1]
    assert refused(talks.page, NOBODY).reason == "CUSTOMER_NOT_FOUND"
    with shop.running.database.read() as tx:
        assert notify.consumer.parked.count(tx) == 0
