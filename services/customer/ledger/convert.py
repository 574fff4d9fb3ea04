"""Receipts, lines and amounts between the contract and the domain; sales and refunds share them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from google.type import money_pb2

from chassis import names, wire
from chassis.errors import Problems
from chassis.money import Currency
from services.customer.ledger.domain import Beginning, Content, Entry, Line, Part, Query, Receipt, check
from shuke.customer.v1 import events_pb2
from shuke.customer.v1 import purchases_pb2 as pb

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
            lines=tuple(self._line(f"lines[{index}]", line) for index, line in enumerate(record.lines)),
            total=self._money("total", record.total),
            adjustments=tuple(
                Part(pb.Adjustment.Kind.Name(part.kind), self._money(f"adjustments[{index}].amount", part.amount))
                for index, part in enumerate(record.adjustments)
            ),
            tenders=tuple(
                Part(pb.Tender.Kind.Name(part.kind), self._money(f"tenders[{index}].amount", part.amount))
                for index, part in enumerate(record.tenders)
            ),
            operator=record.operator or operator,
        )
        if not self.problems.found:
            check(self.problems, self.at, content, self.currency)
        return content

    def receipt(self, field: str, receipt: pb.Receipt) -> Receipt:
        """Read a receipt's key."""
        path = ".".join(filter(None, (self.at, field, "business_date")))
        day = wire.read_date(self.problems, path, receipt.business_date)
        return Receipt(receipt.store, receipt.terminal, day, receipt.receipt_no)

    def _line(self, field: str, line: pb.Line) -> Line:
        return Line(
            line_no=line.line_no,
            kind=pb.Line.Kind.Name(line.kind or pb.Line.GOODS),
            sku=line.sku,
            quantity=thousandths(line.quantity),
            amount=self._money(f"{field}.amount", line.amount),
            product_name=line.product_name,
            category=line.category,
            model=line.model,
            specification=line.specification,
            serial_no=line.serial_no,
            list_amount=self._optional(field, line, "list_amount"),
            tax=self._optional(field, line, "tax"),
            profit=self._optional(field, line, "profit"),
            original_line_no=line.original_line_no,
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


def receipt_to_proto(receipt: Receipt | None) -> pb.Receipt | None:
    """Write a receipt's key; None stays unset."""
    if receipt is None:
        return None
    return pb.Receipt(
        store=receipt.store,
        terminal=receipt.terminal,
        business_date=wire.to_date(receipt.business_date),
        receipt_no=receipt.receipt_no,
    )


def told_of(entry: Entry, currency: Currency) -> dict[str, Any]:
    """Write what every event about a record tells of it."""
    content = entry.content
    return {
        "kind": pb.Purchase.Kind.Value(entry.kind),
        "store": content.receipt.store,
        "business_date": wire.to_date(content.receipt.business_date),
        "business_time": wire.timestamp(content.business_time),
        "total": wire.to_money(content.total, currency),
        "profit": wire.to_money(content.profit, currency),
        "profit_known": content.profit_known,
    }


def beginning_to_proto(beginning: Beginning) -> events_pb2.Beginning:
    """Write when a customer began."""
    return events_pb2.Beginning(
        first_entry_date=wire.to_date(beginning.first_entry_date),
        first_sale_date=wire.to_date(beginning.first_sale_date),
        first_sale_time=wire.timestamp(beginning.first_sale_time),
    )


def lines_to_proto(lines: Iterable[Line], currency: Currency) -> list[pb.Line]:
    """Write lines."""
    return [
        pb.Line(
            line_no=line.line_no,
            kind=pb.Line.Kind.Value(line.kind),
            sku=line.sku,
            product_name=line.product_name,
            category=line.category,
            model=line.model,
            specification=line.specification,
            serial_no=line.serial_no,
            quantity=quantity_text(line.quantity),
            list_amount=wire.to_money(line.list_amount, currency),
            amount=wire.to_money(line.amount, currency),
            tax=wire.to_money(line.tax, currency),
            profit=wire.to_money(line.profit, currency),
            original_line_no=line.original_line_no,
        )
        for line in lines
    ]


def adjustments_to_proto(parts: Iterable[Part], currency: Currency) -> list[pb.Adjustment]:
    """Write adjustments."""
    return [
        pb.Adjustment(kind=pb.Adjustment.Kind.Value(part.kind), amount=wire.to_money(part.amount, currency))
        for part in parts
    ]


def tenders_to_proto(parts: Iterable[Part], currency: Currency) -> list[pb.Tender]:
    """Write tenders."""
    return [
        pb.Tender(kind=pb.Tender.Kind.Value(part.kind), amount=wire.to_money(part.amount, currency)) for part in parts
    ]


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
