"""Batches of refunds: each item stands on its own, yet sees those before it."""

from __future__ import annotations

from services.customer.tests.builders import (
    LEEDS,
    NOTHING,
    YORK,
    Shop,
    alone,
    gbp,
    line,
    receipt,
    refund,
    refused,
    sale,
)
from shuke.customer.v1 import purchases_pb2 as pb
from tests.running import Refusal


def outcomes(results: object) -> list[str]:
    """Tell of each item what became of it: its state, or the reason that it was refused for."""
    return [
        Refusal.of(result.error).reason
        if result.HasField("error")
        else pb.Refund.State.Name(result.response.refund.state)
        for result in results  # type: ignore[attr-defined]
    ]


def test_refunds_of_one_batch_see_each_other(shop: Shop) -> None:
    """Two refunds of one sale in one batch give back no more than is left, however each names the sale."""
    anna = shop.customer()
    name = shop.record(sale("R1", line(1, 30_00, "3"), customer=anna)).purchase.name
    results = shop.refund_all(
        refund("F1", line(1, 20_00, "2", original_line_no=1), original_purchase=name),
        refund("F2", line(1, 20_00, "2", original_line_no=1), original_receipt=receipt("R1")),
        refund("F3", line(1, 10_00, "1", original_line_no=1), original_receipt=receipt("R1")),
        refund("F4", line(1, 1), original_purchase=name),
    )
    assert outcomes(results) == ["LINKED", "OVER_REFUND", "LINKED", "OVER_REFUND"]
    assert Refusal.of(results[1].error).metadata == {"field": "refund.total", "left": "GBP 10.00"}
    assert shop.spend(anna).net == gbp(0)


def test_settled_refunds_of_one_batch_see_each_other_too(shop: Shop) -> None:
    """Settled, the one that goes above what is left carries the anomaly, and the one before it does not."""
    name = shop.record(sale("R1", line(1, 30_00))).purchase.name
    results = shop.refund_all(
        *(refund(f"F{number}", line(1, 20_00), original_purchase=name) for number in (1, 2)), settled=True
    )
    assert [list(result.response.refund.anomalies) for result in results] == [[], [pb.Purchase.OVER_REFUND]]


def test_a_replay_in_a_batch_takes_nothing_twice(shop: Shop) -> None:
    """What was recorded before, or stands twice in the batch, does not lower what is left again."""
    name = shop.record(sale("R1", line(1, 30_00))).purchase.name
    first = refund("F1", line(1, 10_00), original_purchase=name)
    shop.refund(first)
    second = refund("F2", line(1, 10_00), original_purchase=name)
    results = shop.refund_all(first, second, second, refund("F3", line(1, 10_00), original_purchase=name))
    assert outcomes(results) == ["LINKED"] * 4
    assert [result.response.replayed for result in results] == [True, False, True, False]


def test_one_bad_refund_of_two_hundred_costs_the_others_nothing(shop: Shop) -> None:
    """The 199 good items are kept, and each kind of bad one gets its own error in its place."""
    anna = shop.customer()
    shop.refund(alone("OLD"))
    bad = {
        "FIELDS_INVALID": pb.Refund(),
        "OVER_REFUND": refund("BAD", line(1, 99_00), original_receipt=receipt("R1")),
        "ORIGINAL_NOT_FOUND": refund("BAD", original_purchase=NOTHING),
        "RECEIPT_CONFLICT": alone("OLD", line(1, 1)),
        "STORE_FOREIGN": alone("BAD", store=YORK),
    }
    shop.record(sale("R1"))
    for turn, (reason, item) in enumerate(bad.items()):
        given = [alone(f"F{turn}-{number}", customer=anna) for number in range(199)]
        given.insert(31, item)
        said = outcomes(shop.refund_all(*given, stores=(LEEDS,)))
        expected = ["STANDALONE"] * 200
        # A key of one store that sends no store at all acts for a foreign one.
        expected[31] = "STORE_FOREIGN" if reason == "FIELDS_INVALID" else reason
        assert said == expected, reason
        assert shop.spend(anna).refund_count == 199 * (turn + 1)


def test_a_refund_and_its_sale_may_cross(shop: Shop) -> None:
    """Refunds of sales that are not known yet wait in the batch, beside others that are linked and stand alone."""
    shop.record(sale("R1"))
    results = shop.refund_all(
        refund("F1", original_receipt=receipt("R1")), refund("F2", original_receipt=receipt("R2")), alone("F3")
    )
    assert outcomes(results) == ["LINKED", "AWAITING_SALE", "STANDALONE"]


def test_a_batch_of_refunds_has_its_limits(shop: Shop) -> None:
    """No item at all and more than a thousand are refused as a whole."""
    assert refused(shop.refund_all).fields == {"requests": "REPEATED_MIN_ITEMS"}
    assert refused(shop.refund_all, *[pb.Refund()] * 1001).fields == {"requests": "REPEATED_MAX_ITEMS"}
