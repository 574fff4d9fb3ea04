"""Sales over the wire: recorded once, with what a till wants to know at once."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from services.customer.customers.tables import CUSTOMERS
from services.customer.tests.builders import (
    LEEDS,
    NOBODY,
    YORK,
    Shop,
    alone,
    at,
    by_phone,
    gbp,
    line,
    mail,
    mobile,
    refused,
    sale,
)
from shuke.customer.v1 import customer_pb2
from shuke.customer.v1 import purchases_pb2 as pb

ANNA, BEN = "+447700900123", "+447700900456"


def block(shop: Shop, name: str) -> None:
    """Block a customer; no RPC does so yet."""
    mine = CUSTOMERS.c.id == name.removeprefix("customers/")
    with shop.running.database.write() as tx:
        tx.execute(sa.update(CUSTOMERS).where(mine).values(state="BLOCKED"))


@pytest.mark.requirement("C-21", "C-24", "C-26")
def test_a_sale_comes_back_as_it_was_sent(shop: Shop) -> None:
    """Every field that a till can fill is kept and answered, by RecordPurchase and by GetPurchase."""
    sent = sale(
        "R1",
        line(
            3,
            19_99,
            "0.250",
            "KETTLE",
            kind=pb.Line.GOODS,
            product_name="电水壶",
            category="KITCHEN",
            model="K-17",
            specification="1.7 l, 220 V",
            serial_no="SN-1",
            list_amount=24_99,
            tax=3_33,
            profit=-50,
        ),
        line(1, 0, "2", "BAG"),
        line(7, 5_00, "1", "FIT", kind=pb.Line.SERVICE, profit=0),
        customer=shop.customer(),
        kind=pb.Purchase.CONTRACT,
        adjustments=[
            pb.Adjustment(kind=pb.Adjustment.DISCOUNT, amount=gbp(-1_00)),
            pb.Adjustment(kind=pb.Adjustment.ROUNDING, amount=gbp(1)),
        ],
        tenders=[
            pb.Tender(kind=pb.Tender.CASH, amount=gbp(4_00)),
            pb.Tender(kind=pb.Tender.ALIPAY, amount=gbp(20_00)),
        ],
        total=gbp(24_00),
        operator="O1",
        sales_staff="S1",
        group_order="G-1",
    )
    answer = shop.record(sent)
    assert not answer.replayed
    expected = pb.Purchase()
    expected.CopyFrom(sent)
    expected.MergeFrom(
        pb.Purchase(
            name=answer.purchase.name,
            customer_state=pb.Purchase.RESOLVED,
            create_time=at("2026-03-02 04:00"),
            state=pb.Purchase.RECORDED,
        )
    )
    expected.lines[0].quantity = "0.25"
    expected.lines[1].kind = pb.Line.GOODS
    assert answer.purchase == expected == shop.purchase(answer.purchase.name)


def test_a_till_need_not_say_much(shop: Shop) -> None:
    """The least that a till may send is an anonymous sale of goods, with the operator that the caller is."""
    answer = shop.record(sale("R1"), operator="O7")
    assert answer.purchase.customer_state == pb.Purchase.ANONYMOUS
    assert (answer.purchase.kind, answer.purchase.lines[0].kind) == (pb.Purchase.SALE, pb.Line.GOODS)
    assert (answer.purchase.customer, answer.purchase.operator) == ("", "O7")
    assert (answer.first_in_chain, answer.first_in_store, list(answer.purchase.anomalies)) == (False, False, [])


@pytest.mark.requirement("C-23")
def test_a_receipt_counts_once(shop: Shop) -> None:
    """The same receipt with the same content is answered as replayed, and counts no second time."""
    anna = shop.customer()
    first = shop.record(sale("R1", customer=anna))
    again = shop.record(sale("R1", customer=anna, operator="O2", tenders=[], time="11:00"))
    assert (first.replayed, again.replayed) == (False, True)
    assert again.purchase == first.purchase
    assert (again.first_in_chain, again.first_in_store) == (True, True)
    assert shop.spend(anna).purchase_count == 1
    assert [event.subject for event in shop.feed() if event.type.endswith("PurchaseRecorded")] == [first.purchase.name]


def test_a_replay_is_not_judged_again(shop: Shop) -> None:
    """What was recorded stays recorded: sent again, neither a blocked customer nor a new name is looked at."""
    anna = shop.customer()
    first = shop.record(sale("R1", customer=anna))
    block(shop, anna)
    for customer in (anna, NOBODY, ""):
        again = shop.record(sale("R1", customer=customer))
        assert again.replayed
        assert again.purchase == first.purchase


CHANGED = {
    "total": sale("R1", line(1, 10_01)),
    "sku": sale("R1", line(sku="COFFEE")),
    "quantity": sale("R1", line(quantity="2")),
    "line number": sale("R1", line(2)),
    "another line": sale("R1", line(), line(2, 0)),
    "adjustment": sale(
        "R1", line(1, 11_00), adjustments=[pb.Adjustment(kind=pb.Adjustment.OTHER, amount=gbp(-1_00))], total=gbp(10_00)
    ),
}


@pytest.mark.parametrize("changed", CHANGED)
def test_another_content_under_a_receipt_is_a_conflict(shop: Shop, changed: str) -> None:
    """A known receipt with other content is refused, settled or not, and nothing changes."""
    first = shop.record(sale("R1"))
    for settled in (False, True):
        refusal = refused(shop.record, CHANGED[changed], settled=settled)
        assert (refusal.code, refusal.reason) == ("ALREADY_EXISTS", "RECEIPT_CONFLICT")
        assert refusal.metadata == {"receipt": "LEEDS/T1/2026-03-01/R1", "name": first.purchase.name}
    assert shop.purchase(first.purchase.name) == first.purchase


def test_receipts_differ_in_each_part_of_their_key(shop: Shop) -> None:
    """Store, terminal, business date and number together are the key; a refund's is another one."""
    base = sale("R1")
    others = [sale("R1", store=YORK), sale("R1", on="2026-02-28"), sale("R2"), sale("R1"), sale("R1")]
    others[3].receipt.terminal, others[4].receipt.terminal = "T2", ""
    assert not any(shop.record(each).replayed for each in (base, *others))
    assert all(shop.record(each).replayed for each in (base, *others))


@pytest.mark.requirement("C-22", "X-08")
def test_the_first_sale_is_first_by_its_own_time(shop: Shop) -> None:
    """First in chain and in store is the sale with the earliest business time, also when it arrives late."""
    anna = shop.customer()
    noon = shop.record(sale("R1", customer=anna, time="12:00"))
    assert (noon.first_in_chain, noon.first_in_store) == (True, True)
    later = shop.record(sale("R2", customer=anna, time="13:00"))
    assert (later.first_in_chain, later.first_in_store) == (False, False)
    york = shop.record(sale("R3", customer=anna, time="14:00", store=YORK))
    assert (york.first_in_chain, york.first_in_store) == (False, True)
    late = shop.record(sale("R4", customer=anna, time="09:00", store=YORK, on="2026-02-20"))
    assert (late.first_in_chain, late.first_in_store) == (True, True)
    again = [shop.record(sale(number, customer=anna, store=store)) for number, store in (("R1", LEEDS), ("R3", YORK))]
    assert [(each.replayed, each.first_in_chain, each.first_in_store) for each in again] == [
        (True, False, True),
        (True, False, False),
    ]
    assert shop.file(anna).first_purchase_time == at("2026-02-20 09:00")
    assert shop.file(anna).last_purchase_time == at("2026-03-01 14:00")


@pytest.mark.requirement("X-08", "X-09")
def test_a_free_sale_is_a_first_one_and_a_refund_is_not(shop: Shop) -> None:
    """A sale with a total of zero is a purchase; a refund before any sale leaves the first purchase due."""
    anna = shop.customer(contact_points=[mobile(ANNA)])
    shop.refund(alone("B1", customer=anna))
    assert shop.look_up(by_phone(ANNA))[0].first_purchase_due
    free = shop.record(sale("R2", line(amount=0), customer=anna))
    assert (free.first_in_chain, free.first_in_store) == (True, True)
    assert free.purchase.HasField("total")
    assert not shop.look_up(by_phone(ANNA))[0].first_purchase_due


LOOKUPS = {
    "international phone": customer_pb2.CustomerLookup(phone=ANNA),
    "national phone": customer_pb2.CustomerLookup(phone="07700 900123"),
    "e-mail": customer_pb2.CustomerLookup(email="anna@EXAMPLE.com"),
    "member code": customer_pb2.CustomerLookup(member_code="M-0001"),
    "external id": customer_pb2.CustomerLookup(
        external_id=customer_pb2.ExternalId(system="webshop", value="W-1"),
    ),
}


@pytest.mark.parametrize("key", LOOKUPS)
def test_a_customer_is_found_by_what_she_tells(shop: Shop, key: str) -> None:
    """A sale reaches its customer by telephone, e-mail, member code or another system's id."""
    anna = shop.customer(
        contact_points=[mobile(ANNA), mail("anna@example.com")],
        member_code="M-0001",
        external_ids=[customer_pb2.ExternalId(system="webshop", value="W-1")],
    )
    shop.customer(
        member_code="W-1",
        contact_points=[mobile(BEN)],
        external_ids=[customer_pb2.ExternalId(system="erp", value="M-0001")],
    )
    answer = shop.record(sale("R1", customer_lookup=LOOKUPS[key]))
    assert (answer.purchase.customer, answer.purchase.customer_state) == (anna, pb.Purchase.RESOLVED)
    assert not answer.purchase.HasField("customer_lookup")
    assert shop.spend(anna).purchase_count == 1


ODD: dict[str, dict[str, Any]] = {
    "CUSTOMER_UNKNOWN": {"customer": NOBODY},
    "CUSTOMER_AMBIGUOUS": {"customer_lookup": by_phone(ANNA)},
    "CUSTOMER_BLOCKED": {"customer_lookup": by_phone(BEN)},
    "TIME_IN_FUTURE": {"business_time": at("2026-03-02 04:05:01")},
}


@pytest.mark.parametrize("oddity", ODD)
def test_an_odd_fact_is_recorded_and_an_odd_command_is_not(shop: Shop, oddity: str) -> None:
    """Each oddity is refused without `settled`, and recorded and named with it."""
    for _ in range(2):
        shop.customer(contact_points=[mobile(ANNA)], accept_duplicates=True)
    ben = shop.customer(contact_points=[mobile(BEN)])
    block(shop, ben)
    odd = sale("R1", **ODD[oddity])
    refusal = refused(shop.record, odd)
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", oddity)
    answer = shop.record(odd, settled=True)
    assert not answer.replayed
    assert list(answer.purchase.anomalies) == [pb.Purchase.Anomaly.Value(oddity)]
    assert shop.purchase(answer.purchase.name) == answer.purchase
    state, customer = {
        "CUSTOMER_BLOCKED": (pb.Purchase.RESOLVED, ben),
        "TIME_IN_FUTURE": (pb.Purchase.ANONYMOUS, ""),
    }.get(oddity, (pb.Purchase.PENDING, ""))
    assert (answer.purchase.customer_state, answer.purchase.customer) == (state, customer)


def test_several_oddities_are_all_named(shop: Shop) -> None:
    """A settled sale of an unknown customer on tomorrow's date carries both anomalies."""
    answer = shop.record(sale("R1", customer=NOBODY, on="2026-03-03"), settled=True)
    assert list(answer.purchase.anomalies) == [pb.Purchase.CUSTOMER_UNKNOWN, pb.Purchase.TIME_IN_FUTURE]


def test_a_tills_clock_may_run_a_little_ahead(shop: Shop) -> None:
    """Five minutes ahead is no future; the business date is held against the chain's own day."""
    shop.record(sale("R1", business_time=at("2026-03-02 04:05"), on="2026-03-02"))
    shop.running.clock.now += 20 * 3600 * 1_000_000 - 1
    assert refused(shop.record, sale("R2", on="2026-03-03", time="00:00")).reason == "TIME_IN_FUTURE"
    shop.running.clock.now += 1
    shop.record(sale("R2", on="2026-03-03", time="00:00"))


@pytest.mark.requirement("C-32")
def test_all_stores_see_one_customer(shop: Shop) -> None:
    """A till of one store records for a customer that another store's till enrolled; all adds up in one file."""
    anna = shop.customer(contact_points=[mobile(ANNA)], caller={"stores": (LEEDS,)})
    york = shop.record(sale("R1", customer_lookup=by_phone(ANNA), store=YORK), stores=(YORK,))
    leeds = shop.record(sale("R1", customer_lookup=by_phone(ANNA)), stores=(LEEDS,))
    assert york.purchase.customer == leeds.purchase.customer == anna
    assert shop.spend(anna, stores=(YORK,)).purchase_count == 2


def test_a_sale_does_not_touch_the_file(shop: Shop) -> None:
    """The customer's version and update time stay what they were, whoever edits the file at that moment."""
    anna = shop.customer()
    before = shop.file(anna)
    shop.running.clock.now += 1_000_000
    shop.record(sale("R1", customer=anna))
    after = shop.file(anna)
    assert (after.etag, after.update_time) == (before.etag, before.update_time)
