"""Money: exact both ways, in the chain's currency, and never finer than its smallest unit."""

from __future__ import annotations

from decimal import Decimal

import pytest
from google.type.money_pb2 import Money
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Problems
from chassis.money import LARGEST, NANOS, Currency, half_up
from chassis.wire import set_money, to_money

CURRENCIES = [Currency.of(code) for code in ("CNY", "GBP", "JPY", "KWD")]
CURRENCY = st.sampled_from(CURRENCIES)
GBP = Currency.of("GBP")


def reasons(currency: Currency, money: Money) -> tuple[int, list[str]]:
    """Read an amount; answer it and what is wrong with it."""
    problems = Problems()
    minor = currency.read(problems, "total", money)
    return minor, [violation.reason for violation in problems.found]


def test_currencies_know_their_places() -> None:
    """The smallest unit is that of ISO 4217."""
    assert [(currency.code, currency.digits) for currency in CURRENCIES] == [
        ("CNY", 2),
        ("GBP", 2),
        ("JPY", 0),
        ("KWD", 3),
    ]


@given(CURRENCY, st.integers(-LARGEST + 1, LARGEST - 1))
def test_an_amount_comes_back_as_it_went(currency: Currency, minor: int) -> None:
    """What is written in units and nanos, made or into a field, is read as the same amount, with one sign for both."""
    money = to_money(minor, currency)
    assert money is not None
    set_money(field := Money(), minor, currency)
    assert field == money
    assert reasons(currency, money) == (minor, [])
    assert money.units * money.nanos >= 0
    assert abs(money.nanos) < NANOS
    assert Decimal(money.units) + Decimal(money.nanos).scaleb(-9) == Decimal(minor).scaleb(-currency.digits)


@given(CURRENCY, st.integers(-(2**63), 2**63 - 1), st.integers(-(2**31), 2**31 - 1))
def test_any_amount_is_read_exactly_or_refused(currency: Currency, units: int, nanos: int) -> None:
    """Whatever a client sends is either that very amount or a problem with its field."""
    minor, wrong = reasons(currency, Money(currency_code=currency.code, units=units, nanos=nanos))
    if not wrong:
        assert Decimal(minor).scaleb(-currency.digits) == Decimal(units) + Decimal(nanos).scaleb(-9)
        assert abs(minor) < LARGEST
    else:
        assert minor == 0


@pytest.mark.parametrize(
    ("units", "nanos", "reason"),
    [
        (1, -10_000_000, "MONEY_MALFORMED"),
        (-1, 10_000_000, "MONEY_MALFORMED"),
        (0, NANOS, "MONEY_MALFORMED"),
        (0, -NANOS, "MONEY_MALFORMED"),
        (10**10, 0, "MONEY_MALFORMED"),
        (-(10**10), 0, "MONEY_MALFORMED"),
        (2**63 - 1, 0, "MONEY_MALFORMED"),
        (-(2**63), 0, "MONEY_MALFORMED"),
        (0, 1_000_000, "MONEY_TOO_FINE"),
        (1, 10_000_001, "MONEY_TOO_FINE"),
        (-1, -1, "MONEY_TOO_FINE"),
    ],
)
def test_wrong_amounts_are_named(units: int, nanos: int, reason: str) -> None:
    """Signs that disagree, nanos out of range and parts of a penny are each told as what they are."""
    assert reasons(GBP, Money(currency_code="GBP", units=units, nanos=nanos)) == (0, [reason])


@pytest.mark.parametrize("code", ["EUR", "gbp", "", "GBPX"])
def test_another_currency_is_refused(code: str) -> None:
    """The books are kept in one currency; what came and what was expected is told."""
    problems = Problems()
    assert GBP.read(problems, "total", Money(currency_code=code, units=1)) == 0
    [violation] = problems.found
    assert violation.reason == "CURRENCY_FOREIGN"
    assert violation.metadata == {"field": "total", "currency": code or "-", "expected": "GBP"}


def test_sums_over_a_lifetime_fit() -> None:
    """A million of the largest amounts still fit the 64 bits of a database's sum."""
    assert LARGEST * 1_000_000 < 2**63


@pytest.mark.parametrize(
    ("code", "minor", "text"),
    [("GBP", 1250, "GBP 12.50"), ("GBP", -5, "GBP -0.05"), ("JPY", 7, "JPY 7"), ("KWD", 1, "KWD 0.001")],
)
def test_amounts_are_written_for_people(code: str, minor: int, text: str) -> None:
    """An amount in a message has its currency and all its places."""
    assert Currency.of(code).text(minor) == text


@given(st.integers(-(10**17), 10**17), st.integers(0, 999))
def test_halves_go_away_from_zero(whole: int, thousandths: int) -> None:
    """Rounding is to the nearest, and halves grow, as on receipts."""
    amount = (abs(whole) + Decimal(thousandths) / 1000) * (1 if whole >= 0 else -1)
    rounded = half_up(amount)
    assert abs(Decimal(rounded) - amount) <= Decimal("0.5")
    if thousandths == 500:
        assert abs(rounded) > abs(amount)


def test_no_amount_stays_none() -> None:
    """What a till did not say is not written as zero."""
    assert to_money(None, GBP) is None
