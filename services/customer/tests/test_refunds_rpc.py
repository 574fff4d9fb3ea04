"""Refunds over the wire: what they give back, of which sale, and how they count."""

from __future__ import annotations

from typing import Any

import pytest

from services.customer.tests.builders import (
    LEEDS,
    NOBODY,
    NOTHING,
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
from shuke.customer.v1 import purchases_pb2 as pb


def sold(shop: Shop, *, customer: str = "", **fields: Any) -> pb.Purchase:  # noqa: ANN401  (as `sale`)
    """Record a sale of three teas for thirty pounds and two kettles for fifty."""
    lines = (line(1, 30_00, "3", "TEA"), line(2, 50_00, "2", "KETTLE"))
    return shop.record(sale("R1", *lines, customer=customer, **fields)).purchase


@pytest.mark.requirement("C-23", "X-29")
def test_a_refund_comes_back_as_it_was_sent(shop: Shop) -> None:
    """A refund linked by the purchase's name keeps every field, takes the customer of its sale and posts a reversal."""
    anna = shop.customer()
    original = sold(shop, customer=anna)
    sent = refund(
        "F1",
        line(1, 20_00, "2", "TEA", original_line_no=1, profit=4_00, serial_no="SN-1"),
        line(2, 1_00, "1", "BAG"),
        original_purchase=original.name,
        adjustments=[pb.Adjustment(kind=pb.Adjustment.ROUNDING, amount=gbp(-1_00))],
        total=gbp(20_00),
        tenders=[pb.Tender(kind=pb.Tender.CARD, amount=gbp(20_00))],
        reason="TOO_MANY",
        approver="M1",
        operator="O1",
    )
    answer = shop.refund(sent)
    assert not answer.replayed
    expected = pb.Refund()
    expected.CopyFrom(sent)
    expected.MergeFrom(
        pb.Refund(
            name=answer.refund.name,
            original_receipt=original.receipt,
            customer=anna,
            customer_state=pb.Purchase.RESOLVED,
            state=pb.Refund.LINKED,
            create_time=at("2026-03-02 04:00"),
        )
    )
    for each in expected.lines:
        each.kind = pb.Line.GOODS
    assert answer.refund == expected == shop.refunded(answer.refund.name)
    spend = shop.spend(anna)
    assert (spend.gross, spend.refunded, spend.net) == (gbp(80_00), gbp(20_00), gbp(60_00))


def test_a_refund_is_linked_by_the_receipt_too(shop: Shop) -> None:
    """A till that knows only the receipt gets the same link, and sending it the other way is the same refund."""
    original = sold(shop)
    by_receipt = shop.refund(refund("F1", original_receipt=receipt("R1")))
    assert (by_receipt.refund.state, by_receipt.refund.original_purchase) == (pb.Refund.LINKED, original.name)
    by_name = shop.refund(refund("F1", original_purchase=original.name))
    assert by_name.replayed
    assert by_name.refund == by_receipt.refund


def test_a_refund_counts_once(shop: Shop) -> None:
    """The same refund again is a replay, also when nothing is left by then; another content is a conflict."""
    anna = shop.customer()
    original = sold(shop, customer=anna)
    whole = refund("F1", line(1, 80_00), original_purchase=original.name)
    assert [shop.refund(whole).replayed for _ in range(2)] == [False, True]
    refusal = refused(shop.refund, refund("F1", line(1, 79_99), original_purchase=original.name), settled=True)
    assert (refusal.code, refusal.reason) == ("ALREADY_EXISTS", "RECEIPT_CONFLICT")
    assert refusal.metadata["name"].startswith("refunds/")
    elsewhere = refused(shop.refund, alone("F1", line(1, 80_00)))
    assert elsewhere.reason == "RECEIPT_CONFLICT"
    assert shop.spend(anna).refund_count == 1


def test_sales_and_refunds_have_receipts_of_their_own(shop: Shop) -> None:
    """A refund may bear the number of a sale, and does not become it."""
    sale_name = sold(shop).name
    answer = shop.refund(refund("R1", original_purchase=sale_name))
    assert not answer.replayed
    assert shop.purchase(sale_name).name == sale_name


def test_a_refund_may_come_before_its_sale(shop: Shop) -> None:
    """A refund of a receipt that nobody knows yet waits for the sale and counts all the same."""
    anna = shop.customer()
    waiting = shop.refund(refund("F1", original_receipt=receipt("R1"), customer=anna)).refund
    assert (waiting.state, waiting.original_purchase) == (pb.Refund.AWAITING_SALE, "")
    assert (waiting.original_receipt, waiting.customer) == (receipt("R1"), anna)
    assert shop.spend(anna).refunded == gbp(10_00)
    sold(shop, customer=anna)
    again = shop.refund(refund("F1", original_receipt=receipt("R1"), customer=anna))
    assert again.replayed
    assert shop.spend(anna).net == gbp(70_00)


def test_a_refund_may_stand_alone(shop: Shop) -> None:
    """Without an original a refund needs a reason and an approver, and counts for the customer that it names."""
    anna = shop.customer()
    answer = shop.refund(alone("F1", customer=anna)).refund
    assert (answer.state, answer.reason, answer.approver) == (pb.Refund.STANDALONE, "DAMAGED", "M1")
    assert (answer.customer, answer.customer_state) == (anna, pb.Purchase.RESOLVED)
    assert (answer.original_purchase, answer.HasField("original_receipt")) == ("", False)
    assert shop.refund(alone("F2")).refund.customer_state == pb.Purchase.ANONYMOUS
    assert shop.spend(anna).net == gbp(-10_00)


def test_a_settled_refund_needs_no_approver(shop: Shop) -> None:
    """What has been paid out is recorded without an approver, which is no anomaly; a reason it needs all the same."""
    given = refund("F1", reason="IMPORTED")
    refusal = refused(shop.refund, given)
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "REFUND_APPROVER_MISSING")
    assert refusal.metadata == {"field": "refund.approver"}
    answer = shop.refund(given, settled=True).refund
    assert (answer.state, list(answer.anomalies)) == (pb.Refund.STANDALONE, [])
    refusal = refused(shop.refund, refund("F2"), settled=True)
    assert (refusal.reason, refusal.fields) == ("REFUND_REASON_MISSING", {"refund.reason": "REFUND_REASON_MISSING"})


OVER = {
    "total": (refund("F1", line(1, 80_01)), "refund.total", "GBP 80.00"),
    "quantity of a line": (
        refund("F1", line(1, 10_00, "3.001", original_line_no=1)),
        "refund.lines[0]",
        "GBP 30.00",
    ),
    "amount of a line": (
        refund("F1", line(1, 50_00, "2", original_line_no=2), line(2, 30_01, "1", original_line_no=1), total=gbp(80_00),
               adjustments=[pb.Adjustment(kind=pb.Adjustment.ROUNDING, amount=gbp(-1))]),
        "refund.lines[1]",
        "GBP 30.00",
    ),
    "two lines for one": (
        refund("F1", line(1, 20_00, "1", original_line_no=1), line(2, 20_00, "1", original_line_no=1)),
        "refund.lines[1]",
        "GBP 30.00",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", OVER)
def test_more_than_is_left_is_not_given_back(shop: Shop, kind: str) -> None:
    """Above what is left of the sale or of a line a refund is refused; settled it is recorded with OVER_REFUND."""
    given, field, left = OVER[kind]
    too_much = pb.Refund()
    too_much.CopyFrom(given)
    too_much.original_purchase = sold(shop).name
    refusal = refused(shop.refund, too_much)
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "OVER_REFUND")
    assert refusal.metadata == {"field": field, "left": left}
    answer = shop.refund(too_much, settled=True).refund
    assert (list(answer.anomalies), answer.state) == ([pb.Purchase.OVER_REFUND], pb.Refund.LINKED)


def test_what_earlier_refunds_took_is_gone(shop: Shop) -> None:
    """Each refund sees those before it: the last penny and the last piece may still go, no more."""
    name = sold(shop).name
    shop.refund(refund("F1", line(1, 20_00, "2", original_line_no=1), original_purchase=name))
    over = refused(shop.refund, refund("F2", line(1, 1_00, "1.001", original_line_no=1), original_purchase=name))
    assert over.metadata == {"field": "refund.lines[0]", "left": "GBP 10.00"}
    shop.refund(refund("F2", line(1, 10_00, "1", original_line_no=1), original_purchase=name))
    over = refused(shop.refund, refund("F3", line(1, 50_01), original_purchase=name))
    assert over.metadata == {"field": "refund.total", "left": "GBP 50.00"}
    shop.refund(refund("F3", line(1, 50_00), original_receipt=receipt("R1")))
    settled = shop.refund(refund("F4", line(1, 1), original_purchase=name), settled=True)
    assert list(settled.refund.anomalies) == [pb.Purchase.OVER_REFUND]
    over = refused(shop.refund, refund("F5", line(1, 1), original_purchase=name))
    assert over.metadata["left"] == "GBP 0.00"


def test_a_settled_refund_names_all_its_anomalies(shop: Shop) -> None:
    """Too much, on a day to come: both are named, and it counts."""
    anna = shop.customer()
    name = sold(shop, customer=anna).name
    answer = shop.refund(refund("F1", line(1, 90_00), on="2026-03-03", original_purchase=name), settled=True)
    assert list(answer.refund.anomalies) == [pb.Purchase.OVER_REFUND, pb.Purchase.TIME_IN_FUTURE]
    assert shop.spend(anna).net == gbp(-10_00)


def test_an_unknown_customer_of_a_refund_is_odd(shop: Shop) -> None:
    """A refund that stands alone for an unknown customer is refused, and recorded as pending when settled."""
    refusal = refused(shop.refund, alone("F1", customer=NOBODY))
    assert (refusal.reason, refusal.metadata) == ("CUSTOMER_UNKNOWN", {"field": "refund.customer"})
    answer = shop.refund(alone("F1", customer=NOBODY), settled=True).refund
    assert (answer.customer_state, list(answer.anomalies)) == (pb.Purchase.PENDING, [pb.Purchase.CUSTOMER_UNKNOWN])


@pytest.mark.requirement("C-32")
def test_any_store_takes_goods_back(shop: Shop) -> None:
    """A sale of one store is given back in another, which must act for itself only; it counts there."""
    anna = shop.customer()
    name = sold(shop, customer=anna).name
    answer = shop.refund(refund("F1", store=YORK, original_purchase=name), stores=(YORK,)).refund
    assert (answer.state, answer.receipt.store, answer.original_receipt.store) == (pb.Refund.LINKED, YORK, LEEDS)
    assert answer.customer == anna
    foreign = refused(shop.refund, refund("F2", original_purchase=name), stores=(YORK,))
    assert (foreign.code, foreign.reason, foreign.metadata) == ("PERMISSION_DENIED", "STORE_FOREIGN", {"store": LEEDS})
    assert refused(shop.refunded, answer.name, stores=(LEEDS,)).reason == "STORE_FOREIGN"
    assert shop.refunded(answer.name, stores=(YORK,)) == answer


def test_an_original_must_fit(shop: Shop) -> None:
    """A line that the sale does not have, and another customer than the sale's, are refused together."""
    anna, ben = shop.customer(), shop.customer()
    name = sold(shop, customer=anna).name
    given = refund("F1", line(1, 1_00, original_line_no=9), original_purchase=name, customer=ben)
    for settled in (False, True):
        refusal = refused(shop.refund, given, settled=settled)
        assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "FIELDS_INVALID")
        assert refusal.fields == {
            "refund.lines[0].original_line_no": "ORIGINAL_LINE_UNKNOWN",
            "refund.customer": "ORIGINAL_CUSTOMER_DIFFERS",
        }
    same = shop.refund(refund("F1", original_purchase=name, customer=anna)).refund
    assert same.customer == anna


def test_a_named_original_must_exist(shop: Shop) -> None:
    """A purchase's name that does not exist is NOT_FOUND, settled or not: the server never searches for another."""
    for settled in (False, True):
        refusal = refused(shop.refund, refund("F1", original_purchase=NOTHING), settled=settled)
        assert (refusal.code, refusal.reason) == ("NOT_FOUND", "ORIGINAL_NOT_FOUND")
        assert refusal.metadata == {"field": "refund.original_purchase", "name": NOTHING}


def test_an_original_is_named_once_or_not_at_all(shop: Shop) -> None:
    """A name and a receipt together are refused; so is a line of an original that nothing names."""
    name = sold(shop).name
    twice = refused(shop.refund, refund("F1", original_purchase=name, original_receipt=receipt("R1")))
    assert twice.fields == {"refund.original_receipt": "ORIGINAL_NAMED_TWICE"}
    none = refused(shop.refund, alone("F1", line(1), line(2, original_line_no=1)))
    assert none.fields == {"refund.lines[1].original_line_no": "ORIGINAL_MISSING"}


def test_a_refund_is_checked_as_a_sale_is(shop: Shop) -> None:
    """Sums, signs and shapes of a refund are held to the same rules, and its paths say that it is a refund."""
    wrong = refund("F1", line(1, -1_00), line(1, 5_00, "0"), total=gbp(4_01), tenders=[_cash(3)], reason="DAMAGED")
    assert refused(shop.refund, wrong).fields == {
        "refund.lines[0].amount": "AMOUNT_NEGATIVE",
        "refund.lines[1].line_no": "LINE_NUMBER_REPEATED",
        "refund.lines[1].quantity": "QUANTITY_ZERO",
        "refund.total": "TOTAL_MISMATCH",
        "refund.tenders": "TENDER_MISMATCH",
    }
    assert refused(shop.refund, pb.Refund(reason="too late")).fields == {
        "refund.receipt": "REQUIRED",
        "refund.business_time": "REQUIRED",
        "refund.lines": "REPEATED_MIN_ITEMS",
        "refund.total": "REQUIRED",
        "refund.reason": "STRING_PATTERN",
    }


def _cash(pounds: int) -> pb.Tender:
    return pb.Tender(kind=pb.Tender.CASH, amount=gbp(pounds * 100))


@pytest.mark.requirement("X-29")
def test_a_refund_counts_on_its_own_day(shop: Shop) -> None:
    """A refund of an old sale lowers the spend of its own business date, not of the sale's."""
    anna = shop.customer()
    name = sold(shop, customer=anna, on="2026-02-01").name
    shop.refund(refund("F1", line(1, 30_00), original_purchase=name))
    february, march = shop.spend(anna, last="2026-02-28"), shop.spend(anna, first=YESTERDAY)
    assert (february.net, march.net) == (gbp(80_00), gbp(-30_00))
    assert (march.purchase_count, march.refund_count) == (0, 1)


def test_a_refund_of_a_contract_is_one_too(shop: Shop) -> None:
    """The event tells the kind and the day of the sale that was given back."""
    name = sold(shop, kind=pb.Purchase.CONTRACT, on="2026-02-01").name
    told = shop.told(shop.refund(refund("F1", original_purchase=name)).refund.name)
    assert (told.kind, told.original_business_date) == (pb.Purchase.CONTRACT, day("2026-02-01"))  # type: ignore[attr-defined]
    missing = refused(shop.refunded, NOTHING.replace("purchases", "refunds"))
    assert (missing.code, missing.reason) == ("NOT_FOUND", "REFUND_NOT_FOUND")
