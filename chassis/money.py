"""Money: integers of the currency's smallest unit inside, `google.type.Money` outside, never a float."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Protocol

from babel.numbers import get_currency_precision

from chassis.errors import Problems

NANOS = 1_000_000_000
# Amounts stay below this many minor units, so that the sum of millions of them still fits 64 bits.
LARGEST = 10**12


class MoneyLike(Protocol):
    """The fields of `google.type.Money`."""

    @property
    def currency_code(self) -> str:
        """ISO 4217 code."""

    @property
    def units(self) -> int:
        """Whole units."""

    @property
    def nanos(self) -> int:
        """Billionths of a unit, of the same sign."""


@dataclass(frozen=True, slots=True)
class Currency:
    """The chain's currency: its ISO 4217 code and how many decimal places its smallest unit has."""

    code: str
    digits: int
    # How many minor units a unit has, and how many nanos a minor unit.
    scale: int
    step: int

    @classmethod
    def of(cls, code: str) -> Currency:
        """Look the decimal places up by the code."""
        digits = get_currency_precision(code)
        return cls(code, digits, 10**digits, NANOS // 10**digits)

    def read(self, problems: Problems, field: str, money: MoneyLike) -> int:
        """Turn an amount into minor units; note on `problems` what is wrong and answer 0."""
        code, units, nanos = money.currency_code, money.units, money.nanos
        if code != self.code:
            problems.add(field, "CURRENCY_FOREIGN", currency=code or "-", expected=self.code)
        elif abs(nanos) >= NANOS or units * nanos < 0 or abs(units) * self.scale >= LARGEST:
            problems.add(field, "MONEY_MALFORMED")
        elif nanos % self.step:
            problems.add(field, "MONEY_TOO_FINE", currency=code, digits=str(self.digits))
        else:
            return units * self.scale + nanos // self.step
        return 0

    def split(self, minor: int) -> tuple[int, int]:
        """Turn minor units into units and nanos of the same sign."""
        units, rest = divmod(abs(minor), self.scale)
        nanos = rest * self.step
        return (units, nanos) if minor >= 0 else (-units, -nanos)

    def text(self, minor: int) -> str:
        """Write an amount for a message, such as `GBP 12.50`."""
        return f"{self.code} {Decimal(minor).scaleb(-self.digits):.{self.digits}f}"


def half_up(amount: Decimal) -> int:
    """Round to a whole number, halves away from zero, as receipts do."""
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))
