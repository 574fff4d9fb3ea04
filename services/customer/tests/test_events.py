"""What other services hear: one lean event for each change, without a word about a person."""

from __future__ import annotations

import hashlib

import pytest
from google.type.postal_address_pb2 import PostalAddress

from services.customer.tests.builders import (
    LEEDS,
    NOBODY,
    YESTERDAY,
    YORK,
    Shop,
    alone,
    at,
    day,
    gbp,
    line,
    mail,
    mobile,
    receipt,
    refund,
    refused,
    sale,
)
from shuke.customer.v1 import customer_pb2, events_pb2
from shuke.customer.v1 import purchases_pb2 as pb
from shuke.event.v1 import event_pb2, event_pb2_grpc


def test_an_enrolment_is_told(shop: Shop) -> None:
    """CustomerCreated carries the name of record, the store and the state."""
    name = shop.customer()
    assert shop.told(name) == events_pb2.CustomerCreated(
        customer=name, home_store=LEEDS, state=customer_pb2.Customer.PROVISIONAL
    )


@pytest.mark.requirement("C-24")
def test_a_sale_is_told(shop: Shop) -> None:
    """PurchaseRecorded carries whose, where, when and how much, and whether the profit is known."""
    anna = shop.customer()
    given = sale("R1", line(1, 10_00, profit=2_50), line(2, 5_00, profit=-50), customer=anna, store=YORK)
    name = shop.record(given).purchase.name
    expected = events_pb2.PurchaseRecorded(
        purchase=name,
        customer=anna,
        kind=pb.Purchase.SALE,
        store=YORK,
        business_date=day(YESTERDAY),
        business_time=at(f"{YESTERDAY} 10:00"),
        total=gbp(15_00),
        profit=gbp(2_00),
        profit_known=True,
    )
    assert shop.told(name) == expected
    contract = sale("R2", line(1, 10_00, profit=1_00), line(2, 5_00), kind=pb.Purchase.CONTRACT, customer=anna)
    told = shop.told(shop.record(contract).purchase.name)
    assert isinstance(told, events_pb2.PurchaseRecorded)
    assert (told.kind, told.profit, told.profit_known) == (pb.Purchase.CONTRACT, gbp(1_00), False)


def test_a_sale_of_nobody_is_told_without_a_customer(shop: Shop) -> None:
    """Anonymous and pending sales are told too, and ordered by their own name."""
    for number, customer in (("R1", ""), ("R2", NOBODY)):
        name = shop.record(sale(number, customer=customer), settled=True).purchase.name
        told = shop.told(name)
        assert isinstance(told, events_pb2.PurchaseRecorded)
        assert told.customer == ""
        [event] = [event for event in shop.feed() if event.subject == name]
        assert event.partition_key == name


def test_a_refund_is_told(shop: Shop) -> None:
    """PurchaseRefunded carries what was given back, positive, and the day of the sale that it gives back."""
    anna = shop.customer()
    name = shop.record(sale("R1", customer=anna, on="2026-02-01")).purchase.name
    given = refund("F1", line(1, 4_00, profit=1_00), original_purchase=name, store=YORK)
    refund_name = shop.refund(given).refund.name
    assert shop.told(refund_name) == events_pb2.PurchaseRefunded(
        refund=refund_name,
        original_purchase=name,
        original_business_date=day("2026-02-01"),
        customer=anna,
        kind=pb.Purchase.SALE,
        store=YORK,
        business_date=day(YESTERDAY),
        business_time=at(f"{YESTERDAY} 15:00"),
        total=gbp(4_00),
        profit=gbp(1_00),
        profit_known=True,
    )


def test_a_refund_without_a_sale_tells_no_day_of_one(shop: Shop) -> None:
    """A refund that waits or stands alone names neither purchase nor day of an original."""
    for given in (alone("F1"), refund("F2", original_receipt=receipt("R1"))):
        told = shop.told(shop.refund(given).refund.name)
        assert isinstance(told, events_pb2.PurchaseRefunded)
        assert (told.original_purchase, told.HasField("original_business_date")) == ("", False)
        assert (told.kind, told.profit_known) == (pb.Purchase.SALE, False)


def test_what_is_refused_or_known_is_not_told(shop: Shop) -> None:
    """A refusal, a replay and a list of matches give no event; a batch gives one for each item that is new."""
    anna = shop.customer(enrolment_ref="E1", contact_points=[mobile("+447700900123")], display_name="")
    shop.record(sale("R1", customer=anna))
    shop.refund(alone("F1", customer=anna))
    before = list(shop.feed())
    assert len(before) == 3
    shop.enrol(enrolment_ref="E1", contact_points=[mobile("+447700900123")], display_name="")
    shop.enrol(enrolment_ref="E2", contact_points=[mobile("+447700900123")])
    shop.record(sale("R1", customer=anna))
    shop.refund(alone("F1", customer=anna))
    refused(shop.record, sale("R2", customer=NOBODY))
    refused(shop.refund, refund("F2", original_purchase=NOBODY.replace("customers", "purchases")))
    assert list(shop.feed()) == before
    shop.record_all(sale("R1"), sale("R3"), sale("R3"), pb.Purchase(), sale("R4"))
    assert len(shop.feed()) == 5


def test_the_events_of_a_customer_stand_in_order(shop: Shop) -> None:
    """All that concerns a customer lies in her partition, densely numbered, in the order in which it happened."""
    anna = shop.customer()
    names = [anna]
    for number in range(5):
        names.append(shop.record(sale(f"R{number}", customer=anna)).purchase.name)
        names.append(shop.refund(refund(f"F{number}", original_receipt=receipt(f"R{number}"))).refund.name)
    shop.customer()
    mine = [event for event in shop.feed() if event.partition_key == anna]
    assert [event.subject for event in mine] == names
    assert {event.partition for event in mine} == {hashlib.sha256(anna.encode()).digest()[0] % 16}
    positions = [event.position for event in mine]
    assert positions == sorted(positions)
    assert {event.source for event in mine} == {"customer.shuke"}


@pytest.mark.requirement("G-22")
def test_no_event_holds_personal_data(shop: Shop) -> None:
    """Neither name, telephone, e-mail, address, card nor foreign id of a customer stands in any event."""
    shop.enrol(
        contact_points=[mobile("+447700900123"), mail("zhoulan@example.com")],
        display_name="周岚",
        address=PostalAddress(region_code="GB", locality="Ambleside", address_lines=["17 Heron Lane"]),
        member_code="CARD-777",
        external_ids=[customer_pb2.ExternalId(system="webshop", value="zhou-lan-web")],
    )
    lookup = customer_pb2.CustomerLookup(phone="07700900123")
    name = shop.record(sale("R1", line(1, product_name="Kettle"), customer_lookup=lookup)).purchase.name
    shop.refund(refund("F1", original_purchase=name))
    log = b"".join(event.SerializeToString() for event in shop.feed())
    assert len(shop.feed()) == 3
    for secret in ("周", "岚", "7700900123", "zhoulan", "Heron", "Ambleside", "CARD-777", "zhou-lan", "Kettle"):
        assert secret.encode() not in log


def test_the_feed_is_for_services(shop: Shop) -> None:
    """The feed needs a permission that no till has."""
    for permissions in (("customer.*",), ("events.write",)):
        request = event_pb2.ReadEventsRequest(cursors=[event_pb2.Cursor(partition=0, position=0)])
        refusal = refused(
            shop.running.call, event_pb2_grpc.EventFeedServiceStub, "ReadEvents", request, permissions=permissions
        )
        assert (refusal.reason, refusal.metadata) == ("PERMISSION_MISSING", {"permission": "events.read"})
