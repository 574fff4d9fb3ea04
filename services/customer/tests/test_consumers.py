"""What tiering tells is shown beside a customer: the classes that the customer holds, in the caller's language."""

from __future__ import annotations

from google.protobuf.any_pb2 import Any as Packed

from chassis.consumer import Consumer
from chassis.events import partition_of
from chassis.ids import uuid7
from services.customer.consumers import TIERING, on_tiering
from services.customer.tables import CURSORS
from services.customer.tests.builders import Shop, at, by_phone, mobile, sale
from shuke.customer.v1 import customer_pb2
from shuke.event.v1 import event_pb2
from shuke.options.v1 import options_pb2
from shuke.tiering.v1 import events_pb2

ANNA = "+447700900123"


def changed(customer: str, to_class: str, position: int, scheme: str = "loyalty") -> event_pb2.Event:
    """Write the event of a class that a customer got."""
    told = events_pb2.MembershipChanged(
        customer=customer,
        scheme=f"schemes/{scheme}",
        to_class=to_class,
        to_display_name=options_pb2.Text(zh=f"{to_class} 会员", en=f"{to_class} member"),
        effective_time=at("2026-03-01 10:00"),
    )
    data = Packed()
    data.Pack(told)
    return event_pb2.Event(
        type=told.DESCRIPTOR.full_name, data=data, partition=partition_of(customer), position=position
    )


def listen(shop: Shop, *events: event_pb2.Event) -> int:
    """Deliver events to the service's consumer; answer how many took effect."""
    clock = shop.running.clock
    consumer = Consumer(shop.running.database, CURSORS, TIERING, on_tiering, clock=clock, new_id=uuid7(clock))
    return consumer.deliver(events, "first")


def classes(shop: Shop, language: str = "en") -> list[tuple[str, str, str]]:
    """Look the customer up and read her classes."""
    [match] = shop.look_up(by_phone(ANNA), language=language)
    assert list(match.classes) == list(shop.file(match.customer, language=language).classes)
    return [(held.scheme, held.class_key, held.display_name) for held in match.classes]


def test_classes_follow_what_tiering_tells(shop: Shop) -> None:
    """The last class of each scheme is shown, a class that ended is not, and a sale answers them too."""
    anna = shop.customer(contact_points=[mobile(ANNA)])
    assert classes(shop) == []
    assert listen(shop, changed(anna, "NEW", 1), changed(anna, "GOLD", 2), changed(anna, "A", 3, "value")) == 3
    assert classes(shop) == [("loyalty", "GOLD", "GOLD member"), ("value", "A", "A member")]
    assert classes(shop, language="zh-CN") == [("loyalty", "GOLD", "GOLD 会员"), ("value", "A", "A 会员")]
    answer = shop.record(sale("R1", customer=anna))
    assert answer.customer_classes[0] == customer_pb2.CustomerClass(
        scheme="loyalty", class_key="GOLD", display_name="GOLD member", since_time=at("2026-03-01 10:00")
    )
    assert listen(shop, changed(anna, "SILVER", 4), changed(anna, "", 5, "value")) == 2
    assert classes(shop) == [("loyalty", "SILVER", "SILVER member")]


def test_an_event_takes_effect_once(shop: Shop) -> None:
    """What is delivered again is skipped, and what lies beyond a gap waits for it."""
    anna = shop.customer(contact_points=[mobile(ANNA)])
    first, second, third = (changed(anna, key, position) for position, key in enumerate(("NEW", "SILVER", "GOLD"), 1))
    assert listen(shop, first) == 1
    assert listen(shop, third) == 0
    assert listen(shop, first, second) == 1
    assert listen(shop, first) == 0
    assert classes(shop) == [("loyalty", "SILVER", "SILVER member")]


def test_events_that_mean_nothing_here_are_passed_over(shop: Shop) -> None:
    """An event of another type moves the cursor and changes nothing."""
    anna = shop.customer(contact_points=[mobile(ANNA)])
    data = Packed()
    data.Pack(events_pb2.EvaluationCompleted())
    other = event_pb2.Event(
        type="shuke.tiering.v1.EvaluationCompleted", data=data, partition=partition_of(anna), position=1
    )
    assert listen(shop, other, changed(anna, "NEW", 2)) == 2
    assert classes(shop) == [("loyalty", "NEW", "NEW member")]
