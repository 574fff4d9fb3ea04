"""What the rows of an old sales file say, and what is said of rows that are wrong."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Sequence
from itertools import chain, zip_longest
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.online_retail import Refund, Sale
from cli.purchases_file import FileError, SalesFile
from cli.purchases_mapping import ImportMapping, MappingError, read_mapping
from cli.purchases_rows import Reader, Reading
from cli.tests.purchases import COLUMNS, EXAMPLES, LINES_MAPPING, Item, Slip, pounds, write
from shuke.customer.v1 import purchases_pb2 as pb
from tests.journeys.retail import receipts, slice_of

MAPPING = read_mapping(LINES_MAPPING)
CODES = st.from_regex(r"[A-Z0-9][A-Z0-9-]{0,8}", fullmatch=True)
# What no cell keeps: blanks around it, and what no text file holds.
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30).map(str.strip)
ITEMS = st.builds(
    Item,
    sku=CODES,
    text=WORDS | st.sampled_from(['"', "a;b", "茶\n叶", "'"]),
    quantity=st.integers(1, 10**9),
    amount=st.integers(0, 10**9),
    profit=st.none() | st.integers(-(10**6), 10**6),
)
SLIPS = st.lists(
    st.builds(
        Slip,
        number=CODES,
        items=st.lists(ITEMS, min_size=1, max_size=4),
        store=CODES,
        till=st.sampled_from(["", "1", "2"]),
        time=st.datetimes(dt.datetime(2001, 1, 1), dt.datetime(2026, 1, 1)).map(  # noqa: DTZ001  (a till's clock)
            lambda time: time.replace(second=0, microsecond=0, fold=0)
        ),
        refund=st.booleans(),
        card=st.sampled_from(["", "M-1", "M-2"]),
        paid=st.sampled_from("12"),
        rounding=st.integers(0, 99),
        original=st.sampled_from(["", "7"]),
    ),
    max_size=6,
    unique_by=lambda slip: (slip.store, slip.till, slip.time.date(), slip.number),
)


def read(path: Path, mapping: ImportMapping = MAPPING) -> list[Reading]:
    """Read a file as the import does."""
    with SalesFile(path, mapping) as sales:
        reader = Reader(mapping, sales.readers, sales.width)
        found = [reader.read(rows) for rows in sales]
        assert len(found) == sales.receipts
        return found


def changed(mapping: ImportMapping, section: str, **keys: object) -> ImportMapping:
    """Change keys of a mapping's section."""
    return mapping.model_copy(update={section: getattr(mapping, section).model_copy(update=keys)})


@given(SLIPS, st.sampled_from(["utf-8", "utf-8-sig", "gb18030"]), st.booleans())
def test_what_a_till_wrote_is_read_back_equal(slips: list[Slip], encoding: str, apart: bool) -> None:  # noqa: FBT001
    """Any receipts, in any encoding, their rows together or apart, are the messages that the suite must get."""
    mapping = changed(MAPPING, "file", encoding=encoding.removesuffix("-sig"), sort=apart)
    rows: Sequence[list[list[str]]] = [slip.rows() for slip in slips]
    ordered = chain.from_iterable(zip_longest(*rows)) if apart else chain.from_iterable(rows)
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "sales.csv", filter(None, ordered), encoding)
        readings = read(path, mapping)
    assert [reading.problems for reading in readings] == [()] * len(slips)
    assert [list(reading.records) for reading in readings] == [[slip.record()] for slip in slips]
    assert [reading.refunded is not None for reading in readings] == [
        slip.refund and bool(slip.card) and not slip.original for slip in slips
    ]


def row(slip: Slip | None = None, **cells: str) -> list[str]:
    """Write a one-line receipt with some cells changed."""
    [plain] = (slip or Slip("1")).rows()
    return [cells.get(column.replace(" ", "_"), cell) for column, cell in zip(COLUMNS, plain, strict=True)]


@pytest.mark.parametrize(
    ("cells", "field", "reason"),
    [
        ({"Branch": ""}, "receipt.store", "CELL_EMPTY"),
        ({"Branch": "leeds"}, "purchase.receipt.store", "STRING_PATTERN"),
        ({"Receipt": ""}, "receipt.receipt_no", "CELL_EMPTY"),
        ({"Date": "2026-02-27"}, "receipt.business_date", "TIME_MALFORMED"),
        ({"Date": "31.02.2026"}, "receipt.business_date", "TIME_MALFORMED"),
        ({"Date": "01.01.0001"}, "receipt.business_date", "TIME_MALFORMED"),
        ({"Time": "25:00"}, "receipt.business_time", "TIME_MALFORMED"),
        ({"Type": "Q"}, "receipt.record", "VALUE_UNKNOWN"),
        ({"Type": ""}, "receipt.record", "CELL_EMPTY"),
        ({"Paid_by": "9"}, "receipt.tender", "VALUE_UNKNOWN"),
        ({"Quantity": ""}, "line.quantity", "CELL_EMPTY"),
        ({"Quantity": "0"}, "line.quantity", "QUANTITY_ZERO"),
        ({"Quantity": "1,2345"}, "purchase.lines[0].quantity", "STRING_PATTERN"),
        ({"Quantity": "١"}, "line.quantity", "NUMBER_MALFORMED"),
        ({"Article": ""}, "purchase.lines[0].sku", "STRING_MIN_LEN"),
        ({"Amount": ""}, "line.amount", "CELL_EMPTY"),
        ({"Amount": "10.00"}, "line.amount", "NUMBER_MALFORMED"),
        ({"Amount": "1.000,00"}, "line.amount", "NUMBER_MALFORMED"),
        ({"Amount": "10,005"}, "line.amount", "NUMBER_MALFORMED"),
        ({"Amount": "9999999999999,00"}, "line.amount", "NUMBER_MALFORMED"),
        ({"Amount": "-10,00"}, "line.amount", "AMOUNT_NEGATIVE"),
        ({"Total": "-1,00"}, "receipt.total", "AMOUNT_NEGATIVE"),
        ({"Card": "M" * 65}, "purchase.customer_lookup.member_code", "STRING_MAX_LEN"),
        ({"Text": "x" * 201}, "purchase.lines[0].product_name", "STRING_MAX_LEN"),
        ({"Type": "R", "Original_receipt": "7"}, "refund.original_receipt.business_date", "REQUIRED"),
    ],
)
def test_a_wrong_cell_refuses_its_receipt_and_no_other(
    tmp_path: Path, cells: dict[str, str], field: str, reason: str
) -> None:
    """The field is named, and why; receipts beside it are read."""
    path = write(tmp_path / "sales.csv", [row(Slip("0")), row(None, **cells), row(Slip("2"))])
    before, wrong, after = read(path)
    # A wrong date makes the time wrong that stands beside it.
    told = [(problem.field, problem.reason) for problem in wrong.problems]
    assert [each for each in told if "Date" not in cells or each[0] != "receipt.business_time"] == [(field, reason)]
    assert (wrong.where, list(wrong.records)) == ("3", [])
    assert [list(one.records) for one in (before, after)] == [[Slip("0").record()], [Slip("2").record()]]


def test_all_problems_of_a_receipt_are_told_with_their_rows(tmp_path: Path) -> None:
    """Whoever mends the file hears of everything at once."""
    path = write(tmp_path / "sales.csv", [row(Quantity="x", Amount="y"), row(Amount="z")])
    [reading] = read(path)
    assert reading.where == "2-3"
    assert [problem.text for problem in reading.problems] == [
        "row 2: line.quantity is no number: 'x'",
        "row 2: line.amount is no number: 'y'",
        "row 3: line.amount is no number: 'z'",
    ]


@pytest.mark.parametrize(
    ("other", "field"),
    [
        ({"Card": "M-2"}, "customer.member_code"),
        ({"Paid_by": "2"}, "receipt.tender"),
        ({"Total": "1"}, "receipt.total"),
    ],
)
def test_rows_that_contradict_each_other_are_refused(tmp_path: Path, other: dict[str, str], field: str) -> None:
    """A receipt has one customer, one total and one way in which it was paid."""
    slip = Slip("1", card="M-1")
    [reading] = read(write(tmp_path / "sales.csv", [row(slip), row(slip, **other)]))
    assert (field, "ROWS_DIFFER") in [(problem.field, problem.reason) for problem in reading.problems]


def test_one_row_may_say_what_the_others_leave_out(tmp_path: Path) -> None:
    """Files that write a receipt's customer and total into its first row only are read as any other."""
    slip = Slip("1", [Item("TEA", "", 1000, 1), Item("CUP", "", 1000, 2)], card="M-1")
    first, second = slip.rows()
    for column in ("Total", "Card", "Paid by"):
        second[COLUMNS.index(column)] = ""
    [reading] = read(write(tmp_path / "sales.csv", [first, second]))
    assert list(reading.records) == [slip.record()]


def test_a_row_that_is_too_short_refuses_its_receipt(tmp_path: Path) -> None:
    """A receipt with a row that was cut off is not recorded without it."""
    path = write(tmp_path / "sales.csv", [row(), row()[:-1], row(Slip("2"))])
    cut, whole = read(path)
    assert [(problem.reason, problem.text[:5]) for problem in cut.problems] == [("ROW_LENGTH", "row 3")]
    assert list(whole.records) == [Slip("2").record()]


def test_a_receipt_that_comes_back_is_refused_with_all_its_rows(tmp_path: Path) -> None:
    """None of its parts is recorded as if it were the whole; it is told once."""
    path = write(tmp_path / "sales.csv", [row(), row(), row(Slip("2")), row(), row(Slip("3")), row()])
    apart, second, third = read(path)
    assert apart.where == "2-3, 5, 7"
    assert [problem.reason for problem in apart.problems] == ["ROWS_APART"]
    assert [list(one.records) for one in (second, third)] == [[Slip("2").record()], [Slip("3").record()]]


def test_goods_taken_back_in_a_sale_become_a_refund_under_the_same_number(tmp_path: Path) -> None:
    """An exchange is both; its total is what was paid on balance, and how that was paid belongs to neither."""
    slip = Slip("1", [Item("CUP", "", 1000, 30_00), Item("TEA", "", 2000, 10_00, 3_00)])
    sold, back = slip.rows()
    for column in ("Quantity", "Amount", "Margin"):
        back[COLUMNS.index(column)] = f"-{back[COLUMNS.index(column)]}"
    for cells in (sold, back):
        cells[COLUMNS.index("Total")] = "20,00"
    [reading] = read(write(tmp_path / "sales.csv", [sold, back]))
    sale, refund = reading.records
    assert isinstance(sale, pb.Purchase)
    assert isinstance(refund, pb.Refund)
    assert sale.receipt == refund.receipt
    assert ([line.sku for line in sale.lines], sale.total) == (["CUP"], pounds(30_00))
    assert ([line.sku for line in refund.lines], refund.total) == (["TEA"], pounds(10_00))
    assert (refund.lines[0].line_no, refund.lines[0].quantity, refund.lines[0].profit) == (1, "2", pounds(3_00))
    assert (list(sale.tenders), list(refund.tenders), refund.reason) == ([], [], "IMPORTED")


@pytest.mark.parametrize(
    ("negative", "reasons"), [("REFUSE", ["QUANTITY_NEGATIVE", "AMOUNT_NEGATIVE"]), ("LEAVE_OUT", [])]
)
def test_the_mapping_says_what_a_negative_quantity_is(tmp_path: Path, negative: str, reasons: list[str]) -> None:
    """Nobody guesses whether it is a refund, a correction of the stock or a mistake."""
    mapping = changed(MAPPING, "receipt", negative=negative)
    [reading] = read(write(tmp_path / "sales.csv", [row(Quantity="-1", Amount="-10,00")]), mapping)
    assert [problem.reason for problem in reading.problems] == reasons
    assert not reading.records


def test_voided_rows_are_left_out(tmp_path: Path) -> None:
    """A line that was taken back at the till is no part of the receipt, and a voided receipt is none at all."""
    path = write(tmp_path / "sales.csv", [row(), row(Type="X", Amount="99,00"), row(Slip("2"), Type="X")])
    kept, gone = read(path)
    assert list(kept.records) == [Slip("1").record()]
    assert (gone.records, gone.problems) == ((), ())


def test_a_refund_whose_rows_differ_in_sign_is_refused(tmp_path: Path) -> None:
    """What would be added up the wrong way round is not."""
    path = write(
        tmp_path / "sales.csv", [row(Type="R", Amount="10,00", Total=""), row(Type="R", Amount="-3,00", Total="")]
    )
    [reading] = read(path)
    assert [problem.reason for problem in reading.problems] == ["SIGNS_MIXED"]


def test_a_total_that_is_not_the_sum_is_refused_unless_the_mapping_says_what_the_rest_is(tmp_path: Path) -> None:
    """A difference is named, or it is a mistake."""
    path = write(tmp_path / "sales.csv", [row(Total="9,99")])
    [reading] = read(path, changed(MAPPING, "receipt", difference=None))
    assert [(each.reason, each.text) for each in reading.problems] == [
        ("TOTAL_MISMATCH", "receipt.total is GBP 9.99, but lines and adjustments add up to GBP 10.00.")
    ]
    [reading] = read(path)
    [sale] = reading.records
    assert (sale.total, list(sale.adjustments)) == (
        pounds(9_99),
        [pb.Adjustment(kind=pb.Adjustment.ROUNDING, amount=pounds(-1))],
    )


def test_a_file_with_a_row_per_receipt_is_read_by_constants(tmp_path: Path) -> None:
    """The receipt is its only line; without a time it is noon of its day."""
    mapping = ImportMapping.model_validate(
        {
            "version": 1,
            "file": {"columns": ["shop", "day", "no", "sum"], "zone": "Asia/Shanghai"},
            "receipt": {
                "store": "shop",
                "business_date": "day",
                "receipt_no": "no",
                "currency": {"constant": "CNY"},
            },
            "line": {"sku": {"constant": "RECEIPT"}, "quantity": {"constant": 1}, "amount": "sum"},
        }
    )
    path = tmp_path / "sales.csv"
    path.write_text("A1,2020-06-01,1,12.5\nA1,2020-06-01,2,3\n")
    first, second = read(path, mapping)
    [sale] = first.records
    assert (first.where, second.where) == ("1", "2")
    assert sale.business_time.ToJsonString() == "2020-06-01T04:00:00Z"
    assert (sale.lines[0].sku, sale.total.units, sale.total.nanos) == ("RECEIPT", 12, 500_000_000)


def test_numbers_of_lines_and_times_with_a_zone_are_the_file_s_own(tmp_path: Path) -> None:
    """A refund names the lines that it gives back; the day is the chain's; a number that stands twice is refused."""
    mapping = ImportMapping.model_validate(
        {
            "version": 1,
            "file": {"time_format": "%Y-%m-%dT%H:%M%z", "zone": "Asia/Shanghai"},
            "receipt": {
                "store": "shop",
                "receipt_no": "no",
                "business_time": "time",
                "currency": {"constant": "CNY"},
                "negative": "REFUND",
            },
            "line": {"line_no": "line", "original_line_no": "of", "sku": "sku", "quantity": "n", "amount": "sum"},
            "original": {"business_date": "day", "receipt_no": "sale"},
        }
    )
    rows = ["7,3,,A,1,5,,", "8,4,3,A,-1,-5,2020-06-01,7", "9,1,,A,1,5,,", "9,1,,B,1,5,,"]
    path = tmp_path / "sales.csv"
    path.write_text(
        "shop,time,no,line,of,sku,n,sum,day,sale\n" + "".join(f"A1,2020-06-01T20:00+0000,{row}\n" for row in rows)
    )
    sold, back, twice = read(path, mapping)
    [sale], [refund] = sold.records, back.records
    assert isinstance(refund, pb.Refund)
    assert (sale.receipt.business_date.day, sale.business_time.ToJsonString()) == (2, "2020-06-01T20:00:00Z")
    assert (sale.lines[0].line_no, refund.lines[0].line_no, refund.lines[0].original_line_no) == (3, 4, 3)
    assert (refund.original_receipt.receipt_no, refund.original_receipt.store, refund.reason) == ("7", "A1", "")
    assert [problem.reason for problem in twice.problems] == ["LINE_NUMBER_REPEATED"]


def test_a_file_that_is_not_written_as_the_mapping_says_is_refused_as_a_whole(tmp_path: Path) -> None:
    """Columns that are missing and bytes that are no text stop the import before anything is sent."""
    path = tmp_path / "sales.csv"
    path.write_text("a;b\n1;2\n")
    with pytest.raises(MappingError, match=r"no such column: .*line\.sku \(Article\).* the file has a, b"):
        read(path)
    path.write_text("a;a\n1;2\n")
    with pytest.raises(MappingError, match="two columns of one name"):
        read(path)
    write(path, [row(), row(Text="茶")], "gb18030")
    with pytest.raises(FileError, match=r"sales\.csv: after row \d: .*utf-8"):
        read(path)


def test_a_file_without_receipts_is_no_mistake(tmp_path: Path) -> None:
    """Headings alone, and empty rows, are an import of nothing."""
    assert read(write(tmp_path / "sales.csv", [[], []])) == []


@pytest.mark.timeout(300)
def test_the_online_retail_file_is_read_as_the_demonstration_reads_it(tmp_path: Path) -> None:
    """A mapping says all that the demonstration's own reader knows: every receipt has the same lines and total."""
    retail = slice_of(tmp_path)
    wanted = {key_of(one): one for one in receipts(retail)}
    readings = read(tmp_path / "slice.csv.xz", read_mapping(EXAMPLES / "online_retail.toml"))
    found = {
        (isinstance(record, pb.Refund), record.receipt.store, record.receipt.receipt_no): record
        for reading in readings
        for record in reading.records
    }
    assert found.keys() == wanted.keys()
    for key, record in found.items():
        one = wanted[key]
        assert record.business_time.ToDatetime(dt.UTC) == one.business_time
        assert record.total == pounds(one.total)
        if isinstance(one, Sale) or one.original is None:
            lines = [(line.line_no, line.sku, str(line.quantity), pounds(line.amount)) for line in one.lines]
            assert [(line.line_no, line.sku, line.quantity, line.amount) for line in record.lines] == lines
    left_out = [reading for reading in readings if not reading.records]
    assert [reading.problems for reading in left_out] == [()] * retail.totals.stock_corrections


def key_of(one: Sale | Refund) -> tuple[bool, str, str]:
    """Tell a receipt by its direction and key."""
    return isinstance(one, Refund), one.receipt.store, one.receipt.receipt_no
