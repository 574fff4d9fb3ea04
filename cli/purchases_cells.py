"""What the cells of one row say: texts, numbers, amounts and times, by the mapping; and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from chassis.calendar import FIRST_YEAR, LAST_YEAR
from chassis.money import LARGEST, Currency
from cli.purchases_file import Row
from cli.purchases_mapping import WORDS, CellError, Text

NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)")
# Longer ones are no numbers of a receipt.
LONGEST_NUMBER = 24
LONGEST_SHOWN = 40
MOST_LINES = 10_000


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a receipt is refused: the field of the mapping or of the contract, a reason, and a sentence."""

    field: str
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Cells:
    """Reads fields from a row, and notes what is wrong with them."""

    row: Row
    readers: Mapping[str, Text]
    decimal_comma: bool
    problems: list[Problem]

    def wrong(self, name: str, reason: str, text: str) -> None:
        """Note that a field of this row is wrong."""
        self.problems.append(Problem(name, reason, f"row {self.row.number}: {name} {text}"))

    def text(self, name: str, *, needed: bool = False) -> str:
        """Read a text; empty where the mapping does not tell the field, or where something is wrong with it."""
        reader = self.readers.get(name)
        if reader is None:
            return ""
        try:
            text = reader(self.row.cells)
        except CellError as error:
            self.wrong(name, "VALUE_UNKNOWN", str(error))
            return ""
        if text and name in WORDS and text not in WORDS[name]:
            self.wrong(name, "VALUE_UNKNOWN", f"is not among {', '.join(WORDS[name])}")
            return ""
        if needed and not text:
            self.wrong(name, "CELL_EMPTY", "is empty")
        return text

    def number(self, name: str, *, needed: bool = False) -> Decimal | None:
        """Read a number; None where the cell is empty."""
        text = self.text(name, needed=needed)
        if not text:
            return None
        # A point beside a decimal comma groups digits; which ones is not guessed at.
        written = text.replace(".", " ").replace(",", ".") if self.decimal_comma else text
        if len(text) > LONGEST_NUMBER or not NUMBER.fullmatch(written):
            self.wrong(name, "NUMBER_MALFORMED", f"is no number: {text[:LONGEST_SHOWN]!r}")
            return None
        return Decimal(written)

    def whole(self, name: str) -> int:
        """Read a line's number; 0 where the cell is empty."""
        return self._whole(name, self.number(name), "is no line number", MOST_LINES) or 0

    def amount(self, name: str, currency: Currency, *, needed: bool = False) -> int | None:
        """Read an amount in minor units; None where the cell is empty."""
        number = self.number(name, needed=needed)
        minor = None if number is None else number.scaleb(currency.digits)
        return self._whole(name, minor, f"is no amount in {currency.code}", LARGEST)

    def moment(self, name: str, form: str) -> datetime | None:
        """Read a date or time by its format; None where the cell is empty."""
        text = self.text(name)
        if not text:
            return None
        try:
            moment = _moment(text, form)
        except ValueError:
            self.wrong(name, "TIME_MALFORMED", f"is not written as {form}: {text[:LONGEST_SHOWN]!r}")
            return None
        if not FIRST_YEAR <= moment.year <= LAST_YEAR:
            self.wrong(name, "TIME_MALFORMED", f"is out of range: {text[:LONGEST_SHOWN]!r}")
            return None
        return moment

    def _whole(self, name: str, number: Decimal | None, problem: str, end: int) -> int | None:
        if number is None:
            return None
        if number != int(number) or abs(number) >= end:
            self.wrong(name, "NUMBER_MALFORMED", f"{problem}: {self.text(name)[:LONGEST_SHOWN]!r}")
            return None
        return int(number)


@lru_cache
def _moment(text: str, form: str) -> datetime:
    return datetime.strptime(text, form)  # noqa: DTZ007  (the zone is the mapping's)
