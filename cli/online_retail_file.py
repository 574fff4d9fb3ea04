"""The UCI Online Retail file as invoices: one of sales, refunds and two kinds of entry that are no sale.

The file has no costs. Profits are GENERATED: a made-up margin of 15 to 45 % per stock code, drawn from a hash, so that
every reading gives the same figures. They say nothing about the real shop.
"""

import csv
import datetime as dt
import functools
import hashlib
import lzma
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from pathlib import Path
from zoneinfo import ZoneInfo

FILE = Path(__file__).resolve().parents[1] / "data" / "online_retail" / "online_retail.csv.xz"
ZONE = ZoneInfo("Europe/London")
COLUMNS = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]
SEED = "online-retail"
LOWEST_MARGIN, HIGHEST_MARGIN = 15, 45


class Kind(StrEnum):
    """What an invoice is; all of its lines agree."""

    SALE = "SALE"
    REFUND = "REFUND"
    STOCK_CORRECTION = "STOCK_CORRECTION"
    BAD_DEBT = "BAD_DEBT"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a sale or refund; quantity and amount are never negative, the direction is the receipt's."""

    line_no: int  # 1 to n in the order of the file
    sku: str
    product_name: str  # the file's Description without the blanks around it; may be empty
    unit_price: str  # as in the file
    quantity: int  # above zero
    amount: int  # pence
    profit: int  # pence, generated
    original_line_no: int | None = None  # only in linked refunds


@dataclass(frozen=True, slots=True)
class Invoice:
    """One invoice of the file."""

    kind: Kind
    number: str
    time: dt.datetime  # Europe/London; the earliest, where the lines bear two
    customer: str  # empty for an anonymous one
    country: str
    lines: tuple[Line, ...]


@dataclass(slots=True)
class _Draft:
    """An invoice while its lines come in: they are not contiguous in the file."""

    kind: Kind
    time: str  # ISO, so that text order is time order
    customer: str
    country: str
    lines: list[Line]


def read_invoices(file: Path = FILE, seed: str = SEED) -> list[Invoice]:
    """Read a file's invoices, sorted by time, then by number; seed draws the margins."""
    drafts: dict[str, _Draft] = {}
    with lzma.open(file, "rt", encoding="utf-8", newline="") as text:
        rows = csv.reader(text)
        if next(rows, None) != COLUMNS:
            raise ValueError(f"{file.name}: the columns are not {', '.join(COLUMNS)}")
        _gather(rows, drafts, seed)
    invoices = (_invoice(number, draft) for number, draft in drafts.items())
    return sorted(invoices, key=lambda invoice: (invoice.time, invoice.number))


def kind_of(number: str, quantity: int, price: Decimal) -> Kind:
    """Tell what a line makes of its invoice.

    Only the two negative 'Adjust bad debt' entries are bad debts: the third one, A563185, has a positive price, no
    customer and nothing else to know it by; it counts as an anonymous sale.
    """
    if price < 0:
        return Kind.BAD_DEBT
    cancelled = number.startswith("C")
    if quantity < 0 and cancelled:
        return Kind.REFUND
    if quantity < 0 and price == 0:
        return Kind.STOCK_CORRECTION
    if quantity > 0 and not cancelled:
        return Kind.SALE
    raise ValueError(f"invoice {number}: quantity {quantity} at {price} is neither sale, refund nor correction")


def amount_pence(quantity: int, price: Decimal) -> int:
    """Multiply exactly, then round half up to pence: a few prices are finer than a penny."""
    return int((quantity * price * 100).to_integral_value(ROUND_HALF_UP))


@functools.cache
def margin_percent(seed: str, sku: str) -> int:
    """Invent the margin of a stock code."""
    digest = hashlib.sha256(f"{seed}\n{sku}".encode()).digest()
    return LOWEST_MARGIN + int.from_bytes(digest) % (HIGHEST_MARGIN - LOWEST_MARGIN + 1)


def profit_pence(amount: int, seed: str, sku: str) -> int:
    """Invent the profit of a line, rounded half up."""
    return (amount * margin_percent(seed, sku) + 50) // 100


def _gather(rows: Iterable[list[str]], drafts: dict[str, _Draft], seed: str) -> None:
    for number, sku, name, quantity_text, time, price_text, customer, country in rows:
        quantity, price = int(quantity_text), Decimal(price_text)
        kind = kind_of(number, quantity, price)
        draft = drafts.get(number)
        if draft is None:
            draft = drafts[number] = _Draft(kind, time, customer, country, [])
        elif (draft.kind, draft.customer, draft.country) != (kind, customer, country):
            raise ValueError(f"invoice {number} mixes customers, countries or kinds")
        draft.time = min(draft.time, time)
        amount = abs(amount_pence(quantity, price))
        draft.lines.append(
            Line(
                line_no=len(draft.lines) + 1,
                # The same few thousand texts return half a million times: one copy of each saves memory.
                sku=sys.intern(sku),
                product_name=sys.intern(name.strip()),
                unit_price=sys.intern(price_text),
                quantity=abs(quantity),
                amount=amount,
                profit=profit_pence(amount, seed, sku),
            )
        )


def _invoice(number: str, draft: _Draft) -> Invoice:
    return Invoice(
        kind=draft.kind,
        number=number,
        time=dt.datetime.fromisoformat(draft.time).replace(tzinfo=ZONE),
        customer=draft.customer,
        country=draft.country,
        lines=tuple(draft.lines),
    )
