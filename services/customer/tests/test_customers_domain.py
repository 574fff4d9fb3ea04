"""The rules of a customer's file: what it holds, whom a record belongs to, what a till may see."""

from __future__ import annotations

import dataclasses
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import EtagMismatch
from services.customer.customers.domain import (
    Buyer,
    Customer,
    CustomerAmbiguous,
    CustomerBlocked,
    CustomerClosed,
    CustomerUnknown,
    Enrolment,
    FilePolicy,
    Key,
    KeyKind,
    Known,
    Resolution,
    State,
    changed_paths,
    contact_keys,
    enrol,
    keys,
    missing_fields,
    resolve,
    update,
)
from services.customer.ledger.domain import CustomerState, Pending
from services.customer.personal.domain import Address, ContactPoint, ExternalId, Personal

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


# ----------------------------------------------------------------------------------------------------------- changes


def file(personal: Personal = COMPLETE) -> Customer:
    """Make a file that was opened on the first day."""
    return enrol(enrolment(personal), ALL, digest=b"d", operator="O1", now=5, today=TODAY, new_id="1")


def change(customer: Customer, etag: str = "", **changes: object) -> Customer:
    """Change a file ten days later."""
    return update(customer, changes, ALL, etag=etag, now=9, today=date(2026, 3, 12))


@pytest.mark.requirement("C-01", "C-02")
def test_a_file_becomes_active_once_it_is_complete() -> None:
    """With the last mandatory field the file is ACTIVE and due no more; before, the day by which it is due stays."""
    begun = file(Personal(contact_points=(PHONE,)))
    named = change(begun, display_name="Anna")
    assert (named.state, named.completion_due_date) == (State.PROVISIONAL, date(2026, 4, 1))
    whole = change(named, address=COMPLETE.address)
    assert (whole.state, whole.completion_due_date, whole.personal) == (State.ACTIVE, None, COMPLETE)
    assert (whole.version, whole.create_time, whole.update_time) == (3, 5, 9)


@pytest.mark.requirement("C-02", "C-33")
def test_what_was_given_can_be_taken_back() -> None:
    """Who wants a mandatory field forgotten is obeyed; the file is provisional from that day on."""
    bare = change(file(), address=None)
    assert (bare.state, bare.completion_due_date) == (State.PROVISIONAL, date(2026, 4, 11))


def test_a_change_that_changes_nothing_is_none() -> None:
    """The same values, or none at all, leave the same version."""
    before = file()
    for after in (change(before), change(before, display_name="Anna", language_code="en")):
        assert after is before
        assert changed_paths(before, after) == []


def test_a_change_names_what_changed_and_leaves_the_rest() -> None:
    """Of all that was sent only the fields with another value are named; nothing else of the file is touched."""
    before = file()
    after = change(before, time_zone="Asia/Tokyo", display_name="Ben", language_code="en")
    assert changed_paths(before, after) == ["display_name", "time_zone"]
    kept = {"time_zone": "", "version": 1, "update_time": 5}
    assert dataclasses.replace(after, personal=before.personal, **kept) == before  # type: ignore[arg-type]


told = st.fixed_dictionaries(
    {},
    optional={
        "display_name": st.sampled_from(["", "Anna", "Ben"]),
        "contact_points": st.sampled_from([(), (PHONE,), (EMAIL,), (EMAIL, PHONE)]),
        "address": st.sampled_from([None, COMPLETE.address]),
        "birthday": st.sampled_from([None, TODAY]),
        "time_zone": st.sampled_from(["", "UTC"]),
        "language_code": st.sampled_from(["en", "zh-CN"]),
    },
)


@pytest.mark.requirement("C-01", "C-02")
@given(st.lists(told, max_size=5))
def test_changes_do_what_they_name(series: list[dict[str, Any]]) -> None:
    """Through any changes a field has the value told last; a file is ACTIVE exactly while it is complete."""
    customer = file()
    for changes in series:
        before, customer = customer, change(customer, **changes)
        plain = ("time_zone", "language_code")
        held = {path: getattr(customer if path in plain else customer.personal, path) for path in changes}
        assert held == changes
        assert set(changed_paths(before, customer)) <= changes.keys()
        assert customer.version - before.version == bool(changed_paths(before, customer))
        assert change(customer, **changes) is customer
        assert (customer.state is State.ACTIVE) == (missing_fields(customer.personal, ALL) == [])
        assert (customer.completion_due_date is None) == (customer.state is State.ACTIVE)


@pytest.mark.parametrize("state", [State.MERGED, State.ERASED])
def test_a_closed_file_is_never_changed(state: State) -> None:
    """A merged or erased file is refused before its etag is looked at."""
    with pytest.raises(CustomerClosed) as refused:
        change(dataclasses.replace(file(), state=state), etag='"7"', display_name="Ben")
    assert refused.value.metadata == {"name": "customers/1", "state": state}


def test_a_blocked_file_stays_blocked() -> None:
    """What the file holds changes, its state does not."""
    blocked = change(dataclasses.replace(file(), state=State.BLOCKED), address=None)
    assert (blocked.state, blocked.completion_due_date, blocked.version) == (State.BLOCKED, None, 2)


def test_a_change_of_another_version_is_refused() -> None:
    """The etag must be that of the version that is changed; without one any version is."""
    with pytest.raises(EtagMismatch):
        change(file(), etag='"2"', display_name="Ben")
    assert change(file(), etag='"1"', display_name="Ben").etag == '"2"'


# -------------------------------------------------------------------------------------------------------------- keys


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
