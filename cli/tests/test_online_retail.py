"""The plan of the whole Online Retail file holds against figures that were computed apart from it."""

import csv
import datetime as dt
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from functools import cached_property

import phonenumbers
import pytest

from cli.demo_people import ContactKind
from cli.online_retail import ANONYMOUS, IMPORTED, Enrolment, Plan, Receipt, Refund, Sale, StoreDay, Totals, plan
from cli.online_retail_file import FILE, HIGHEST_MARGIN, LOWEST_MARGIN, SEED, Line, margin_percent, profit_pence

# The whole file is planned.
pytestmark = pytest.mark.whole

EXPECTED_FILE = FILE.with_name("expected_customers_2011-12-09.csv")
LAST_DAY = dt.date(2011, 12, 9)
NET_COLUMNS = {
    dt.date(2011, 3, 31): "net_spend_to_2011-03-31",
    dt.date(2011, 6, 30): "net_spend_to_2011-06-30",
    dt.date(2011, 9, 30): "net_spend_to_2011-09-30",
    LAST_DAY: "net_spend",
}
MOST_LINES = 2000  # of the contract, in one receipt


class Book:
    """The plan's entries, as a ledger that has recorded all of them would know them."""

    def __init__(self, the_plan: Plan) -> None:
        self.plan = the_plan
        self.store_days: list[tuple[dt.date, StoreDay]] = [
            (day.business_date, store_day) for day in the_plan.days for store_day in day.stores
        ]
        self.sales = [sale for _, store_day in self.store_days for sale in store_day.sales]
        self.refunds = [refund for _, store_day in self.store_days for refund in store_day.refunds]
        self.entries: list[Sale | Refund] = sorted([*self.sales, *self.refunds], key=in_order)
        self.linked = [refund for refund in self.refunds if refund.original]
        self.enrolments = [one for _, store_day in self.store_days for one in store_day.enrolments]

    @cached_property
    def entries_of(self) -> dict[str, list[Sale | Refund]]:
        """Each customer's entries, in time order."""
        entries: defaultdict[str, list[Sale | Refund]] = defaultdict(list)
        for entry in self.entries:
            entries[entry.customer].append(entry)
        del entries[ANONYMOUS]
        return entries

    def entries_to(self, last: dt.date) -> Iterator[tuple[str, list[Sale | Refund]]]:
        """Each customer who has entries at the end of a day, and those entries."""
        for customer, entries in self.entries_of.items():
            known = [entry for entry in entries if entry.receipt.business_date <= last]
            if known:
                yield customer, known

    def net_at(self, last: dt.date) -> dict[str, int]:
        """Each known customer's net spend in pence at the end of a day."""
        return {customer: sum(map(signed_total, entries)) for customer, entries in self.entries_to(last)}


def in_order(entry: Sale | Refund) -> tuple[dt.datetime, str]:
    """Time order, by number within a minute."""
    return entry.business_time, entry.receipt.receipt_no


def signed_total(entry: Sale | Refund) -> int:
    """What an entry adds to the customer's net spend."""
    return entry.total if isinstance(entry, Sale) else -entry.total


@pytest.fixture(scope="module")
def book() -> Book:
    """Plan the whole file, once: it takes seconds."""
    return Book(plan())


@pytest.fixture(scope="module")
def expected() -> dict[str, dict[str, str]]:
    """The independent figures of each customer."""
    with EXPECTED_FILE.open(encoding="utf-8", newline="") as text:
        return {row["customer_id"]: row for row in csv.DictReader(text)}


def test_every_invoice_is_counted_as_what_it_is(book: Book) -> None:
    """Each of the 25,900 invoices is a sale, a refund, a stock correction or a bad debt."""
    totals = book.plan.totals
    assert totals == Totals(
        file_lines=541_909,
        invoices=25_900,
        sales=20_726,
        anonymous_sales=2_190,
        refunds=3_836,
        anonymous_refunds=182,
        linked_refunds=2_489,
        stock_corrections=1_336,
        bad_debts=2,
        customers=4_372,
        net=8_300_065_81,
    )
    assert totals.sales + totals.refunds + totals.not_sales == totals.invoices


def test_the_days_hold_what_the_totals_say(book: Book) -> None:
    """Nothing is lost or doubled between the totals and the days."""
    totals = book.plan.totals
    entries = book.entries
    anonymous = [entry for entry in entries if entry.customer == ANONYMOUS]
    assert (len(book.sales), len(book.refunds), len(book.linked)) == (20_726, 3_836, totals.linked_refunds)
    assert Counter(type(entry) for entry in anonymous) == {Sale: 2_190, Refund: 182}
    assert len({entry.receipt for entry in entries}) == len({entry.receipt.receipt_no for entry in entries}) == 24_562
    assert sum(book.net_at(LAST_DAY).values()) == totals.net


def test_everything_comes_in_order(book: Book) -> None:
    """Days follow each other, a day names a store once, and a store's sales and refunds are in time order."""
    days = [day.business_date for day in book.plan.days]
    assert days == sorted(set(days))
    assert (len(days), days[0], days[-1]) == (305, dt.date(2010, 12, 1), LAST_DAY)
    for day in book.plan.days:
        codes = [store_day.store for store_day in day.stores]
        assert codes == sorted(set(codes))
    for date, store_day in book.store_days:
        entries: tuple[tuple[Sale | Refund, ...], ...] = (store_day.sales, store_day.refunds)
        for part in entries:
            assert list(part) == sorted(part, key=in_order)
            assert all(entry.receipt.business_date == entry.business_time.date() == date for entry in part)
            assert all(entry.receipt.store == store_day.store and not entry.receipt.terminal for entry in part)


def test_times_are_local_times_of_the_shop(book: Book) -> None:
    """Times are Europe/London, so an invoice of the summer is an hour before UTC's clock."""
    winter, summer = book.entries_of["12346"][0], book.entries_of["15389"][0]
    assert (winter.business_time.isoformat(), summer.business_time.isoformat()) == (
        "2011-01-18T10:01:00+00:00",
        "2011-06-20T16:18:00+01:00",
    )


def test_each_country_is_a_store(book: Book) -> None:
    """The 38 countries become stores with codes that the contract allows, each its own."""
    codes = {store.code for store in book.plan.stores}
    assert len(book.plan.stores) == len(codes) == 38
    assert all(re.fullmatch(r"[A-Z0-9][A-Z0-9-]{0,31}", code) for code in codes)
    assert {"UNITED-KINGDOM", "EIRE", "EUROPEAN-COMMUNITY"} < codes == {one.store for _, one in book.store_days}


def test_lines_are_what_the_contract_takes(book: Book) -> None:
    """Lines are numbered from one, at most 2,000, with quantities above zero, and add up to the total."""
    for entry in book.entries:
        assert [line.line_no for line in entry.lines] == list(range(1, len(entry.lines) + 1))
        assert all(line.quantity > 0 and line.amount >= 0 and line.sku for line in entry.lines)
        assert sum(line.amount for line in entry.lines) == entry.total
    assert max(len(entry.lines) for entry in book.entries) == 1_114 < MOST_LINES


def test_every_line_carries_a_generated_profit(book: Book) -> None:
    """A line's profit is its stock code's margin, in whole percent from 15 to 45, and all of these occur."""
    margins = set()
    for line in itertools.chain.from_iterable(entry.lines for entry in book.entries):
        assert line.profit == profit_pence(line.amount, SEED, line.sku)
        margins.add(margin_percent(SEED, line.sku))
    assert margins == set(range(LOWEST_MARGIN, HIGHEST_MARGIN + 1))


def test_net_spend_of_each_customer_at_each_date(book: Book, expected: dict[str, dict[str, str]]) -> None:
    """Net spend equals the independent figures exactly, but for the four lines at 0.001 that round to nothing.

    The expected figure then lies 0.001 above ours; no other difference is allowed.
    """
    differences = Counter[Decimal]()
    rounded_off = {entry.receipt: rounding(entry) for entries in book.entries_of.values() for entry in entries}
    for date, column in NET_COLUMNS.items():
        for customer, entries in book.entries_to(date):
            ours = Decimal(sum(map(signed_total, entries))) / 100
            difference = Decimal(expected[customer][column]) - ours
            assert difference == sum(rounded_off[entry.receipt] for entry in entries), (customer, date)
            differences[difference] += 1
    assert sum(loss != 0 for loss in rounded_off.values()) == 4
    assert set(differences) == {Decimal(0), Decimal("0.001")}
    assert differences[Decimal("0.001")] == 9


def rounding(entry: Sale | Refund) -> Decimal:
    """What an invoice lost when its lines were rounded to pence."""
    exact = sum((Decimal(line.unit_price) * line.quantity for line in entry.lines), Decimal())
    return exact - Decimal(entry.total) / 100


def test_customers_above_the_thresholds(book: Book) -> None:
    """As many customers reach each net spend as were counted apart from the importer."""
    thresholds = (500, 1000, 2000, 5000, 10_000, 20_000, 50_000)
    found = {}
    for date in NET_COLUMNS:
        nets = book.net_at(date).values()
        found[date.isoformat()] = [len(nets), *(sum(net >= pounds * 100 for net in nets) for pounds in thresholds)]
    assert found == {
        "2011-03-31": [2_189, 894, 447, 176, 42, 18, 11, 1],
        "2011-06-30": [3_002, 1_445, 829, 364, 98, 33, 19, 5],
        "2011-09-30": [3_658, 1_972, 1_204, 604, 169, 62, 25, 7],
        "2011-12-09": [4_372, 2_540, 1_633, 876, 263, 97, 39, 18],
    }


def test_a_customer_stands_on_a_threshold(book: Book) -> None:
    """Customer 15389 has spent exactly 500.00 from the middle of 2011 on, and nothing before."""
    nets = [book.net_at(date).get("15389") for date in NET_COLUMNS]
    assert nets == [None, 500_00, 500_00, 500_00]


def test_some_customers_start_with_a_refund(book: Book) -> None:
    """For 178 customers the first entry by time is a refund; 145 of them buy later, 33 never."""
    starts = [entries for entries in book.entries_of.values() if isinstance(entries[0], Refund)]
    buyers = [entries for entries in starts if any(isinstance(entry, Sale) for entry in entries)]
    assert (len(starts), len(buyers)) == (178, 145)


def test_customers_without_any_sale(book: Book) -> None:
    """At the four dates 55, 42, 42 and 33 customers have refunds, but no sale."""
    without_sale = [
        sum(all(isinstance(entry, Refund) for entry in entries) for _, entries in book.entries_to(date))
        for date in NET_COLUMNS
    ]
    assert without_sale == [55, 42, 42, 33]


def test_orders_of_each_customer(book: Book, expected: dict[str, dict[str, str]]) -> None:
    """First and last sale and the counts agree; four last ones bear two times, of which ours is the earlier."""
    two_times = {}
    for customer, entries in book.entries_of.items():
        row = expected[customer]
        times = [entry.business_time.replace(tzinfo=None) for entry in entries if isinstance(entry, Sale)]
        assert (int(row["orders"]), int(row["cancel_invoices"])) == (len(times), len(entries) - len(times))
        assert row["first_order_at"] == (str(times[0]) if times else "")
        if row["last_order_at"] != (str(times[-1]) if times else ""):
            two_times[customer] = dt.datetime.fromisoformat(row["last_order_at"]) - times[-1]
    assert expected.keys() == book.entries_of.keys()
    assert two_times == dict.fromkeys(("14229", "16063", "16272", "17345"), dt.timedelta(minutes=1))


def test_linked_refunds_name_what_they_take_back(book: Book) -> None:
    """A linked refund is later than its original, of the same customer and store, and fits line by line."""
    sales = {sale.receipt: sale for sale in book.sales}
    assert len(book.linked) == 2_489
    for refund in book.linked:
        assert refund.original is not None
        sale = sales[refund.original]
        assert (sale.customer, sale.receipt.store) == (refund.customer, refund.receipt.store)
        assert sale.business_time < refund.business_time
        assert not refund.reason
        for line in refund.lines:
            assert line.original_line_no is not None
            original = sale.lines[line.original_line_no - 1]
            assert (original.sku, Decimal(original.unit_price)) == (line.sku, Decimal(line.unit_price))


def test_the_latest_sale_that_covers_is_the_original(book: Book) -> None:
    """Counting goods in plain sums, without any lines, finds the same original for each refund.

    The file's times are whole minutes: of a sale and a refund in one minute nobody knows which came first, so that the
    sale is none of the candidates. With them as many refunds would be linked, seven of them to another sale.
    """
    for entries in book.entries_of.values():
        left: dict[Receipt, tuple[dt.datetime, Counter[tuple[str, str]]]] = {}
        for entry in entries:
            goods = Counter[tuple[str, str]]()
            for line in entry.lines:
                goods[line.sku, line.unit_price] += line.quantity
            if isinstance(entry, Sale):
                left[entry.receipt] = (entry.business_time, goods)
                continue
            fitting = [
                receipt
                for receipt, (time, stock) in left.items()
                if time < entry.business_time and all(stock[one] >= goods[one] for one in goods)
            ]
            assert entry.original == (fitting[-1] if fitting else None)
            if fitting:
                left[fitting[-1]][1].subtract(goods)


def test_no_more_is_refunded_than_was_sold(book: Book) -> None:
    """All linked refunds together stay within quantity and amount of each line sold."""
    quantities, amounts = Counter[object](), Counter[object]()
    for refund in book.linked:
        for line in refund.lines:
            quantities[refund.original, line.original_line_no] += line.quantity
            amounts[refund.original, line.original_line_no] += line.amount
    lines: dict[object, Line] = {(sale.receipt, line.line_no): line for sale in book.sales for line in sale.lines}
    assert all(quantity <= lines[key].quantity for key, quantity in quantities.items())
    assert all(amount <= lines[key].amount for key, amount in amounts.items())


def test_few_refund_lines_need_several_lines_of_the_sale(book: Book) -> None:
    """Only pieces of split lines are added: the refunds' 9,288 lines become 9,299."""
    assert sum(len(refund.lines) for refund in book.refunds) == 9_299
    assert sum(len(sale.lines) for sale in book.sales) == 531_283


def test_the_largest_sale_is_taken_back_the_same_day(book: Book) -> None:
    """The 80,995 pieces of 09:15 are refunded at 09:27, linked, and leave the customer the 2.90 spent before."""
    sale, refund = book.entries_of["16446"][-2:]
    assert isinstance(refund, Refund)
    assert refund.original == sale.receipt
    assert [(line.quantity, line.original_line_no) for line in refund.lines] == [(80_995, 1)]
    assert book.net_at(LAST_DAY)["16446"] == 290


def test_other_refunds_stand_alone(book: Book) -> None:
    """A refund without an original says that it was imported and names no line; the anonymous ones are among them."""
    alone = [refund for refund in book.refunds if refund.original is None]
    assert len(alone) == 1_347
    assert all(refund.reason == IMPORTED for refund in alone)
    assert all(line.original_line_no is None for refund in alone for line in refund.lines)
    assert sum(refund.customer == ANONYMOUS for refund in alone) == 182


def test_each_customer_is_enrolled_before_the_first_entry(book: Book) -> None:
    """Every customer is enrolled once, at the store and time of the first invoice."""
    assert {one.enrolment_ref for one in book.enrolments} == book.entries_of.keys()
    assert len(book.enrolments) == 4_372
    for one in book.enrolments:
        first = book.entries_of[one.enrolment_ref][0]
        assert (one.store, one.business_time) == (first.receipt.store, first.business_time)
    assert all(one.store == store_day.store for _, store_day in book.store_days for one in store_day.enrolments)


def contact(enrolment: Enrolment, kind: ContactKind) -> list[str]:
    """A customer's contact points of one kind."""
    return [point.value for point in enrolment.person.contact_points if point.kind is kind]


def test_telephone_numbers_reach_nobody(book: Book) -> None:
    """Each customer has one number of his own, possible, but from the ranges reserved for drama."""
    numbers = [number for one in book.enrolments for number in contact(one, ContactKind.LANDLINE)]
    assert len(numbers) == len(set(numbers)) == 4_372
    assert all(re.fullmatch(r"\+4411[34678]4960\d{3}", number) for number in numbers)
    assert all(phonenumbers.is_possible_number(phonenumbers.parse(number)) for number in numbers)


def test_email_addresses_reach_nobody(book: Book) -> None:
    """About one customer in twenty has no e-mail address, the others have one at a domain for examples."""
    for one in book.enrolments:
        for address in contact(one, ContactKind.EMAIL):
            assert re.fullmatch(rf"customer{one.enrolment_ref}@example\.(com|org|net)", address)
    assert sum(not contact(one, ContactKind.EMAIL) for one in book.enrolments) == 211


def test_people_differ_in_language_and_consent(book: Book) -> None:
    """Half of the customers speak Chinese and have a Chinese name, and about one in twenty gave no consent."""
    people = [one.person for one in book.enrolments]
    assert Counter(person.language_code for person in people) == {"zh-CN": 2_218, "en": 2_154}
    assert sum(not person.consents for person in people) == 210
    for person in people:
        pattern = r"[\u4e00-\u9fff]{3}" if person.language_code == "zh-CN" else r"[A-Z][a-z]+ [A-Z][a-z]+"
        assert re.fullmatch(pattern, person.display_name)
