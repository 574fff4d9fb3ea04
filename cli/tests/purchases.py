"""Old sales files for tests, as a till of another maker would have written them, and what they must be read as."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from shuke.customer.v1 import customer_pb2
from shuke.customer.v1 import purchases_pb2 as pb

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "cli" / "example_mappings"
LINES_MAPPING = EXAMPLES / "receipt_lines.toml"
COLUMNS = (
    *("Branch", "Till", "Date", "Time", "Receipt", "Type", "Total", "Paid by", "Card"),
    *("Article", "Text", "Quantity", "Amount", "Margin", "Original date", "Original receipt"),
)
LONDON = ZoneInfo("Europe/London")
TENDERS = {"1": pb.Tender.CASH, "2": pb.Tender.CARD}


@dataclass(frozen=True)
class Item:
    """One line: thousandths, pence above zero or zero, and pence of profit where it is known."""

    sku: str
    text: str
    quantity: int
    amount: int
    profit: int | None = None


@dataclass(frozen=True)
class Slip:
    """One receipt as the old till had it."""

    number: str
    items: Sequence[Item] = (Item("TEA", "Tea", 1000, 10_00),)
    store: str = "LEEDS"
    till: str = "1"
    time: dt.datetime = dt.datetime(2026, 2, 27, 10, 30)  # noqa: DTZ001  (as the till's clock shows it)
    refund: bool = False
    card: str = ""
    paid: str = "1"
    rounding: int = 0
    original: str = ""

    @property
    def total(self) -> int:
        """What was paid, in pence."""
        return sum(item.amount for item in self.items) + self.rounding

    def rows(self) -> list[list[str]]:
        """Write it as the file has it: what was given back with a minus."""
        sign = -1 if self.refund else 1
        return [
            [
                *(self.store, self.till, f"{self.time:%d.%m.%Y}", f"{self.time:%H:%M}", self.number),
                *("R" if self.refund else "S", comma(sign * self.total), self.paid, self.card),
                *(item.sku, item.text, comma(sign * item.quantity, 3), comma(sign * item.amount)),
                "" if item.profit is None else comma(sign * item.profit),
                *((f"{self.time:%d.%m.%Y}", self.original) if self.original else ("", "")),
            ]
            for item in self.items
        ]

    def record(self) -> pb.Purchase | pb.Refund:
        """Write, slowly and obviously, what the suite must get."""
        instant = Timestamp()
        instant.FromDatetime(self.time.replace(tzinfo=LONDON))
        record = pb.Refund() if self.refund else pb.Purchase()
        record.receipt.CopyFrom(self.receipt(self.number))
        record.business_time.CopyFrom(instant)
        record.total.CopyFrom(pounds(self.total))
        if self.rounding:
            record.adjustments.add(kind=pb.Adjustment.ROUNDING, amount=pounds(self.rounding))
        record.tenders.add(kind=TENDERS[self.paid], amount=pounds(self.total))
        for number, item in enumerate(self.items, 1):
            quantity = f"{Decimal(item.quantity) / 1000:f}"
            line = record.lines.add(line_no=number, sku=item.sku, product_name=item.text, quantity=quantity)
            line.amount.CopyFrom(pounds(item.amount))
            if item.profit is not None:
                line.profit.CopyFrom(pounds(item.profit))
        if isinstance(record, pb.Purchase):
            if self.card:
                record.customer_lookup.CopyFrom(customer_pb2.CustomerLookup(member_code=self.card))
        elif self.original:
            record.original_receipt.CopyFrom(self.receipt(self.original))
        else:
            record.reason = "IMPORTED"
        return record

    def receipt(self, number: str) -> pb.Receipt:
        """Write a key of this till and day."""
        day = Date(year=self.time.year, month=self.time.month, day=self.time.day)
        return pb.Receipt(store=self.store, terminal=self.till, business_date=day, receipt_no=number)


def comma(value: int, places: int = 2) -> str:
    """Write a number with a decimal comma."""
    return f"{Decimal(value).scaleb(-places):f}".replace(".", ",")


def pounds(pence: int) -> Money:
    """Write an amount as the contract does."""
    units, rest = divmod(abs(pence), 100)
    sign = -1 if pence < 0 else 1
    return Money(currency_code="GBP", units=sign * units, nanos=sign * rest * 10_000_000)


def write(path: Path, rows: Iterable[Sequence[str]], encoding: str = "utf-8") -> Path:
    """Write a file with its headings."""
    with path.open("w", encoding=encoding, newline="") as text:
        csv.writer(text, delimiter=";").writerows([COLUMNS, *rows])
    return path


def write_slips(path: Path, slips: Iterable[Slip]) -> Path:
    """Write receipts, one after the other."""
    return write(path, (row for slip in slips for row in slip.rows()))
