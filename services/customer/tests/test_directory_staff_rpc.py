"""Staff over the wire: entered once under a code, in stores and under superiors that there are, seen by who may."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from services.customer.tables import ACCESSES
from services.customer.tests.builders import Shop, at, refused
from services.customer.tests.directing import MEMBER, VEILED, Directory
from shuke.customer.v1 import directory_pb2 as pb
from shuke.customer.v1 import events_pb2
from tests.running import Refusal

MINUTE = 60_000_000
FIELDS = ["active", "chain_wide", "display_name", "email", "roles", "stores", "superior"]


@pytest.fixture
def directory(shop: Shop) -> Directory:
    """Make a client of the running service, with two stores and somebody at the top."""
    made = Directory(shop)
    for code in ("LEEDS", "YORK"):
        made.create_store(code)
    made.create_staff("TOP", chain_wide=True)
    return made


def codes(page: pb.ListStaffResponse) -> list[str]:
    """Answer whom a page lists."""
    return [member.name.removeprefix("staff/") for member in page.staff]


@pytest.mark.parametrize("code", ["S1", "!$%&'()*+,-.0:;<=>?@[]^_`{|}~#"])
def test_a_member_comes_back_as_it_was_told(directory: Directory, code: str) -> None:
    """Every field is kept and answered in its order, the address in its normal form; no event is personal."""
    told = MEMBER | {
        "superior": "staff/TOP",
        "display_name": " 司徒兰 ",
        "email": "situ.lan@PLANTED.example",
        "roles": ["store_manager", "cashier"],
        "stores": ["stores/YORK", "stores/LEEDS"],
    }
    expected = pb.Staff(
        name=f"staff/{code}",
        **MEMBER,
        superior="staff/TOP",
        create_time=at("2026-03-02 04:00"),
        update_time=at("2026-03-02 04:00"),
        etag='"1"',
    )
    assert directory.create_staff(code, **told, etag='"9"') == directory.member(expected.name) == expected
    event = events_pb2.StaffChanged(
        staff=expected.name,
        active=True,
        paths=FIELDS,
        roles=MEMBER["roles"],
        stores=MEMBER["stores"],
        superior="staff/TOP",
    )
    assert directory.shop.all_told(expected.name) == [event]


def test_a_code_belongs_to_one_member(directory: Directory) -> None:
    """Of several that enter a code at once one gets through; a repeat under its request id answers the entry."""
    directory.create_staff("S1", **MEMBER, request_id="r-1")
    later = directory.update_staff("S1", display_name="兰")
    assert directory.create_staff("S1", **MEMBER, request_id="r-1") == later
    assert refused(directory.create_staff, "S1", request_id="r-1").reason == "REQUEST_ID_REUSED"
    refusal = refused(directory.create_staff, "S1", **MEMBER)
    assert (refusal.code, refusal.reason, refusal.metadata) == ("ALREADY_EXISTS", "STAFF_EXISTS", {"name": "staff/S1"})

    def enter(number: int) -> str:
        try:
            directory.create_staff("S2", display_name=f"Lan {number}")
        except Refusal as lost:
            return lost.reason
        return "entered"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(enter, range(4))) == [*["STAFF_EXISTS"] * 3, "entered"]


WRONG: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "an unknown store": ({"stores": ["stores/LEEDS", "stores/HULL"]}, {"staff.stores": "STORES_UNKNOWN"}),
    "all stores by a star": ({"stores": ["*"]}, {"staff.stores[0]": "STRING_PATTERN"}),
    "a store by its code": ({"stores": ["LEEDS"]}, {"staff.stores[0]": "STRING_PATTERN"}),
    "a store twice": ({"stores": ["stores/LEEDS"] * 2}, {"staff.stores": "REPEATED_UNIQUE"}),
    "a store and the chain": (
        {"stores": ["stores/LEEDS"], "chain_wide": True},
        {"staff.stores": "STORES_BESIDE_CHAIN"},
    ),
    "an unknown superior": ({"superior": "staff/EVE"}, {"staff.superior": "SUPERIOR_UNKNOWN"}),
    "a superior by code": ({"superior": "TOP"}, {"staff.superior": "STRING_PATTERN"}),
    "oneself": ({"superior": "staff/S1"}, {"staff.superior": "SUPERIOR_CIRCLE"}),
    "no address": ({"email": "lan at example.com"}, {"staff.email": "EMAIL_IMPOSSIBLE"}),
    "a role in capitals": ({"roles": ["clerk", "Boss"]}, {"staff.roles[1]": "STRING_PATTERN"}),
    "a role twice": ({"roles": ["clerk", "clerk"]}, {"staff.roles": "REPEATED_UNIQUE"}),
    "no name, no address": (
        {"display_name": " ", "email": "lan@b"},
        {"staff.display_name": "ENTRY_FIELD_MISSING", "staff.email": "EMAIL_IMPOSSIBLE"},
    ),
    "unknown stores and superior": (
        {"stores": ["stores/HULL"], "superior": "staff/EVE"},
        {"staff.stores": "STORES_UNKNOWN", "staff.superior": "SUPERIOR_UNKNOWN"},
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_impossible_entries_are_refused_by_field(directory: Directory, case: str) -> None:
    """Nobody is entered or changed so, and every field that is wrong is named."""
    told, fields = WRONG[case]
    refusal = refused(directory.create_staff, "S1", **told)
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", fields)
    before = directory.create_staff("S1")
    assert refused(directory.update_staff, "S1", *told, **told).fields == fields
    assert directory.member("staff/S1") == before


@pytest.mark.parametrize("code", ["", "S 1", "S/1", "S" * 33, "兰", "S\n1"])
def test_a_code_has_its_form(directory: Directory, code: str) -> None:
    """Visible ASCII but the slash, not longer than 32, is a code; anything else is refused wherever one is named."""
    assert refused(directory.create_staff, code).fields == {"staff_id": "STRING_PATTERN"}
    assert refused(directory.member, f"staff/{code}").fields == {"name": "STRING_PATTERN"}
    assert refused(directory.update_staff, code, email="").fields == {
        "staff.name": "STRING_PATTERN" if code else "NAME_MALFORMED"
    }


def test_an_unknown_member_is_not_found(directory: Directory) -> None:
    """A code that nobody has is NOT_FOUND, for reading and for changing."""
    for refusal in (refused(directory.member, "staff/EVE"), refused(directory.update_staff, "EVE", display_name="E")):
        assert (refusal.code, refusal.reason, refusal.metadata) == (
            "NOT_FOUND",
            "STAFF_NOT_FOUND",
            {"name": "staff/EVE"},
        )


def test_nobody_is_above_oneself(directory: Directory) -> None:
    """A superior who stands below is refused with the way round, however long; another place in the tree is taken."""
    for code, superior in (("A", ""), ("B", "staff/A"), ("C", "staff/B")):
        directory.create_staff(code, superior=superior)
    refusal = refused(directory.update_staff, "A", superior="staff/C")
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", {"staff.superior": "SUPERIOR_CIRCLE"})
    assert refusal.metadata["path"] == "staff/A, staff/C, staff/B, staff/A"
    assert refused(directory.update_staff, "A", superior="staff/A").metadata["path"] == "staff/A, staff/A"
    directory.update_staff("C", superior="staff/TOP")
    assert directory.update_staff("A", superior="staff/C").superior == "staff/C"


def test_two_do_not_become_each_other_s_superior_at_once(directory: Directory) -> None:
    """Of several changes that together would close a circle the last one to come is refused."""

    def place(pair: tuple[str, str]) -> str:
        try:
            directory.update_staff(pair[0], superior=f"staff/{pair[1]}")
        except Refusal as lost:
            return lost.reason
        return "placed"

    for number in range(5):
        ring = [f"{letter}{number}" for letter in "ABC"]
        for code in ring:
            directory.create_staff(code)
        with ThreadPoolExecutor(3) as pool:
            said = sorted(pool.map(place, zip(ring, [*ring[1:], ring[0]], strict=True)))
        assert said == ["SUPERIOR_CIRCLE", "placed", "placed"]


CHANGES: dict[str, Any] = {**MEMBER, "superior": "staff/TOP", "chain_wide": True, "active": False}


@pytest.mark.parametrize("path", FIELDS)
def test_each_field_can_be_changed(directory: Directory, path: str) -> None:
    """What the mask names is taken from the request; nothing else changes, and the event names the field.

    It tells what holds since, but for what is personal.
    """
    before = directory.create_staff("S1")
    directory.shop.running.clock.now += MINUTE
    after = directory.update_staff("S1", path, **CHANGES)
    expected = pb.Staff()
    expected.CopyFrom(before)
    expected.MergeFrom(pb.Staff(**{path: CHANGES[path]}, etag='"2"', update_time=at("2026-03-02 04:01")))
    assert after == directory.member("staff/S1") == expected
    told = {} if path in ("display_name", "email") else {path: CHANGES[path]}
    event = events_pb2.StaffChanged(**{"staff": "staff/S1", "active": True, "paths": [path], **told})
    assert directory.shop.all_told("staff/S1")[1:] == [event]


def test_the_mask_chooses(directory: Directory) -> None:
    """Without a mask what is given changes; with `*` what is not given is cleared; other paths are refused."""
    directory.create_staff("S1", **MEMBER)
    given = directory.update_staff("S1", active=False)
    assert (given.active, list(given.stores)) == (False, MEMBER["stores"])
    whole = directory.update_staff("S1", "*", display_name="Lan", chain_wide=True)
    assert (whole.email, list(whole.stores), list(whole.roles), whole.chain_wide) == ("", [], [], True)
    assert whole.active
    assert refused(directory.update_staff, "S1", "*").fields == {"staff.display_name": "ENTRY_FIELD_MISSING"}
    for path in ("name", "etag", "masked", "rank", "stores.name"):
        refusal = refused(directory.update_staff, "S1", "roles", path, roles=["clerk"])
        assert (refusal.reason, refusal.fields) == ("UPDATE_PATH_WRONG", {"update_mask": "UPDATE_PATH_WRONG"})
        assert refusal.metadata["path"] == path
    assert directory.update_staff("S1") == whole
    assert len(directory.shop.all_told("staff/S1")) == 3


def test_who_read_an_older_entry_changes_nothing(directory: Directory) -> None:
    """An etag that is not current is ABORTED; changes without one that come together are all made."""
    made = directory.create_staff("S1")
    directory.update_staff("S1", roles=["clerk"], etag=made.etag)
    refusal = refused(directory.update_staff, "S1", roles=["cashier"], etag=made.etag)
    assert (refusal.code, refusal.reason, refusal.metadata) == ("ABORTED", "ETAG_MISMATCH", {"name": "staff/S1"})
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda role: directory.update_staff("S1", roles=[role]), "abcd"))
    assert directory.member("staff/S1").etag == '"6"'
    [role] = directory.member("staff/S1").roles
    assert [codes(directory.staff(role=each)) for each in "abcd"] == [["S1"] if each == role else [] for each in "abcd"]


def test_staff_are_listed_by_what_they_are(directory: Directory) -> None:
    """Store, role and activity are asked for singly and together, as they stand now; pages follow the codes."""
    directory.create_staff("S1", roles=["clerk"], stores=["stores/LEEDS"])
    directory.create_staff("S2", roles=["clerk", "boss"], stores=["stores/LEEDS", "stores/YORK"], active=False)
    directory.create_staff("S3", roles=["boss"], stores=["stores/YORK"])
    assert codes(directory.staff()) == ["S1", "S2", "S3", "TOP"]
    assert codes(directory.staff(store="LEEDS")) == ["S1", "S2"]
    assert codes(directory.staff(role="boss")) == ["S2", "S3"]
    assert codes(directory.staff(active=False)) == ["S2"]
    assert codes(directory.staff(active=True)) == ["S1", "S3", "TOP"]
    assert codes(directory.staff(store="YORK", role="boss", active=True)) == ["S3"]
    assert codes(directory.staff(role="LEEDS".lower(), store="HULL")) == []
    directory.update_staff("S3", stores=["stores/LEEDS"])
    assert [codes(directory.staff(store=store)) for store in ("LEEDS", "YORK")] == [["S1", "S2", "S3"], ["S2"]]
    first = directory.staff(page_size=3)
    assert codes(first) == ["S1", "S2", "S3"]
    assert codes(directory.staff(page_size=3, page_token=first.next_page_token)) == ["TOP"]
    refusal = refused(directory.staff, role="boss", page_token=first.next_page_token)
    assert refusal.reason == "PAGE_TOKEN_INVALID"
    assert refused(directory.staff, store="leeds", role="Boss", page_size=-1).fields == {
        "store": "STRING_PATTERN",
        "role": "STRING_PATTERN",
        "page_size": "INT32_GTE",
    }


def test_who_may_not_see_gets_masks(directory: Directory) -> None:
    """Without the permission every answer shows name and address only in part, and they cannot be written back."""
    made = directory.create_staff("S1", **MEMBER)
    veiled = directory.member("staff/S1", **VEILED)
    expected = pb.Staff()
    expected.CopyFrom(made)
    expected.display_name, expected.email, expected.masked = "司**", "s***@planted.example", True
    assert veiled == directory.staff(VEILED).staff[0] == directory.update_staff("S1", caller=VEILED) == expected
    told = {field.name: value for field, value in veiled.ListFields() if field.name != "name"}
    for paths in ((), ("*",), ("email",)):
        refusal = refused(directory.update_staff, "S1", *paths, **told, caller=VEILED)
        assert refusal.fields == {"staff.masked": "CUSTOMER_MASKED"}
    directory.update_staff("S1", "roles", **told | {"roles": ["clerk"]}, caller=VEILED)
    assert directory.member("staff/S1").display_name == "司徒兰"
    assert directory.create_staff("S2", **MEMBER, caller=VEILED).email == expected.email


def test_each_read_of_staff_is_recorded(directory: Directory) -> None:
    """Who read a member's entry and by which method is kept before the answer leaves; a refused read is not."""
    directory.create_staff("S1", **MEMBER)
    directory.shop.running.clock.now += MINUTE
    directory.member("staff/S1", staff="S0")
    directory.shop.running.clock.now += MINUTE
    directory.staff(role="cashier")
    directory.staff(role="boss")
    refused(directory.member, "staff/S1", permissions=())
    directory.shop.running.clock.now += MINUTE
    directory.update_staff("S1", active=False)
    with directory.shop.running.database.read() as tx:
        accesses = ACCESSES.of(tx, "staff/S1", limit=10)
    assert [(access.method.rpartition("/")[2], access.staff) for access in accesses] == [
        ("UpdateStaff", ""),
        ("ListStaff", ""),
        ("GetStaff", "S0"),
        ("CreateStaff", ""),
    ]


@pytest.mark.requirement("G-03")
def test_other_services_learn_who_works_where_and_nothing_personal(directory: Directory) -> None:
    """State, reach, stores and roles of a member are told as they stand now; a code that nobody has is no error."""
    directory.create_staff("S1", **MEMBER)
    there = {"known": True, "roles": MEMBER["roles"], "stores": MEMBER["stores"]}
    assert directory.check("staff/S1") == pb.CheckStaffResponse(active=True, **there)
    directory.update_staff("S1", active=False)
    assert directory.check("staff/S1") == pb.CheckStaffResponse(**there)
    assert directory.check("staff/TOP") == pb.CheckStaffResponse(known=True, active=True, chain_wide=True)
    assert directory.check("staff/s1") == pb.CheckStaffResponse()
    assert refused(directory.check, "S1").fields == {"name": "STRING_PATTERN"}
    assert refused(directory.check, "staff/S1", ("customer.staff.*",)).reason == "PERMISSION_MISSING"
