"""Days and instants in the chain's zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What a caller may name: a year less than the calendar has at either end, for zones and for terms that are added.
FIRST_YEAR, LAST_YEAR = 2, 9998


def day_of(instant: int, zone: ZoneInfo) -> date:
    """Tell the day on which an instant falls in a zone."""
    return (EPOCH + timedelta(microseconds=instant)).astimezone(zone).date()


def utc(instant: int) -> str:
    """Write an instant for people and machines, to the second, such as "2026-03-02T04:00:00Z" (RFC 3339)."""
    return (EPOCH + timedelta(microseconds=instant)).strftime("%Y-%m-%dT%H:%M:%SZ")


def end_of_day(day: date, zone: ZoneInfo) -> int:
    """Answer the last microsecond of a day in a zone, whatever the length of the day."""
    midnight = datetime.combine(day + timedelta(days=1), time(), zone)
    return to_micros(midnight) - 1


def to_micros(moment: datetime) -> int:
    """Turn an aware datetime into microseconds since the epoch, without a float."""
    passed = moment.astimezone(UTC) - EPOCH
    return (passed.days * 86_400 + passed.seconds) * SECOND + passed.microseconds
