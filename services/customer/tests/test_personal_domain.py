"""What customers tell of themselves: one normal form of it, and how much of it is seen by whom."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Problems
from services.customer.personal.domain import (
    Address,
    ContactPoint,
    ExternalId,
    Personal,
    masked,
    masked_address,
    masked_email,
    masked_personal,
    masked_phone,
    normal_contact,
)

NORMAL = {
    ("MOBILE", "07700 900123"): "+447700900123",
    ("MOBILE", "+44 (0)7700 900-123"): "+447700900123",
    ("MOBILE", "0044 7700 900123"): "+447700900123",
    ("MOBILE", "+86 138 0013 8000"): "+8613800138000",
    ("LANDLINE", "0113 496 0000"): "+441134960000",
    ("LANDLINE", "＋８６ 10 6552 9988"): "+861065529988",
    ("EMAIL", "Anna.Lin@EXAMPLE.Com"): "Anna.Lin@example.com",
    ("EMAIL", "anna@bücher.example"): "anna@bücher.example",
    ("WECHAT", " Anna "): " Anna ",
    ("OTHER", "12"): "12",
}
IMPOSSIBLE = {
    ("MOBILE", "12"): "PHONE_IMPOSSIBLE",
    ("MOBILE", "not a number"): "PHONE_IMPOSSIBLE",
    ("LANDLINE", "+44 113 496 00000000"): "PHONE_IMPOSSIBLE",
    ("LANDLINE", "+999 113 4960000"): "PHONE_IMPOSSIBLE",
    ("EMAIL", "anna"): "EMAIL_IMPOSSIBLE",
    ("EMAIL", "anna@"): "EMAIL_IMPOSSIBLE",
    ("EMAIL", "anna lin@example.com"): "EMAIL_IMPOSSIBLE",
}


@pytest.mark.parametrize(("kind", "value"), NORMAL)
def test_a_contact_point_has_one_normal_form(kind: str, value: str) -> None:
    """However a number or address is spelt, it is kept in one form; label and preference stay, accounts too."""
    problems = Problems()
    point = normal_contact(problems, "at", ContactPoint(kind, value, "office", preferred=True), "GB")
    assert point == ContactPoint(kind, NORMAL[kind, value], "office", preferred=True)
    assert normal_contact(problems, "at", point, "GB") == point
    assert problems.found == []


@pytest.mark.parametrize(("kind", "value"), IMPOSSIBLE)
def test_an_impossible_contact_point_is_told(kind: str, value: str) -> None:
    """What no network could have is noted by its place."""
    problems = Problems()
    normal_contact(problems, "contact_points[0].value", ContactPoint(kind, value), "GB")
    [violation] = problems.found
    assert (violation.field, violation.reason) == ("contact_points[0].value", IMPOSSIBLE[kind, value])


# ------------------------------------------------------------------------------------------------------ masked names


@pytest.mark.parametrize(
    ("name", "shown"), [("林书禾", "林**"), ("Anna Lin", "A**"), ("林", "林**"), ("𠮷野", "𠮷**"), ("", "")]
)
def test_a_till_sees_the_first_character(name: str, shown: str) -> None:
    """A name is shown by its first character; no name shows nothing."""
    assert masked(name) == shown


@given(st.text(min_size=1))
def test_masked_names_tell_neither_the_rest_nor_the_length(name: str) -> None:
    """Two names that begin alike look alike."""
    assert masked(name) == masked(name[0]) == f"{name[0]}**"


# ------------------------------------------------------------------------------------------------------------- masking


@pytest.mark.requirement("C-37")
@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+8613800138000", "+86138****8000"),
        ("+447700900123", "+4477****0123"),
        ("+861065529988", "+8610****9988"),
        ("+29012345", "+****2345"),
        ("+2901234", "****"),
        ("+290", "****"),
    ],
)
def test_a_telephone_shows_its_ends(number: str, shown: str) -> None:
    """Of a number the region and the last four digits are seen; four digits at the least are hidden."""
    assert masked_phone(number) == shown


@pytest.mark.requirement("C-37")
@given(st.from_regex(r"\+[0-9]{1,15}", fullmatch=True))
def test_ten_thousand_numbers_look_alike(number: str) -> None:
    """Whatever the four digits before the last four are, the masked number is the same."""
    other = number[:-8] + "".join(str(9 - int(digit)) for digit in number[-8:-4] if digit != "+") + number[-4:]
    if len(number) > 8:
        assert masked_phone(other) == masked_phone(number)
    assert number not in masked_phone(number)


@pytest.mark.requirement("C-37")
@pytest.mark.parametrize(
    ("address", "shown"), [("lin@example.com", "l***@example.com"), ('"a@b"@example.com', '"***@example.com')]
)
def test_an_email_shows_its_domain(address: str, shown: str) -> None:
    """Of an e-mail address the first character and the domain are seen."""
    assert masked_email(address) == shown


@pytest.mark.requirement("C-37")
def test_an_address_shows_its_city() -> None:
    """Nothing finer than the city is seen."""
    whole = Address("CN", "200040", "上海", "上海市", "静安区", ("南京西路 1 号",))
    assert masked_address(whole) == Address("CN", "", "上海", "上海市")


@pytest.mark.requirement("C-37")
def test_all_that_is_personal_is_masked() -> None:
    """Each part by its kind; labels and the birthday are left out; which point is preferred is no secret."""
    personal = Personal(
        "李书禾",
        (
            ContactPoint("MOBILE", "+8613800138000", "办公室", preferred=True),
            ContactPoint("LANDLINE", "+861065529988"),
            ContactPoint("EMAIL", "lin@example.com", "home"),
            ContactPoint("WECHAT", "wx-lin"),
        ),
        Address("CN", "200040", "上海", "上海市", "静安区", ("南京西路 1 号",)),
        "M-0001",
        (ExternalId("webshop", "W17"),),
        date(1990, 5, 1),
    )
    assert masked_personal(personal) == Personal(
        "李**",
        (
            ContactPoint("MOBILE", "+86138****8000", preferred=True),
            ContactPoint("LANDLINE", "+8610****9988"),
            ContactPoint("EMAIL", "l***@example.com"),
            ContactPoint("WECHAT", "w**"),
        ),
        Address("CN", "", "上海", "上海市"),
        "M**",
        (ExternalId("webshop", "W**"),),
    )
    assert masked_personal(Personal()) == Personal()
