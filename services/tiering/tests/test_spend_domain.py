"""What tiering keeps of sales and refunds follows from which there are, not from the order in which they arrive."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tiering.spend.domain import Day, Entry, FirstSale, Loss, Revaluation, Spender, tally
from services.tiering.tests.owner import ANNA, BERT, at

FIRST, SECOND = date(2011, 1, 5), date(2011, 1, 6)


def bought(day: date, total: int, profit: int = 0, time: int | None = None) -> Entry:
    """Write a sale of Anna's."""
    return Entry(ANNA, day, at(day) if time is None else time, is_sale=True, total=total, profit=profit)


def returned(day: date, total: int, profit: int = 0, sale_date: date | None = None) -> Entry:
    """Write a refund of Anna's."""
    return Entry(ANNA, day, at(day), is_sale=False, total=total, profit=profit, sale_date=sale_date)


@pytest.mark.requirement("X-29")
def test_a_refund_counts_on_its_own_date_and_on_that_of_its_sale() -> None:
    """Sales and profit add up per business date; a refund stands on its own date, and as a return on its sale's."""
    linked, alone = returned(SECOND, 4_00, 1_50, FIRST), returned(SECOND, 1_00)
    days, _ = tally([bought(FIRST, 10_00, 3_00), bought(FIRST, 5_00, -1_00), linked, alone])
    assert days == {
        (ANNA, FIRST, "SALE"): Day(sales=15_00, sales_profit=2_00, purchase_count=2, returns=4_00, returns_profit=1_50),
        (ANNA, SECOND, "SALE"): Day(refunds=5_00, refunds_profit=1_50, returns=1_00),
    }


@pytest.mark.requirement("X-08")
def test_a_customer_begins_to_buy_with_the_earliest_sale() -> None:
    """The earliest entry may be a refund; the first sale is the earliest sale, also when it has a zero total."""
    _, spenders = tally([returned(FIRST, 4_00), bought(SECOND, 0)])
    assert spenders == {ANNA: Spender(FIRST, FirstSale(SECOND, at(SECOND)))}


def test_a_wrong_clock_may_part_the_first_date_from_the_first_time() -> None:
    """Each is the earliest of its kind: tenure by business date, the first purchase by business time."""
    _, spenders = tally([bought(SECOND, 1_00, time=at(FIRST, 1)), bought(FIRST, 1_00, time=at(FIRST, 9))])
    assert spenders == {ANNA: Spender(FIRST, FirstSale(FIRST, at(FIRST, 1)))}


@pytest.mark.requirement("C-24")
def test_a_profit_that_turns_out_to_be_another_moves_the_day_of_its_sale_alone() -> None:
    """The difference is added to the profit of the sale's day and kind; what is spent and when it began stay."""
    sold = bought(FIRST, 10_00, 3_00)
    days, spenders = tally([sold, Revaluation(ANNA, FIRST, "SALE", -4_00)])
    assert days == {(ANNA, FIRST, "SALE"): Day(sales=10_00, sales_profit=-1_00, purchase_count=1)}
    assert spenders == tally([sold])[1]


ENTRIES = st.builds(
    Entry,
    customer=st.sampled_from([ANNA, BERT]),
    business_date=st.sampled_from([FIRST, SECOND]),
    business_time=st.integers(0, 9),
    is_sale=st.booleans(),
    total=st.integers(0, 9),
    profit=st.integers(-9, 9),
    kind=st.sampled_from(["SALE", "CONTRACT"]),
    sale_date=st.sampled_from([None, FIRST, SECOND]),
)


@given(data=st.data(), entries=st.lists(ENTRIES, max_size=8))
def test_the_order_of_entries_does_not_matter(data: st.DataObject, entries: list[Entry]) -> None:
    """Every order, in any number of batches, leads to the same sums and the same beginnings."""
    shuffled = data.draw(st.permutations(entries))
    cut = data.draw(st.integers(0, len(entries)))
    days, spenders = tally(entries)
    days_1, spenders_1 = tally(shuffled[:cut])
    days_2, spenders_2 = tally(shuffled[cut:], {who: one for who, one in spenders_1.items() if one})
    assert days == {key: days_1.get(key, Day()) + days_2.get(key, Day()) for key in days_1 | days_2}
    assert spenders == spenders_2


@pytest.mark.requirement("X-08", "X-29")
@given(coming=st.lists(st.tuples(ENTRIES, st.sampled_from(["stays", "goes", "goes at once"])), max_size=9))
def test_what_is_lost_leaves_what_never_came(coming: list[tuple[Entry, str]]) -> None:
    """Entries that came and went, each told with when the customer began by what remained, leave nothing behind."""
    present: list[Entry] = []
    changes: list[Entry | Loss] = []
    for entry, fate in coming:
        present.append(entry)
        changes.append(entry)
        if fate == "goes at once":
            changes.append(_lose(present, entry))
    changes += [_lose(present, entry) for entry, fate in coming if fate == "goes"]
    (days, spenders), (expected_days, expected_spenders) = tally(changes), tally(present)
    assert {key: sums for key, sums in days.items() if sums != Day()} == {
        key: sums for key, sums in expected_days.items() if sums != Day()
    }
    assert {who: one for who, one in spenders.items() if one} == expected_spenders


def _lose(present: list[Entry], entry: Entry) -> Loss:
    """Take an entry away, as the customer service tells of it."""
    present.remove(entry)
    _, remaining = tally([one for one in present if one.customer == entry.customer])
    return Loss((entry,), remaining.get(entry.customer))
