"""Many at once: whatever gets in the way of what, each fact is recorded once and every sum is exact."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import pytest

from services.customer.tests.builders import YORK, Shop, alone, at, gbp, line, mobile, receipt, refund, sale
from shuke.customer.v1 import purchases_pb2 as pb
from tests.running import Refusal

THREADS = 8
T = TypeVar("T")
R = TypeVar("R")


def at_once(act: Callable[[T], R], given: Sequence[T]) -> list[R | Refusal]:
    """Do it for each, all starting at the same moment; answer the results or refusals in order."""
    start = threading.Barrier(len(given))

    def one(each: T) -> R | Refusal:
        start.wait()
        try:
            return act(each)
        except Refusal as refusal:
            return refusal

    with ThreadPoolExecutor(len(given)) as pool:
        return list(pool.map(one, given))


@pytest.mark.requirement("C-23")
def test_one_receipt_from_eight_threads_is_one_sale(shop: Shop) -> None:
    """Of eight equal calls one records and seven answer the same sale as replayed; it counts and is told once."""
    anna = shop.customer()
    for turn in range(3):
        answers = at_once(shop.record, [sale(f"R{turn}", customer=anna)] * THREADS)
        assert Counter(answer.replayed for answer in answers) == {False: 1, True: THREADS - 1}  # type: ignore[union-attr]
        assert len({answer.purchase.name for answer in answers}) == 1  # type: ignore[union-attr]
    assert (shop.spend(anna).purchase_count, shop.spend(anna).gross) == (3, gbp(30_00))
    assert len(shop.purchases(pb.ListPurchasesRequest(customer=anna)).purchases) == 3
    assert Counter(event.type.rpartition(".")[2] for event in shop.feed()) == {
        "CustomerCreated": 1,
        "PurchaseRecorded": 3,
    }


def test_one_receipt_with_eight_contents_is_one_sale(shop: Shop) -> None:
    """Of eight different contents under one receipt one is recorded, and seven get the conflict."""
    outcomes = at_once(lambda amount: shop.record(sale("R1", line(1, amount))), range(1, THREADS + 1))
    [recorded] = [outcome for outcome in outcomes if not isinstance(outcome, Refusal)]
    refusals = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
    assert {refusal.reason for refusal in refusals} == {"RECEIPT_CONFLICT"}
    assert {refusal.metadata["name"] for refusal in refusals} == {recorded.purchase.name}
    assert len(refusals) == THREADS - 1


@pytest.mark.requirement("X-29")
def test_refunds_at_once_never_give_back_more_than_is_left(shop: Shop) -> None:
    """Of eight refunds of a third each, however they name the sale, three are taken and five refused."""
    anna = shop.customer()
    for turn in range(3):
        name = shop.record(sale(f"R{turn}", line(1, 30_00, "3"), customer=anna)).purchase.name
        third = line(1, 10_00, "1", original_line_no=1)
        given = [
            refund(f"F{turn}-{number}", third, original_purchase=name)
            if number % 2
            else refund(f"F{turn}-{number}", third, original_receipt=receipt(f"R{turn}"), store=YORK)
            for number in range(THREADS)
        ]
        outcomes = at_once(shop.refund, given)
        said = Counter(outcome.reason if isinstance(outcome, Refusal) else "taken" for outcome in outcomes)
        assert said == {"taken": 3, "OVER_REFUND": THREADS - 3}
    assert shop.spend(anna).net == gbp(0)


def test_settled_refunds_at_once_see_each_other(shop: Shop) -> None:
    """Of two settled refunds of the whole one is fine and one carries the anomaly, never none or both."""
    for turn in range(4):
        name = shop.record(sale(f"R{turn}")).purchase.name
        given = [refund(f"F{turn}-{number}", original_purchase=name) for number in range(2)]
        answers = at_once(lambda each: shop.refund(each, settled=True), given)
        anomalies = sorted(list(answer.refund.anomalies) for answer in answers)  # type: ignore[union-attr]
        assert anomalies == [[], [pb.Purchase.OVER_REFUND]]


@pytest.mark.requirement("C-22", "C-23")
def test_one_customer_at_many_tills(shop: Shop) -> None:
    """Sales and refunds of one customer from eight tills at once add up to the penny, and the earliest is first."""
    anna = shop.customer()

    def till(number: int) -> None:
        for turn in range(5):
            time = f"{8 + (number * 5 + turn) % 12:02d}:{number:02d}"
            shop.record(sale(f"R{number}-{turn}", line(1, 1_00 + number), customer=anna, time=time, store=f"S{number}"))
        shop.refund(alone(f"F{number}", line(1, 50), customer=anna))

    assert not any(at_once(till, range(THREADS)))
    spend = shop.spend(anna)
    assert (spend.purchase_count, spend.refund_count) == (5 * THREADS, THREADS)
    assert spend.gross == gbp(sum(5 * (1_00 + number) for number in range(THREADS)))
    assert spend.refunded == gbp(50 * THREADS)
    assert spend == shop.spend(anna, first="2000-01-01")
    assert spend.first_purchase_time == at("2026-03-01 08:00")
    sales = shop.purchases(pb.ListPurchasesRequest(customer=anna)).purchases
    assert len(sales) == spend.purchase_count
    firsts = [shop.record(sale_again(each)).first_in_chain for each in sales]
    assert firsts.count(True) == 1


def sale_again(recorded: pb.Purchase) -> pb.Purchase:
    """Write a recorded sale as a till sends it again."""
    again = pb.Purchase()
    again.CopyFrom(recorded)
    for name in ("name", "customer_state", "create_time", "state"):
        again.ClearField(name)
    return again


def test_batches_that_cross_do_not_lock_each_other_out(shop: Shop) -> None:
    """Batches of the same receipts and customers in opposite orders all come through, each receipt once."""
    people = [shop.customer() for _ in range(6)]
    given = [sale(f"R{number}", customer=person) for number, person in enumerate(people * 5)]
    answers = at_once(lambda number: shop.record_all(*(given if number % 2 else reversed(given))), range(THREADS))
    replayed = Counter(result.response.replayed for results in answers for result in results)  # type: ignore[union-attr]
    assert replayed == {False: len(given), True: len(given) * (THREADS - 1)}
    assert [shop.spend(person).purchase_count for person in people] == [5] * 6


def test_one_enrolment_from_eight_threads_is_one_file(shop: Shop) -> None:
    """Of eight equal enrolments one opens the file and seven answer it as replayed, none that it is known already."""
    told: dict[str, Any] = {"enrolment_ref": "E1", "contact_points": [mobile("+447700900123")], "display_name": "Anna"}
    answers = at_once(lambda _: shop.enrol(**told), range(THREADS))
    assert Counter(answer.replayed for answer in answers) == {False: 1, True: THREADS - 1}  # type: ignore[union-attr]
    assert len({answer.customer.name for answer in answers}) == 1  # type: ignore[union-attr]


def test_one_telephone_at_eight_tills_opens_one_file(shop: Shop) -> None:
    """Enrolments of their own with the same telephone: one opens the file, the others are shown whom it belongs to."""
    phone = [mobile("+447700900123")]
    answers = at_once(lambda number: shop.enrol(enrolment_ref=f"T{number}", contact_points=phone), range(THREADS))
    opened = [answer.customer.name for answer in answers if answer.customer.name]  # type: ignore[union-attr]
    known = [match.customer for answer in answers for match in answer.matches]  # type: ignore[union-attr]
    assert len(opened) == 1
    assert known == opened * (THREADS - 1)


@pytest.mark.requirement("C-23", "X-29")
def test_a_refund_and_its_sale_at_once_find_each_other(shop: Shop) -> None:
    """Whichever of them is recorded first, the refund is linked in the end, whoever records it and however often."""
    anna = shop.customer()
    for turn in range(6):
        given = refund(f"F{turn}", line(1, 4_00), original_receipt=receipt(f"R{turn}"))
        sold = sale(f"R{turn}", customer=anna)
        acts: list[Callable[[], object]] = [partial(shop.refund, given), partial(shop.record, sold)] * 2
        acts += [partial(shop.record_all, sold, sale(f"S{turn}")), partial(shop.refund_all, given)]
        assert not [one for one in at_once(lambda act: act(), acts) if isinstance(one, Refusal)]
    refunds = shop.refunds(pb.ListRefundsRequest(customer=anna)).refunds
    assert [one.state for one in refunds] == [pb.Refund.LINKED] * 6
    assert (shop.spend(anna).net, shop.spend(anna).refund_count) == (gbp(36_00), 6)


def test_a_sale_is_voided_or_refunded_never_both(shop: Shop) -> None:
    """Of a void and refunds at the same moment either the void is refused, or all the refunds are."""
    for turn in range(4):
        name = shop.record(sale(f"R{turn}")).purchase.name
        acts: list[Callable[[], object]] = [partial(shop.void, name)]
        acts += [partial(shop.refund, refund(f"F{turn}{one}", line(1, 1), original_purchase=name)) for one in range(3)]
        void, *refunds = [isinstance(one, Refusal) for one in at_once(lambda act: act(), acts)]
        assert refunds == [not void] * 3
