"""Dates, times, amounts, numbers and lists as people read them, in the languages that the suite speaks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from babel import Locale
from babel.dates import format_date, format_time
from babel.lists import format_list
from babel.numbers import format_currency, format_decimal
from babel.units import format_unit

from chassis.money import Currency

LOCALES = {"zh-CN": Locale("zh", script="Hans", territory="CN"), "en": Locale("en")}
# Stands before AM and PM; old phones and SMS gateways show it as a question mark.
NARROW_SPACE = "\u202f"


def day(value: date, language: str) -> str:
    """Write a day out, such as `2026年3月2日` or `March 2, 2026`."""
    return format_date(value, "long", LOCALES[language])


def moment(value: datetime, language: str) -> str:
    """Write an instant as the clock of its own zone shows it: the day, hours and minutes."""
    clock = format_time(value.time(), "short", locale=LOCALES[language])
    return f"{day(value.date(), language)} {clock.replace(NARROW_SPACE, ' ')}"


def span(value: timedelta, language: str) -> str:
    """Write a length of time in hours, minutes and seconds, such as `2小时30分钟` or `2 hours 30 minutes`."""
    minutes, seconds = divmod(value // timedelta(seconds=1), 60)
    counts = {"hour": minutes // 60, "minute": minutes % 60, "second": seconds}
    told = [_unit(count, unit, language) for unit, count in counts.items() if count]
    return ("" if language == "zh-CN" else " ").join(told) or _unit(0, "minute", language)


def _unit(count: int, unit: str, language: str) -> str:
    # The long Chinese names of most units are missing in babel; the short ones are what people write.
    return format_unit(count, unit, "short" if language == "zh-CN" else "long", locale=LOCALES[language])


def amount(minor: int, currency: Currency, language: str) -> str:
    """Write an amount of minor units with the sign of its currency."""
    return format_currency(Decimal(minor).scaleb(-currency.digits), currency.code, locale=LOCALES[language])


def number(value: Decimal, language: str) -> str:
    """Write a number with all its digits, the whole part in groups."""
    return format_decimal(value, locale=LOCALES[language], decimal_quantization=False)


def listing(items: Sequence[str], language: str) -> str:
    """Join items, such as `a、b和c` or `a, b, and c`; nothing for none."""
    return format_list(items, locale=LOCALES[language])
