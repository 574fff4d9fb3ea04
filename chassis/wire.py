"""Small values of the wire: times, dates and money.

Those that many records hold are written where they stand, by `set_...`: a message that is made first and then handed to
the one around it is copied, which costs more than making it.
"""

from __future__ import annotations

from datetime import date

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from chassis.calendar import SECOND
from chassis.errors import Problems
from chassis.money import Currency


def timestamp(instant: int | None) -> Timestamp | None:
    """Write an instant; None stays unset."""
    if instant is None:
        return None
    return Timestamp(seconds=instant // SECOND, nanos=instant % SECOND * 1000)


def set_timestamp(field: Timestamp, instant: int) -> None:
    """Write an instant into a field."""
    field.seconds, micros = divmod(instant, SECOND)
    field.nanos = micros * 1000


def instant(value: Timestamp) -> int:
    """Read an instant in microseconds; what is finer is cut off."""
    return value.seconds * SECOND + value.nanos // 1000


def to_date(day: date | None) -> Date | None:
    """Write a day; None stays unset."""
    return None if day is None else Date(year=day.year, month=day.month, day=day.day)


def set_date(field: Date, day: date) -> None:
    """Write a day into a field."""
    field.year, field.month, field.day = day.year, day.month, day.day


def read_date(problems: Problems, field: str, value: Date) -> date:
    """Read a whole day; note what is no day of the calendar."""
    try:
        return date(value.year, value.month, value.day)
    except ValueError:
        problems.add(field, "DATE_MALFORMED")
        return date.min


def to_money(minor: int | None, currency: Currency) -> Money | None:
    """Write an amount; None stays unset."""
    if minor is None:
        return None
    units, nanos = currency.split(minor)
    return Money(currency_code=currency.code, units=units, nanos=nanos)


def set_money(field: Money, minor: int, currency: Currency) -> None:
    """Write an amount into a field."""
    field.currency_code = currency.code
    field.units, field.nanos = currency.split(minor)
