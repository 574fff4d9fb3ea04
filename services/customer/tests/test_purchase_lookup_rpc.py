"""Looking a sale up by its receipt: what a till asks before it gives money back."""

from __future__ import annotations

from services.customer.tests.builders import (
    LEEDS,
    PURCHASES,
    YORK,
    Shop,
    gbp,
    line,
    pence,
    receipt,
    refund,
    refused,
    sale,
)
from shuke.customer.v1 import purchases_pb2 as pb


def look_up(shop: Shop, number: str, **caller: object) -> pb.LookupPurchaseResponse:
    """Look a sale of the Leeds store up."""
    request = pb.LookupPurchaseRequest(receipt=receipt(number))
    answer: pb.LookupPurchaseResponse = shop.running.call(PURCHASES, "LookupPurchase", request, **caller)
    return answer


def left(answer: pb.LookupPurchaseResponse) -> list[tuple[int, str, int]]:
    """Read what is left of each line: its number, the quantity and the pence."""
    return [(each.line_no, each.quantity, pence(each.amount)) for each in answer.lines_left]


def test_a_sale_is_found_in_any_store_with_all_of_it_left(shop: Shop) -> None:
    """Another store's till finds the whole sale by its receipt, and that nothing of it was given back."""
    sold = shop.record(sale("R1", line(1, 30_00, "3", "TEA"), line(2, 50_00, "0.500", "RICE"), store=LEEDS)).purchase
    answer = look_up(shop, "R1", stores=(YORK,))
    assert answer.purchase == sold
    assert left(answer) == [(1, "3", 30_00), (2, "0.5", 50_00)]
    assert answer.total_left == gbp(80_00)


def test_refunds_leave_less_and_never_less_than_nothing(shop: Shop) -> None:
    """A refund takes from its line and from the whole; one beyond what is left leaves zero, not a debt."""
    sold = shop.record(sale("R1", line(1, 30_00, "3", "TEA"), line(2, 50_00, "2", "KETTLE"))).purchase
    shop.refund(refund("F1", line(1, 20_00, "2", original_line_no=1), original_purchase=sold.name))
    answer = look_up(shop, "R1")
    assert left(answer) == [(1, "1", 10_00), (2, "2", 50_00)]
    assert answer.total_left == gbp(60_00)
    beyond = refund("F2", line(1, 70_00, "3", original_line_no=2), original_purchase=sold.name)
    shop.refund(beyond, settled=True)
    answer = look_up(shop, "R1")
    assert left(answer) == [(1, "1", 10_00), (2, "0", 0)]
    assert answer.total_left == gbp(0)


def test_what_looks_left_can_be_refunded_and_no_more(shop: Shop) -> None:
    """The answer and the rule agree: the last penny left is given back, a penny more is refused."""
    sold = shop.record(sale("R1", line(1, 30_00, "3", "TEA"))).purchase
    shop.refund(refund("F1", line(1, 10_00, "1", original_line_no=1), original_purchase=sold.name))
    [rest] = look_up(shop, "R1").lines_left
    more = line(1, pence(rest.amount) + 1, rest.quantity, original_line_no=1)
    assert refused(shop.refund, refund("F2", more, original_purchase=sold.name)).reason == "OVER_REFUND"
    all_of_it = line(1, pence(rest.amount), rest.quantity, original_line_no=1)
    shop.refund(refund("F3", all_of_it, original_purchase=sold.name))
    assert look_up(shop, "R1").total_left == gbp(0)


def test_an_unknown_receipt_says_so_in_both_languages(shop: Shop) -> None:
    """A receipt that is not recorded is NOT_FOUND, with the receipt and what may be the cause."""
    shop.refund(refund("R9", reason="DAMAGED", approver="M1"))
    for language, words in (("en", "No sale is recorded under receipt"), ("zh-CN", "没有小票")):
        refusal = refused(look_up, shop, "R9", language=language)
        assert (refusal.code, refusal.reason) == ("NOT_FOUND", "RECEIPT_NOT_FOUND")
        assert refusal.metadata == {"receipt": "LEEDS/T1/2026-03-01/R9"}
        assert refusal.localized.startswith(words)


def test_a_day_that_is_none_is_named(shop: Shop) -> None:
    """A date outside the calendar is told by its field."""
    request = pb.LookupPurchaseRequest(receipt=receipt("R1"))
    request.receipt.business_date.day = 31
    request.receipt.business_date.month = 2
    refusal = refused(shop.running.call, PURCHASES, "LookupPurchase", request)
    assert refusal.fields == {"receipt.business_date": "DATE_MALFORMED"}
