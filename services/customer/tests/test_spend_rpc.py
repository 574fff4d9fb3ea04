"""What a customer spent, in all and within windows."""

from __future__ import annotations

import pytest

from services.customer.tests.builders import NOBODY, PURCHASES, YORK, Shop, alone, at, day, gbp, line, refused, sale
from shuke.customer.v1 import purchases_pb2 as pb


def fill(shop: Shop) -> str:
    """Record three sales and two refunds of a customer on five days, and some of others beside."""
    anna, ben = shop.customer(), shop.customer()
    shop.record_all(
        sale("A1", line(1, 10_00, profit=2_00), customer=anna, on="2026-02-01", time="09:00"),
        sale("A2", line(1, 20_01, profit=5_00), line(2, 0), customer=anna, on="2026-02-10", store=YORK),
        sale("A3", line(1, 5_00, profit=-1_00), customer=anna, on="2026-02-20", time="18:30"),
        sale("B1", customer=ben, on="2026-02-10"),
        sale("C1", on="2026-02-10"),
    )
    shop.refund_all(
        alone("F1", line(1, 4_00, profit=1_00), customer=anna, on="2026-02-05"),
        alone("F2", line(1, 50_00), customer=anna, on="2026-02-25", time="23:59"),
        alone("F3", customer=ben),
    )
    return anna


@pytest.mark.requirement("C-23", "C-24", "C-25")
def test_the_whole_of_a_customers_spend(shop: Shop) -> None:
    """Sales less refunds, profits, counts, the average sale and the times of the first and the last one."""
    anna = fill(shop)
    assert shop.spend(anna) == pb.SpendSummary(
        customer=anna,
        gross=gbp(35_01),
        refunded=gbp(54_00),
        net=gbp(-18_99),
        profit=gbp(2_00 + 5_00 - 1_00 - 1_00),
        purchase_count=3,
        refund_count=2,
        profit_unknown_count=2,
        average_transaction=gbp(11_67),
        first_purchase_time=at("2026-02-01 09:00"),
        last_purchase_time=at("2026-02-20 18:30"),
    )


def test_a_window_holds_both_its_days(shop: Shop) -> None:
    """A window counts what was booked from its first to its last business date, and nothing else."""
    anna = fill(shop)
    middle = pb.SpendSummary(
        customer=anna,
        gross=gbp(20_01),
        refunded=gbp(4_00),
        net=gbp(16_01),
        profit=gbp(4_00),
        purchase_count=1,
        refund_count=1,
        profit_unknown_count=1,
        average_transaction=gbp(20_01),
        first_purchase_time=at("2026-02-10 10:00"),
        last_purchase_time=at("2026-02-10 10:00"),
    )
    assert shop.spend(anna, "2026-02-05", "2026-02-10") == middle
    assert shop.spend(anna, "2026-02-02", "2026-02-19") == middle
    assert shop.spend(anna, "2026-02-10", "2026-02-10").refund_count == 0


def test_windows_without_a_beginning_or_an_end(shop: Shop) -> None:
    """A window that is open on one side reaches to the ledger's end, and one around all equals the running sums."""
    anna = fill(shop)
    assert shop.spend(anna, last="2026-02-09").net == gbp(6_00)
    assert shop.spend(anna, first="2026-02-10").net == gbp(-24_99)
    assert shop.spend(anna, "2000-01-01", "2100-01-01") == shop.spend(anna)
    assert shop.spend(anna, first="2026-02-01") == shop.spend(anna, last="2026-02-25") == shop.spend(anna)


def test_without_a_sale_there_is_no_average(shop: Shop) -> None:
    """A customer without records, or a window without a sale, has zeros, no average and no times."""
    ben = shop.customer()
    zero = gbp(0)
    empty = pb.SpendSummary(customer=ben, gross=zero, refunded=zero, net=zero, profit=zero)
    assert shop.spend(ben) == shop.spend(ben, "2026-01-01", "2026-12-31") == empty
    anna = fill(shop)
    refunds_only = shop.spend(anna, first="2026-02-25")
    assert (refunds_only.refund_count, refunds_only.HasField("average_transaction")) == (1, False)
    assert not refunds_only.HasField("first_purchase_time")


def test_an_average_is_rounded_half_up(shop: Shop) -> None:
    """Half a penny goes up, less goes down."""
    anna, ben = shop.customer(), shop.customer()
    shop.record_all(
        *(sale(f"A{amount}", line(1, amount), customer=anna) for amount in (1, 2)),
        *(sale(f"B{amount}", line(1, amount), customer=ben) for amount in (1, 3, 6)),
    )
    assert shop.spend(anna).average_transaction == shop.spend(anna, "2026-01-01").average_transaction == gbp(2)
    assert shop.spend(ben).average_transaction == gbp(3)
    shop.record(sale("B4", line(1, 3), customer=ben))
    assert shop.spend(ben).average_transaction == gbp(3)


def test_a_summary_needs_a_customer_and_a_window_that_is_one(shop: Shop) -> None:
    """An unknown customer is NOT_FOUND; a reversed window is refused with both fields named."""
    missing = refused(shop.spend, NOBODY)
    assert (missing.code, missing.reason, missing.metadata) == ("NOT_FOUND", "CUSTOMER_NOT_FOUND", {"name": NOBODY})
    reversed_window = refused(shop.spend, NOBODY, "2026-02-02", "2026-02-01")
    assert (reversed_window.reason, reversed_window.fields) == ("RANGE_REVERSED", {"last_date": "RANGE_REVERSED"})
    request = pb.GetSpendSummaryRequest(customer=shop.customer(), first_date=day("2026-02-28"))
    request.first_date.day = 29
    malformed = refused(shop.running.call, PURCHASES, "GetSpendSummary", request)
    assert malformed.fields == {"first_date": "DATE_MALFORMED"}
