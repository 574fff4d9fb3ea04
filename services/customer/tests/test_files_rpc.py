"""Customer files at a desk: opened in full, changed field by field, read many at once, masked for who may not see."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from google.type.date_pb2 import Date
from google.type.postal_address_pb2 import PostalAddress

from services.customer.tests.builders import LEEDS, NOBODY, YORK, Shop, at, by_phone, day, mail, mobile, refused
from services.customer.tests.consenting import FIRST, Desk, use
from services.customer.tests.filing import ADDRESS, ANNA, TOLD, VEILED, Files
from shuke.customer.v1 import customer_pb2 as pb
from shuke.customer.v1 import events_pb2
from shuke.customer.v1.consents_pb2 import Consent, ConsentRecord
from tests.running import Refusal

BEN = "+447700900456"
MINUTE = 60_000_000


@pytest.fixture
def files(shop: Shop) -> Files:
    """Make a client of the running service."""
    return Files(shop)


# -------------------------------------------------------------------------------------------------------------- opening


@pytest.mark.requirement("C-01", "C-02", "C-08")
def test_a_full_file_comes_back_as_it_was_told(files: Files) -> None:
    """Every field is kept and answered; the file names who opened it, and CustomerCreated tells of it."""
    created = files.create(**TOLD, caller={"staff": "S1"})
    assert created == pb.Customer(
        name=created.name,
        **TOLD,
        home_store=LEEDS,
        state=pb.Customer.ACTIVE,
        enrolled_by="S1",
        create_time=at("2026-03-02 04:00"),
        update_time=at("2026-03-02 04:00"),
        etag='"1"',
    )
    assert files.shop.file(created.name) == created
    assert files.shop.told(created.name) == events_pb2.CustomerCreated(
        customer=created.name, home_store=LEEDS, state=pb.Customer.ACTIVE
    )
    for lookup in (by_phone("07700 900123"), pb.CustomerLookup(member_code="M-0001")):
        assert [match.customer for match in files.shop.look_up(lookup)] == [created.name]


@pytest.mark.requirement("C-02", "C-35")
def test_no_more_is_asked_than_a_name_and_one_way_to_reach_it(files: Files) -> None:
    """Everything else may be left empty; the file is then provisional, with a day by which it must be completed."""
    created = files.create(display_name="  Anna ", contact_points=[mail("anna@example.com")])
    assert (created.display_name, created.state, created.completion_due_date) == (
        *("Anna", pb.Customer.PROVISIONAL),
        day("2026-04-01"),
    )
    assert (created.party_type, created.language_code, created.time_zone) == (pb.Customer.PERSON, "zh-CN", "")
    refusal = refused(files.create, home_store="")
    assert refusal.fields == dict.fromkeys(
        ("customer.home_store", "customer.display_name", "customer.contact_points"), "FIELD_MISSING"
    )


def test_all_that_is_impossible_is_told_at_once(files: Files) -> None:
    """Contact points, the birthday and the time zone are named, each by its path."""
    points = [mobile("12"), mobile(ANNA), mail("anna at example.com")]
    for birthday, reason in (
        (Date(year=1990, month=2, day=30), "DATE_MALFORMED"),
        (Date(year=1990), "DATE_MALFORMED"),
        (Date(year=2026, month=3, day=3), "BIRTHDAY_IN_FUTURE"),
    ):
        wrong = {"contact_points": points, "birthday": birthday, "time_zone": "Europe"}
        expected = {
            "customer.contact_points[0].value": "PHONE_IMPOSSIBLE",
            "customer.contact_points[2].value": "EMAIL_IMPOSSIBLE",
            "customer.birthday": reason,
            "customer.time_zone": "TIME_ZONE_UNKNOWN",
        }
        assert refused(files.create, display_name="Anna", **wrong).fields == expected
        anna = files.shop.customer()
        assert refused(files.update, anna, **wrong).fields == expected
    for zone in ("../../etc/passwd", "Nowhere/At_All", "+447700900123"):
        assert refused(files.update, anna, time_zone=zone).fields == {"customer.time_zone": "TIME_ZONE_UNKNOWN"}


@pytest.mark.requirement("C-01")
def test_one_customer_has_one_file(files: Files) -> None:
    """Who is known by a contact point is named and not filed again, unless this is another person."""
    anna = files.shop.customer(contact_points=[mobile(ANNA)])
    told: dict[str, Any] = {"display_name": "Ann", "contact_points": [mobile(BEN), mobile("07700 900123")]}
    refusal = refused(files.create, **told)
    assert (refusal.code, refusal.reason, refusal.metadata) == ("ALREADY_EXISTS", "CUSTOMER_KNOWN", {"names": anna})
    twin = files.create(**told, more={"accept_duplicates": True})
    assert {match.customer for match in files.shop.look_up(by_phone(ANNA))} == {anna, twin.name}


def test_two_desks_open_one_file(files: Files) -> None:
    """Of desks that file the same number at the same moment one opens the file and the others hear of it."""

    def create(_: int) -> str:
        try:
            return str(files.create(display_name="Anna", contact_points=[mobile(ANNA)]).name)
        except Refusal as refusal:
            return refusal.reason

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(create, range(4)))
    assert len([name for name in said if name.startswith("customers/")]) == 1
    assert said.count("CUSTOMER_KNOWN") == 3


@pytest.mark.requirement("C-33", "C-34")
def test_consents_come_with_the_file(desk: Desk) -> None:
    """What a customer allows at a desk is recorded with the file, under the notice that was shown."""
    files = Files(desk.shop)
    more = {"notice_version": FIRST, "consents": [use(Consent.OFFERS, Consent.EMAIL)]}
    anna = files.create(**TOLD, more=more, caller={"staff": "S1"})
    assert anna.notice_version == FIRST
    [record] = desk.records(anna.name)
    assert (record.consent, record.source, record.recorded_by) == (
        *(use(Consent.OFFERS, Consent.EMAIL), ConsentRecord.DESK),
        "S1",
    )
    bad = {"consents": [use(Consent.OFFERS), use(Consent.OFFERS)]}
    assert refused(files.create, **TOLD, more=bad).fields == {
        "consents[1]": "CONSENT_REPEATED",
        "notice_version": "CONSENT_NOTICE_UNNAMED",
    }
    untold = {"notice_version": FIRST, "consents": [use(Consent.DISCLOSURE)], "accept_duplicates": True}
    assert refused(files.create, **TOLD, more=untold).reason == "CONSENT_PURPOSE_NOT_IN_NOTICE"
    assert len(files.shop.look_up(by_phone(ANNA))) == 1


def test_a_file_is_opened_once(files: Files) -> None:
    """A repeat under the request id answers the file as it stands; other content is refused; a foreign store too."""
    more = {"request_id": "r-1"}
    first = files.create(**TOLD, more=more)
    assert files.create(**TOLD, more=more) == first
    changed = files.update(first.name, display_name="Anna")
    assert files.create(**TOLD, more=more) == changed
    refusal = refused(files.create, **TOLD | {"display_name": "Ben"}, more=more)
    assert (refusal.code, refusal.reason) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")
    foreign = refused(files.create, **TOLD, caller={"stores": (YORK,)})
    assert (foreign.reason, foreign.metadata) == ("STORE_FOREIGN", {"store": LEEDS})


# ------------------------------------------------------------------------------------------------------------- changing


@pytest.mark.parametrize("path", TOLD)
def test_each_field_can_be_changed_and_cleared(files: Files, path: str) -> None:
    """What the mask names is taken from the request or cleared; nothing else changes, and the event names the field."""
    if path == "party_type":
        told: dict[str, Any] = {**TOLD, path: pb.Customer.ORGANISATION}
    else:
        told = TOLD
    before = files.create(display_name="A", contact_points=[mobile(BEN)], address=PostalAddress(region_code="GB"))
    files.shop.running.clock.now += MINUTE
    after = files.update(before.name, path, **told)
    expected = pb.Customer()
    expected.CopyFrom(before)
    expected.ClearField(path)  # type: ignore[arg-type]
    expected.MergeFrom(pb.Customer(**{path: told[path]}))
    expected.etag, expected.update_time.seconds = '"2"', before.update_time.seconds + 60
    assert after == expected
    event = events_pb2.CustomerUpdated(customer=before.name, paths=[path], state=pb.Customer.ACTIVE)
    assert [each.data.value for each in _updates(files)] == [event.SerializeToString()]
    cleared = files.update(before.name, path)
    defaults = {"party_type": pb.Customer.PERSON, "language_code": "zh-CN"}
    assert getattr(cleared, path) == defaults.get(path, getattr(pb.Customer(), path))


def _updates(files: Files) -> list[Any]:
    return [event for event in files.shop.feed() if event.type.endswith("CustomerUpdated")]


def test_the_mask_chooses(files: Files) -> None:
    """Without a mask what is given changes; with `*` what is not given is cleared; with a name only that one."""
    anna = files.create(**TOLD).name
    given = files.update(anna, display_name="Anna", home_store=YORK, state=pb.Customer.BLOCKED)
    assert (given.display_name, given.member_code, given.home_store) == ("Anna", "M-0001", LEEDS)
    named = files.update(anna, "time_zone", display_name="Ben", time_zone="UTC")
    assert (named.display_name, named.time_zone) == ("Anna", "UTC")
    everything = files.update(anna, "*", display_name="Ben", contact_points=[mobile(BEN)])
    assert everything == pb.Customer(
        name=anna,
        display_name="Ben",
        party_type=pb.Customer.PERSON,
        contact_points=[mobile(BEN)],
        language_code="zh-CN",
        home_store=LEEDS,
        state=pb.Customer.PROVISIONAL,
        completion_due_date=day("2026-04-01"),
        create_time=given.create_time,
        update_time=given.update_time,
        etag='"4"',
    )


def test_a_wrong_path_is_named(files: Files) -> None:
    """What nobody may change, what there is not and what lies inside a field are refused, all of them at once."""
    anna = files.shop.customer()
    for path in ("state", "name", "etag", "home_store", "create_time", "nickname", "address.locality", "displayName"):
        refusal = refused(files.update, anna, "display_name", path, display_name="X")
        assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "UPDATE_PATH_WRONG")
        assert refusal.fields == {"update_mask": "UPDATE_PATH_WRONG"}
        assert refusal.message.startswith(f"update_mask: {path} is no field")
    assert refused(files.update, anna, "*", "display_name").metadata["path"] == "*"
    assert refused(files.update, "").fields == {"customer.name": "NAME_MALFORMED"}
    assert files.shop.file(anna).etag == '"1"'


def test_a_change_that_changes_nothing_says_so(files: Files) -> None:
    """The file is answered as it stands: the same etag and time, and no event."""
    anna = files.create(**TOLD)
    files.shop.running.clock.now += MINUTE
    assert files.update(anna.name) == anna
    assert files.update(anna.name, "*", **TOLD) == anna
    assert _updates(files) == []


@pytest.mark.requirement("C-01")
def test_keys_follow_the_contact_points(files: Files) -> None:
    """From the moment of the change the customer is found by the new keys and by the old ones no more."""
    anna = files.create(**TOLD).name
    files.update(anna, contact_points=[mobile(BEN), mail("ben@example.com")], member_code="M-0002")

    def found(**key: str) -> bool:
        return [match.customer for match in files.shop.look_up(pb.CustomerLookup(**key))] == [anna]  # type: ignore[arg-type]

    assert [found(phone=number) for number in (ANNA, BEN)] == [False, True]
    assert [found(email=address) for address in ("anna@example.com", "ben@example.com")] == [False, True]
    assert [found(member_code=code) for code in ("M-0001", "M-0002")] == [False, True]
    [match] = files.shop.look_up(pb.CustomerLookup(external_id=TOLD["external_ids"][0]))
    assert match.customer == anna


def test_who_read_an_older_file_changes_nothing(files: Files) -> None:
    """An etag that is not current is ABORTED; of several at once that all read the same version one gets through."""
    anna = files.create(**TOLD)
    files.update(anna.name, display_name="Anna", etag=anna.etag)
    refusal = refused(files.update, anna.name, display_name="Ben", etag=anna.etag)
    assert (refusal.code, refusal.reason, refusal.metadata) == ("ABORTED", "ETAG_MISMATCH", {"name": anna.name})

    def update(number: int, etag: str) -> str:
        try:
            files.update(anna.name, display_name=f"Anna {number}", etag=etag)
        except Refusal as lost:
            return lost.reason
        return "changed"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(update, range(4), ['"2"'] * 4)) == [*["ETAG_MISMATCH"] * 3, "changed"]
        assert list(pool.map(update, range(10, 14), [""] * 4)) == ["changed"] * 4
    assert files.shop.file(anna.name).etag == '"7"'


def test_a_change_is_made_once(files: Files) -> None:
    """A repeat under the request id changes nothing, whatever was changed meanwhile; other content is refused."""
    anna = files.create(**TOLD).name
    files.update(anna, display_name="Anna", request_id="r-1")
    later = files.update(anna, display_name="Ben")
    assert files.update(anna, display_name="Anna", request_id="r-1") == later
    refusal = refused(files.update, anna, display_name="Carl", request_id="r-1")
    assert refusal.reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize("state", ["MERGED", "ERASED"])
def test_a_closed_file_is_refused(files: Files, state: str) -> None:
    """A merged or erased file is FAILED_PRECONDITION; an unknown one NOT_FOUND."""
    anna = files.create(**TOLD).name
    with files.shop.running.database.write() as tx:
        tx.execute(sa.text("UPDATE customers SET state = :state"), {"state": state})
    refusal = refused(files.update, anna, display_name="Ben")
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "CUSTOMER_CLOSED")
    assert refusal.metadata == {"name": anna, "state": state}
    assert refused(files.update, NOBODY, display_name="Ben").reason == "CUSTOMER_NOT_FOUND"


# ----------------------------------------------------------------------------------------------------- many, and masked


def test_many_files_are_read_at_once(files: Files) -> None:
    """They come in the order asked; when any is missing none comes, and the missing ones are named."""
    names = [files.shop.customer() for _ in range(3)]
    order = [names[2], names[0], names[2], names[1]]
    assert [customer.name for customer in files.batch(*order)] == order
    assert files.batch(names[1]) == [files.shop.file(names[1])]
    other = NOBODY.replace("7000", "7001")
    refusal = refused(files.batch, names[0], other, NOBODY, other)
    assert (refusal.code, refusal.reason) == ("NOT_FOUND", "CUSTOMER_NOT_FOUND")
    assert refusal.metadata == {"name": f"{other}, {NOBODY}"}
    strangers = [f"customers/00000000-0000-7000-8000-{number:012d}" for number in range(100)]
    assert refused(files.batch, *strangers).metadata["name"].endswith("and 97 more")
    assert refused(files.batch).fields == {"names": "REPEATED_MIN_ITEMS"}
    assert refused(files.batch, *strangers, names[0]).fields == {"names": "REPEATED_MAX_ITEMS"}
    assert refused(files.batch, names[0], "customers/anna").fields == {"names[1]": "STRING_PATTERN"}


@pytest.mark.requirement("C-37")
def test_who_may_not_see_gets_masks(files: Files) -> None:
    """Without the permission every way to a file shows what is personal only in part, and says so."""
    anna = files.create(**TOLD)
    veiled = files.shop.file(anna.name, **VEILED)
    expected = pb.Customer()
    expected.CopyFrom(anna)
    for field in ("contact_points", "external_ids", "birthday", "address"):
        expected.ClearField(field)
    expected.MergeFrom(
        pb.Customer(
            display_name="林**",
            contact_points=[
                pb.ContactPoint(kind=pb.ContactPoint.MOBILE, value="+4477****0123", preferred=True),
                mail("a***@example.com"),
                pb.ContactPoint(kind=pb.ContactPoint.WECHAT, value="w**"),
            ],
            address=PostalAddress(region_code="GB", administrative_area="West Yorkshire", locality="Leeds"),
            member_code="M**",
            external_ids=[pb.ExternalId(system="webshop", value="W**")],
            masked=True,
        )
    )
    assert veiled == expected
    assert list(files.batch(anna.name, **VEILED)) == [veiled]
    [match] = files.shop.look_up(by_phone(ANNA), desk=True, **VEILED)
    assert match.profile == veiled
    assert files.update(anna.name, caller=VEILED) == veiled
    seeing = {"permissions": (*VEILED["permissions"], "customer.personal.read")}
    assert files.shop.file(anna.name, **seeing) == anna


@pytest.mark.requirement("C-37")
def test_a_replayed_enrolment_tells_a_till_no_more_than_it_may_see(files: Files) -> None:
    """What a desk added since does not come back to a till that sends its enrolment again."""
    told: dict[str, Any] = {"enrolment_ref": "E-1", "contact_points": [mobile(ANNA)], "display_name": "林书禾"}
    anna = files.shop.customer(**told)
    files.update(anna, address=ADDRESS)
    again = files.shop.enrol(**told, caller={"permissions": ("customer.customers.enrol",)})
    assert (again.replayed, again.customer) == (True, files.shop.file(anna, **VEILED))


def test_a_masked_file_is_not_written_back(files: Files) -> None:
    """Who read masks cannot store them as the customer's own; fields that are not personal can be changed."""
    anna = files.create(**TOLD)
    veiled = files.shop.file(anna.name, **VEILED)
    told = {field.name: value for field, value in veiled.ListFields() if field.name != "name"}
    for paths in ((), ("*",), ("display_name",)):
        refusal = refused(files.update, anna.name, *paths, **told, caller=VEILED)
        assert refusal.fields == {"customer.masked": "CUSTOMER_MASKED"}
    files.update(anna.name, "language_code", **told | {"language_code": "zh-CN"}, caller=VEILED)
    assert files.shop.file(anna.name).display_name == "林书禾"
