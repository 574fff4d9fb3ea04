"""Names, ids, telephone numbers and addresses: one form of each."""

from __future__ import annotations

import uuid
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import names
from chassis.contacts import email, phone
from chassis.ids import uuid7
from tests.running import Clock

IDS = st.text(alphabet="abcdef0123456789-", min_size=1)
REGION = st.sampled_from(["CN", "GB", "US", "IT"])


@given(st.sampled_from(["customers", "purchases"]), IDS)
def test_names_hold_their_ids(collection: str, identity: str) -> None:
    """An id that was put into a name comes out of it, from a nested one as well."""
    name = names.name(collection, identity)
    assert names.identity(name) == identity
    assert names.parts(name) == (identity,)
    nested = names.name("schemes/loyalty/members", identity)
    assert (names.identity(nested), names.parts(nested)) == (identity, ("loyalty", identity))


def test_nobody_has_no_name() -> None:
    """Where there is no id there is no name, and the other way round."""
    assert names.name("customers", None) == names.name("customers", "") == ""
    assert names.identity("") == ""
    assert names.parts("") == ()


@given(st.integers(0, 2**47), st.binary(min_size=10, max_size=10))
def test_ids_have_the_form_of_version_7(milliseconds: int, randomness: bytes) -> None:
    """An id is a UUID of version 7 that holds its time and the randomness that it was given."""
    found = uuid.UUID(uuid7(lambda: milliseconds * 1000 + 999, lambda _: randomness)())
    assert (found.version, found.variant) == (7, uuid.RFC_4122)
    assert found.int >> 80 == milliseconds
    kept = int.from_bytes(randomness, "big") & ~(0xF << 76) & ~(0x3 << 62)
    assert found.int & ~(0xF << 76) & ~(0x3 << 62) & (2**80 - 1) == kept


def test_ids_sort_by_time() -> None:
    """Ids that are made in different milliseconds sort as they were made; within one they differ."""
    clock = Clock()
    new_id = uuid7(clock)
    made = []
    for _ in range(50):
        made.append(new_id())
        clock.now += 1000
    assert made == sorted(made)
    assert len({new_id() for _ in range(1000)}) == 1000
    assert all(earlier < later for earlier, later in pairwise(made))


@pytest.mark.parametrize(
    ("given_number", "region", "normal"),
    [
        ("13800138000", "CN", "+8613800138000"),
        ("+86 138 0013 8000", "GB", "+8613800138000"),
        ("0086-138-0013-8000", "CN", "+8613800138000"),
        ("１３８００１３８０００", "CN", "+8613800138000"),
        ("0113 496 0123", "GB", "+441134960123"),
        ("+44 (0)113 496 0123", "CN", "+441134960123"),
        ("113 496 0123", "GB", "+441134960123"),
        ("010-12345678", "CN", "+861012345678"),
        ("12", "CN", None),
        ("", "CN", None),
        ("call me", "GB", None),
        ("+999 1234567", "GB", None),
        ("1" * 300, "CN", None),
        ("000000000", "CN", None),
        ("00019001068", "GB", None),
    ],
)
def test_telephone_numbers(given_number: str, region: str, normal: str | None) -> None:
    """However a number is written it is found again; what no network could have is none."""
    assert phone(given_number, region) == normal


@given(st.text(alphabet="+0123456789 ()-x", max_size=20), REGION)
def test_a_normal_number_stays_as_it_is(text: str, region: str) -> None:
    """Whatever is taken for a number reads the same when it is read again, in any region."""
    normal = phone(text, region)
    if normal is not None:
        assert phone(normal, "CN") == phone(normal, "GB") == normal


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("Li.Wei@Example.COM", "Li.Wei@example.com"),
        ("a+b@example.org", "a+b@example.org"),
        ("用户@例子.广告", "用户@例子.广告"),
        ("no address", None),
        ("@example.com", None),
        ("a@b@example.com", None),
        ("a@localhost", None),
        ("", None),
    ],
)
def test_addresses(written: str, normal: str | None) -> None:
    """The domain of an address has no case; what is no address is none."""
    assert email(written) == normal


@given(st.one_of(st.emails(), st.text()))
def test_a_normal_address_stays_as_it_is(text: str) -> None:
    """Whatever is taken for an address reads the same when it is read again, and nothing raises."""
    normal = email(text)
    if normal is not None:
        assert email(normal) == normal
