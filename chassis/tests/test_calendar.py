"""Days and instants: a day ends where the next begins, also when clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from hypothesis import given
from hypothesis import strategies as st

from chassis import wire
from chassis.calendar import SECOND, day_of, end_of_day, to_micros
from chassis.errors import Problems

LONDON = ZoneInfo("Europe/London")
# With clocks that change at midnight, by half an hour, and at the edges of the day.
ZONES = [
    ZoneInfo(name)
    for name in (
        "Asia/Shanghai",
        "Europe/London",
        "America/Sao_Paulo",
        "America/Havana",
        "Asia/Beirut",
        "Australia/Lord_Howe",
        "Pacific/Kiritimati",
        "Asia/Kathmandu",
    )
]
DAYS = st.dates(date(1990, 1, 1), date(2090, 12, 31))
DAY = 86_400 * SECOND


def micros(text: str) -> int:
    """Read an instant."""
    return to_micros(datetime.fromisoformat(text))


@pytest.mark.parametrize(
    ("day", "end"),
    [
        (date(2011, 3, 26), "2011-03-27T00:00:00+00:00"),
        (date(2011, 3, 27), "2011-03-28T00:00:00+01:00"),
        (date(2011, 10, 29), "2011-10-30T00:00:00+01:00"),
        (date(2011, 10, 30), "2011-10-31T00:00:00+00:00"),
    ],
)
def test_days_on_which_london_changes_its_clocks(day: date, end: str) -> None:
    """The last microsecond of a day is the one before the next midnight, summer time or not."""
    assert end_of_day(day, LONDON) == micros(end) - 1


def test_a_day_may_be_longer_or_shorter() -> None:
    """London's days of change have 23 and 25 hours."""
    lengths = {
        day: end_of_day(day, LONDON) - end_of_day(day - timedelta(days=1), LONDON)
        for day in (date(2011, 3, 27), date(2011, 10, 30), date(2011, 6, 1))
    }
    assert [length // (3600 * SECOND) for length in lengths.values()] == [23, 25, 24]


@given(st.sampled_from(ZONES), DAYS)
def test_a_day_ends_where_the_next_begins(zone: ZoneInfo, day: date) -> None:
    """The end of a day still is that day, and one microsecond later it is the next."""
    end = end_of_day(day, zone)
    assert day_of(end, zone) == day
    assert day_of(end + 1, zone) == day + timedelta(days=1)


@given(st.sampled_from(ZONES), st.integers(0, 3_000_000_000 * SECOND))
def test_an_instant_lies_within_its_day(zone: ZoneInfo, instant: int) -> None:
    """Each instant belongs to one day, after the end of the one before and not after its own end."""
    day = day_of(instant, zone)
    assert end_of_day(day - timedelta(days=1), zone) < instant <= end_of_day(day, zone)


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.sampled_from([*ZONES, UTC])))  # noqa: DTZ001
def test_instants_are_exact(moment: datetime) -> None:
    """No microsecond is lost between a time and its instant, before 1970 too."""
    back = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=to_micros(moment))
    assert back == moment.astimezone(UTC)


@given(st.integers(-62_135_596_800 * SECOND, 253_402_300_799 * SECOND))
def test_timestamps_come_back(instant: int) -> None:
    """An instant survives the wire, made or written into a field, and one that is unset stays unset."""
    written = wire.timestamp(instant)
    assert written is not None
    assert 0 <= written.nanos < 1_000_000_000
    assert wire.instant(written) == instant
    assert wire.timestamp(None) is None
    wire.set_timestamp(field := Timestamp(), instant)
    assert field == written


def test_what_is_finer_than_a_microsecond_is_cut_off() -> None:
    """Nanoseconds of a client are not rounded up into the next microsecond."""
    assert wire.instant(Timestamp(seconds=1, nanos=1999)) == SECOND + 1


@given(st.dates())
def test_dates_come_back(day: date) -> None:
    """A day survives the wire, made or written into a field."""
    problems, written = Problems(), wire.to_date(day)
    assert written is not None
    assert wire.read_date(problems, "day", written) == day
    assert problems.found == []
    wire.set_date(field := Date(), day)
    assert field == written


@pytest.mark.parametrize(("year", "month", "day"), [(0, 0, 0), (2011, 2, 29), (2011, 13, 1), (2011, 1, 0), (-1, 1, 1)])
def test_what_is_no_day_is_named(year: int, month: int, day: int) -> None:
    """A date that no calendar has, or only a part of one, is a problem of its field."""
    problems = Problems()
    wire.read_date(problems, "as_of", Date(year=year, month=month, day=day))
    assert [(violation.field, violation.reason) for violation in problems.found] == [("as_of", "DATE_MALFORMED")]
