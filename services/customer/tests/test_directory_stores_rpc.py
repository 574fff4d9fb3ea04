"""Stores over the wire: entered once under a code, listed by region, changed by mask and etag, told in events."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from google.type.date_pb2 import Date

from services.customer.tests.builders import Shop, at, day, refused
from services.customer.tests.directing import STORE, Directory
from shuke.customer.v1 import directory_pb2 as pb
from shuke.customer.v1 import events_pb2
from tests.running import Refusal

MINUTE = 60_000_000
FIELDS = sorted(STORE)


@pytest.fixture
def directory(shop: Shop) -> Directory:
    """Make a client of the running service."""
    return Directory(shop)


def test_a_store_comes_back_as_it_was_told(directory: Directory) -> None:
    """Every field is kept and answered, with the state of today and nothing of what a caller cannot set."""
    made = directory.create_store("LEEDS", **STORE, state=pb.Store.CLOSED, etag='"9"')
    expected = pb.Store(
        name="stores/LEEDS",
        **STORE,
        state=pb.Store.OPEN,
        create_time=at("2026-03-02 04:00"),
        update_time=at("2026-03-02 04:00"),
        etag='"1"',
    )
    assert made == expected
    assert directory.store("stores/LEEDS") == expected
    told = events_pb2.StoreChanged(
        store="stores/LEEDS", state=pb.Store.OPEN, paths=FIELDS, region="NORTH/LEEDS", time_zone="Asia/Shanghai"
    )
    assert directory.shop.all_told("stores/LEEDS") == [told]


def test_the_state_follows_the_calendar(directory: Directory) -> None:
    """A store opens and closes by its dates, in a page as by name, and no version and no event is made of it."""
    directory.create_store("YORK", opening_date=day("2026-03-03"), closing_date=day("2026-03-03"))
    seen = []
    for _ in range(3):
        assert list(directory.stores().stores) == [directory.store("stores/YORK")]
        seen.append(directory.store("stores/YORK").state)
        directory.shop.running.clock.now += 24 * 60 * MINUTE
    assert seen == [pb.Store.CLOSED, pb.Store.OPEN, pb.Store.CLOSED]
    assert directory.store("stores/YORK").etag == '"1"'
    assert len(directory.shop.all_told("stores/YORK")) == 1


def test_a_code_belongs_to_one_store(directory: Directory) -> None:
    """Of several that enter a code at once one gets through; a repeat under its request id gets the first answer."""
    first = directory.create_store("LEEDS", request_id="r-1", region="NORTH")
    directory.update_store("LEEDS", region="SOUTH")
    assert directory.create_store("LEEDS", request_id="r-1", region="NORTH") == first
    assert refused(directory.create_store, "LEEDS", request_id="r-1").reason == "REQUEST_ID_REUSED"
    refusal = refused(directory.create_store, "LEEDS", region="NORTH")
    assert (refusal.code, refusal.reason) == ("ALREADY_EXISTS", "STORE_EXISTS")
    assert refusal.metadata == {"name": "stores/LEEDS"}

    def enter(number: int) -> str:
        try:
            directory.create_store("YORK", display_name=f"York {number}")
        except Refusal as lost:
            return lost.reason
        return "entered"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(enter, range(4))) == [*["STORE_EXISTS"] * 3, "entered"]


WRONG: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "a zone that there is not": ({"time_zone": "Europe/Leeds"}, {"store.time_zone": "TIME_ZONE_UNKNOWN"}),
    "a folder of zones": ({"time_zone": "Europe"}, {"store.time_zone": "TIME_ZONE_UNKNOWN"}),
    "a path out of the zones": ({"time_zone": "../UTC"}, {"store.time_zone": "TIME_ZONE_UNKNOWN"}),
    "no day": ({"opening_date": Date(year=2026, month=2, day=30)}, {"store.opening_date": "DATE_MALFORMED"}),
    "half a day": ({"closing_date": Date(year=2031, month=2)}, {"store.closing_date": "DATE_MALFORMED"}),
    "closing first": ({"closing_date": day("2019-12-31")}, {"store.closing_date": "CLOSING_BEFORE_OPENING"}),
    "a region in small letters": ({"region": "north"}, {"store.region": "STRING_PATTERN"}),
    "a region that ends open": ({"region": "NORTH/"}, {"store.region": "STRING_PATTERN"}),
    "a long name": ({"display_name": "x" * 101}, {"store.display_name": "STRING_MAX_LEN"}),
    "a blank name": ({"display_name": "  "}, {"store.display_name": "ENTRY_FIELD_MISSING"}),
    "much at once": (
        {"display_name": "", "opening_date": None, "time_zone": "Leeds"},
        {
            "store.display_name": "ENTRY_FIELD_MISSING",
            "store.opening_date": "ENTRY_FIELD_MISSING",
            "store.time_zone": "TIME_ZONE_UNKNOWN",
        },
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_impossible_stores_are_refused_by_field(directory: Directory, case: str) -> None:
    """What cannot be entered cannot be changed to either, and every field that is wrong is named."""
    told, fields = WRONG[case]
    refusal = refused(directory.create_store, "YORK", **told)
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", fields)
    before = directory.create_store("LEEDS")
    assert refused(directory.update_store, "LEEDS", *told, **told).fields == fields
    assert directory.store("stores/LEEDS") == before


@pytest.mark.parametrize("code", ["", "leeds", "-LEEDS", "LEEDS/1", "LEEDS 1", "L" * 33, "利兹"])
def test_a_code_has_its_form(directory: Directory, code: str) -> None:
    """Capitals, digits and hyphens, not longer than 32, are a code; anything else is refused wherever one is named."""
    assert refused(directory.create_store, code).fields == {"store_id": "STRING_PATTERN"}
    assert refused(directory.store, f"stores/{code}").fields == {"name": "STRING_PATTERN"}
    assert refused(directory.update_store, code, region="NORTH").fields == {
        "store.name": "STRING_PATTERN" if code else "NAME_MALFORMED"
    }


def test_an_unknown_store_is_not_found(directory: Directory) -> None:
    """A code that no store has is NOT_FOUND, for reading and for changing."""
    for refusal in (refused(directory.store, "stores/YORK"), refused(directory.update_store, "YORK", region="NORTH")):
        assert (refusal.code, refusal.reason) == ("NOT_FOUND", "STORE_NOT_FOUND")
        assert refusal.metadata == {"name": "stores/YORK"}


@pytest.mark.parametrize("path", STORE)
def test_each_field_can_be_changed(directory: Directory, path: str) -> None:
    """What the mask names is taken from the request; nothing else changes, and the event names the field."""
    before = directory.create_store("LEEDS")
    directory.shop.running.clock.now += MINUTE
    told = STORE | {"opening_date": day("2021-02-03")}
    after = directory.update_store("LEEDS", path, **told)
    expected = pb.Store()
    expected.CopyFrom(before)
    expected.ClearField(path)  # type: ignore[arg-type]
    expected.MergeFrom(pb.Store(**{path: told[path]}, etag='"2"', update_time=at("2026-03-02 04:01")))
    assert after == directory.store("stores/LEEDS") == expected
    since = {path: told[path]} if path in ("region", "time_zone") else {}
    told_of = events_pb2.StoreChanged(store="stores/LEEDS", state=pb.Store.OPEN, paths=[path], **since)
    assert directory.shop.all_told("stores/LEEDS")[1:] == [told_of]


def test_the_mask_chooses(directory: Directory) -> None:
    """Without a mask what is given changes; with `*` what is not given is cleared, and what is needed cannot be."""
    directory.create_store("LEEDS", **STORE)
    given = directory.update_store("LEEDS", region="SOUTH", state=pb.Store.CLOSED)
    assert (given.region, given.time_zone, given.state) == ("SOUTH", "Asia/Shanghai", pb.Store.OPEN)
    whole = directory.update_store("LEEDS", "*", display_name="L", opening_date=day("2020-01-01"))
    assert (whole.region, whole.time_zone, whole.HasField("closing_date")) == ("", "", False)
    refusal = refused(directory.update_store, "LEEDS", "*", region="NORTH")
    assert refusal.fields == dict.fromkeys(("store.display_name", "store.opening_date"), "ENTRY_FIELD_MISSING")
    for path in ("name", "state", "etag", "limits", "opening_date.year", "displayName"):
        refusal = refused(directory.update_store, "LEEDS", "region", path, region="NORTH")
        assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "UPDATE_PATH_WRONG")
        assert refusal.fields == {"update_mask": "UPDATE_PATH_WRONG"}
        assert refusal.metadata["path"] == path
    assert directory.store("stores/LEEDS") == whole


def test_a_change_that_changes_nothing_says_so(directory: Directory) -> None:
    """The store is answered as it stands: the same etag and time, and no event."""
    made = directory.create_store("LEEDS", **STORE)
    directory.shop.running.clock.now += MINUTE
    assert directory.update_store("LEEDS") == directory.update_store("LEEDS", "*", **STORE) == made
    assert len(directory.shop.all_told("stores/LEEDS")) == 1


def test_who_read_an_older_store_changes_nothing(directory: Directory) -> None:
    """An etag that is not current is ABORTED; changes without one that come together are all made."""
    made = directory.create_store("LEEDS")
    directory.update_store("LEEDS", region="NORTH", etag=made.etag)
    refusal = refused(directory.update_store, "LEEDS", region="SOUTH", etag=made.etag)
    assert (refusal.code, refusal.reason, refusal.metadata) == ("ABORTED", "ETAG_MISMATCH", {"name": "stores/LEEDS"})
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: directory.update_store("LEEDS", region=f"R{number}"), range(4)))
    assert directory.store("stores/LEEDS").etag == '"6"'


def test_stores_are_listed_by_region_in_pages(directory: Directory) -> None:
    """A region holds the regions within it and no other that begins alike; pages follow the codes."""
    regions = {
        "A1": "EAST/SHANGHAI",
        "A2": "EAST",
        "A3": "EASTERN",
        "B1": "",
        "B2": "EAST/SHANGHAI/PUDONG",
        "B3": "WEST",
    }
    for code in sorted(regions, reverse=True):
        directory.create_store(code, region=regions[code])

    def codes(region: str) -> list[str]:
        return [store.name.removeprefix("stores/") for store in directory.stores(region).stores]

    assert codes("") == sorted(regions)
    assert codes("EAST") == ["A1", "A2", "B2"]
    assert codes("EAST/SHANGHAI") == ["A1", "B2"]
    assert codes("SHANGHAI") == []
    first = directory.stores("EAST", size=2)
    second = directory.stores("EAST", size=2, token=first.next_page_token)
    assert [store.name for page in (first, second) for store in page.stores] == ["stores/A1", "stores/A2", "stores/B2"]
    assert second.next_page_token == ""
    assert refused(directory.stores, "WEST", token=first.next_page_token).reason == "PAGE_TOKEN_INVALID"
    assert refused(directory.stores, "east").fields == {"region": "STRING_PATTERN"}
    assert refused(directory.stores, size=-1).fields == {"page_size": "INT32_GTE"}
