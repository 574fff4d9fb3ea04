"""The rules of the day close: four verdicts, and when a day is closed."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.customer.ledger.domain import Anomaly, Record, TimeInFuture
from services.customer.store_days.domain import (
    NOTHING,
    Close,
    Figures,
    Held,
    Item,
    Key,
    Side,
    State,
    StoreDay,
    Sums,
    Verdict,
    compare,
    days_back,
    odd,
    require_begun,
    side_of,
    sum_up,
)

DAY = date(2026, 3, 1)

# Few keys and amounts, so that both sides often have the same.
keys = st.builds(Key, st.sampled_from(("", "T1", "T2")), st.sampled_from(Record), st.sampled_from(("1", "2", "3")))
receipts = st.dictionaries(keys, st.builds(Figures, st.just(1), st.integers(0, 2)))
held_records = st.lists(
    st.builds(
        Held,
        terminal=st.sampled_from(("", "T1")),
        record=st.sampled_from(Record),
        receipt_no=st.integers(0, 10**6).map(str),
        total=st.integers(0, 10**9),
        anomalies=st.lists(st.sampled_from(Anomaly), unique=True).map(tuple),
    ),
    unique_by=lambda each: (each.terminal, each.record, each.receipt_no),
)


@pytest.mark.requirement("C-21")
@given(receipts, receipts)
def test_the_verdicts_partition_the_receipts_of_both_sides(journal: Side, held: Side) -> None:
    """Each receipt of either side has one verdict, which says who has it and whether the amounts are the same."""
    found = {item.key: item.verdict for item in compare(journal, held)}
    assert len(compare(journal, held)) == len(found)
    by_verdict = {verdict: {key for key, given in found.items() if given is verdict} for verdict in Verdict}
    both = journal.keys() & held.keys()
    assert by_verdict == {
        Verdict.MISSING: journal.keys() - held.keys(),
        Verdict.EXTRA: held.keys() - journal.keys(),
        Verdict.EQUAL: {key for key in both if journal[key] == held[key]},
        Verdict.AMOUNT: {key for key in both if journal[key] != held[key]},
    }


@given(receipts, receipts)
def test_all_is_equal_only_where_both_sides_are(journal: Side, held: Side) -> None:
    """Equal sides have nothing but EQUAL, and add up to the same; sides that differ have another verdict somewhere."""
    everything_equal = all(item.verdict is Verdict.EQUAL for item in compare(journal, held))
    assert everything_equal == (journal == held)
    assert not everything_equal or sum_up(journal) == sum_up(held)


@given(held_records)
def test_terminals_add_up_to_what_receipts_do(held: list[Held]) -> None:
    """The ledger's side has the same sums by terminal as by receipt, and counts each record once."""
    by_receipt, by_terminal = side_of(held, receipts=True), side_of(held, receipts=False)
    assert sum_up(by_receipt) == sum_up(by_terminal)
    assert sum_up(by_receipt).sales.count == sum(each.record is Record.SALE for each in held)
    assert {key.receipt_no for key in by_terminal} <= {""}
    assert odd(held).total() == sum(len(each.anomalies) for each in held)


@pytest.mark.parametrize(
    ("journal", "held", "verdict"),
    [
        (Figures(3, 30), Figures(3, 30), Verdict.EQUAL),
        (NOTHING, NOTHING, Verdict.EQUAL),
        (Figures(3, 30), Figures(2, 30), Verdict.MISSING),
        (Figures(2, 30), Figures(3, 20), Verdict.EXTRA),
        (Figures(3, 30), Figures(3, 31), Verdict.AMOUNT),
    ],
)
def test_of_a_terminal_the_number_decides_first(journal: Figures, held: Figures, verdict: Verdict) -> None:
    """More records in the journal are missing, fewer are extra, as many of another amount differ by it."""
    assert Item(Key("T1", Record.SALE), journal, held).verdict is verdict


def close(held: Sums, *, balanced: bool) -> Close:
    """Write a close."""
    return Close("LEEDS", DAY, 1, balanced, held, held, "S1", "apiKeys/1", 0)


SOME, MORE = Sums(Figures(1, 10)), Sums(Figures(1, 10), Figures(1, 5))


@pytest.mark.parametrize(
    ("last_close", "state"),
    [
        (None, State.OPEN),
        (close(SOME, balanced=True), State.BALANCED),
        (close(SOME, balanced=False), State.DIFFERENT),
        (close(MORE, balanced=True), State.CHANGED),
        (close(MORE, balanced=False), State.DIFFERENT),
    ],
)
def test_a_day_is_as_its_last_close_left_it(last_close: Close | None, state: State) -> None:
    """Without a close it is open; a balanced one holds for as long as the ledger stays as it was."""
    assert StoreDay("LEEDS", DAY, SOME, last_close).state is state


def test_a_day_to_come_cannot_be_closed() -> None:
    """Today can be closed, and tomorrow cannot."""
    require_begun(DAY, DAY)
    with pytest.raises(TimeInFuture):
        require_begun(date(2026, 3, 2), DAY)


def test_days_are_counted_back() -> None:
    """Both ends count, the latest day comes first, and a window that ends before it begins has none."""
    assert days_back(DAY, date(2026, 3, 3), 9) == [date(2026, 3, 3), date(2026, 3, 2), DAY]
    assert days_back(DAY, date(2026, 3, 3), 2) == [date(2026, 3, 3), date(2026, 3, 2)]
    assert days_back(DAY, date(2026, 2, 27), 2) == []
