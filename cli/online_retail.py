"""What a replay of the UCI Online Retail file has to send: a pure function of the file.

`plan(file)` tells sales and refunds from entries that are no sale, links each refund to the sale that it takes back,
adds who is to be enrolled, and sorts everything by business day and store. It sends nothing.

Two things are not in the file: each line's profit comes from a GENERATED margin (see `cli.online_retail_file`), and the
people are invented (see `cli.demo_people`).
"""

import datetime as dt
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from cli.demo_people import Person, person
from cli.online_retail_file import FILE, SEED, Invoice, Kind, Line, profit_pence, read_invoices

ANONYMOUS = ""
IMPORTED = "IMPORTED"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The natural key of a sale or refund."""

    store: str
    terminal: str  # always empty: the file knows none
    business_date: dt.date
    receipt_no: str  # the file's InvoiceNo


@dataclass(frozen=True, slots=True)
class Sale:
    """One sale; settled, as it happened long ago."""

    receipt: Receipt
    business_time: dt.datetime  # Europe/London
    customer: str  # the file's CustomerID, or ANONYMOUS
    lines: tuple[Line, ...]
    total: int  # pence


@dataclass(frozen=True, slots=True)
class Refund:
    """One cancellation: linked where it has an original, standing alone otherwise."""

    receipt: Receipt
    business_time: dt.datetime  # Europe/London
    customer: str  # the file's CustomerID, or ANONYMOUS
    lines: tuple[Line, ...]
    total: int  # pence, not negative
    original: Receipt | None
    reason: str  # IMPORTED without an original, otherwise empty


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A customer to enrol in the store and on the day of the first invoice, before that is sent."""

    store: str
    business_time: dt.datetime  # of the first invoice
    enrolment_ref: str  # the file's CustomerID
    person: Person


@dataclass(frozen=True, slots=True)
class StoreDay:
    """What one store sends on one day, in this order; each part is sorted by time, then by number."""

    store: str
    enrolments: tuple[Enrolment, ...]
    sales: tuple[Sale, ...]
    refunds: tuple[Refund, ...]


@dataclass(frozen=True, slots=True)
class Day:
    """What the chain sends on one business day, sorted by store."""

    business_date: dt.date
    stores: tuple[StoreDay, ...]


@dataclass(frozen=True, slots=True)
class Store:
    """One country of the file, taken as a store of the chain."""

    code: str
    country: str


@dataclass(frozen=True, slots=True)
class Totals:
    """What the replay has to arrive at."""

    file_lines: int
    invoices: int
    sales: int
    anonymous_sales: int
    refunds: int
    anonymous_refunds: int
    linked_refunds: int
    stock_corrections: int
    bad_debts: int
    customers: int
    net: int  # pence: sales minus refunds, of receipts with a customer

    @property
    def not_sales(self) -> int:
        """Invoices that are counted and shown, but not sent."""
        return self.stock_corrections + self.bad_debts


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that the replay sends, in order."""

    stores: tuple[Store, ...]
    days: tuple[Day, ...]
    totals: Totals


@dataclass(frozen=True, slots=True)
class Left:
    """What may still be refunded on one line of a sale."""

    line_no: int
    quantity: int
    pence: int


# What is left of a sale, by stock code and unit price (as a number: 1.5 and 1.50 are one price).
Goods = tuple[str, Decimal]
Stock = dict[Goods, tuple[Left, ...]]


def plan(file: Path = FILE, seed: str = SEED) -> Plan:
    """Plan the replay of a file; seed draws the margins."""
    invoices = read_invoices(file, seed)
    sales = [_sale(invoice) for invoice in invoices if invoice.kind is Kind.SALE]
    refunds = link_refunds(sales, [_refund(invoice) for invoice in invoices if invoice.kind is Kind.REFUND], seed)
    enrolments = _enrolments([*sales, *refunds])
    countries = sorted({invoice.country for invoice in invoices})
    return Plan(
        stores=tuple(Store(store_code(country), country) for country in countries),
        days=_days(enrolments, sales, refunds),
        totals=_totals(invoices, sales, refunds, len(enrolments)),
    )


def store_code(country: str) -> str:
    """Turn a country into a store's code, which knows only capitals, digits and dashes."""
    return re.sub(r"[^A-Z0-9]", "-", country.upper())


def link_refunds(sales: Iterable[Sale], refunds: Sequence[Refund], seed: str = SEED) -> list[Refund]:
    """Link each refund to the latest earlier sale of its customer that still covers all of its lines.

    Sales and refunds come sorted by time. Covered means: by stock code and unit price, after what earlier refunds
    took. Earlier means an earlier minute, as the file knows no seconds. A refund that no single sale covers stands
    alone, and so does one without a customer.
    """
    sales_of: defaultdict[str, list[tuple[Sale, Stock]]] = defaultdict(list)
    refunders = {refund.customer for refund in refunds if refund.customer != ANONYMOUS}
    for sale in sales:
        if sale.customer in refunders:
            sales_of[sale.customer].append((sale, _stock(sale.lines)))
    return [_link(refund, sales_of[refund.customer], seed) for refund in refunds]


def cover(stock: Stock, lines: Iterable[Line], seed: str = SEED) -> tuple[tuple[Line, ...], Stock] | None:
    """Match refund lines with the lines of a sale: the lines to send and what they touch of the stock afterwards.

    A line that needs several lines of the sale is split. None: the sale does not cover them all.
    """
    after: Stock = {}
    pieces: list[Line] = []
    for line in lines:
        goods = _goods(line)
        left = after.get(goods, stock.get(goods, ()))
        taken = take(left, line.quantity, line.amount)
        if taken is None:
            return None
        after[goods] = _without(left, taken)
        pieces += (_piece(line, one, seed) for one in taken)
    return tuple(replace(piece, line_no=number) for number, piece in enumerate(pieces, 1)), after


def take(left: Sequence[Left], quantity: int, pence: int) -> list[Left] | None:
    """Choose what to take from which line, or None where quantity or money do not suffice.

    The smallest single line that suffices is taken, so that larger ones stay whole for what follows. Otherwise lines
    are used up in turn; a line that is used up gives its money too, so that the last one need give the least. With
    prices in whole pence the money then always suffices where the quantity does. With finer prices the rounded lines
    of a sale may hold less than the rounded refund (twice 0.00 against 0.01): that is not covered.
    """
    enough = [one for one in left if one.quantity >= quantity and one.pence >= pence]
    if enough:
        smallest = min(enough, key=lambda one: one.quantity)
        return [Left(smallest.line_no, quantity, pence)]
    taken = []
    for one in left:
        count = min(one.quantity, quantity)
        money = pence if count == quantity else min(one.pence, pence)
        if money > one.pence:
            return None
        taken.append(Left(one.line_no, count, money))
        quantity, pence = quantity - count, pence - money
        if not quantity:
            return taken
    return None


def _link(refund: Refund, candidates: Sequence[tuple[Sale, Stock]], seed: str) -> Refund:
    for sale, stock in reversed(candidates):
        if sale.business_time >= refund.business_time:
            continue
        covered = cover(stock, refund.lines, seed)
        if covered is not None:
            lines, after = covered
            stock.update(after)
            return replace(refund, lines=lines, original=sale.receipt, reason="")
    return refund


def _goods(line: Line) -> Goods:
    return line.sku, Decimal(line.unit_price)


def _stock(lines: Iterable[Line]) -> Stock:
    stock: defaultdict[Goods, tuple[Left, ...]] = defaultdict(tuple)
    for line in lines:
        stock[_goods(line)] += (Left(line.line_no, line.quantity, line.amount),)
    return dict(stock)


def _without(left: Iterable[Left], taken: Iterable[Left]) -> tuple[Left, ...]:
    gone = {one.line_no: one for one in taken}
    nothing = Left(0, 0, 0)
    remaining = (
        Left(one.line_no, one.quantity - less.quantity, one.pence - less.pence)
        for one in left
        for less in (gone.get(one.line_no, nothing),)
    )
    return tuple(one for one in remaining if one.quantity)


def _piece(line: Line, taken: Left, seed: str) -> Line:
    return replace(
        line,
        quantity=taken.quantity,
        amount=taken.pence,
        profit=profit_pence(taken.pence, seed, line.sku),
        original_line_no=taken.line_no,
    )


def _receipt(invoice: Invoice) -> Receipt:
    return Receipt(store_code(invoice.country), "", invoice.time.date(), invoice.number)


def _total(lines: Iterable[Line]) -> int:
    return sum(line.amount for line in lines)


def _sale(invoice: Invoice) -> Sale:
    return Sale(_receipt(invoice), invoice.time, invoice.customer, invoice.lines, _total(invoice.lines))


def _refund(invoice: Invoice) -> Refund:
    return Refund(
        receipt=_receipt(invoice),
        business_time=invoice.time,
        customer=invoice.customer,
        lines=invoice.lines,
        total=_total(invoice.lines),
        original=None,
        reason=IMPORTED,
    )


def _in_order(entry: Sale | Refund) -> tuple[dt.datetime, str]:
    return entry.business_time, entry.receipt.receipt_no


def _enrolments(entries: Iterable[Sale | Refund]) -> list[Enrolment]:
    """Enrol each customer with the first entry, be it a sale or a refund."""
    first: dict[str, Sale | Refund] = {}
    for entry in sorted(entries, key=_in_order):
        if entry.customer != ANONYMOUS:
            first.setdefault(entry.customer, entry)
    ranks = {customer: rank for rank, customer in enumerate(sorted(first))}
    return [
        Enrolment(entry.receipt.store, entry.business_time, customer, person(customer, ranks[customer]))
        for customer, entry in first.items()
    ]


def _days(enrolments: Iterable[Enrolment], sales: Iterable[Sale], refunds: Iterable[Refund]) -> tuple[Day, ...]:
    """Sort into days and stores; the parts come in time order and keep it."""
    new: defaultdict[tuple[dt.date, str], list[Enrolment]] = defaultdict(list)
    sold: defaultdict[tuple[dt.date, str], list[Sale]] = defaultdict(list)
    refunded: defaultdict[tuple[dt.date, str], list[Refund]] = defaultdict(list)
    for enrolment in enrolments:
        new[enrolment.business_time.date(), enrolment.store].append(enrolment)
    for sale in sales:
        sold[sale.receipt.business_date, sale.receipt.store].append(sale)
    for refund in refunds:
        refunded[refund.receipt.business_date, refund.receipt.store].append(refund)
    stores: defaultdict[dt.date, list[StoreDay]] = defaultdict(list)
    for key in sorted(sold.keys() | refunded.keys()):
        day, store = key
        stores[day].append(StoreDay(store, tuple(new[key]), tuple(sold[key]), tuple(refunded[key])))
    return tuple(Day(day, tuple(of_day)) for day, of_day in stores.items())


def _totals(invoices: Sequence[Invoice], sales: Sequence[Sale], refunds: Sequence[Refund], customers: int) -> Totals:
    kinds = Counter(invoice.kind for invoice in invoices)
    return Totals(
        file_lines=sum(len(invoice.lines) for invoice in invoices),
        invoices=len(invoices),
        sales=len(sales),
        anonymous_sales=sum(sale.customer == ANONYMOUS for sale in sales),
        refunds=len(refunds),
        anonymous_refunds=sum(refund.customer == ANONYMOUS for refund in refunds),
        linked_refunds=sum(refund.original is not None for refund in refunds),
        stock_corrections=kinds[Kind.STOCK_CORRECTION],
        bad_debts=kinds[Kind.BAD_DEBT],
        customers=customers,
        net=_net(sales) - _net(refunds),
    )


def _net(entries: Iterable[Sale | Refund]) -> int:
    return sum(entry.total for entry in entries if entry.customer != ANONYMOUS)
