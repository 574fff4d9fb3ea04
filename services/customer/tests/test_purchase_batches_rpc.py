"""Batches of sales: each item stands on its own."""

from __future__ import annotations

import pytest

from services.customer.tests.builders import LEEDS, NOBODY, PURCHASES, YORK, Shop, gbp, line, refused, sale
from shuke.customer.v1 import purchases_pb2 as pb
from tests.running import Refusal


def bad_items() -> dict[str, tuple[pb.Purchase, str, str, dict[str, str]]]:
    """One bad item of each kind, with the code, the reason and the fields that it must get."""
    return {
        "empty": (
            pb.Purchase(),
            "INVALID_ARGUMENT",
            "REQUIRED",
            {
                "purchase.receipt": "REQUIRED",
                "purchase.business_time": "REQUIRED",
                "purchase.lines": "REPEATED_MIN_ITEMS",
                "purchase.total": "REQUIRED",
            },
        ),
        "sum": (
            sale("BAD", total=gbp(9_99)),
            "INVALID_ARGUMENT",
            "TOTAL_MISMATCH",
            {"purchase.total": "TOTAL_MISMATCH"},
        ),
        "unknown customer": (sale("BAD", customer=NOBODY), "FAILED_PRECONDITION", "CUSTOMER_UNKNOWN", {}),
        "known receipt": (sale("OLD", line(amount=1)), "ALREADY_EXISTS", "RECEIPT_CONFLICT", {}),
    }


@pytest.mark.parametrize("kind", bad_items())
def test_one_bad_item_of_two_hundred_costs_the_others_nothing(shop: Shop, kind: str) -> None:
    """The 199 good items are kept, and the bad one's error stands in its place."""
    bad, code, reason, fields = bad_items()[kind]
    anna = shop.customer()
    shop.record(sale("OLD"))
    given = [sale(f"R{number}", customer=anna) for number in range(200)]
    given[117] = bad
    results = shop.record_all(*given)
    assert [result.WhichOneof("outcome") for result in results] == ["response"] * 117 + ["error"] + ["response"] * 82
    assert all(
        result.response.purchase.receipt == purchase.receipt
        for result, purchase in zip(results, given, strict=True)
        if result.HasField("response")
    )
    error = Refusal.of(results[117].error)
    assert error.code == code
    assert error.fields == fields
    if kind != "empty":
        assert error.reason == reason
    assert (shop.spend(anna).purchase_count, shop.spend(anna).gross) == (199, gbp(1_990_00))
    again = shop.record_all(*given)
    assert [result.response.replayed for result in again] == [True] * 117 + [False] + [True] * 82
    assert Refusal.of(again[117].error) == error
    assert shop.spend(anna).purchase_count == 199


def test_the_errors_of_a_batch_are_those_of_a_single_call(shop: Shop) -> None:
    """An item that is refused in a batch gets what RecordPurchase would have said."""
    shop.record(sale("OLD"))
    for kind, (bad, code, _, fields) in bad_items().items():
        alone = refused(shop.record, bad)
        [result] = shop.record_all(bad)
        assert Refusal.of(result.error) == alone, kind
        assert (alone.code, alone.fields) == (code, fields), kind


def test_a_receipt_that_stands_twice_in_a_batch_is_recorded_once(shop: Shop) -> None:
    """The second of two equal items is a replay of the first, an unequal one a conflict."""
    anna = shop.customer()
    results = shop.record_all(
        sale("R1", customer=anna), sale("R1", customer=anna), sale("R1", line(amount=5)), sale("R2", customer=anna)
    )
    first, second, third, fourth = results
    assert (first.response.replayed, second.response.replayed) == (False, True)
    assert first.response.purchase == second.response.purchase
    conflict = Refusal.of(third.error)
    assert (conflict.reason, conflict.metadata["name"]) == ("RECEIPT_CONFLICT", first.response.purchase.name)
    assert not fourth.response.replayed
    assert shop.spend(anna).purchase_count == 2


def test_a_refused_item_does_not_take_its_receipt(shop: Shop) -> None:
    """An item that was refused leaves the receipt free for a later item of the same batch."""
    refused_one, recorded = shop.record_all(sale("R1", customer=NOBODY), sale("R1"))
    assert Refusal.of(refused_one.error).reason == "CUSTOMER_UNKNOWN"
    assert not recorded.response.replayed
    assert recorded.response.purchase.customer_state == pb.Purchase.ANONYMOUS


def test_a_store_key_records_only_its_own_items(shop: Shop) -> None:
    """In a batch of two stores a store's key gets its own recorded and STORE_FOREIGN in place of the others."""
    results = shop.record_all(sale("R1"), sale("R2", store=YORK), sale("R3"), pb.Purchase(), stores=(LEEDS,))
    said = [Refusal.of(result.error).reason if result.HasField("error") else "" for result in results]
    assert said == ["", "STORE_FOREIGN", "", "STORE_FOREIGN"]
    foreign = Refusal.of(results[1].error)
    assert (foreign.code, foreign.metadata) == ("PERMISSION_DENIED", {"store": YORK})
    listed = shop.purchases(pb.ListPurchasesRequest(store=YORK))
    assert not listed.purchases


def test_a_batch_settles_who_was_first(shop: Shop) -> None:
    """Among the items of one batch the earliest business time is first, whatever the order of the items."""
    anna = shop.customer()
    results = shop.record_all(
        sale("R1", customer=anna, time="12:00"),
        sale("R2", customer=anna, time="09:00"),
        sale("R3", customer=anna, time="08:00", store=YORK),
    )
    flags = [(result.response.first_in_chain, result.response.first_in_store) for result in results]
    assert flags == [(False, False), (False, True), (True, True)]


def test_each_item_says_whether_it_is_settled(shop: Shop) -> None:
    """A settled item is recorded with its anomaly beside one that is refused for the same oddity."""
    requests = [
        pb.RecordPurchaseRequest(purchase=sale(f"R{settled}", customer=NOBODY), settled=settled)
        for settled in (True, False)
    ]
    answer = shop.running.call(PURCHASES, "BatchRecordPurchases", pb.BatchRecordPurchasesRequest(requests=requests))
    recorded, refusal = answer.results
    assert list(recorded.response.purchase.anomalies) == [pb.Purchase.CUSTOMER_UNKNOWN]
    assert Refusal.of(refusal.error).reason == "CUSTOMER_UNKNOWN"


def test_a_batch_has_its_limits(shop: Shop) -> None:
    """No item at all and more than a thousand are refused as a whole; a thousand are taken."""
    assert refused(shop.record_all).fields == {"requests": "REPEATED_MIN_ITEMS"}
    assert refused(shop.record_all, *[pb.Purchase()] * 1001).fields == {"requests": "REPEATED_MAX_ITEMS"}
    results = shop.record_all(*(sale(f"R{number}") for number in range(1000)))
    assert all(result.HasField("response") for result in results)
