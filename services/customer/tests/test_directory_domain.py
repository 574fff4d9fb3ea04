"""The rules of the directory: stores are open between two days, and nobody is above oneself."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.calendar import end_of_day
from chassis.errors import EtagMismatch, Invalid
from services.customer.directory.domain import (
    STORE_FIELDS,
    Staff,
    State,
    Store,
    changed_paths,
    check_links,
    circle,
    create_store,
    masked_staff,
    update_store,
)
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
    assert changed_paths(None, before, STORE_FIELDS) == [
        "closing_date",
        "display_name",
        "opening_date",
        "region",
        "time_zone",
    ]
    after = update_store(before, {"region": "SOUTH", "display_name": "Leeds"}, etag='"1"', now=9)
    assert (after.region, after.version, after.create_time, after.update_time) == ("SOUTH", 2, 5, 9)
    assert changed_paths(before, after, STORE_FIELDS) == ["region"]
    assert update_store(after, {"region": "SOUTH"}, etag="", now=10) is after
    with pytest.raises(EtagMismatch):
        update_store(after, {"region": "NORTH"}, etag='"1"', now=10)


BEA = Staff("BEA", "Bea", "bea@example.com", ("clerk",), ("LEEDS",), False, "", True, 5, 5)  # noqa: FBT003
codes = st.sampled_from("ABCDE")


@given(st.lists(st.tuples(codes, codes | st.just("")), max_size=30))
def test_no_walk_up_ends_in_a_circle(wishes: list[tuple[str, str]]) -> None:
    """Whatever superiors are wished for in whatever order, with circles refused every walk up ends at the top.

    A wish is refused exactly when the member stands at or above the wished superior already.
    """
    superior_of = dict.fromkeys("ABCDE", "")
    for code, superior in wishes:
        above, at = [], superior
        while at:
            above.append(at)
            at = superior_of[at]
            assert len(above) <= len(superior_of)
        way = circle(code, superior, superior_of)
        assert bool(way) == (code in above)
        if way:
            assert way == [code, *above[: above.index(code) + 1]]
        else:
            superior_of[code] = superior


def test_a_broken_chain_does_not_hold_anybody_up() -> None:
    """A circle that does not go through the member, which no rule lets arise, is told too."""
    assert circle("A", "B", {"B": "C", "C": "B"}) == ["A", "B", "C", "B"]


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"superior": "BEA"}, {"SUPERIOR_CIRCLE": "staff/BEA, staff/BEA"}),
        ({"superior": "ADA"}, {"SUPERIOR_CIRCLE": "staff/BEA, staff/ADA, staff/BEA"}),
        ({"superior": "EVE"}, {"SUPERIOR_UNKNOWN": "staff/EVE"}),
        ({"stores": ("LEEDS", "YORK", "YPRES")}, {"STORES_UNKNOWN": "stores/YORK, stores/YPRES"}),
        ({"chain_wide": True}, {"STORES_BESIDE_CHAIN": ""}),
        (
            {"chain_wide": True, "stores": ("YORK",), "superior": "EVE"},
            {"STORES_UNKNOWN": "stores/YORK", "STORES_BESIDE_CHAIN": "", "SUPERIOR_UNKNOWN": "staff/EVE"},
        ),
        ({"chain_wide": True, "stores": ()}, {}),
        ({"superior": "CEO"}, {}),
    ],
)
def test_links_lead_to_what_there_is(change: dict[str, Any], wrong: dict[str, str]) -> None:
    """Stores and superiors exist, the whole chain stands alone, and all that is wrong is told at once."""
    told: dict[str, str] = {}
    try:
        check_links(replace(BEA, **change), {"LEEDS"}, {"ADA": "BEA", "BEA": "", "CEO": ""})
    except Invalid as refused:
        for each in refused.violations:
            told[each.reason] = next((value for name, value in each.metadata.items() if name != "field"), "")
    assert told == wrong


def test_a_mask_leaves_what_is_needed_to_recognise() -> None:
    """Of a name the first character remains, of an address that and the domain, of no address nothing."""
    veiled = masked_staff(BEA)
    assert veiled == replace(BEA, display_name="B**", email="b***@example.com")
    assert masked_staff(replace(BEA, email="")).email == ""
