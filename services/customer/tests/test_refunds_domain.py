"""The rules of a refund: what is left of a sale, and what may be given back of it."""

from __future__ import annotations

import dataclasses
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Invalid, Problems
from services.customer.customers.domain import Buyer, CustomerUnknown, Known
from services.customer.ledger.domain import (
    Anomaly,
    Content,
    CustomerState,
    Entry,
    Line,
    Link,
    Moment,
    Pending,
    Receipt,
    Record,
    payload_hash,
)
from services.customer.refunds.domain import (
    Draft,
    Original,
    OverRefund,
    RefundApproverMissing,
    check,
    check_against,
    excess,
    record,
)
from services.customer.tests.builders import GBP

TODAY = date(2026, 3, 2)
MOMENT = Moment(1000, TODAY, 0)
SALE_RECEIPT = Receipt("LEEDS", "T1", date(2026, 2, 1), "R1")


def content(*lines: tuple[int, int, int], total: int | None = None) -> Content:
    """Make a refund's content of lines (original line, quantity in thousandths, pence)."""
    told = tuple(
        Line(number, "GOODS", "TEA", quantity, amount, original_line_no=original)
        for number, (original, quantity, amount) in enumerate(lines, 1)
    )
    added = sum(line.amount for line in told)
    return Content(Receipt("LEEDS", "T1", TODAY, "F1"), 0, told, added if total is None else total)


def sale(**more: object) -> Entry:
    """Make a sale of three pieces for 30.00 on line 1 and one piece for 50.00 on line 2."""
    lines = (Line(1, "GOODS", "TEA", 3000, 30_00), Line(2, "GOODS", "KETTLE", 1000, 50_00))
    told = Content(SALE_RECEIPT, 0, lines, 80_00)
    given_entry = Entry("sale", Record.SALE, "SALE", told, b"", "anna", CustomerState.RESOLVED, 0)
    return dataclasses.replace(given_entry, **more)  # type: ignore[arg-type]


def refund_entry(given_content: Content) -> Entry:
    """Make an earlier refund of the sale."""
    return Entry("r", Record.REFUND, "SALE", given_content, b"", "anna", CustomerState.RESOLVED, 0, original_id="sale")


def draft(given_content: Content | None = None, **more: object) -> Draft:
    """Make a refund as a till sent it; it stands alone, with all that it needs for that."""
    base = Draft(given_content or content((0, 1000, 10_00)), "", None, Buyer(), "DAMAGED", "M1", settled=False)
    return dataclasses.replace(base, **more)  # type: ignore[arg-type]


def wrong(given_draft: Draft) -> list[tuple[str, str]]:
    """List what is wrong with a refund in itself."""
    problems = Problems()
    check(problems, given_draft)
    return [(violation.field, violation.reason) for violation in problems.found]


# -------------------------------------------------------------------------------------------------------------- left


def test_at_first_everything_is_left() -> None:
    """Of a sale without refunds the whole is left, and of each line all of it; a line that is none has nothing."""
    original = Original(sale())
    assert original.left() == 80_00
    assert (original.left_of_line(1), original.left_of_line(2)) == ((3000, 30_00), (1000, 50_00))
    assert original.left_of_line(3) is None
    assert original.left_of_line(0) is None


def test_each_refund_takes_from_the_whole_and_from_the_lines_it_names() -> None:
    """A line that names an original line lowers both; one that names none lowers the whole only."""
    given_back = (content((1, 1000, 10_00), (1, 500, 4_00)), content((0, 1000, 20_00), (2, 250, 1_00)))
    original = Original(sale(), tuple(map(refund_entry, given_back)))
    assert original.left() == 45_00
    assert (original.left_of_line(1), original.left_of_line(2)) == ((1500, 16_00), (750, 49_00))


LEFT = Original(sale(), (refund_entry(content((1, 1000, 10_00))),))


@pytest.mark.parametrize(
    ("given_back", "field", "left"),
    [
        (content((1, 2000, 20_00), (2, 1000, 50_00)), None, ""),
        (content((0, 9000, 70_00)), None, ""),
        (content((0, 1000, 70_01)), "refund.total", "GBP 70.00"),
        (content((2, 1000, 50_01)), "refund.lines[0]", "GBP 50.00"),
        (content((0, 1, 1), (1, 2001, 1)), "refund.lines[1]", "GBP 20.00"),
        (content((1, 2000, 1), (2, 1, 1), (1, 1, 1)), "refund.lines[2]", "GBP 20.00"),
        (content((1, 1000, 20_00), (1, 1000, 1)), "refund.lines[1]", "GBP 20.00"),
        (content((2, 1000, 50_00), total=70_01), "refund.total", "GBP 70.00"),
    ],
)
def test_more_than_is_left_is_told_with_what_is_left(given_back: Content, field: str | None, left: str) -> None:
    """The total, and each line in quantity and in money, may take what is left and no more."""
    told = [odd.metadata for odd in excess(given_back, LEFT, GBP)]
    assert told == ([{"field": field, "left": left}] if field else [])


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 2000), st.integers(0, 40_00)), min_size=1, max_size=12))
def test_refunds_that_pass_never_give_back_more_than_was_sold(wanted: list[tuple[int, int, int]]) -> None:
    """Whatever is asked for one after the other: what passes stays within the sale and within each of its lines."""
    original = Original(sale())
    for each in wanted:
        given_back = content(each)
        if not excess(given_back, original, GBP):
            original = Original(original.sale, (*original.refunds, refund_entry(given_back)))
    assert 0 <= original.left() <= 80_00
    for number in (1, 2):
        left = original.left_of_line(number)
        assert left is not None
        assert min(left) >= 0


def test_what_a_settled_refund_overdrew_leaves_nothing() -> None:
    """After an over-refund nothing is left, which is told as nothing and not as less."""
    overdrawn = Original(sale(), (refund_entry(content((1, 9000, 99_00))),))
    [odd] = excess(content((0, 1000, 1)), overdrawn, GBP)
    assert odd.metadata == {"field": "refund.total", "left": "GBP 0.00"}


# ------------------------------------------------------------------------------------------------------------ checks


def test_an_original_is_named_once() -> None:
    """A name and a receipt together are one too many."""
    twice = draft(original_id="sale", original_receipt=SALE_RECEIPT)
    assert wrong(twice) == [("refund.original_receipt", "ORIGINAL_NAMED_TWICE")]
    assert wrong(draft(original_id="sale", reason="")) == wrong(draft(original_receipt=SALE_RECEIPT, reason="")) == []


def test_without_an_original_a_refund_says_why_and_names_no_line_of_one() -> None:
    """A reason is missing, and lines that name an original's line name nothing: all is told at once."""
    assert wrong(draft()) == []
    assert wrong(draft(content((0, 1, 1), (4, 1, 1), (1, 1, 1)), reason="", settled=True)) == [
        ("refund.reason", "REFUND_REASON_MISSING"),
        ("refund.lines[1].original_line_no", "ORIGINAL_MISSING"),
        ("refund.lines[2].original_line_no", "ORIGINAL_MISSING"),
    ]


def test_lines_and_customer_must_be_those_of_the_original() -> None:
    """Unknown lines and another customer are told together; the same customer, or none, is right."""
    given_back = content((1, 1000, 1), (3, 1000, 1))
    with pytest.raises(Invalid) as caught:
        check_against(draft(given_back, buyer=Buyer("ben")), Original(sale()))
    assert [(violation.field, violation.reason) for violation in caught.value.violations] == [
        ("refund.lines[1].original_line_no", "ORIGINAL_LINE_UNKNOWN"),
        ("refund.customer", "ORIGINAL_CUSTOMER_DIFFERS"),
    ]
    check_against(draft(content((1, 1000, 1)), buyer=Buyer("anna")), Original(sale()))
    check_against(draft(content((1, 1000, 1))), Original(sale()))


# --------------------------------------------------------------------------------------------------------- recording


@pytest.mark.requirement("X-29")
def test_a_linked_refund_takes_customer_and_kind_of_its_sale() -> None:
    """Whose refund it is follows from the sale, as does the kind; a sale that is pending makes it pending too."""
    linked = draft(content((1, 1000, 10_00)), original_id="sale", original_receipt=SALE_RECEIPT)
    entry = record(linked, Original(sale(kind="CONTRACT")), Known(), MOMENT, GBP, "1")
    assert (entry.record, entry.link, entry.kind) == (Record.REFUND, Link.LINKED, "CONTRACT")
    assert (entry.customer_id, entry.customer_state) == ("anna", CustomerState.RESOLVED)
    assert (entry.original_id, entry.original, entry.anomalies) == ("sale", SALE_RECEIPT, ())
    assert entry.payload_hash == payload_hash(linked.content, SALE_RECEIPT)
    pending = sale(customer_id=None, customer_state=CustomerState.PENDING, pending=Pending("PHONE", b"blind"))
    entry = record(linked, Original(pending), Known(), MOMENT, GBP, "1")
    assert (entry.customer_id, entry.customer_state, entry.pending) == (None, CustomerState.PENDING, pending.pending)


def test_a_refund_of_an_unknown_receipt_waits() -> None:
    """It is recorded without asking for an approver, for the customer that it names."""
    waiting = draft(original_receipt=SALE_RECEIPT, approver="", reason="", buyer=Buyer("anna"))
    entry = record(waiting, None, Known(["anna"]), MOMENT, GBP, "1")
    assert (entry.link, entry.original_id, entry.original) == (Link.AWAITING_SALE, None, SALE_RECEIPT)
    assert (entry.customer_id, entry.kind) == ("anna", "SALE")


def test_a_refund_that_stands_alone_needs_an_approver_unless_it_is_settled() -> None:
    """Without an approver it is refused as a command and recorded as a fact, which is no anomaly."""
    with pytest.raises(RefundApproverMissing) as caught:
        record(draft(approver=""), None, Known(), MOMENT, GBP, "1")
    assert caught.value.metadata == {"field": "refund.approver"}
    entry = record(draft(approver="", settled=True), None, Known(), MOMENT, GBP, "1")
    assert (entry.link, entry.anomalies, entry.customer_state) == (Link.STANDALONE, (), CustomerState.ANONYMOUS)


def test_an_over_refund_is_refused_or_an_anomaly() -> None:
    """As a command it is refused, as a fact recorded with OVER_REFUND."""
    too_much = draft(content((0, 1000, 80_01)), original_id="sale", original_receipt=SALE_RECEIPT)
    with pytest.raises(OverRefund):
        record(too_much, Original(sale()), Known(), MOMENT, GBP, "1")
    entry = record(dataclasses.replace(too_much, settled=True), Original(sale()), Known(), MOMENT, GBP, "1")
    assert (entry.anomalies, entry.customer_id) == ((Anomaly.OVER_REFUND,), "anna")


def test_a_customer_that_nobody_knows_is_odd_only_without_an_original() -> None:
    """With an original the sale tells whose it is; without one an unknown customer is refused, or an anomaly."""
    unknown = draft(buyer=Buyer("zoe"))
    with pytest.raises(CustomerUnknown):
        record(unknown, None, Known(), MOMENT, GBP, "1")
    entry = record(dataclasses.replace(unknown, settled=True), None, Known(digest=b"zoe"), MOMENT, GBP, "1")
    assert (entry.anomalies, entry.pending) == ((Anomaly.CUSTOMER_UNKNOWN,), Pending("NAME", b"zoe"))
