"""Contacts of staff over the wire: where whoever works here is reached, for other services of the suite."""

from __future__ import annotations

import pytest

from services.customer.tables import ACCESSES
from services.customer.tests.builders import Shop, refused
from services.customer.tests.directing import MEMBER, VEILED, Directory
from shuke.customer.v1.contacts_pb2 import StaffContact


@pytest.fixture
def directory(shop: Shop) -> Directory:
    """Make a client of the running service, with two stores."""
    made = Directory(shop)
    for code in ("LEEDS", "YORK"):
        made.create_store(code)
    return made


def test_staff_are_reached_at_their_address(directory: Directory) -> None:
    """Each has an answer in its place; of one who is not reached nothing is told but why."""
    directory.create_staff("LAN", **MEMBER)
    directory.create_staff("MUTE")
    directory.create_staff("LEFT", **MEMBER | {"active": False})
    lan = StaffContact(
        staff="staff/LAN", outcome=StaffContact.ALLOWED, email=MEMBER["email"], display_name=MEMBER["display_name"]
    )
    assert directory.contacts("staff/LEFT", "staff/LAN", "staff/EVE", "staff/MUTE", "staff/LAN") == [
        StaffContact(staff="staff/LEFT", outcome=StaffContact.INACTIVE),
        lan,
        StaffContact(staff="staff/EVE", outcome=StaffContact.UNKNOWN),
        StaffContact(staff="staff/MUTE", outcome=StaffContact.NO_CONTACT),
        lan,
    ]


def test_each_question_is_recorded(directory: Directory) -> None:
    """Who asked for a member's address, and why, is kept before the answer leaves; who only keeps staff is refused."""
    directory.create_staff("LAN", **MEMBER)
    directory.shop.running.clock.now += 60_000_000
    directory.contacts("staff/LAN", purpose="TIER_NOTICE")
    assert refused(directory.contacts, "staff/LAN", **VEILED).reason == "PERMISSION_MISSING"
    with directory.shop.running.database.read() as tx:
        accesses = ACCESSES.of(tx, "staff/LAN", limit=10)
    assert [(access.method.rpartition("/")[2], access.purpose) for access in accesses] == [
        ("BatchGetStaffContacts", "TIER_NOTICE"),
        ("CreateStaff", "UNSTATED"),
    ]


def test_a_question_must_be_whole(directory: Directory) -> None:
    """Nobody, too many, and what is no name of staff are refused by field."""
    assert refused(directory.contacts).fields == {"staff": "REPEATED_MIN_ITEMS"}
    assert refused(directory.contacts, *["staff/LAN"] * 501).fields == {"staff": "REPEATED_MAX_ITEMS"}
    assert refused(directory.contacts, "staff/LAN", "customers/LAN").fields == {"staff[1]": "STRING_PATTERN"}
    assert len(directory.contacts(*["staff/LAN"] * 500)) == 500
