"""Dates, times, amounts, numbers and lists read as each language writes them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import wording
from chassis.money import Currency
from chassis.texts import LANGUAGES


def test_every_language_of_the_suite_is_written() -> None:
    """What the suite speaks and what can be written are the same languages."""
    assert tuple(wording.LOCALES) == LANGUAGES


@pytest.mark.parametrize(("language", "said"), [("zh-CN", "2026年3月2日"), ("en", "March 2, 2026")])
def test_a_day_is_written_out(language: str, said: str) -> None:
    """No reader can take the month for the day."""
    assert wording.day(date(2026, 3, 2), language) == said


@pytest.mark.parametrize(("language", "said"), [("zh-CN", "2026年7月3日 00:05"), ("en", "July 3, 2026 12:05 AM")])
def test_an_instant_is_told_in_its_own_zone(language: str, said: str) -> None:
    """The clock is the one of the zone, summer time included, and the day is that clock's."""
    told = datetime(2026, 7, 2, 23, 5, 59, tzinfo=UTC).astimezone(ZoneInfo("Europe/London"))
    assert wording.moment(told, language) == said


@pytest.mark.parametrize(
    ("seconds", "zh", "en"),
    [
        (86_400, "24小时", "24 hours"),
        (9_000, "2小时30分钟", "2 hours 30 minutes"),
        (3_601, "1小时1秒", "1 hour 1 second"),
        (0, "0分钟", "0 minutes"),
    ],
)
def test_a_length_of_time_is_told_in_hours_minutes_and_seconds(seconds: int, zh: str, en: str) -> None:
    """Units of which there are none are left out, and a day is 24 hours."""
    assert [wording.span(timedelta(seconds=seconds), language) for language in LANGUAGES] == [zh, en]


@pytest.mark.parametrize(
    ("code", "minor", "zh", "en"),
    [("GBP", -123450, "-£1,234.50", "-£1,234.50"), ("JPY", 5, "JP¥5", "¥5"), ("CNY", 100, "¥1.00", "CN¥1.00")],
)
def test_an_amount_has_the_digits_of_its_currency(code: str, minor: int, zh: str, en: str) -> None:
    """Minor units become units, with the sign that the language uses for the currency."""
    assert [wording.amount(minor, Currency.of(code), language) for language in LANGUAGES] == [zh, en]


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**12), max_value=10**12))
def test_a_number_keeps_all_its_digits(value: Decimal) -> None:
    """Nothing is rounded, in no language."""
    for language in LANGUAGES:
        assert Decimal(wording.number(value, language).replace(",", "")) == value


def test_items_are_joined_as_the_language_does() -> None:
    """No item, one, two and three of them."""
    items = ("a", "b", "c")
    assert [wording.listing(items[:count], "zh-CN") for count in range(4)] == ["", "a", "a和b", "a、b和c"]
    assert [wording.listing(items[:count], "en") for count in range(4)] == ["", "a", "a and b", "a, b, and c"]
