"""Customer files over the wire: opened once, found by what a customer can tell, shown no further than needed."""

from __future__ import annotations

from typing import Any

import pytest
from google.type.postal_address_pb2 import PostalAddress

from services.customer.tests.builders import (
    LEEDS,
    NOBODY,
    YORK,
    Shop,
    alone,
    at,
    by_phone,
    day,
    mail,
    mobile,
    refused,
    sale,
)
from shuke.customer.v1 import customer_pb2 as pb

ANNA, BEN = "+447700900123", "+447700900456"
ADDRESS = PostalAddress(
    region_code="GB",
    postal_code="LS1 1AA",
    administrative_area="West Yorkshire",
    locality="Leeds",
    sublocality="Centre",
    address_lines=["1 Park Row", "Flat 2"],
)


@pytest.mark.requirement("C-01", "C-02")
def test_a_file_comes_back_as_it_was_told(shop: Shop) -> None:
    """Every field of an enrolment is kept and answered, contact points in their normal form and order."""
    answer = shop.enrol(
        enrolment_ref="E-1",
        contact_points=[
            pb.ContactPoint(kind=pb.ContactPoint.MOBILE, value="07700 900123", label="办公室", preferred=True),
            mail("Anna.Lin@EXAMPLE.com"),
            pb.ContactPoint(kind=pb.ContactPoint.LANDLINE, value="+86 10 6552 9988"),
            pb.ContactPoint(kind=pb.ContactPoint.WECHAT, value="wx anna"),
        ],
        display_name="  林书禾 ",
        party_type=pb.Customer.ORGANISATION,
        address=ADDRESS,
        language_code="en",
        member_code="M-0001",
        external_ids=[pb.ExternalId(system="webshop", value="W 1"), pb.ExternalId(system="erp", value="17")],
        caller={"operator": "O7"},
    )
    assert not answer.replayed
    assert not answer.matches
    assert answer.customer == pb.Customer(
        name=answer.customer.name,
        display_name="林书禾",
        party_type=pb.Customer.ORGANISATION,
        contact_points=[
            pb.ContactPoint(kind=pb.ContactPoint.MOBILE, value=ANNA, label="办公室", preferred=True),
            mail("Anna.Lin@example.com"),
            pb.ContactPoint(kind=pb.ContactPoint.LANDLINE, value="+861065529988"),
            pb.ContactPoint(kind=pb.ContactPoint.WECHAT, value="wx anna"),
        ],
        address=ADDRESS,
        member_code="M-0001",
        external_ids=[pb.ExternalId(system="webshop", value="W 1"), pb.ExternalId(system="erp", value="17")],
        language_code="en",
        home_store=LEEDS,
        state=pb.Customer.ACTIVE,
        enrolled_by="O7",
        create_time=at("2026-03-02 04:00"),
        update_time=at("2026-03-02 04:00"),
        etag='"1"',
    )
    assert shop.file(answer.customer.name) == answer.customer


@pytest.mark.requirement("C-02", "C-29", "X-32")
def test_one_contact_point_is_enough_to_begin(shop: Shop) -> None:
    """A file that lacks a mandatory field is provisional, with a day by which it must be completed."""
    customer = shop.enrol(contact_points=[mail("anna@example.com")], display_name="").customer
    assert (customer.state, customer.completion_due_date) == (pb.Customer.PROVISIONAL, day("2026-04-01"))
    assert (customer.party_type, customer.language_code) == (pb.Customer.PERSON, "zh-CN")
    full = shop.enrol(address=PostalAddress(region_code="GB", address_lines=["1 Park Row"])).customer
    assert (full.state, full.HasField("completion_due_date")) == (pb.Customer.ACTIVE, False)
    assert refused(shop.enrol, contact_points=[]).fields == {"contact_points": "REPEATED_MIN_ITEMS"}


def test_an_enrolment_is_answered_once(shop: Shop) -> None:
    """The same reference in the same store answers the file that it opened, whoever else has the number by now."""
    details: dict[str, Any] = {"enrolment_ref": "E-1", "contact_points": [mobile(ANNA)], "display_name": "Anna"}
    first = shop.enrol(**details)
    again = shop.enrol(**details)
    assert again == pb.EnrolCustomerResponse(customer=first.customer, replayed=True)
    spelt_otherwise = shop.enrol(**details | {"contact_points": [mobile("07700 900123")], "accept_duplicates": True})
    assert spelt_otherwise == again
    other_store = shop.enrol(**details | {"store": YORK, "accept_duplicates": True})
    assert not other_store.replayed
    assert other_store.customer.name != first.customer.name
    assert len([event for event in shop.feed() if event.type.endswith("CustomerCreated")]) == 2


OTHER_CONTENT: dict[str, dict[str, Any]] = {
    "name": {"display_name": "Ben"},
    "telephone": {"contact_points": [mobile(BEN)]},
    "another contact point": {"contact_points": [mobile(ANNA), mail("anna@example.com")]},
    "member code": {"member_code": "M-2"},
    "external id": {"external_ids": [pb.ExternalId(system="webshop", value="1")]},
}


@pytest.mark.parametrize("other", OTHER_CONTENT)
def test_a_reference_stands_for_one_enrolment(shop: Shop, other: str) -> None:
    """The same reference with other content is a conflict that names the file, also when duplicates are accepted."""
    details: dict[str, Any] = {"enrolment_ref": "E-1", "contact_points": [mobile(ANNA)], "display_name": "Anna"}
    name = shop.enrol(**details).customer.name
    refusal = refused(shop.enrol, **details | OTHER_CONTENT[other], accept_duplicates=True)
    assert (refusal.code, refusal.reason) == ("ALREADY_EXISTS", "ENROLMENT_CONFLICT")
    assert refusal.metadata == {"enrolment_ref": "E-1", "store": LEEDS, "name": name}


def test_who_is_known_is_not_enrolled_twice(shop: Shop) -> None:
    """A known telephone or e-mail opens no second file but lists who has it; accepting duplicates opens one."""
    anna = shop.customer(contact_points=[mobile(ANNA), mail("anna@example.com")], display_name="Anna Lin")
    for point in (mobile("07700 900123"), mail("anna@EXAMPLE.com")):
        answer = shop.enrol(store=YORK, contact_points=[mobile(BEN), point])
        assert not answer.HasField("customer")
        [match] = answer.matches
        expected = pb.CustomerMatch(
            customer=anna, masked_name="A**", state=pb.Customer.PROVISIONAL, first_purchase_due=True
        )
        assert match == expected
    assert not shop.look_up(by_phone(BEN))
    twin = shop.customer(contact_points=[mobile(ANNA)], accept_duplicates=True)
    assert {match.customer for match in shop.look_up(by_phone(ANNA))} == {anna, twin}


def test_all_impossible_contact_points_are_told_at_once(shop: Shop) -> None:
    """Telephones that no network could have and addresses that are none are named, each by its place."""
    points = [mobile("12"), mobile(ANNA), mail("anna at example.com"), mobile("anna@example.com"), mail("a@b")]
    refusal = refused(shop.enrol, contact_points=points)
    assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "FIELDS_INVALID")
    assert refusal.fields == {
        "contact_points[0].value": "PHONE_IMPOSSIBLE",
        "contact_points[2].value": "EMAIL_IMPOSSIBLE",
        "contact_points[3].value": "PHONE_IMPOSSIBLE",
        "contact_points[4].value": "EMAIL_IMPOSSIBLE",
    }


KEYS = {
    "international phone": pb.CustomerLookup(phone="+44 7700 900123"),
    "national phone": pb.CustomerLookup(phone="07700900123"),
    "e-mail": pb.CustomerLookup(email="anna@Example.COM"),
    "member code": pb.CustomerLookup(member_code="M-0001"),
    "external id": pb.CustomerLookup(external_id=pb.ExternalId(system="webshop", value="W 1")),
}
NO_KEYS = {
    "phone": pb.CustomerLookup(phone=BEN),
    "e-mail": pb.CustomerLookup(email="ben@example.com"),
    "a code of another kind": pb.CustomerLookup(member_code="W 1"),
    "an id of another system": pb.CustomerLookup(external_id=pb.ExternalId(system="erp", value="W 1")),
}


def told_all(shop: Shop) -> str:
    """Enrol a customer who told everything."""
    return shop.customer(
        contact_points=[mobile(ANNA), mail("anna@example.com")],
        display_name="林书禾",
        address=ADDRESS,
        member_code="M-0001",
        external_ids=[pb.ExternalId(system="webshop", value="W 1")],
    )


@pytest.mark.parametrize("key", KEYS)
def test_a_till_sees_no_more_than_a_masked_name(shop: Shop, key: str) -> None:
    """A match for a till holds name of record, masked name, state, classes and whether a first purchase is due."""
    anna = told_all(shop)
    [match] = shop.look_up(KEYS[key], permissions=("customer.customers.lookup",), stores=(YORK,))
    assert match == pb.CustomerMatch(
        customer=anna, masked_name="林**", state=pb.Customer.ACTIVE, first_purchase_due=True
    )
    for secret in ("书禾", ANNA, "900123", "anna@", "Park Row", "M-0001", "W 1"):
        assert secret.encode() not in match.SerializeToString()


@pytest.mark.parametrize("key", KEYS)
def test_a_desk_sees_the_file(shop: Shop, key: str) -> None:
    """For a desk the match holds the whole file, for which it needs the permission to read files."""
    anna = told_all(shop)
    [match] = shop.look_up(KEYS[key], desk=True, permissions=("customer.customers.*", "customer.personal.read"))
    assert match.profile == shop.file(anna)
    refusal = refused(shop.look_up, KEYS[key], desk=True, permissions=("customer.customers.lookup",))
    assert (refusal.code, refusal.reason) == ("PERMISSION_DENIED", "PERMISSION_MISSING")
    assert refusal.metadata == {"permission": "customer.customers.get"}


def test_nobody_is_an_answer(shop: Shop) -> None:
    """A key that leads to nobody gives no match and no error."""
    told_all(shop)
    assert all(not shop.look_up(key) for key in NO_KEYS.values())


def test_a_lookup_needs_one_possible_key(shop: Shop) -> None:
    """No key, an empty key and an impossible one are refused."""
    assert refused(shop.look_up, pb.CustomerLookup()).fields == {"lookup.key": "REQUIRED"}
    assert refused(shop.look_up, pb.CustomerLookup(phone="")).fields == {"lookup.phone": "STRING_MIN_LEN"}
    assert refused(shop.look_up, by_phone("12")).fields == {"lookup.phone": "PHONE_IMPOSSIBLE"}
    email = pb.CustomerLookup(email="anna@b")
    assert refused(shop.look_up, email).fields == {"lookup.email": "EMAIL_IMPOSSIBLE"}


def test_matches_come_oldest_first_and_not_without_end(shop: Shop) -> None:
    """Of all who share a number the twenty oldest files are listed."""
    names = []
    for _ in range(22):
        shop.running.clock.now += 1_000
        names.append(shop.customer(contact_points=[mobile(ANNA)], accept_duplicates=True))
    assert [match.customer for match in shop.look_up(by_phone(ANNA))] == names[:20]


def test_a_first_purchase_is_due_until_there_is_one(shop: Shop) -> None:
    """Neither a refund nor somebody else's sale ends it; the customer's own sale does."""
    anna = shop.customer(contact_points=[mobile(ANNA)])
    shop.refund(alone("F1", customer=anna))
    shop.record(sale("R1"))
    assert [match.first_purchase_due for match in shop.look_up(by_phone(ANNA))] == [True]
    shop.record(sale("R2", customer=anna))
    assert [match.first_purchase_due for match in shop.look_up(by_phone(ANNA))] == [False]


def test_an_unknown_file_is_not_found(shop: Shop) -> None:
    """A name that nobody has is NOT_FOUND; a malformed one is INVALID_ARGUMENT."""
    missing = refused(shop.file, NOBODY)
    assert (missing.code, missing.reason, missing.metadata) == ("NOT_FOUND", "CUSTOMER_NOT_FOUND", {"name": NOBODY})
    assert refused(shop.file, "customers/anna").fields == {"name": "STRING_PATTERN"}


def test_a_store_enrols_for_itself(shop: Shop) -> None:
    """A store's key enrols in its own store only."""
    foreign = refused(shop.enrol, caller={"stores": (YORK,)})
    assert (foreign.code, foreign.reason, foreign.metadata) == ("PERMISSION_DENIED", "STORE_FOREIGN", {"store": LEEDS})
