"""The ledger's rules: sums that hold, content that is the same, what receipts add up to."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from functools import reduce
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Problems
from services.customer.ledger.convert import quantity_text, thousandths
from services.customer.ledger.domain import (
    CHAIN_SCOPE,
    HASH_VERSION,
    Anomaly,
    Content,
    CustomerState,
    Entry,
    First,
    Line,
    Link,
    Moment,
    Part,
    Receipt,
    Record,
    Spend,
    TimeInFuture,
    accept,
    check,
    payload_hash,
    spend_of,
    tally,
    time_odd,
)
from services.customer.tests.builders import GBP
from services.customer.tests.strategies import amounts, contents, lines, receipts
from shuke.customer.v1 import purchases_pb2 as pb

TODAY = date(2026, 3, 2)
RECEIPT = Receipt("LEEDS", "T1", TODAY, "R1")

firsts = st.builds(First, st.integers(0, 5), st.sampled_from("abc"))
spends = st.builds(
    Spend,
    amounts,
    amounts,
    st.integers(-(10**9), 10**9),
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 9),
    st.none() | firsts,
    st.none() | st.integers(0, 9),
)


def content(*given_lines: Line, total: int | None = None, **more: object) -> Content:
    """Make what a till tells of a sale; the total is that of the lines."""
    chosen = given_lines or (line(),)
    added = sum(each.amount for each in chosen)
    return Content(RECEIPT, 0, chosen, added if total is None else total, **more)  # type: ignore[arg-type]


def line(number: int = 1, amount: int = 10_00, quantity: int = 1000, **more: object) -> Line:
    """Make a line."""
    return Line(number, "GOODS", "TEA", quantity, amount, **more)  # type: ignore[arg-type]


def wrong(given_content: Content) -> list[tuple[str, str]]:
    """List what is wrong with a record: path and reason."""
    problems = Problems()
    check(problems, "purchase", given_content, GBP)
    return [(violation.field, violation.reason) for violation in problems.found]


# -------------------------------------------------------------------------------------------------------------- sums


def test_sums_that_add_up_are_right() -> None:
    """Lines and adjustments are the total, and so are the tenders where there are any."""
    discount, rounding = Part("DISCOUNT", -1_00), Part("ROUNDING", 1)
    paid = (Part("CASH", 5_00), Part("CARD", 9_01), Part("POINTS", 0))
    assert wrong(content(line(1), line(2, 5_00), total=14_01, adjustments=(discount, rounding), tenders=paid)) == []
    assert wrong(content(line(amount=0), total=0)) == []


@given(sold=st.lists(amounts, min_size=1, max_size=5), off=st.integers(-(10**6), 10**6))
def test_a_total_is_right_or_told_with_its_sum(sold: list[int], off: int) -> None:
    """A total that is off by anything is told, with what the parts add up to."""
    given_lines = [line(number, amount) for number, amount in enumerate(sold, 1)]
    total = max(sum(sold) + off, 0)
    problems = Problems()
    check(problems, "purchase", content(*given_lines, total=total), GBP)
    assert bool(problems.found) == (total != sum(sold))
    for violation in problems.found:
        assert (violation.field, violation.reason) == ("purchase.total", "TOTAL_MISMATCH")
        assert violation.metadata["total"] == f"GBP {total / 100:.2f}"
        assert violation.metadata["sum"] == f"GBP {sum(sold) / 100:.2f}"


def test_tenders_are_compared_with_the_total_as_told() -> None:
    """What was paid is held against the total, and an amount paid is never negative."""
    short = content(tenders=(Part("CASH", 9_99),))
    change = content(tenders=(Part("CASH", 11_00), Part("OTHER", -1_00)))
    assert wrong(short) == [("purchase.tenders", "TENDER_MISMATCH")]
    assert wrong(change) == [("purchase.tenders[1].amount", "AMOUNT_NEGATIVE")]


def test_all_that_is_wrong_is_told_at_once() -> None:
    """Every violation is named, each by its own path."""
    bad = content(
        line(1, -5),
        line(2, 5_00, 0),
        line(2, 1_00, list_amount=-1, tax=-1, profit=-1),
        line(1),
        total=-7,
        tenders=(Part("CASH", 1), Part("CARD", -1)),
    )
    assert wrong(bad) == [
        ("purchase.lines[0].amount", "AMOUNT_NEGATIVE"),
        ("purchase.lines[1].quantity", "QUANTITY_ZERO"),
        ("purchase.lines[2].line_no", "LINE_NUMBER_REPEATED"),
        ("purchase.lines[2].list_amount", "AMOUNT_NEGATIVE"),
        ("purchase.lines[2].tax", "AMOUNT_NEGATIVE"),
        ("purchase.lines[3].line_no", "LINE_NUMBER_REPEATED"),
        ("purchase.tenders[1].amount", "AMOUNT_NEGATIVE"),
        ("purchase.total", "AMOUNT_NEGATIVE"),
        ("purchase.total", "TOTAL_MISMATCH"),
        ("purchase.tenders", "TENDER_MISMATCH"),
    ]


def test_profits_that_no_ledger_can_hold_are_refused() -> None:
    """Profits may be negative and large, but their sum must fit what a sum of sums can be stored in."""
    assert wrong(content(line(1, profit=10**12 - 1), line(2, profit=-(10**12) + 1))) == []
    assert wrong(content(*(line(number, profit=10**12 - 1) for number in range(1, 3)))) == [
        ("purchase.lines", "MONEY_MALFORMED")
    ]


@given(st.integers(0, 999_999_999_999))
def test_quantities_survive_the_way_there_and_back(quantity: int) -> None:
    """Thousandths are written as the shortest decimal number and read again unchanged."""
    text = quantity_text(quantity)
    assert thousandths(text) == quantity
    assert not text.endswith((".", ".0", "00")) or "." not in text


# -------------------------------------------------------------------------------------------------------------- hash


@given(contents, st.none() | receipts, st.data())
def test_a_hash_covers_what_makes_two_records_the_same(
    base: Content, original: Receipt | None, data: st.DataObject
) -> None:
    """Receipt, total, adjustments, original receipt, and of each line number, sku, quantity and amount change it."""
    other = data.draw(contents)
    other_line = data.draw(lines)
    first, *rest = base.lines
    covered = [
        dataclasses.replace(base, **{name: getattr(other, name)}) for name in ("receipt", "total", "adjustments")
    ]
    covered += [
        dataclasses.replace(base, lines=(dataclasses.replace(first, **{name: getattr(other_line, name)}), *rest))
        for name in ("line_no", "sku", "quantity", "amount")
    ]
    covered += [
        dataclasses.replace(base, lines=(*base.lines, other_line)),
        dataclasses.replace(base, lines=base.lines[:-1]),
    ]
    covered.append(dataclasses.replace(base, lines=base.lines[::-1]))
    for changed in covered:
        assert (payload_hash(changed, original) == payload_hash(base, original)) == (
            changed == base or _same(changed, base)
        )
    other_original = data.draw(st.none() | receipts)
    assert (payload_hash(base, other_original) == payload_hash(base, original)) == (other_original == original)


def _same(one: Content, two: Content) -> bool:
    """Compare the covered parts of lines; the order of lines is one of them."""

    def covered(given_content: Content) -> list[tuple[int, str, int, int]]:
        return [(each.line_no, each.sku, each.quantity, each.amount) for each in given_content.lines]

    return covered(one) == covered(two) and dataclasses.replace(one, lines=()) == dataclasses.replace(two, lines=())


@given(contents, contents, lines)
def test_a_hash_covers_nothing_else(base: Content, other: Content, other_line: Line) -> None:
    """Time, tenders, operator, and of a line kind, names, list amount, tax, profit and original line leave it alone."""
    free = ["kind", "product_name", "category", "model", "specification", "serial_no"]
    free += ["list_amount", "tax", "profit", "original_line_no"]
    changed_lines = tuple(
        dataclasses.replace(each, **{name: getattr(other_line, name) for name in free}) for each in base.lines
    )
    changed = dataclasses.replace(
        base,
        lines=changed_lines,
        business_time=other.business_time,
        tenders=other.tenders,
        operator=other.operator,
    )
    assert payload_hash(changed) == payload_hash(base)


def test_a_hash_tells_its_version() -> None:
    """The first byte is the version, so that another rule can come beside this one."""
    assert payload_hash(content())[0] == HASH_VERSION == 1
    assert len(payload_hash(content())) == 33


def test_no_two_receipts_are_written_alike() -> None:
    """A slash or a date within a part of a receipt's key cannot make it another receipt."""
    one = Receipt("LEEDS", "", TODAY, f"{TODAY}/R1")
    two = Receipt("LEEDS", TODAY.isoformat(), TODAY, "R1")
    assert str(one) == str(two)
    assert payload_hash(content(), one) != payload_hash(content(), two)


# -------------------------------------------------------------------------------------------------------------- time


NOW = 1_000_000_000
MOMENT = Moment(NOW, TODAY, tolerance=300)


@pytest.mark.parametrize(
    ("time", "day", "field"),
    [
        (NOW + 300, TODAY, None),
        (NOW + 301, TODAY, "purchase.business_time"),
        (NOW, TODAY + timedelta(days=1), "purchase.receipt.business_date"),
        (NOW + 301, TODAY + timedelta(days=1), "purchase.business_time"),
        (0, TODAY - timedelta(days=9999), None),
    ],
)
def test_the_future_begins_behind_the_tolerance(time: int, day: date, field: str | None) -> None:
    """A till's clock may run a little ahead; its business date may not lie behind the chain's day."""
    odd = time_odd(
        dataclasses.replace(content(), receipt=Receipt("L", "", day, "1"), business_time=time), MOMENT, "purchase"
    )
    assert [refused.metadata["field"] for refused in odd] == ([field] if field else [])


def test_a_settled_fact_turns_oddities_into_anomalies() -> None:
    """Settled, all oddities are named; not settled, the first of them is raised; without any there is none."""
    odd = (TimeInFuture(field="a"), TimeInFuture(field="b"))
    assert accept(odd, settled=True) == (Anomaly.TIME_IN_FUTURE, Anomaly.TIME_IN_FUTURE)
    with pytest.raises(TimeInFuture, match="'a'"):
        accept(odd, settled=False)
    assert accept((), settled=False) == accept((), settled=True) == ()


def test_the_domain_and_the_contract_know_the_same_words() -> None:
    """Anomalies, customer states and links are those of the contract, without the unspecified ones."""
    assert {*Anomaly, "ANOMALY_UNSPECIFIED"} == set(pb.Purchase.Anomaly.keys())
    assert {*CustomerState, "CUSTOMER_STATE_UNSPECIFIED"} == set(pb.Purchase.CustomerState.keys())
    assert {*Link, "STATE_UNSPECIFIED"} == set(pb.Refund.State.keys())


# ------------------------------------------------------------------------------------------------------------- spend


@pytest.mark.requirement("C-23")
@given(st.lists(spends, max_size=5), st.randoms())
def test_spend_adds_up_in_any_order(given_spends: list[Spend], random: Random) -> None:
    """Addition is commutative and associative with nothing as its zero, so that the order of arrival is no matter."""
    total = sum(given_spends, Spend())
    shuffled = list(given_spends)
    random.shuffle(shuffled)
    assert sum(shuffled, Spend()) == total
    assert reduce(lambda right, left: left + right, reversed(given_spends), Spend()) == total
    assert total + Spend() == Spend() + total == total
    assert total.net == sum(each.net for each in given_spends)


@pytest.mark.requirement("C-22", "X-08")
@given(st.lists(firsts, min_size=1))
def test_the_first_sale_is_the_earliest(given_firsts: list[First]) -> None:
    """The earliest business time is first, whatever came in first; at the same time the smaller id."""
    total = sum((Spend(purchases=1, first=first) for first in given_firsts), Spend())
    assert total.first is not None
    assert (total.first.business_time, total.first.id) == min((each.business_time, each.id) for each in given_firsts)


def entry(record: Record, given_content: Content, customer_id: str | None = "anna", entry_id: str = "1") -> Entry:
    """Make an entry of the ledger."""
    return Entry(entry_id, record, "SALE", given_content, b"", customer_id, CustomerState.RESOLVED, 0)


@pytest.mark.requirement("C-24")
def test_a_sale_adds_and_a_refund_takes_away() -> None:
    """Of a sale the total and the known profits count, of a refund they are taken away; only a sale can be a first."""
    told = dataclasses.replace(content(line(1, 7_00, profit=2_00), line(2, 3_00, profit=-50)), business_time=77)
    assert spend_of(entry(Record.SALE, told)) == Spend(10_00, 0, 1_50, 1, 0, 0, First(77, "1"), 77)
    assert spend_of(entry(Record.REFUND, told)) == Spend(0, 10_00, -1_50, 0, 1, 0)
    unknown = content(line(1, profit=2_00), line(2))
    assert spend_of(entry(Record.SALE, unknown)).profit_unknown == 1
    assert spend_of(entry(Record.REFUND, unknown)) == Spend(0, 20_00, -2_00, 0, 1, 1)


def test_entries_are_tallied_in_the_chain_and_in_their_stores() -> None:
    """Each customer's entries count once in the chain and once in their store; nobody's count nowhere."""
    york = dataclasses.replace(content(), receipt=Receipt("YORK", "", TODAY, "R2"))
    tallied = tally(
        [
            entry(Record.SALE, content()),
            entry(Record.REFUND, york),
            entry(Record.SALE, york, "ben"),
            entry(Record.SALE, content(), None),
        ]
    )
    assert {key: (spend.gross, spend.refunded) for key, spend in tallied.items()} == {
        ("anna", CHAIN_SCOPE): (10_00, 10_00),
        ("anna", "LEEDS"): (10_00, 0),
        ("anna", "YORK"): (0, 10_00),
        ("ben", CHAIN_SCOPE): (10_00, 0),
        ("ben", "YORK"): (10_00, 0),
    }
