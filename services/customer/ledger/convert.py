"""Receipts, lines and amounts between the contract and the domain; sales and refunds share them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from google.type import money_pb2

from chassis import names, wire
from chassis.errors import Problems
from chassis.money import Currency
from services.customer.ledger.domain import Beginning, Content, Entry, Line, Part, Query, Receipt, check
from shuke.customer.v1 import events_pb2
from shuke.customer.v1 import purchases_pb2 as pb

# The events that tell of a record.
Told = (
    events_pb2.PurchaseRecorded
    | events_pb2.PurchaseRefunded
    | events_pb2.PurchaseVoided
    | events_pb2.PurchaseAttached
    | events_pb2.RefundLinked
)

# Looked up here: the library would search an enumeration's descriptor each time.
KINDS: Mapping[str, pb.Purchase.Kind.ValueType] = dict(pb.Purchase.Kind.items())
KIND_NAMES: Mapping[int, str] = {number: name for name, number in KINDS.items()}
CUSTOMER_STATES: Mapping[str, pb.Purchase.CustomerState.ValueType] = dict(pb.Purchase.CustomerState.items())
LINE_KINDS: Mapping[int, str] = {number: name for name, number in pb.Line.Kind.items()}
TENDER_KINDS: Mapping[int, str] = {number: name for name, number in pb.Tender.Kind.items()}
# A quantity is written with at most three decimal places.
PLACES = 3
THOUSAND = 1000


@dataclass(slots=True)
class Reader:
    """Reads one record of a request: where it stands, in which currency, and what was found wrong with it."""

    problems: Problems
    at: str
    currency: Currency

    def content(self, record: pb.Purchase | pb.Refund, operator: str) -> Content:
        """Read what a sale and a refund have in common, and check its sums once every amount could be read."""
        content = Content(
            receipt=self.receipt("receipt", record.receipt),
            business_time=wire.instant(record.business_time),
            # A slice of a repeated field is a list, which takes a third of the time to go through.
            lines=tuple([self._line(f"lines[{index}]", line) for index, line in enumerate(record.lines[:])]),
            total=self._money("total", record.total),
            adjustments=tuple(
                [
                    Part(pb.Adjustment.Kind.Name(part.kind), self._money(f"adjustments[{index}].amount", part.amount))
                    for index, part in enumerate(record.adjustments[:])
                ]
            ),
            tenders=tuple(
                [
                    Part(TENDER_KINDS[part.kind], self._money(f"tenders[{index}].amount", part.amount))
                    for index, part in enumerate(record.tenders[:])
                ]
            ),
            operator=record.operator or operator,
        )
        if not self.problems.found:
            check(self.problems, self.at, content, self.currency)
        return content

    def receipt(self, field: str, receipt: pb.Receipt) -> Receipt:
        """Read a receipt's key."""
        path = f"{self.at}.{field}" if self.at else field
        day = wire.read_date(self.problems, f"{path}.business_date", receipt.business_date)
        return Receipt(receipt.store, receipt.terminal, day, receipt.receipt_no)

    def _line(self, field: str, line: pb.Line) -> Line:
        return Line(
            line.line_no,
            LINE_KINDS[line.kind or pb.Line.GOODS],
            line.sku,
            thousandths(line.quantity),
            self._money(f"{field}.amount", line.amount),
            line.product_name,
            line.category,
            line.model,
            line.specification,
            line.serial_no,
            self._optional(field, line, "list_amount"),
            self._optional(field, line, "tax"),
            self._optional(field, line, "profit"),
            line.original_line_no,
        )

    def _money(self, field: str, money: money_pb2.Money) -> int:
        return self.currency.read(self.problems, f"{self.at}.{field}", money)

    def _optional(self, field: str, line: pb.Line, name: Literal["list_amount", "tax", "profit"]) -> int | None:
        return self._money(f"{field}.{name}", getattr(line, name)) if line.HasField(name) else None


def thousandths(quantity: str) -> int:
    """Read a decimal number whose form the contract has checked."""
    whole, _, rest = quantity.partition(".")
    return int(whole) * THOUSAND + int(rest.ljust(PLACES, "0"))


def quantity_text(quantity: int) -> str:
    """Write thousandths in the shortest form."""
    whole, rest = divmod(quantity, THOUSAND)
    return f"{whole}.{rest:0{PLACES}d}".rstrip("0") if rest else str(whole)


def set_receipt(field: pb.Receipt, receipt: Receipt) -> None:
    """Write a receipt's key into a field."""
    field.store, field.terminal, field.receipt_no = receipt.store, receipt.terminal, receipt.receipt_no
    wire.set_date(field.business_date, receipt.business_date)


def tell_of(event: Told, entry: Entry, currency: Currency) -> None:
    """Write what every event about a record tells of it."""
    content = entry.content
    event.kind = KINDS[entry.kind]
    event.store = content.receipt.store
    wire.set_date(event.business_date, content.receipt.business_date)
    wire.set_timestamp(event.business_time, content.business_time)
    wire.set_money(event.total, content.total, currency)
    wire.set_money(event.profit, content.profit, currency)
    event.profit_known = content.profit_known


def beginning_to_proto(beginning: Beginning) -> events_pb2.Beginning:
    """Write when a customer began."""
    return events_pb2.Beginning(
        first_entry_date=wire.to_date(beginning.first_entry_date),
        first_sale_date=wire.to_date(beginning.first_sale_date),
        first_sale_time=wire.timestamp(beginning.first_sale_time),
    )


def write_details(record: pb.Purchase | pb.Refund, content: Content, currency: Currency) -> None:
    """Write the lines, adjustments and tenders of a record."""
    for line in content.lines:
        _write_line(record.lines.add(), line, currency)
    for part in content.adjustments:
        adjustment = record.adjustments.add(kind=pb.Adjustment.Kind.Value(part.kind))
        wire.set_money(adjustment.amount, part.amount, currency)
    for part in content.tenders:
        tender = record.tenders.add(kind=pb.Tender.Kind.Value(part.kind))
        wire.set_money(tender.amount, part.amount, currency)


def _write_line(field: pb.Line, line: Line, currency: Currency) -> None:
    field.line_no, field.kind, field.sku = line.line_no, pb.Line.Kind.Value(line.kind), line.sku
    field.product_name, field.category = line.product_name, line.category
    field.model, field.specification, field.serial_no = line.model, line.specification, line.serial_no
    field.quantity, field.original_line_no = quantity_text(line.quantity), line.original_line_no
    wire.set_money(field.amount, line.amount, currency)
    for amount, known in ((field.list_amount, line.list_amount), (field.tax, line.tax), (field.profit, line.profit)):
        if known is not None:
            wire.set_money(amount, known, currency)


def query_from_proto(
    request: pb.ListPurchasesRequest | pb.ListRefundsRequest, cursor: Sequence[str | int] | None, limit: int
) -> Query:
    """Read which records are asked for; `cursor` is of the last one on the page before."""
    first, last = window_from_proto(request)
    after = (date.fromisoformat(str(cursor[0])), str(cursor[1])) if cursor else None
    return Query(names.identity(request.customer), request.store, first, last, after, limit, odd=request.with_anomalies)


def cursor_of(entry: Entry) -> list[str]:
    """Answer where a record stands in a list."""
    return [entry.content.receipt.business_date.isoformat(), entry.id]


def window_from_proto(
    request: pb.ListPurchasesRequest | pb.ListRefundsRequest | pb.GetSpendSummaryRequest | pb.ListStoreDaysRequest,
) -> tuple[date | None, date | None]:
    """Read a window of business dates; an end before its start is refused."""
    problems = Problems()
    first = wire.read_date(problems, "first_date", request.first_date) if request.HasField("first_date") else None
    last = wire.read_date(problems, "last_date", request.last_date) if request.HasField("last_date") else None
    if first and last and last < first and not problems.found:
        problems.add("last_date", "RANGE_REVERSED", other="first_date")
    problems.refuse()
    return first, last
