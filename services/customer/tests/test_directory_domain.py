"""The rules of the directory: stores are open between two days, and dates do not contradict each other."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.calendar import end_of_day
from chassis.errors import EtagMismatch, Invalid
from services.customer.directory.domain import State, Store, changed_store_paths, create_store, update_store
from services.customer.tests.builders import micros

LONDON = ZoneInfo("Europe/London")
TOLD: dict[str, Any] = {
    "display_name": "Leeds",
    "region": "NORTH",
    "time_zone": "",
    "opening_date": date(2026, 3, 2),
    "closing_date": date(2026, 3, 3),
}
days = st.dates(date(2020, 1, 1), date(2030, 1, 1))


def store(**told: Any) -> Store:  # noqa: ANN401  (whatever the field takes)
    """Enter a store that does business for two days."""
    return create_store("LEEDS", TOLD | told, 5)


@pytest.mark.parametrize(
    ("time", "zone", "state"),
    [
        ("2026-03-01 23:59:59", "", State.CLOSED),
        ("2026-03-02 00:00:00", "", State.OPEN),
        ("2026-03-03 23:59:59", "", State.OPEN),
        ("2026-03-04 00:00:00", "", State.CLOSED),
        # In Shanghai it is eight hours later, in New York five hours earlier.
        ("2026-03-01 16:00:00", "Asia/Shanghai", State.OPEN),
        ("2026-03-03 16:00:00", "Asia/Shanghai", State.CLOSED),
        ("2026-03-02 04:59:59", "America/New_York", State.CLOSED),
        ("2026-03-04 04:59:59", "America/New_York", State.OPEN),
    ],
)
def test_a_store_is_open_from_its_first_to_its_last_day(time: str, zone: str, state: State) -> None:
    """Both days count, from midnight to midnight in the store's own zone, or the chain's where it has none."""
    assert store(time_zone=zone).state(micros(time), LONDON) is state


@given(opening=days, today=days)
def test_a_store_without_a_last_day_stays_open(opening: date, today: date) -> None:
    """Until a closing date is set a store is open from its first day on."""
    state = store(opening_date=opening, closing_date=None).state(end_of_day(today, LONDON), LONDON)
    assert (state is State.OPEN) == (today >= opening)


@given(opening=days, length=st.integers(-400, 400))
def test_no_store_closes_before_it_opens(opening: date, length: int) -> None:
    """Entering a store and changing it refuse the same dates: a closing date before the opening date."""
    closing = opening + timedelta(days=length)
    told = {"opening_date": opening, "closing_date": closing}
    if length >= 0:
        assert store(**told).closing_date == closing
        assert update_store(store(), told, etag="", now=6).closing_date == closing
        return
    for attempt in (
        partial(create_store, "LEEDS", TOLD | told, 5),
        partial(update_store, store(), told, etag="", now=6),
    ):
        with pytest.raises(Invalid) as refused:
            attempt()
        assert [(each.field, each.reason) for each in refused.value.violations] == [
            ("store.closing_date", "CLOSING_BEFORE_OPENING")
        ]


def test_a_change_makes_a_version() -> None:
    """A change counts one version up and names what differs; one that changes nothing is the store itself."""
    before = store()
    assert changed_store_paths(None, before) == [
        "closing_date",
        "display_name",
        "opening_date",
        "region",
        "time_zone",
    ]
    after = update_store(before, {"region": "SOUTH", "display_name": "Leeds"}, etag='"1"', now=9)
    assert (after.region, after.version, after.create_time, after.update_time) == ("SOUTH", 2, 5, 9)
    assert changed_store_paths(before, after) == ["region"]
    assert update_store(after, {"region": "SOUTH"}, etag="", now=10) is after
    with pytest.raises(EtagMismatch):
        update_store(after, {"region": "NORTH"}, etag='"1"', now=10)
