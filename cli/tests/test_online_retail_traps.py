"""The traps of the Online Retail file, one small file each."""

import csv
import datetime as dt
import io
import lzma
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.demo_people import person
from cli.online_retail import IMPORTED, Left, Plan, Refund, Sale, StoreDay, plan, store_code, take
from cli.online_retail_file import COLUMNS, ZONE, amount_pence

Row = tuple[str, str, int, str, str, str, str]
MakePlan = Callable[..., Plan]
UK = "United Kingdom"


# The whole file is planned.
pytestmark = pytest.mark.whole


def row(
    number: str, sku: str, quantity: int, time: str, price: str = "1.5", customer: str = "17850", country: str = UK
) -> Row:
    """One line of the file; the time is day, hour and minute of 2011."""
    return number, sku, quantity, f"2011-{time}:00", price, customer, country


@pytest.fixture
def make_plan(tmp_path: Path) -> MakePlan:
    """Plan a file of these rows."""

    def make(*rows: Row, seed: str = "test") -> Plan:
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        for number, sku, *rest in rows:
            writer.writerow([number, sku, f"THING {sku}", *rest])
        file = tmp_path / "rows.csv.xz"
        file.write_bytes(lzma.compress(text.getvalue().encode(), preset=0))
        return plan(file, seed)

    return make


def store_days(the_plan: Plan) -> list[StoreDay]:
    """Each store's part of each day."""
    return [store_day for day in the_plan.days for store_day in day.stores]


def sales_of(the_plan: Plan) -> list[Sale]:
    """All sales in the plan's order."""
    return [sale for store_day in store_days(the_plan) for sale in store_day.sales]


def refunds_of(the_plan: Plan) -> list[Refund]:
    """All refunds in the plan's order."""
    return [refund for store_day in store_days(the_plan) for refund in store_day.refunds]


def originals(the_plan: Plan) -> dict[str, str | None]:
    """The original's number of each refund."""
    return {
        refund.receipt.receipt_no: refund.original.receipt_no if refund.original else None
        for refund in refunds_of(the_plan)
    }


def pieces(refund: Refund) -> list[tuple[int | None, int, int]]:
    """What a refund takes from which line: line number, quantity, pence."""
    return [(line.original_line_no, line.quantity, line.amount) for line in refund.lines]


def test_an_invoice_is_gathered_from_everywhere(make_plan: MakePlan) -> None:
    """The lines of an invoice that others interrupt become one sale, in the file's order."""
    found = sales_of(
        make_plan(row("1", "A", 1, "01-04 10:00"), row("2", "B", 1, "01-04 10:00"), row("1", "C", 2, "01-04 10:00"))
    )
    assert [[(line.line_no, line.sku) for line in sale.lines] for sale in found] == [[(1, "A"), (2, "C")], [(1, "B")]]


def test_the_earliest_of_two_times_counts(make_plan: MakePlan) -> None:
    """An invoice with two times has the earlier one, whichever line comes first, and its day."""
    (sale,) = sales_of(make_plan(row("1", "A", 1, "01-05 00:00"), row("1", "B", 1, "01-04 23:59")))
    assert sale.business_time == dt.datetime(2011, 1, 4, 23, 59, tzinfo=ZONE)
    assert sale.receipt.business_date == dt.date(2011, 1, 4)


def test_exact_duplicates_count(make_plan: MakePlan) -> None:
    """A line that stands twice was sold twice."""
    (sale,) = sales_of(make_plan(row("1", "A", 2, "01-04 10:00"), row("1", "A", 2, "01-04 10:00")))
    assert (len(sale.lines), sale.total) == (2, 600)


def test_prices_finer_than_a_penny_round_half_up(make_plan: MakePlan) -> None:
    """Each line's amount is exact and then rounded half up: 0.001 becomes nothing, 0.005 a penny."""
    rows = [row("1", "A", quantity, "01-04 10:00", price) for quantity, price in ((1, "0.001"), (5, "0.001"))]
    (sale,) = sales_of(make_plan(*rows, row("1", "B", 1, "01-04 10:00", "1.005")))
    assert [line.amount for line in sale.lines] == [0, 1, 101]
    assert sale.total == 102


@given(st.integers(0, 100_000), st.integers(0, 10_000_000))
def test_amounts_are_exact(quantity: int, thousandths: int) -> None:
    """Amounts agree with whole-number arithmetic for any price of three places."""
    assert amount_pence(quantity, Decimal(thousandths) / 1000) == (quantity * thousandths * 2 + 10) // 20


def test_a_sale_may_cost_nothing(make_plan: MakePlan) -> None:
    """A positive quantity at price zero is a sale, and it can be refunded like any other."""
    found = make_plan(row("1", "A", 3, "01-04 10:00", "0.0"), row("C2", "A", -1, "01-04 11:00", "0.0"))
    assert [sale.total for sale in sales_of(found)] == [0]
    assert originals(found) == {"C2": "1"}


def test_entries_that_are_no_sale_are_counted_only(make_plan: MakePlan) -> None:
    """Stock corrections and negative bad debts are not sent; the positive bad debt is an anonymous sale."""
    found = make_plan(
        row("1", "A", -5, "01-04 10:00", "0.0", ""),
        row("A2", "B", 1, "01-04 10:01", "-11062.06", ""),
        row("A3", "B", 1, "01-04 10:02", "11062.06", ""),
    )
    assert (found.totals.stock_corrections, found.totals.bad_debts, found.totals.not_sales) == (1, 1, 2)
    assert [(sale.receipt.receipt_no, sale.customer, sale.total) for sale in sales_of(found)] == [("A3", "", 1106206)]
    assert found.totals.net == 0


@pytest.mark.parametrize(
    "rows",
    [
        [row("1", "A", 1, "01-04 10:00"), row("1", "A", 1, "01-04 10:00", customer="2")],
        [row("1", "A", 1, "01-04 10:00"), row("1", "A", 1, "01-04 10:00", country="EIRE")],
        [row("1", "A", 1, "01-04 10:00"), row("1", "A", -1, "01-04 10:00", "0.0")],
        [row("1", "A", -1, "01-04 10:00")],
        [row("C1", "A", 1, "01-04 10:00")],
        [row("1", "A", 0, "01-04 10:00")],
    ],
)
def test_what_the_file_never_does_is_refused(make_plan: MakePlan, rows: list[Row]) -> None:
    """A file with mixed invoices or senseless signs is refused by the invoice's number, not guessed at."""
    with pytest.raises(ValueError, match=r"invoice C?1"):
        make_plan(*rows)


def test_another_file_is_refused(tmp_path: Path) -> None:
    """A file with other columns is refused before anything is read."""
    file = tmp_path / "other.csv.xz"
    file.write_bytes(lzma.compress(b"Invoice,Price\n"))
    with pytest.raises(ValueError, match="columns"):
        plan(file)


def test_the_latest_sale_that_still_covers_is_taken(make_plan: MakePlan) -> None:
    """Refunds use up the latest sale, then the one before, and stand alone when nothing is left."""
    found = make_plan(
        row("1", "A", 2, "01-04 10:00"),
        row("2", "A", 1, "01-05 10:00"),
        *(row(f"C{number}", "A", -1, f"01-06 10:0{number}") for number in range(3, 7)),
        row("7", "A", 9, "01-07 10:00"),
    )
    assert originals(found) == {"C3": "2", "C4": "1", "C5": "1", "C6": None}
    assert [refund.reason for refund in refunds_of(found)] == ["", "", "", IMPORTED]


@pytest.mark.parametrize(
    "refund",
    [
        row("C2", "A", -3, "01-05 10:00"),
        row("C2", "A", -1, "01-05 10:00", "1.51"),
        row("C2", "a", -1, "01-05 10:00"),
        row("C2", "A", -1, "01-05 10:00", customer="2"),
        row("C2", "A", -1, "01-05 10:00", customer=""),
        row("C2", "A", -1, "01-04 10:00"),
        row("C2", "A", -1, "01-03 10:00"),
    ],
    ids=["more", "other price", "other code", "other customer", "no customer", "same time", "earlier"],
)
def test_a_refund_that_no_sale_covers_stands_alone(make_plan: MakePlan, refund: Row) -> None:
    """More goods, another price, code or customer, or no later time: not this sale."""
    assert originals(make_plan(row("1", "A", 2, "01-04 10:00"), refund)) == {"C2": None}


def test_all_lines_need_the_same_sale(make_plan: MakePlan) -> None:
    """Two lines that only two sales together cover are not linked, and take nothing from either."""
    found = make_plan(
        row("1", "A", 1, "01-04 10:00"),
        row("2", "B", 1, "01-04 11:00"),
        row("C3", "A", -1, "01-04 12:00"),
        row("C4", "A", -1, "01-04 11:30"),
        row("C4", "B", -1, "01-04 11:30"),
    )
    assert originals(found) == {"C4": None, "C3": "1"}


def test_an_anonymous_refund_never_finds_an_anonymous_sale(make_plan: MakePlan) -> None:
    """Nobody knows that two receipts without customer belong together."""
    found = make_plan(row("1", "A", 1, "01-04 10:00", customer=""), row("C2", "A", -1, "01-04 11:00", customer=""))
    assert originals(found) == {"C2": None}


def test_one_price_may_be_written_in_two_ways(make_plan: MakePlan) -> None:
    """1.5 and 1.50 are the same price."""
    found = make_plan(row("1", "A", 1, "01-04 10:00", "1.5"), row("C2", "A", -1, "01-04 11:00", "1.50"))
    assert originals(found) == {"C2": "1"}


def test_the_original_is_named_with_its_own_store(make_plan: MakePlan) -> None:
    """A customer of two countries may give back in one what was bought in the other."""
    found = make_plan(row("1", "A", 1, "01-04 10:00", country="EIRE"), row("C2", "A", -1, "01-04 11:00"))
    (refund,) = refunds_of(found)
    assert refund.original is not None
    assert (refund.receipt.store, refund.original.store) == ("UNITED-KINGDOM", "EIRE")


def test_a_refund_line_names_the_single_line_that_covers_it(make_plan: MakePlan) -> None:
    """The smallest line that suffices is named, so that the larger one is whole for the next."""
    found = make_plan(
        row("1", "A", 5, "01-04 10:00"),
        row("1", "A", 2, "01-04 10:00"),
        row("C2", "A", -2, "01-04 11:00"),
        row("C2", "A", -5, "01-04 11:00"),
    )
    assert [pieces(refund) for refund in refunds_of(found)] == [[(2, 2, 300), (1, 5, 750)]]


def test_a_refund_line_is_split_across_lines(make_plan: MakePlan) -> None:
    """Where several lines must cover it together, no piece exceeds its line, and the next refund gets the rest."""
    found = make_plan(
        row("1", "A", 2, "01-04 10:00"),
        row("1", "B", 1, "01-04 10:00"),
        row("1", "A", 3, "01-04 10:00"),
        row("C2", "A", -4, "01-04 11:00"),
        row("C2", "B", -1, "01-04 11:00"),
        row("C3", "A", -1, "01-04 12:00"),
    )
    first, second = refunds_of(found)
    assert pieces(first) == [(1, 2, 300), (3, 2, 300), (2, 1, 150)]
    assert [line.line_no for line in first.lines] == [1, 2, 3]
    assert first.total == 750
    assert pieces(second) == [(3, 1, 150)]


def test_money_that_rounding_lost_is_not_refunded(make_plan: MakePlan) -> None:
    """Two lines that rounded to nothing do not cover the penny that both together would be."""
    found = make_plan(
        row("1", "A", 4, "01-04 10:00", "0.001"),
        row("1", "A", 4, "01-04 10:00", "0.001"),
        row("C2", "A", -8, "01-04 11:00", "0.001"),
    )
    assert originals(found) == {"C2": None}


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 60)), max_size=6), st.integers(1, 60), st.integers(0, 200))
def test_pieces_add_up_and_stay_within_their_lines(lines: list[tuple[int, int]], quantity: int, pence: int) -> None:
    """Whatever is left on the lines, pieces sum to what is asked for, and none takes more than its line has."""
    left = [Left(number, *line) for number, line in enumerate(lines)]
    taken = take(left, quantity, pence)
    if taken is None:
        return
    assert (sum(one.quantity for one in taken), sum(one.pence for one in taken)) == (quantity, pence)
    assert len({one.line_no for one in taken}) == len(taken)
    for one in taken:
        assert 0 < one.quantity <= left[one.line_no].quantity
        assert 0 <= one.pence <= left[one.line_no].pence


@given(st.lists(st.integers(1, 20), max_size=6), st.integers(1, 60), st.integers(0, 500))
def test_whole_pence_prices_are_covered_whenever_the_quantity_is(sold: list[int], quantity: int, price: int) -> None:
    """With a price in whole pence only the quantity decides."""
    left = [Left(number, one, one * price) for number, one in enumerate(sold)]
    assert (take(left, quantity, quantity * price) is not None) == (quantity <= sum(sold))


def test_a_customer_is_enrolled_where_the_first_invoice_is(make_plan: MakePlan) -> None:
    """The first invoice by time decides, even when it is a refund; later countries enrol nobody again."""
    found = make_plan(
        row("1", "A", 1, "01-05 10:00"),
        row("C2", "A", -1, "01-04 10:00", country="Channel Islands"),
        row("3", "A", 1, "01-05 11:00", customer=""),
    )
    enrolled = [(store_day.store, one.enrolment_ref) for store_day in store_days(found) for one in store_day.enrolments]
    assert enrolled == [("CHANNEL-ISLANDS", "17850")]
    assert found.totals.customers == 1


def test_the_seed_draws_profits_only(make_plan: MakePlan) -> None:
    """The same file and seed give the same plan; another seed gives other profits and nothing else."""
    rows = [row("1", sku, 100, "01-04 10:00") for sku in "ABCDEFGH"]
    first, again, other = make_plan(*rows), make_plan(*rows), make_plan(*rows, seed="other")
    assert first == again != other
    without_profit = [
        [[replace(line, profit=0) for line in sale.lines] for sale in sales_of(one)] for one in (first, other)
    ]
    assert without_profit[0] == without_profit[1]


def test_store_codes_have_no_other_characters() -> None:
    """Whatever is not a capital or a digit becomes a dash."""
    assert (store_code("United Kingdom"), store_code("EIRE"), store_code("a.b_c1")) == (
        "UNITED-KINGDOM",
        "EIRE",
        "A-B-C1",
    )


def test_telephone_numbers_run_out() -> None:
    """The 5,001st customer is refused: there is no further number that reaches nobody."""
    assert person("1", 4_999).contact_points[0].value == "+441184960999"
    with pytest.raises(ValueError, match="5001"):
        person("1", 5_000)
