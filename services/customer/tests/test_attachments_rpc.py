"""Attaching sales to customers over the wire: what moves with them, who is told, and what is refused."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from chassis import names
from services.customer.customers.tables import CUSTOMERS
from services.customer.tests.builders import (
    LEEDS,
    NOBODY,
    NOTHING,
    PURCHASES,
    YORK,
    Shop,
    alone,
    at,
    by_phone,
    day,
    gbp,
    line,
    mobile,
    refund,
    refused,
    sale,
)
from shuke.customer.v1 import events_pb2
from shuke.customer.v1 import purchases_pb2 as pb


def put_state(shop: Shop, customer: str, state: str) -> None:
    """Write a file's state: no method merges, erases or blocks yet."""
    with shop.running.database.write() as tx:
        mine = CUSTOMERS.c.id == names.identity(customer)
        tx.execute(sa.update(CUSTOMERS).where(mine).values(state=state))


@pytest.mark.requirement("C-21", "C-23")
def test_a_sale_moves_with_its_refunds(shop: Shop) -> None:
    """Sums, windows and lists of both customers are as if the sale had been the second one's from the beginning."""
    anna, ben = shop.customer(), shop.customer()
    sold = shop.record(sale("R1", line(1, 30_00, profit=6_00), customer=anna)).purchase
    back = shop.refund(refund("F1", line(1, 10_00, profit=2_00), original_purchase=sold.name, store=YORK)).refund
    moved = shop.attach(sold.name, ben)
    expected = pb.Purchase()
    expected.CopyFrom(sold)
    expected.MergeFrom(pb.Purchase(customer=ben, attach_reason="CARD_FORGOTTEN"))
    assert moved == expected == shop.purchase(sold.name)
    assert shop.refunded(back.name).customer == ben
    spend = shop.spend(ben)
    assert (spend.gross, spend.refunded, spend.net, spend.profit) == (gbp(30_00), gbp(10_00), gbp(20_00), gbp(4_00))
    for customer in (anna, ben):
        assert shop.spend(customer) == shop.spend(customer, first="2000-01-01")
    assert shop.spend(anna) == pb.SpendSummary(customer=anna, gross=gbp(0), refunded=gbp(0), net=gbp(0), profit=gbp(0))
    assert [one.name for one in shop.refunds(pb.ListRefundsRequest(customer=ben)).refunds] == [back.name]
    assert not shop.purchases(pb.ListPurchasesRequest(customer=anna)).purchases


@pytest.mark.requirement("C-22", "X-08")
def test_a_sale_of_nobodys_finds_its_customer(shop: Shop) -> None:
    """Whether no customer was named or none was found, the sale becomes hers, found by a key, and her first one."""
    anna = shop.customer(contact_points=[mobile("+447700900123")])
    anonymous = shop.record(sale("R1", time="09:00")).purchase
    pending = shop.record(sale("R2", customer=NOBODY, time="08:00"), settled=True).purchase
    assert (anonymous.customer_state, pending.customer_state) == (pb.Purchase.ANONYMOUS, pb.Purchase.PENDING)
    for sold in (anonymous, pending):
        moved = shop.attach(sold.name, lookup=by_phone("07700900123"))
        assert (moved.customer, moved.customer_state) == (anna, pb.Purchase.RESOLVED)
    assert list(shop.purchase(pending.name).anomalies) == [pb.Purchase.CUSTOMER_UNKNOWN]
    assert shop.record(sale("R1", time="09:00")).first_in_chain is False
    assert shop.record(sale("R2", customer=NOBODY, time="08:00"), settled=True).first_in_chain
    assert shop.spend(anna).purchase_count == 2


def test_the_same_customer_again_changes_nothing(shop: Shop) -> None:
    """It answers as before and is not told; the same request answers again, and may lead back by another one."""
    anna, ben = shop.customer(), shop.customer()
    name = shop.record(sale("R1", customer=anna)).purchase.name
    moved = shop.attach(name, ben, request_id="A1")
    before = len(shop.feed())
    assert shop.attach(name, ben) == shop.attach(name, ben, request_id="A1") == moved
    assert len(shop.feed()) == before
    assert shop.attach(name, anna, request_id="A2").customer == anna
    # The answer of the first request is kept; it does not move the sale again.
    assert shop.attach(name, ben, request_id="A1") == moved
    assert shop.purchase(name).customer == anna
    assert (shop.spend(anna).gross, shop.spend(ben).gross) == (gbp(10_00), gbp(0))


@pytest.mark.requirement("X-08", "X-29")
def test_both_sides_are_told(shop: Shop) -> None:
    """Who loses the sale hears when she now began, who gains it hears all that comes with it."""
    anna, ben = shop.customer(), shop.customer()
    name = shop.record(sale("R1", line(1, 30_00, profit=6_00), customer=anna, on="2026-02-27")).purchase.name
    back = shop.refund(refund("F1", line(1, 4_00, profit=1_00), original_purchase=name)).refund.name
    shop.refund(alone("F2", customer=anna))
    shop.attach(name, ben)
    told = {one.customer: one for one in shop.all_told(name) if isinstance(one, events_pb2.PurchaseAttached)}
    common = events_pb2.PurchaseAttached(
        purchase=name,
        kind=pb.Purchase.SALE,
        store=LEEDS,
        business_date=day("2026-02-27"),
        business_time=at("2026-02-27 10:00"),
        total=gbp(30_00),
        profit=gbp(6_00),
        profit_known=True,
        refunds=[
            events_pb2.PurchaseAttached.RefundMoved(
                refund=back,
                business_date=day("2026-03-01"),
                business_time=at("2026-03-01 15:00"),
                total=gbp(4_00),
                profit=gbp(1_00),
            )
        ],
    )
    lost = events_pb2.PurchaseAttached(
        customer=anna,
        side=events_pb2.LOST,
        other_customer=ben,
        remaining=events_pb2.Beginning(first_entry_date=day("2026-03-01")),
    )
    gained = events_pb2.PurchaseAttached(customer=ben, side=events_pb2.GAINED, other_customer=anna)
    for side in (lost, gained):
        side.MergeFrom(common)
    assert told == {anna: lost, ben: gained}
    orphan = shop.record(sale("R2")).purchase.name
    shop.attach(orphan, ben)
    [only] = [one for one in shop.all_told(orphan) if isinstance(one, events_pb2.PurchaseAttached)]
    assert (only.side, only.other_customer, only.HasField("remaining")) == (events_pb2.GAINED, "", False)


def test_business_is_attached_only_to_whom_business_is_done_with(shop: Shop) -> None:
    """An unknown, ambiguous, blocked, merged or erased customer is refused by name, and the sale stays where it is."""
    anna, ben = shop.customer(), shop.customer()
    for _ in range(2):
        shop.enrol(contact_points=[mobile("+447700900123")], accept_duplicates=True)
    name = shop.record(sale("R1", customer=anna)).purchase.name
    assert refused(shop.attach, name, NOBODY).reason == "CUSTOMER_UNKNOWN"
    assert refused(shop.attach, name, lookup=by_phone("07700900999")).reason == "CUSTOMER_UNKNOWN"
    assert refused(shop.attach, name, lookup=by_phone("07700900123")).reason == "CUSTOMER_AMBIGUOUS"
    for state in ("BLOCKED", "MERGED", "ERASED"):
        put_state(shop, ben, state)
        refusal = refused(shop.attach, name, ben)
        assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", f"CUSTOMER_{state}")
        assert refusal.metadata == {"name": ben}
    assert shop.purchase(name).customer == anna


def test_what_cannot_be_attached_is_told(shop: Shop) -> None:
    """Too old, voided, unknown or another store's sales stay; nobody or two at once are wrong fields."""
    anna, ben = shop.customer(), shop.customer()
    old = shop.record(sale("R1", customer=anna, on="2025-12-01")).purchase.name
    late = refused(shop.attach, old, ben)
    assert (late.code, late.reason) == ("FAILED_PRECONDITION", "ATTACH_TOO_LATE")
    assert late.metadata == {"name": old, "days": "90"}
    assert shop.attach(shop.record(sale("R2", customer=anna, on="2025-12-02")).purchase.name, ben).customer == ben
    name = shop.record(sale("R3", customer=anna)).purchase.name
    assert refused(shop.attach, name, ben, stores=(YORK,)).reason == "STORE_FOREIGN"
    assert refused(shop.attach, NOTHING, ben).reason == "PURCHASE_NOT_FOUND"
    assert refused(shop.attach, name).fields == {"customer": "CUSTOMER_UNNAMED"}
    twice = refused(shop.attach, name, ben, lookup=by_phone("07700900123"))
    assert twice.fields == {"customer_lookup": "CUSTOMER_NAMED_TWICE"}
    empty = refused(shop.running.call, PURCHASES, "AttachPurchase", pb.AttachPurchaseRequest())
    assert empty.fields == {"name": "STRING_PATTERN", "reason": "STRING_PATTERN"}
    shop.void(name)
    assert refused(shop.attach, name, ben).reason == "PURCHASE_VOIDED"
