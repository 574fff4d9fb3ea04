"""Voiding sales over the wire: what counts no longer, what still stands, and what is refused."""

from __future__ import annotations

import pytest

from services.customer.tests.builders import (
    LEEDS,
    NOTHING,
    PURCHASES,
    YESTERDAY,
    YORK,
    Shop,
    alone,
    at,
    day,
    gbp,
    line,
    receipt,
    refund,
    refused,
    sale,
)
from shuke.customer.v1 import events_pb2
from shuke.customer.v1 import purchases_pb2 as pb


@pytest.mark.requirement("C-21", "C-23")
def test_a_voided_sale_stands_and_counts_nowhere(shop: Shop) -> None:
    """It is answered with state, time, reason and approver by every read; sums and windows are those without it."""
    anna = shop.customer()
    kept = shop.record(sale("R1", line(1, 30_00, profit=5_00), customer=anna)).purchase
    wrong = shop.record(sale("R2", line(1, 99_00), customer=anna, time="11:00", store=YORK)).purchase
    voided = shop.void(wrong.name, approver="M1")
    expected = pb.Purchase()
    expected.CopyFrom(wrong)
    expected.MergeFrom(
        pb.Purchase(
            state=pb.Purchase.VOIDED,
            void_time=at("2026-03-02 04:00"),
            void_reason="KEYED_WRONG",
            void_approver="M1",
        )
    )
    assert voided == expected == shop.purchase(wrong.name)
    spend = shop.spend(anna)
    assert (spend.gross, spend.purchase_count, spend.profit) == (gbp(30_00), 1, gbp(5_00))
    assert spend.profit_unknown_count == 0
    assert spend.last_purchase_time == at(f"{YESTERDAY} 10:00")
    assert spend == shop.spend(anna, first="2000-01-01")
    assert shop.spend(anna, first=YESTERDAY, last=YESTERDAY).gross == gbp(30_00)
    listed = shop.purchases(pb.ListPurchasesRequest(customer=anna)).purchases
    assert {one.name: one.state for one in listed} == {kept.name: pb.Purchase.RECORDED, wrong.name: pb.Purchase.VOIDED}
    again = shop.record(sale("R2", line(1, 99_00), customer=anna, time="11:00", store=YORK))
    assert (again.replayed, again.purchase, again.first_in_store) == (True, expected, False)


@pytest.mark.requirement("C-22", "X-08")
def test_another_sale_is_the_first_once_the_first_is_voided(shop: Shop) -> None:
    """First in chain and in store is the earliest of what remains; with nothing left the next sale is the first."""
    anna = shop.customer()
    sold = [sale(f"R{number}", customer=anna, time=f"{10 + number}:00") for number in range(3)]
    names = [shop.record(one).purchase.name for one in sold]
    assert [shop.record(one).first_in_chain for one in sold] == [True, False, False]
    shop.void(names[0])
    answers = [shop.record(one) for one in sold]
    assert [(one.first_in_chain, one.first_in_store) for one in answers] == [
        (False, False),
        (True, True),
        (False, False),
    ]
    for name in names[1:]:
        shop.void(name)
    assert not shop.spend(anna).HasField("first_purchase_time")
    assert shop.record(sale("R9", customer=anna, time="20:00")).first_in_chain


@pytest.mark.requirement("X-29")
def test_of_a_voided_sale_nothing_is_given_back(shop: Shop) -> None:
    """A refund of it is refused, and settled recorded with an anomaly; looking it up shows that nothing is left."""
    name = shop.record(sale("R1", line(1, 30_00, "3"))).purchase.name
    shop.void(name)
    looked = shop.running.call(PURCHASES, "LookupPurchase", pb.LookupPurchaseRequest(receipt=receipt("R1")))
    assert (looked.purchase.state, looked.total_left) == (pb.Purchase.VOIDED, gbp(0))
    assert [(one.quantity, one.amount) for one in looked.lines_left] == [("0", gbp(0))]
    for given in (refund("F1", original_purchase=name), refund("F1", original_receipt=receipt("R1"))):
        refusal = refused(shop.refund, given)
        assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "PURCHASE_VOIDED")
        assert refusal.metadata == {"name": name}
    settled = shop.refund(refund("F1", original_purchase=name), settled=True).refund
    assert (settled.state, list(settled.anomalies)) == (pb.Refund.LINKED, [pb.Purchase.PURCHASE_VOIDED])


def test_a_sale_with_refunds_is_not_voided(shop: Shop) -> None:
    """Once something was given back the sale stays, settled or not."""
    anna = shop.customer()
    name = shop.record(sale("R1", customer=anna)).purchase.name
    shop.refund(refund("F1", line(1, 1), original_purchase=name))
    for settled in (False, True):
        refusal = refused(shop.void, name, settled=settled)
        assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "PURCHASE_HAS_REFUNDS")
        assert refusal.metadata == {"name": name}
    assert shop.spend(anna).gross == gbp(10_00)


def test_a_sale_is_voided_once(shop: Shop) -> None:
    """The same request answers again; another one is told that it was voided, and the sums move once."""
    anna = shop.customer()
    name = shop.record(sale("R1", customer=anna)).purchase.name
    shop.record(sale("R2", customer=anna))
    first = shop.void(name, request_id="void-1")
    assert shop.void(name, request_id="void-1") == first
    assert refused(shop.void, name, request_id="void-2").reason == "PURCHASE_VOIDED"
    assert refused(shop.void, name, settled=True).reason == "PURCHASE_VOIDED"
    assert refused(shop.void, name, approver="M1", request_id="void-1").reason == "REQUEST_ID_REUSED"
    assert shop.spend(anna).gross == gbp(10_00)


def test_an_old_sale_needs_an_approver(shop: Shop) -> None:
    """A sale of the day before is voided freely, an older one with an approver or as a fact."""
    names = [shop.record(sale(f"R{number}", on="2026-02-28")).purchase.name for number in range(2)]
    refusal = refused(shop.void, names[0])
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "VOID_APPROVER_MISSING")
    assert refusal.metadata == {"field": "approver", "days": "1"}
    assert shop.void(names[0], approver="M1").void_approver == "M1"
    assert shop.void(names[1], settled=True).state == pb.Purchase.VOIDED
    assert shop.void(shop.record(sale("R3", on=YESTERDAY)).purchase.name).state == pb.Purchase.VOIDED


def test_what_cannot_be_voided_is_told(shop: Shop) -> None:
    """What does not exist is NOT_FOUND, a refund's name is malformed, and another store's sale is denied."""
    missing = refused(shop.void, NOTHING)
    assert (missing.code, missing.reason, missing.metadata) == ("NOT_FOUND", "PURCHASE_NOT_FOUND", {"name": NOTHING})
    back = shop.refund(alone("F1")).refund.name
    assert refused(shop.void, back).fields == {"name": "STRING_PATTERN"}
    assert refused(shop.void, back.replace("refunds", "purchases")).reason == "PURCHASE_NOT_FOUND"
    name = shop.record(sale("R1")).purchase.name
    foreign = refused(shop.void, name, stores=(YORK,))
    assert (foreign.code, foreign.reason, foreign.metadata) == ("PERMISSION_DENIED", "STORE_FOREIGN", {"store": LEEDS})
    assert shop.void(name, stores=(LEEDS,)).state == pb.Purchase.VOIDED
    empty = refused(shop.running.call, PURCHASES, "VoidPurchase", pb.VoidPurchaseRequest(approver="x" * 33))
    assert empty.fields == dict.fromkeys(("name", "reason", "approver"), "STRING_PATTERN")


@pytest.mark.requirement("X-08", "X-29")
def test_a_void_is_told_with_what_remains(shop: Shop) -> None:
    """PurchaseVoided carries what the sale counted, and when the customer now began: by the rest, refunds included."""
    anna = shop.customer()
    name = shop.record(sale("R1", line(1, 9_00, profit=2_00), customer=anna, time="08:00")).purchase.name
    shop.refund(alone("F1", customer=anna, on="2026-02-27"))
    shop.record(sale("R2", customer=anna, on="2026-02-28", time="09:00"))
    shop.void(name)
    told = [event for event in shop.all_told(name) if isinstance(event, events_pb2.PurchaseVoided)]
    assert told == [
        events_pb2.PurchaseVoided(
            purchase=name,
            customer=anna,
            kind=pb.Purchase.SALE,
            store=LEEDS,
            business_date=day(YESTERDAY),
            business_time=at(f"{YESTERDAY} 08:00"),
            total=gbp(9_00),
            profit=gbp(2_00),
            profit_known=True,
            remaining=events_pb2.Beginning(
                first_entry_date=day("2026-02-27"),
                first_sale_date=day("2026-02-28"),
                first_sale_time=at("2026-02-28 09:00"),
            ),
        )
    ]


def test_a_void_of_the_only_entry_leaves_nothing(shop: Shop) -> None:
    """Where nothing is left the beginning is there and empty; a sale of nobody's tells of none."""
    mine = shop.record(sale("R1", customer=shop.customer())).purchase.name
    nobodys = shop.record(sale("R2")).purchase.name
    told = []
    for name in (mine, nobodys):
        shop.void(name)
        told += [event for event in shop.all_told(name) if isinstance(event, events_pb2.PurchaseVoided)]
    assert [event.HasField("remaining") for event in told] == [True, False]
    assert told[0].remaining == events_pb2.Beginning()
