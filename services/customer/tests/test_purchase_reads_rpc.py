"""Reading sales and refunds: one by name, or page by page."""

from __future__ import annotations

from typing import Any

import pytest

from services.customer.tests.builders import (
    LEEDS,
    NOTHING,
    YORK,
    Shop,
    alone,
    day,
    line,
    receipt,
    refund,
    refused,
    sale,
)
from shuke.customer.v1 import purchases_pb2 as pb


def fill(shop: Shop) -> tuple[str, list[str]]:
    """Record seven sales of a customer in two stores, some others beside; answer the seven, latest first."""
    anna = shop.customer()
    days = ["2026-02-26", "2026-02-27", "2026-02-27", "2026-02-27", "2026-02-28", "2026-02-28", "2026-03-01"]
    mine = [
        sale(f"A{number}", customer=anna, on=on, store=YORK if number % 2 else LEEDS) for number, on in enumerate(days)
    ]
    others = [sale(f"B{number}", on=on, store=YORK) for number, on in enumerate(days)]
    results = shop.record_all(*others, *mine)
    shop.refund(alone("F1", customer=anna))
    names = {result.response.purchase.receipt.receipt_no: result.response.purchase.name for result in results}
    latest = sorted(
        ((on, names[f"A{number}"]) for number, on in enumerate(days)),
        reverse=True,
    )
    return anna, [name for _, name in latest]


def pages(shop: Shop, **query: object) -> list[list[str]]:
    """Read every page of a list."""
    found, token = [], ""
    while True:
        answer = shop.purchases(pb.ListPurchasesRequest(**query, page_token=token))  # type: ignore[arg-type]
        found.append([purchase.name for purchase in answer.purchases])
        token = answer.next_page_token
        if not token:
            return found


def test_pages_follow_each_other(shop: Shop) -> None:
    """Pages of each size together give each of the customer's sales once, the latest business date first."""
    anna, mine = fill(shop)
    assert pages(shop, customer=anna) == [mine]
    assert pages(shop, customer=anna, page_size=3) == [mine[:3], mine[3:6], mine[6:]]
    assert pages(shop, customer=anna, page_size=7) == [mine]
    assert pages(shop, customer=anna, page_size=1) == [[name] for name in mine]


def test_a_sale_that_comes_in_between_disturbs_no_page(shop: Shop) -> None:
    """What is recorded while somebody turns pages neither repeats nor hides a sale on the pages to come."""
    anna, mine = fill(shop)
    query = pb.ListPurchasesRequest(customer=anna, page_size=3)
    query.page_token = shop.purchases(query).next_page_token
    shop.record(sale("NEW", customer=anna, on="2026-03-02", time="01:00"))
    assert [purchase.name for purchase in shop.purchases(query).purchases] == mine[3:6]


def test_a_list_keeps_to_its_window_and_store(shop: Shop) -> None:
    """Both ends of a window count; a store and a customer together are both kept."""
    anna, mine = fill(shop)
    assert pages(shop, customer=anna, first_date=day("2026-02-27"), last_date=day("2026-02-28")) == [mine[1:6]]
    assert pages(shop, customer=anna, first_date=day("2026-03-01")) == [mine[:1]]
    assert pages(shop, customer=anna, last_date=day("2026-02-26")) == [mine[6:]]
    assert pages(shop, customer=anna, first_date=day("2026-03-02")) == [[]]
    assert len(pages(shop, store=YORK)[0]) == 7 + 3
    both = pages(shop, customer=anna, store=YORK)[0]
    assert len(both) == 3
    assert set(both) < set(mine)


FOREIGN: dict[str, dict[str, Any]] = {
    "customer": {"customer": "customers/00000000-0000-7000-8000-000000000001"},
    "store": {"store": YORK},
    "first date": {"first_date": day("2026-02-01")},
    "last date": {"last_date": day("2026-03-02")},
}


@pytest.mark.parametrize("change", FOREIGN)
def test_a_page_token_fits_its_query_only(shop: Shop, change: str) -> None:
    """With any other argument a token is refused; another page size is none of these."""
    anna, mine = fill(shop)
    query = pb.ListPurchasesRequest(customer=anna, page_size=3)
    query.page_token = shop.purchases(query).next_page_token
    other = pb.ListPurchasesRequest()
    other.CopyFrom(query)
    other.MergeFrom(pb.ListPurchasesRequest(**FOREIGN[change]))
    refusal = refused(shop.purchases, other)
    assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")
    assert refusal.fields == {"page_token": "PAGE_TOKEN_INVALID"}
    query.page_size = 2
    assert [purchase.name for purchase in shop.purchases(query).purchases] == mine[3:5]


def test_a_broken_page_token_is_refused(shop: Shop) -> None:
    """A token with a character changed, cut or added is refused, and so is plain nonsense."""
    anna, _ = fill(shop)
    query = pb.ListPurchasesRequest(customer=anna, page_size=3)
    token = shop.purchases(query).next_page_token
    for broken in (token[:-1], token + "A", ("B" if token[0] == "A" else "A") + token[1:], "nonsense", "熟客"):
        query.page_token = broken
        assert refused(shop.purchases, query).reason == "PAGE_TOKEN_INVALID", broken


def test_a_list_needs_a_customer_or_a_store(shop: Shop) -> None:
    """A list of everything, a negative page size and a malformed name are refused, with all that is wrong at once."""
    assert refused(shop.purchases, pb.ListPurchasesRequest()).fields == {"": "LIST_PURCHASES_SCOPE"}
    both = refused(shop.purchases, pb.ListPurchasesRequest(customer="anna", page_size=-1))
    assert both.fields == {"customer": "STRING_PATTERN", "page_size": "INT32_GTE"}


def test_a_window_must_not_end_before_it_begins(shop: Shop) -> None:
    """A reversed window is refused, and so is a day that is none."""
    anna = shop.customer()
    reversed_window = pb.ListPurchasesRequest(customer=anna, first_date=day("2026-03-01"), last_date=day("2026-02-28"))
    refusal = refused(shop.purchases, reversed_window)
    assert (refusal.reason, refusal.metadata) == ("RANGE_REVERSED", {"field": "last_date", "other": "first_date"})
    no_day = day("2026-02-28")
    no_day.day = 30
    refusal = refused(shop.purchases, pb.ListPurchasesRequest(customer=anna, first_date=no_day, last_date=no_day))
    assert refusal.fields == {"first_date": "DATE_MALFORMED", "last_date": "DATE_MALFORMED"}


def test_a_store_key_lists_its_own_store_only(shop: Shop) -> None:
    """A store's key must name its store; another store, or none, is refused."""
    anna, mine = fill(shop)
    own = shop.purchases(pb.ListPurchasesRequest(customer=anna, store=LEEDS), stores=(LEEDS,))
    assert {purchase.name for purchase in own.purchases} < set(mine)
    assert len(own.purchases) == 4
    for query in (pb.ListPurchasesRequest(customer=anna), pb.ListPurchasesRequest(store=YORK)):
        refusal = refused(shop.purchases, query, stores=(LEEDS,))
        assert (refusal.code, refusal.reason) == ("PERMISSION_DENIED", "STORE_FOREIGN")


def test_one_sale_is_read_by_name(shop: Shop) -> None:
    """A sale is read by its own store's key and by a key for all stores; another store's key is refused."""
    name = shop.record(sale("R1")).purchase.name
    assert shop.purchase(name, stores=(LEEDS, YORK)) == shop.purchase(name)
    foreign = refused(shop.purchase, name, stores=(YORK,))
    assert (foreign.code, foreign.reason, foreign.metadata) == ("PERMISSION_DENIED", "STORE_FOREIGN", {"store": LEEDS})


def test_what_does_not_exist_is_not_found(shop: Shop) -> None:
    """An unknown name is NOT_FOUND, also when it is a refund's; a malformed one is INVALID_ARGUMENT."""
    back = shop.refund(alone("F1")).refund.name
    for name in (NOTHING, back.replace("refunds", "purchases")):
        missing = refused(shop.purchase, name)
        assert (missing.code, missing.reason, missing.metadata) == ("NOT_FOUND", "PURCHASE_NOT_FOUND", {"name": name})
    for name in ("", "purchases/1", NOTHING + "\n", NOTHING.replace("purchases", "refunds")):
        assert refused(shop.purchase, name).fields == {"name": "STRING_PATTERN"}, name


def test_refunds_are_listed_as_sales_are(shop: Shop) -> None:
    """By customer, store, window and state, the latest first, page by page; a store's key lists its own store only."""
    anna, ben = shop.customer(), shop.customer()
    sold = shop.record(sale("R1", line(1, 90_00), customer=anna)).purchase.name
    shop.record(sale("F0", customer=anna))
    given = [
        refund("F0", on="2026-02-27", original_purchase=sold),
        refund("F1", on="2026-02-28", original_receipt=receipt("R9"), customer=anna, store=YORK),
        alone("F2", on="2026-02-28", customer=anna, store=YORK),
        alone("F3", on="2026-03-01", customer=ben),
    ]
    names = [result.response.refund.name for result in shop.refund_all(*given)]

    def listed(**query: Any) -> list[int]:  # noqa: ANN401  (as the request)
        found, token = [], ""
        while True:
            answer = shop.refunds(pb.ListRefundsRequest(page_token=token, page_size=2, **query))
            assert len(answer.refunds) <= 2
            found += [names.index(one.name) for one in answer.refunds]
            token = answer.next_page_token
            if not token:
                return found

    latest = sorted((1, 2), key=lambda number: names[number], reverse=True)
    assert listed(customer=anna) == [*latest, 0]
    assert listed(store=YORK) == latest
    assert listed(store=LEEDS) == [3, 0]
    assert listed(customer=anna, store=LEEDS) == [0]
    assert listed(customer=anna, last_date=day("2026-02-27")) == [0]
    assert listed(customer=anna, first_date=day("2026-02-28"), last_date=day("2026-02-28")) == latest
    for state, numbers in ((pb.Refund.LINKED, [0]), (pb.Refund.AWAITING_SALE, [1]), (pb.Refund.STANDALONE, [2])):
        assert listed(customer=anna, state=state) == numbers
    [whole] = shop.refunds(pb.ListRefundsRequest(customer=ben)).refunds
    assert whole == shop.refunded(names[3])
    own = shop.refunds(pb.ListRefundsRequest(store=YORK), stores=(YORK,))
    assert len(own.refunds) == 2
    for query in (pb.ListRefundsRequest(customer=anna), pb.ListRefundsRequest(store=LEEDS)):
        assert refused(shop.refunds, query, stores=(YORK,)).reason == "STORE_FOREIGN"
    assert refused(shop.refunds, pb.ListRefundsRequest()).fields == {"": "LIST_REFUNDS_SCOPE"}
    wrong = pb.ListRefundsRequest(customer="anna", page_size=-1, state=9)  # type: ignore[arg-type]
    assert refused(shop.refunds, wrong).fields == {
        "customer": "STRING_PATTERN",
        "page_size": "INT32_GTE",
        "state": "ENUM_DEFINED_ONLY",
    }


def test_sales_are_listed_by_state(shop: Shop) -> None:
    """Voided sales alone, those that count alone, or both where no state is asked for."""
    anna = shop.customer()
    kept, voided = (shop.record(sale(f"R{number}", customer=anna)).purchase.name for number in range(2))
    shop.void(voided)
    assert pages(shop, customer=anna, state=pb.Purchase.VOIDED) == [[voided]]
    assert pages(shop, customer=anna, state=pb.Purchase.RECORDED) == [[kept]]
    assert set(pages(shop, customer=anna)[0]) == {kept, voided}
