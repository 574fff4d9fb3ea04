"""Exchanges over the wire: a refund and a sale in one, both or neither."""

from __future__ import annotations

import pytest

from services.customer.tests.builders import (
    LEEDS,
    NOTHING,
    PURCHASES,
    YORK,
    Shop,
    gbp,
    line,
    receipt,
    refund,
    refused,
    sale,
)
from shuke.customer.v1 import purchases_pb2 as pb


@pytest.mark.requirement("C-21", "C-23", "C-26")
def test_an_exchange_is_a_refund_and_a_sale(shop: Shop) -> None:
    """Both bear one number, belong to the original's customer and are answered in full; again they are replays."""
    anna = shop.customer()
    original = shop.record(sale("R1", line(1, 50_00), customer=anna)).purchase.name
    back = refund("X1", line(1, 50_00, original_line_no=1), original_purchase=original)
    kettle = line(1, 60_00, sku="KETTLE", model="K-2", specification="1.7 l", serial_no="SN-9")
    answers = [shop.exchange(back, sale("X1", kettle, time="15:00")) for _ in range(2)]
    assert [(one.refund.replayed, one.purchase.replayed) for one in answers] == [(False, False), (True, True)]
    given, sold = answers[0].refund.refund, answers[0].purchase.purchase
    assert (given, sold) == (answers[1].refund.refund, answers[1].purchase.purchase)
    assert (given.state, given.original_purchase, given.customer) == (pb.Refund.LINKED, original, anna)
    assert sold == shop.purchase(sold.name)
    assert (sold.customer, sold.lines[0].model, sold.lines[0].serial_no) == (anna, "K-2", "SN-9")
    assert not answers[0].purchase.first_in_chain
    assert shop.spend(anna).net == gbp(60_00)
    told = [event.type.rpartition(".")[2] for event in shop.feed() if event.partition_key == anna]
    assert told == ["CustomerCreated", "PurchaseRecorded", "PurchaseRefunded", "PurchaseRecorded"]


def test_an_exchange_that_does_not_fit_is_refused_whole(shop: Shop) -> None:
    """Where either half is refused neither is recorded; settled, both are, with what is odd about them."""
    anna, ben = shop.customer(), shop.customer()
    original = shop.record(sale("R1", customer=anna)).purchase.name
    before = len(shop.feed())
    over = refund("X1", line(1, 10_01), original_purchase=original)
    fits = refund("X1", original_purchase=original)
    cases = [
        (over, sale("X1"), "OVER_REFUND"),
        (fits, sale("X1", on="2026-03-09"), "TIME_IN_FUTURE"),
        (fits, sale("X1", customer="customers/00000000-0000-7000-8000-000000000000"), "CUSTOMER_UNKNOWN"),
        (fits, sale("R1", line(1, 7_00), customer=anna), "RECEIPT_CONFLICT"),
        (refund("X1", original_purchase=original, customer=ben), sale("X1"), "ORIGINAL_CUSTOMER_DIFFERS"),
        (refund("X1", original_purchase=NOTHING), sale("X1"), "ORIGINAL_NOT_FOUND"),
        (refund("X1", original_receipt=receipt("R9")), sale("X1"), "RECEIPT_NOT_FOUND"),
    ]
    for given, sold, reason in cases:
        assert refused(shop.exchange, given, sold).reason == reason
    assert len(shop.feed()) == before
    assert shop.spend(anna).net == gbp(10_00)
    answer = shop.exchange(over, sale("X1", on="2026-03-09"), settled=True)
    assert list(answer.refund.refund.anomalies) == [pb.Purchase.OVER_REFUND]
    assert list(answer.purchase.purchase.anomalies) == [pb.Purchase.TIME_IN_FUTURE]
    assert shop.spend(anna).net == gbp(10_00 - 10_01 + 10_00)


def test_a_settled_exchange_may_come_before_the_sale_that_it_takes_back(shop: Shop) -> None:
    """Its refund waits and finds its sale; its own sale is whose the refund was by then, here the named customer's."""
    anna = shop.customer()
    early = refund("X1", line(1, 10_00), original_receipt=receipt("R1"), customer=anna)
    answer = shop.exchange(early, sale("X1", line(1, 15_00)), settled=True)
    assert (answer.refund.refund.state, answer.purchase.purchase.customer) == (pb.Refund.AWAITING_SALE, anna)
    shop.record(sale("R1", customer=anna))
    assert shop.refunded(answer.refund.refund.name).state == pb.Refund.LINKED
    assert shop.spend(anna).net == gbp(15_00)


def test_an_exchange_may_take_back_what_it_sells(shop: Shop) -> None:
    """A settled exchange whose refund names its own sale's receipt leaves both linked, and nothing left."""
    anna = shop.customer()
    own = refund("X1", original_receipt=receipt("X1"), customer=anna)
    answer = shop.exchange(own, sale("X1"), settled=True)
    linked = shop.refunded(answer.refund.refund.name)
    assert (linked.original_purchase, linked.state) == (answer.purchase.purchase.name, pb.Refund.LINKED)
    assert shop.spend(anna).net == gbp(0)


def test_all_that_is_wrong_with_an_exchange_is_told_at_once(shop: Shop) -> None:
    """Paths begin with the half that they lie in; a refund without an original is no exchange."""
    wrong = refused(
        shop.exchange,
        refund("X1", line(1, 5_00), total=gbp(4_00), reason="DAMAGED", approver="M1"),
        sale("X1", line(1, -1), total=gbp(1)),
    )
    assert (wrong.code, wrong.fields) == (
        "INVALID_ARGUMENT",
        {
            "refund.total": "TOTAL_MISMATCH",
            "refund.original_purchase": "EXCHANGE_ORIGINAL_MISSING",
            "purchase.lines[0].amount": "AMOUNT_NEGATIVE",
            "purchase.total": "TOTAL_MISMATCH",
        },
    )
    empty = refused(shop.running.call, PURCHASES, "RecordExchange", pb.RecordExchangeRequest())
    assert empty.fields == {"refund": "REQUIRED", "purchase": "REQUIRED"}


def test_both_halves_are_the_callers_stores(shop: Shop) -> None:
    """A store's key exchanges in its own store, whatever store sold the goods; neither half may be another's."""
    original = shop.record(sale("R1")).purchase.name
    here = refund("X1", original_purchase=original, store=YORK)
    for given, sold in (
        (here, sale("X1", store=LEEDS)),
        (refund("X1", original_purchase=original), sale("X1", store=YORK)),
    ):
        foreign = refused(shop.exchange, given, sold, stores=(YORK,))
        assert (foreign.code, foreign.reason, foreign.metadata) == (
            "PERMISSION_DENIED",
            "STORE_FOREIGN",
            {"store": LEEDS},
        )
    assert shop.exchange(here, sale("X1", store=YORK), stores=(YORK,)).refund.refund.state == pb.Refund.LINKED
