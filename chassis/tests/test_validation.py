"""The rule that holds for every instant: it lies in the years that every service can hold and count on from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st

from chassis import wire
from chassis.calendar import day_of, end_of_day, to_micros, utc
from chassis.errors import Invalid
from chassis.validation import validate
from shuke.event.v1.event_pb2 import Event
from shuke.event.v1.event_pb2 import ReadEventsResponse as Batch

FIRST, LAST = datetime(2, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, 23, 59, 59, tzinfo=UTC)
ZONES = [ZoneInfo(name) for name in ("Asia/Shanghai", "Europe/London", "Pacific/Kiritimati", "Etc/GMT+12")]


def instant(moment: datetime, *, seconds: int = 0, nanos: int = 0) -> Timestamp:
    """Write an instant, some seconds and nanoseconds away from a moment."""
    return Timestamp(seconds=to_micros(moment) // 1_000_000 + seconds, nanos=nanos)


@pytest.mark.parametrize("good", [instant(FIRST), instant(LAST, nanos=999_999_999), Timestamp()], ids=str)
def test_an_instant_of_these_years_is_taken(good: Timestamp) -> None:
    """The first and the last nanosecond are within, and so is 1970."""
    validate(good)


@pytest.mark.parametrize(
    "bad",
    [
        instant(FIRST, seconds=-1),
        instant(LAST, seconds=1),
        Timestamp(seconds=2**63 - 1),
        Timestamp(seconds=-(2**63)),
        Timestamp(nanos=-1),
        Timestamp(nanos=1_000_000_000),
    ],
    ids=str,
)
def test_an_instant_that_cannot_be_held_is_refused_wherever_it_stands(bad: Timestamp) -> None:
    """In every part of a message it is named by its path."""
    request = Batch(events=[Event(time=bad), Event(), Event(time=bad)])
    with pytest.raises(Invalid) as refused:
        validate(request, "batch")
    found = [(violation.field, violation.reason) for violation in refused.value.violations]
    assert found == [("batch.events[0].time", "TIMESTAMP_GTE_LT"), ("batch.events[2].time", "TIMESTAMP_GTE_LT")]


def test_a_message_without_instants_is_left_alone() -> None:
    """Where no instant can stand, none is looked for."""
    validate(Status(code=3))


@given(moment=st.datetimes(FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None)), zone=st.sampled_from(ZONES))
def test_every_instant_that_is_taken_has_its_day(moment: datetime, zone: ZoneInfo) -> None:
    """In every zone, with half a year added or taken off, what is taken stays in the calendar."""
    taken = Timestamp()
    taken.FromDatetime(moment)
    validate(taken)
    held = wire.instant(taken)
    day = day_of(held, zone)
    assert utc(held)
    assert end_of_day(day, zone) >= held
    assert day - timedelta(days=180) < day < day + timedelta(days=180)
