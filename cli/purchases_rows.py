"""What the rows of a receipt say: a sale, a refund, or both under one number; or what is wrong with them.

A pure function of the rows and the mapping. What it answers are the contract's own messages, held against the
contract's own rules, so that a dry run finds what the suite would find.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any
from zoneinfo import ZoneInfo

from chassis.calendar import to_micros
from chassis.errors import Invalid
from chassis.money import LARGEST, Currency, half_up
from chassis.texts import Texts
from chassis.validation import validate
from chassis.wire import timestamp, to_date, to_money
from cli.purchases_cells import Cells, Problem
from cli.purchases_file import Row, Rows
from cli.purchases_mapping import REFUND, SALE, VOID, ImportMapping, Text
from shuke.customer.v1 import customer_pb2, errors_pb2
from shuke.customer.v1 import purchases_pb2 as pb

TEXTS = Texts("customer", errors_pb2.ErrorReason.DESCRIPTOR)
NOON = time(12)
IMPORTED = "IMPORTED"
LINE_TEXTS = ("sku", "product_name", "category", "model", "specification", "serial_no")
LINE_AMOUNTS = ("list_amount", "tax", "profit")
currency_of = lru_cache(Currency.of)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a receipt's rows say. Without records and problems all of its rows are left out."""

    where: str
    records: Sequence[pb.Purchase | pb.Refund] = ()
    # The refund's customer, to be looked up: a refund names customers by their files only.
    refunded: customer_pb2.CustomerLookup | None = None
    problems: Sequence[Problem] = ()


@dataclass(frozen=True, slots=True)
class SignedLine:
    """A line, which way it goes, and its amount in minor units as the file signs it."""

    line: pb.Line
    refund: bool
    signed: int


class Reader:
    """Reads receipts by a mapping, from a file of so many columns."""

    def __init__(self, mapping: ImportMapping, readers: Mapping[str, Text], width: int) -> None:
        self.mapping = mapping
        self.readers = readers
        self.width = width
        self.zone = ZoneInfo(mapping.file.zone)
        self._amount_name = "line.amount" if mapping.line.amount else "line.unit_price"
        self._line_texts, self._line_amounts = (
            [name for name in names if f"line.{name}" in readers] for names in (LINE_TEXTS, LINE_AMOUNTS)
        )
        # Of times the earliest counts, and which way a row goes is its own.
        each = ("receipt.business_time", "receipt.record")
        self.alike = [name for name in readers if not name.startswith("line.") and name not in each]

    def read(self, rows: Rows) -> Reading:
        """Read the rows of one receipt."""
        problems: list[Problem] = []
        cells = [self._cells(row, self.readers, problems) for row in rows.rows]
        if rows.apart:
            cells[0].wrong("receipt.receipt_no", "ROWS_APART", "comes back later; set file.sort if it is one receipt")
        for each in cells:
            if len(each.row.cells) != self.width:
                each.wrong(
                    "file", "ROW_LENGTH", f"has {len(each.row.cells)} cells in this row, and {self.width} columns"
                )
        try:
            reading = Reading(rows.where) if problems else self._read(rows.where, cells)
        except Invalid as error:
            problems += [_problem(wrong.field, wrong.reason, wrong.metadata) for wrong in error.violations]
        return Reading(rows.where, problems=problems) if problems else reading

    def _cells(self, row: Row, readers: Mapping[str, Text], problems: list[Problem]) -> Cells:
        return Cells(row, readers, self.mapping.file.decimal_comma, problems)

    def _read(self, where: str, cells: Sequence[Cells]) -> Reading:
        """Read a receipt; what this answers counts for nothing where a problem was noted."""
        currency = currency_of(cells[0].text("receipt.currency", needed=True))
        lines = [(each, self._line(each, currency)) for each in cells]
        kept = [each for each, line in lines if line]
        if not kept or cells[0].problems:
            return Reading(where)
        head = self._head(kept)
        sold = [line for _, line in lines if line and not line.refund]
        back = [line for _, line in lines if line and line.refund]
        if {line.signed > 0 for line in back if line.signed} == {True, False}:
            head.wrong(self._amount_name, "SIGNS_MIXED", "is positive in one row of the refund and negative in another")
        rest = self._rest(head, currency, sold, back)
        common = self._common(head, kept)
        if head.problems:
            return Reading(where)
        key, name = self._customer(head), head.text("customer.name")
        # What was paid on balance is neither the sale's nor the refund's.
        tender = "" if sold and back else head.text("receipt.tender")
        records: list[pb.Purchase | pb.Refund] = []
        refunded = None
        if sold:
            common |= self._sums(head, sold, rest, tender, currency)
            sale = pb.Purchase(**common, customer=name, customer_lookup=None if name else key)
            sale.sales_staff = head.text("receipt.sales_staff")
            records.append(sale)
        if back:
            original = self._original(head, common["receipt"])
            common |= self._sums(head, back, 0 if sold else rest, tender, currency)
            refund = pb.Refund(**common, original_receipt=original)
            if not original:
                # The refund of a sale takes that sale's customer.
                refund.customer, refund.reason = name, head.text("receipt.reason") or IMPORTED
                refunded = None if name else key
            records.append(refund)
        for record in records:
            validate(record, kind_of(record))
        return Reading(where, records, refunded)

    def _line(self, cells: Cells, currency: Currency) -> SignedLine | None:
        """Read a row's line; None where the row is left out."""
        record = cells.text("receipt.record", needed="receipt.record" in self.readers) or SALE
        quantity = cells.number("line.quantity", needed=True)
        minus, negative = (quantity or 0) < 0, self.mapping.receipt.negative
        if record == VOID or (record == SALE and minus and negative == "LEAVE_OUT"):
            return None
        refund = record == REFUND or (minus and negative == REFUND)
        if minus and not refund:
            cells.wrong(
                "line.quantity", "QUANTITY_NEGATIVE", "is negative in a sale; receipt.negative says what that is"
            )
        if quantity == 0:
            cells.wrong("line.quantity", "QUANTITY_ZERO", "is zero")
        signed = self._amount(cells, quantity or Decimal(0), currency)
        amounts = {name: cells.amount(f"line.{name}", currency) for name in self._line_amounts}
        if refund:
            # A file that signs what was given back signs its profit too; the contract counts it the other way.
            turn = -1 if signed < 0 or (signed == 0 and minus) else 1
            for name, amount in amounts.items():
                amounts[name] = amount and (turn * amount if name == "profit" else abs(amount))
        elif signed < 0:
            cells.wrong(self._amount_name, "AMOUNT_NEGATIVE", "is negative in a sale")
        kind = cells.text("line.kind")
        texts: dict[str, Any] = {name: cells.text(f"line.{name}") for name in self._line_texts}
        line = pb.Line(
            line_no=cells.whole("line.line_no"),
            kind=pb.Line.Kind.Value(kind) if kind else pb.Line.KIND_UNSPECIFIED,
            quantity=f"{abs(quantity or Decimal(0)).normalize():f}",
            amount=to_money(abs(signed), currency),
            original_line_no=cells.whole("line.original_line_no") if refund else 0,
            **texts,
        )
        for name, amount in amounts.items():
            if amount is not None:
                getattr(line, name).CopyFrom(to_money(amount, currency))
        return SignedLine(line, refund, signed)

    def _amount(self, cells: Cells, quantity: Decimal, currency: Currency) -> int:
        """Read a line's amount in minor units, signed as the file does; 0 where something is wrong with it."""
        if self._amount_name == "line.amount":
            return cells.amount(self._amount_name, currency, needed=True) or 0
        price = cells.number(self._amount_name, needed=True) or Decimal(0)
        exact = (price * quantity).scaleb(currency.digits)
        if abs(exact) >= LARGEST:
            cells.wrong(self._amount_name, "NUMBER_MALFORMED", "makes an amount that no receipt has")
            return 0
        return half_up(exact)

    def _head(self, kept: Sequence[Cells]) -> Cells:
        """Gather what all rows say alike; a row may leave out what another says."""
        agreed: dict[str, Text] = {}
        for name in self.alike:
            said = list(dict.fromkeys(filter(None, (cells.text(name) for cells in kept))))
            if len(said) > 1:
                kept[0].wrong(name, "ROWS_DIFFER", "is not the same in all rows of the receipt")
            text = said[0] if said else ""
            agreed[name] = partial(_constant, text)
        return self._cells(kept[0].row, agreed, kept[0].problems)

    def _rest(self, head: Cells, currency: Currency, sold: Sequence[SignedLine], back: Sequence[SignedLine]) -> int:
        """Answer what the total is more than the lines; less is negative."""
        total = head.amount("receipt.total", currency)
        if total is None:
            return 0
        added = sum(line.signed for line in sold) - sum(abs(line.signed) for line in back)
        rest = total - added if sold else abs(total) - abs(added)
        if rest and self.mapping.receipt.difference is None:
            sums = {"total": currency.text(total), "sum": currency.text(added)}
            head.problems.append(_problem("receipt.total", "TOTAL_MISMATCH", {"field": "receipt.total", **sums}))
        return rest

    def _common(self, head: Cells, kept: Sequence[Cells]) -> dict[str, Any]:
        """Read what a sale and a refund have in common, apart from their sums."""
        form = self.mapping.file
        moments = [each.moment("receipt.business_time", form.time_format) for each in kept]
        times = [moment if moment.tzinfo else moment.replace(tzinfo=self.zone) for moment in moments if moment]
        day = head.moment("receipt.business_date", form.date_format)
        if not (day or times):
            if not head.problems:
                head.wrong("receipt.business_date", "CELL_EMPTY", "and business_time are empty")
            return {}
        date = (day or min(times).astimezone(self.zone)).date()
        instant = min(times, default=datetime.combine(date, NOON, self.zone))
        return {
            "receipt": pb.Receipt(
                store=head.text("receipt.store", needed=True),
                terminal=head.text("receipt.terminal"),
                business_date=to_date(date),
                receipt_no=head.text("receipt.receipt_no", needed=True),
            ),
            "business_time": timestamp(to_micros(instant)),
            "operator": head.text("receipt.operator"),
        }

    def _sums(
        self, head: Cells, lines: Sequence[SignedLine], rest: int, tender: str, currency: Currency
    ) -> dict[str, Any]:
        """Write lines and what they add up to; where the mapping names no line number they are counted."""
        numbers = [each.line.line_no for each in lines]
        if "line.line_no" not in self.readers:
            for number, each in enumerate(lines, 1):
                each.line.line_no = number
        elif len(set(numbers)) < len(numbers):
            head.wrong(
                "line.line_no", "LINE_NUMBER_REPEATED", "or another row of the receipt has the number of another"
            )
        total = sum(abs(each.signed) for each in lines) + rest
        if total < 0:
            head.wrong("receipt.total", "AMOUNT_NEGATIVE", "is negative")
        kind, amount = (
            pb.Adjustment.Kind.Value(self.mapping.receipt.difference or "KIND_UNSPECIFIED"),
            to_money(rest, currency),
        )
        return {
            "lines": [each.line for each in lines],
            "adjustments": [pb.Adjustment(kind=kind, amount=amount)] if rest else [],
            "tenders": [pb.Tender(kind=pb.Tender.Kind.Value(tender), amount=to_money(total, currency))]
            if tender
            else [],
            "total": to_money(total, currency),
        }

    def _customer(self, head: Cells) -> customer_pb2.CustomerLookup | None:
        """Read the key by which the customer is known; None for an anonymous receipt."""
        system = self.mapping.customer.external_system
        for name in ("member_code", "external_id", "phone", "email"):
            text = head.text(f"customer.{name}")
            if text:
                told: Any = customer_pb2.ExternalId(system=system, value=text) if name == "external_id" else text
                return customer_pb2.CustomerLookup(**{name: told})
        return None

    def _original(self, head: Cells, own: pb.Receipt) -> pb.Receipt | None:
        """Read the receipt of the sale that is given back."""
        number = head.text("original.receipt_no")
        if not number:
            return None
        day = head.moment("original.business_date", self.mapping.file.date_format)
        return pb.Receipt(
            store=head.text("original.store") or own.store,
            terminal=head.text("original.terminal") or own.terminal,
            business_date=to_date(day.date()) if day else None,
            receipt_no=number,
        )


def kind_of(record: pb.Purchase | pb.Refund) -> str:
    """Tell a sale from a refund, by the contract's names."""
    return "purchase" if isinstance(record, pb.Purchase) else "refund"


def _constant(text: str, _cells: Sequence[str]) -> str:
    return text


def _problem(field: str, reason: str, metadata: Mapping[str, str]) -> Problem:
    """Say what is wrong in the contract's own words."""
    return Problem(field, reason, TEXTS.violation("en", reason, metadata))
