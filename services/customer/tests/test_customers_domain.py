"""The rules of a customer's file: what it holds, whom a record belongs to, what a till may see."""

from __future__ import annotations

import dataclasses
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Problems
from services.customer.customers.domain import (
    Address,
    Buyer,
    ContactPoint,
    CustomerAmbiguous,
    CustomerBlocked,
    CustomerUnknown,
    Enrolment,
    ExternalId,
    FilePolicy,
    Key,
    KeyKind,
    Known,
    Personal,
    Resolution,
    State,
    contact_keys,
    enrol,
    keys,
    masked,
    missing_fields,
    normal_contact,
    resolve,
)
from services.customer.ledger.domain import CustomerState, Pending

PHONE, EMAIL = ContactPoint("MOBILE", "+447700900123"), ContactPoint("EMAIL", "anna@example.com")
COMPLETE = Personal("Anna", (PHONE,), Address(lines=("1 Park Row",)))
ALL = FilePolicy(("display_name", "address", "phone"), 30)
TODAY = date(2026, 3, 2)


def enrolment(personal: Personal) -> Enrolment:
    """Make an enrolment with a personal part."""
    return Enrolment("LEEDS", "E1", personal, "PERSON", "en", accept_duplicates=False)


# ------------------------------------------------------------------------------------------------------------- files


@pytest.mark.requirement("C-02", "X-32")
@pytest.mark.parametrize(
    ("personal", "missing"),
    [
        (COMPLETE, []),
        (dataclasses.replace(COMPLETE, contact_points=(ContactPoint("LANDLINE", "+441134960000"),)), []),
        (dataclasses.replace(COMPLETE, display_name=""), ["display_name"]),
        (dataclasses.replace(COMPLETE, address=None), ["address"]),
        (dataclasses.replace(COMPLETE, contact_points=(EMAIL, ContactPoint("WECHAT", "anna"))), ["phone"]),
        (Personal(), ["display_name", "address", "phone"]),
    ],
)
def test_a_complete_file_holds_name_address_and_telephone(personal: Personal, missing: list[str]) -> None:
    """The mandatory fields that a file lacks are named; a chain that asks for fewer misses fewer."""
    assert missing_fields(personal, ALL) == missing
    assert missing_fields(personal, FilePolicy(("phone",), 30)) == [name for name in missing if name == "phone"]
    assert missing_fields(personal, FilePolicy((), 30)) == []


@pytest.mark.requirement("C-02", "C-29")
def test_an_incomplete_file_is_provisional_until_a_day() -> None:
    """With a field missing a file is PROVISIONAL and due in so many days; complete it is ACTIVE and due on none."""
    known = {"digest": b"d", "operator": "O1", "now": 5, "today": TODAY, "new_id": "1"}
    provisional = enrol(enrolment(Personal("Anna", (PHONE,))), ALL, **known)  # type: ignore[arg-type]
    active = enrol(enrolment(COMPLETE), ALL, **known)  # type: ignore[arg-type]
    assert (provisional.state, provisional.completion_due_date) == (State.PROVISIONAL, date(2026, 4, 1))
    assert (active.state, active.completion_due_date) == (State.ACTIVE, None)
    assert (active.home_store, active.enrolled_by, active.create_time, active.update_time) == ("LEEDS", "O1", 5, 5)
    assert (active.enrolment_ref, active.enrolment_hash, active.version) == ("E1", b"d", 1)


def test_an_enrolments_content_is_what_tells_persons_apart() -> None:
    """Name, contact points, member code and external ids are its content; address, labels and language are not."""
    base = enrolment(COMPLETE)
    for changed in (
        dataclasses.replace(COMPLETE, display_name="Ben"),
        dataclasses.replace(COMPLETE, contact_points=(EMAIL,)),
        dataclasses.replace(COMPLETE, member_code="M1"),
        dataclasses.replace(COMPLETE, external_ids=(ExternalId("webshop", "1"),)),
    ):
        assert enrolment(changed).content != base.content
    labelled = dataclasses.replace(PHONE, label="office", preferred=True)
    same = dataclasses.replace(COMPLETE, contact_points=(labelled,), address=None)
    assert enrolment(same).content == base.content
    assert dataclasses.replace(base, language_code="zh-CN", accept_duplicates=True).content == base.content


# -------------------------------------------------------------------------------------------------------------- keys


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


def test_a_customer_is_found_by_keys_of_four_kinds() -> None:
    """Telephones, e-mails, the member code and each external id are keys; accounts of messengers are not."""
    points = (PHONE, ContactPoint("LANDLINE", "+441134960000"), EMAIL, ContactPoint("WECHAT", "anna"))
    personal = Personal("Anna", points, None, "M1", (ExternalId("webshop", "1"), ExternalId("erp", "1")))
    contacts = [
        Key(KeyKind.PHONE, "+447700900123"),
        Key(KeyKind.PHONE, "+441134960000"),
        Key(KeyKind.EMAIL, "anna@example.com"),
    ]
    assert contact_keys(personal) == contacts
    assert keys(personal) == [
        *contacts,
        Key(KeyKind.MEMBER_CODE, "M1"),
        Key(KeyKind.EXTERNAL_ID, "webshop:1"),
        Key(KeyKind.EXTERNAL_ID, "erp:1"),
    ]
    assert keys(Personal("Anna")) == []


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


# -------------------------------------------------------------------------------------------------------- resolution


KEY = Key(KeyKind.PHONE, "+447700900123")
BY_KEY, BY_NAME = Buyer(key=KEY), Buyer("anna")


def test_nobody_named_is_anonymous() -> None:
    """Without a name and without a key a record is anonymous, which is nothing odd."""
    assert resolve(Buyer(), Known(), "purchase") == Resolution(None, CustomerState.ANONYMOUS)


@pytest.mark.parametrize("buyer", [BY_KEY, BY_NAME])
def test_one_customer_is_the_one(buyer: Buyer) -> None:
    """A name or key that leads to one customer resolves to that one."""
    assert resolve(buyer, Known(["anna"]), "purchase") == Resolution("anna", CustomerState.RESOLVED)


def test_a_blocked_customer_is_known_but_odd() -> None:
    """A blocked customer's record still belongs to the customer."""
    resolution = resolve(BY_KEY, Known(["anna"], blocked=True), "purchase")
    assert (resolution.customer_id, resolution.state, resolution.pending) == ("anna", CustomerState.RESOLVED, None)
    [odd] = resolution.odd
    assert isinstance(odd, CustomerBlocked)
    assert odd.metadata == {"name": "customers/anna"}


@pytest.mark.parametrize(
    ("buyer", "field", "kind"),
    [(BY_KEY, "refund.customer_lookup", "PHONE"), (BY_NAME, "refund.customer", "NAME")],
)
def test_an_unknown_customer_leaves_the_record_pending(buyer: Buyer, field: str, kind: str) -> None:
    """A name or key that leads to nobody is odd, and its kind and digest are kept to attach the record later."""
    resolution = resolve(buyer, Known(digest=b"blind"), "refund")
    assert (resolution.customer_id, resolution.state) == (None, CustomerState.PENDING)
    assert resolution.pending == Pending(kind, b"blind")
    [odd] = resolution.odd
    assert isinstance(odd, CustomerUnknown)
    assert odd.metadata == {"field": field}


def test_an_ambiguous_key_chooses_nobody() -> None:
    """A key that leads to several customers is pending too, and tells how many there are."""
    resolution = resolve(BY_KEY, Known(["anna", "ben"], digest=b"blind"), "purchase")
    assert (resolution.customer_id, resolution.state) == (None, CustomerState.PENDING)
    assert resolution.pending == Pending("PHONE", b"blind")
    [odd] = resolution.odd
    assert isinstance(odd, CustomerAmbiguous)
    assert odd.metadata == {"field": "purchase.customer_lookup", "count": "2"}
