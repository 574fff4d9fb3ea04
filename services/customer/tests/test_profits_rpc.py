"""Profits told after the sale, over the wire: what follows them, what stays, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.customer.tests.builders import (
    LEEDS,
    NOTHING,
    YESTERDAY,
    YORK,
    Shop,
    day,
    gbp,
    line,
    profits,
    receipt,
    refund,
    refused,
    sale,
)
from services.customer.tests.test_concurrency import at_once
from shuke.customer.v1 import events_pb2
from shuke.customer.v1 import purchases_pb2 as pb
from tests.running import Refusal


def set_one(shop: Shop, request: pb.SetProfitRequest) -> pb.PurchaseProfit:
    """Tell the profits of one sale."""
    [result] = shop.set_profits(request)
    assert result.HasField("response"), result.error
    return result.response


def told(shop: Shop, purchase: str) -> list[events_pb2.ProfitSet]:
    """Read what was told of a sale's profit."""
    return [event for event in shop.all_told(purchase) if isinstance(event, events_pb2.ProfitSet)]


@pytest.mark.requirement("C-24")
def test_a_profit_that_becomes_known_counts_from_then_on(shop: Shop) -> None:
    """Lines, answer, sums in chain and window follow; lines that are not named, and everything else, stay."""
    anna = shop.customer()
    given = sale("R1", line(1, 10_00), line(2, 20_00, profit=5_00), line(3, 1_00), customer=anna)
    sold = shop.record(given).purchase
    shop.record(sale("R2", line(1, 8_00, profit=1_00), customer=anna, on="2026-02-28", store=YORK))
    assert set_one(shop, profits(sold.name, {1: 3_00})) == pb.PurchaseProfit(purchase=sold.name, profit=gbp(8_00))
    assert shop.spend(anna).profit_unknown_count == 1
    answer = set_one(shop, profits(receipt("R1"), {3: -50}))
    assert answer == pb.PurchaseProfit(purchase=sold.name, profit=gbp(7_50), profit_known=True)
    spend = shop.spend(anna)
    assert (spend.profit, spend.profit_unknown_count, spend.gross, spend.purchase_count) == (
        gbp(8_50),
        0,
        gbp(39_00),
        2,
    )
    assert spend == shop.spend(anna, first="2000-01-01")
    found = shop.purchase(sold.name)
    assert [one.profit for one in found.lines] == [gbp(3_00), gbp(5_00), gbp(-50)]
    for one, original in zip(found.lines, sold.lines, strict=True):
        one.ClearField("profit")
        if original.HasField("profit"):
            one.profit.CopyFrom(original.profit)
    assert found == sold
    again = shop.record(given)
    assert (again.replayed, again.first_in_chain) == (True, False)
    assert shop.spend(anna) == spend


@pytest.mark.requirement("C-24")
def test_a_profit_is_told_only_when_it_is_another(shop: Shop) -> None:
    """ProfitSet says what it was and what it is; the same again, or moved between lines, is told to nobody."""
    anna = shop.customer()
    name = shop.record(sale("R1", line(1, 10_00), line(2, 20_00, profit=5_00), customer=anna)).purchase.name
    set_one(shop, profits(name, {1: 3_00}))
    first = events_pb2.ProfitSet(
        purchase=name,
        customer=anna,
        kind=pb.Purchase.SALE,
        store=LEEDS,
        business_date=day(YESTERDAY),
        old_profit=gbp(5_00),
        profit=gbp(8_00),
        profit_known=True,
    )
    assert told(shop, name) == [first]
    set_one(shop, profits(name, {1: 3_00}))
    set_one(shop, profits(name, {1: 5_00, 2: 3_00}))
    assert told(shop, name) == [first]
    assert shop.purchase(name).lines[1].profit == gbp(3_00)
    for lines in ({2: None}, {2: 0}):
        set_one(shop, profits(name, lines))
    known, unknown, zero = [(one.profit, one.profit_known) for one in told(shop, name)]
    assert (known, unknown, zero) == ((gbp(8_00), True), (gbp(5_00), False), (gbp(5_00), True))
    assert (shop.spend(anna).profit, shop.spend(anna).profit_unknown_count) == (gbp(5_00), 0)


def test_a_sale_of_nobody_is_told_too(shop: Shop) -> None:
    """Without a customer no sums follow, and the event names none."""
    name = shop.record(sale("R1")).purchase.name
    set_one(shop, profits(name, {1: 1_00}))
    [event] = told(shop, name)
    assert (event.customer, event.old_profit, event.profit) == ("", gbp(0), gbp(1_00))


def test_a_sale_that_stands_twice_in_a_batch_gets_the_last_profit(shop: Shop) -> None:
    """Items are applied in order, by name or by receipt; what is told is what came of them all."""
    anna = shop.customer()
    name = shop.record(sale("R1", customer=anna)).purchase.name
    results = shop.set_profits(profits(name, {1: 1_00}), profits(receipt("R1"), {1: 4_00}))
    assert [result.response.profit for result in results] == [gbp(1_00), gbp(4_00)]
    assert [(one.old_profit, one.profit) for one in told(shop, name)] == [(gbp(0), gbp(4_00))]
    assert shop.spend(anna).profit == gbp(4_00)


def bad_items(shop: Shop) -> dict[str, tuple[pb.SetProfitRequest, str, str, dict[str, str]]]:
    """One bad item of each kind, with code, reason and fields that it must get."""
    sold = shop.record(sale("BAD", line(1), line(2, profit=10**12 - 1))).purchase.name
    voided = shop.record(sale("VOID")).purchase.name
    shop.void(voided)
    foreign = profits(sold, {1: 1, 2: 1})
    foreign.lines[1].profit.currency_code = "EUR"
    wrong = "INVALID_ARGUMENT"
    return {
        "empty": (pb.SetProfitRequest(), wrong, "", {"sale": "REQUIRED", "lines": "REPEATED_MIN_ITEMS"}),
        "shape": (
            profits("refunds/1", {0: 1, 10_000: 1}),
            wrong,
            "",
            {"purchase": "STRING_PATTERN", "lines[0].line_no": "INT32_GTE_LTE", "lines[1].line_no": "INT32_GTE_LTE"},
        ),
        "currency": (foreign, wrong, "", {"lines[1].profit": "CURRENCY_FOREIGN"}),
        "lines": (
            pb.SetProfitRequest(
                purchase=sold, lines=[pb.SetProfitRequest.LineProfit(line_no=number) for number in (7, 1, 1, 8)]
            ),
            wrong,
            "",
            {
                "lines[0].line_no": "LINE_UNKNOWN",
                "lines[2].line_no": "LINE_NUMBER_REPEATED",
                "lines[3].line_no": "LINE_UNKNOWN",
            },
        ),
        "sum": (profits(sold, {1: 1}), wrong, "", {"lines": "MONEY_MALFORMED"}),
        "no such sale": (profits(NOTHING, {1: 1}), "NOT_FOUND", "PURCHASE_NOT_FOUND", {}),
        "no such receipt": (profits(receipt("R404"), {1: 1}), "NOT_FOUND", "RECEIPT_NOT_FOUND", {}),
        "voided": (profits(voided, {1: 1}), "FAILED_PRECONDITION", "PURCHASE_VOIDED", {}),
    }


def test_a_bad_item_costs_the_others_nothing(shop: Shop) -> None:
    """Each bad item gets its error in its place, all that is wrong at once, and changes nothing; good ones are kept."""
    anna = shop.customer()
    names = [shop.record(sale(f"R{number}", customer=anna)).purchase.name for number in range(2)]
    bad = bad_items(shop)
    first, *results, last = shop.set_profits(
        profits(names[0], {1: 1_00}), *(item[0] for item in bad.values()), profits(names[1], {1: 2_00})
    )
    assert (first.response.profit, last.response.profit) == (gbp(1_00), gbp(2_00))
    for kind, (_, code, reason, fields), result in zip(bad, bad.values(), results, strict=True):
        refusal = Refusal.of(result.error)
        assert (refusal.code, refusal.fields) == (code, fields), kind
        assert not reason or refusal.reason == reason
    assert shop.spend(anna).profit == gbp(3_00)
    assert told(shop, bad["sum"][0].purchase) == []


def test_a_batch_has_its_limits(shop: Shop) -> None:
    """No item at all and more than a thousand are refused as a whole; a thousand are taken."""
    assert refused(shop.set_profits).fields == {"requests": "REPEATED_MIN_ITEMS"}
    assert refused(shop.set_profits, *[pb.SetProfitRequest()] * 1001).fields == {"requests": "REPEATED_MAX_ITEMS"}
    anna = shop.customer()
    shop.record_all(*(sale(f"R{number}", customer=anna) for number in range(1000)))
    results = shop.set_profits(*(profits(receipt(f"R{number}"), {1: number}) for number in range(1000)))
    assert all(result.HasField("response") for result in results)
    assert shop.spend(anna).profit == gbp(sum(range(1000)))


def test_a_store_sets_the_profits_of_its_own_sales(shop: Shop) -> None:
    """A store's key gets STORE_FOREIGN in place of another store's sale, by name as by receipt."""
    mine, other = [shop.record(sale(f"R-{store}", store=store)).purchase.name for store in (LEEDS, YORK)]
    items = [profits(mine, {1: 1}), profits(other, {1: 1}), profits(receipt("R-YORK", YORK), {1: 1})]
    good, *foreign = shop.set_profits(*items, stores=(LEEDS,))
    assert good.HasField("response")
    assert [Refusal.of(result.error).reason for result in foreign] == ["STORE_FOREIGN"] * 2
    assert not shop.purchase(other).lines[0].HasField("profit")


@pytest.mark.requirement("C-23", "C-24")
@pytest.mark.parametrize("after", [False, True], ids=["corrected after it", "corrected before it"])
def test_corrections_carry_the_profit(shop: Shop, after: bool) -> None:  # noqa: FBT001
    """A sale attached takes its profit along, and one voided takes it away, whichever came first."""
    anna, ben = shop.customer(), shop.customer()
    name = shop.record(sale("R1", customer=anna)).purchase.name
    shop.refund(refund("F1", line(1, 4_00, profit=1_00), original_purchase=name))
    steps: list[Callable[[], object]] = [
        lambda: set_one(shop, profits(name, {1: 3_00})),
        lambda: shop.attach(name, ben),
    ]
    for step in reversed(steps) if after else steps:
        step()
    assert (shop.spend(anna).profit, shop.spend(ben).profit) == (gbp(0), gbp(2_00))
    [event] = told(shop, name)
    assert event.customer == (ben if after else anna)
    alone = shop.record(sale("R2", customer=ben)).purchase.name
    set_one(shop, profits(alone, {1: 9_00}))
    shop.void(alone)
    assert shop.spend(ben).profit == gbp(2_00)


@pytest.mark.requirement("C-24")
def test_profits_set_at_once_all_count(shop: Shop) -> None:
    """Batches that name the same sales in another order, beside sales and voids, leave the sums of the ledger."""
    anna = shop.customer()
    names = [shop.record(sale(f"R{number}", customer=anna)).purchase.name for number in range(6)]
    items = [profits(name, {1: number}) for number, name in enumerate(names[:5])]
    acts: list[Callable[[], object]] = [
        lambda: shop.set_profits(*items),
        lambda: shop.set_profits(*reversed(items)),
        lambda: shop.record(sale("R9", line(1, 1_00, profit=50), customer=anna)),
        lambda: shop.void(names[5]),
    ]

    def do(number: int) -> None:
        acts[number]()

    at_once(do, range(len(acts)))
    spend = shop.spend(anna)
    assert (spend.profit, spend.profit_unknown_count) == (gbp(sum(range(5)) + 50), 0)
    assert spend == shop.spend(anna, first="2000-01-01")
    assert [len(told(shop, name)) for name in names[:5]] == [1] * 5
