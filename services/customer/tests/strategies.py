"""Records of every form, for tests that hold for all of them."""

from __future__ import annotations

from datetime import date

from hypothesis import strategies as st

from services.customer.ledger.domain import Content, Line, Part, Receipt

amounts = st.integers(0, 10**9)
words = st.text(st.characters(codec="ascii", categories=("L", "N", "P")), max_size=8)
receipts = st.builds(Receipt, words, words, st.dates(date(2020, 1, 1), date(2030, 1, 1)), words)
lines = st.builds(
    Line,
    line_no=st.integers(1, 9999),
    kind=st.sampled_from(("GOODS", "SERVICE")),
    sku=words,
    quantity=st.integers(1, 10**12),
    amount=amounts,
    product_name=words,
    category=words,
    model=words,
    specification=words,
    serial_no=words,
    list_amount=st.none() | amounts,
    tax=st.none() | amounts,
    profit=st.none() | st.integers(-(10**9), 10**9),
    original_line_no=st.integers(0, 9999),
)
parts = st.builds(Part, st.sampled_from(("DISCOUNT", "ROUNDING", "OTHER")), st.integers(-(10**9), 10**9))
contents = st.builds(
    Content,
    receipt=receipts,
    business_time=st.integers(0, 10**16),
    lines=st.lists(lines, min_size=1, max_size=3).map(tuple),
    total=amounts,
    adjustments=st.lists(parts, max_size=2).map(tuple),
    tenders=st.lists(parts, max_size=2).map(tuple),
    operator=words,
)
