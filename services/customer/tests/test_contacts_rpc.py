"""Contacts over the wire: what another service learns of customers when it wants to address them, and no more."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.vault import Vault, read_keys
from services.customer.consents.domain import Channel, Decision, Source, Use, Word
from services.customer.consents.repository import append, deciding, latest
from services.customer.policies.domain import Purpose
from services.customer.server import PROGRAM
from services.customer.tables import VAULT_KEYS
from services.customer.tests.builders import NOBODY, Shop, mail, mobile, refused
from services.customer.tests.consenting import Desk, example, use
from services.customer.tests.filing import ANNA, Files
from shuke.customer.v1 import customer_pb2
from shuke.customer.v1.consents_pb2 import CheckConsentResponse, Consent
from shuke.customer.v1.contacts_pb2 import Contact
from tests.running import SECRETS, StartService

SMS, EMAIL, PHONE = Consent.SMS, Consent.EMAIL, Consent.PHONE
MAIL = "anna@example.com"


@pytest.fixture
def anna(desk: Desk) -> str:
    """Open Anna's file: a mobile and an e-mail address, in English, on Tokyo's clock."""
    name: str = (
        Files(desk.shop)
        .create(
            display_name="林书禾",
            contact_points=[mobile(ANNA), mail(MAIL)],
            language_code="en",
            time_zone="Asia/Tokyo",
            preferred_channel=EMAIL,
            member_code="M-0001",
        )
        .name
    )
    return name


@pytest.mark.requirement("C-35", "C-38", "N-03")
def test_a_contact_is_one_value_and_what_a_message_needs(desk: Desk, anna: str) -> None:
    """Of all that the file holds one contact point is given out, with name, language and zone; the rest stays."""
    desk.grant(anna, use(Consent.OFFERS))
    [contact] = desk.contacts([anna], Consent.OFFERS, SMS, EMAIL)
    expected = Contact(
        customer=anna,
        outcome=Contact.ALLOWED,
        basis=CheckConsentResponse.GRANTED,
        channel=EMAIL,
        value=MAIL,
        display_name="林书禾",
        language_code="en",
        time_zone="Asia/Tokyo",
        preferred=True,
    )
    assert contact == expected
    [plain] = desk.contacts([anna], Consent.OFFERS, SMS)
    assert (plain.channel, plain.value, plain.preferred) == (SMS, ANNA, False)


def test_answers_come_in_the_order_asked(desk: Desk, anna: str) -> None:
    """Each customer has an answer in its place, whatever became of it, and a customer named twice has two."""
    plain = desk.shop.customer()
    desk.grant(plain, use(Consent.OFFERS, SMS))
    order = [anna, NOBODY, plain, anna, plain]
    contacts = desk.contacts(order, Consent.OFFERS, SMS)
    assert [contact.customer for contact in contacts] == order
    assert [Contact.Outcome.Name(contact.outcome) for contact in contacts] == [
        *("NO_CONSENT", "UNKNOWN", "ALLOWED", "NO_CONSENT", "ALLOWED"),
    ]
    assert (contacts[2].language_code, contacts[2].time_zone) == ("zh-CN", "Europe/London")


@pytest.mark.requirement("C-33", "C-36", "C-37", "C-38", "N-07")
def test_nothing_is_given_out_beyond_the_customers_word(desk: Desk, anna: str) -> None:
    """For each purpose, allowed or not, contacts are given out exactly for those that the customer allows."""
    desk.grant(anna, use(Consent.OFFERS), use(Consent.SURVEY, SMS))
    desk.withdraw(anna, use(Consent.OFFERS, EMAIL))
    for purpose in Consent.Purpose.values()[1:]:
        for channel in (SMS, EMAIL, PHONE):
            [contact] = desk.contacts([anna], purpose, channel)
            check = desk.check(anna, purpose, channel)
            assert (contact.outcome == Contact.ALLOWED, contact.basis) == (check.allowed, check.basis)
            if not check.allowed:
                assert contact == Contact(customer=anna, outcome=Contact.NO_CONSENT, basis=check.basis)
    [fallen_back] = desk.contacts([anna], Consent.OFFERS, EMAIL, SMS)
    assert (fallen_back.channel, fallen_back.value) == (SMS, ANNA)


@pytest.mark.requirement("C-34", "N-07")
def test_what_the_notice_does_not_tell_is_never_allowed(desk: Desk, anna: str) -> None:
    """A purpose outside the notice cannot be granted, so that no message for it finds a contact."""
    assert refused(desk.grant, anna, use(Consent.DISCLOSURE)).reason == "CONSENT_PURPOSE_NOT_IN_NOTICE"
    [contact] = desk.contacts([anna], Consent.DISCLOSURE, SMS, EMAIL)
    assert contact.basis == CheckConsentResponse.NEVER_GRANTED
    assert not contact.value


@pytest.mark.requirement("C-38")
def test_a_withdrawal_holds_for_the_next_question(desk: Desk, anna: str) -> None:
    """Also when the clock that recorded it runs behind the one of the grant."""
    desk.shop.running.clock.now += 2_000_000
    desk.grant(anna, use(Consent.OFFERS))
    assert desk.contacts([anna], Consent.OFFERS, SMS)[0].outcome == Contact.ALLOWED
    desk.shop.running.clock.now -= 2_000_000
    desk.withdraw(anna, use(Consent.OFFERS))
    [contact] = desk.contacts([anna], Consent.OFFERS, SMS)
    assert (contact.outcome, contact.basis) == (Contact.NO_CONSENT, CheckConsentResponse.WITHDRAWN)


def test_a_channel_without_a_contact_point_is_told(desk: Desk) -> None:
    """Who allows a use and cannot be reached is NO_CONTACT; a call takes a landline, a text does not."""
    landline = customer_pb2.ContactPoint(kind=customer_pb2.ContactPoint.LANDLINE, value="+441134960000")
    ben = desk.shop.customer(contact_points=[landline])
    [text] = desk.contacts([ben], Consent.SERVICE, SMS, EMAIL)
    assert text == Contact(customer=ben, outcome=Contact.NO_CONTACT, basis=CheckConsentResponse.NO_OPT_IN_NEEDED)
    [called] = desk.contacts([ben], Consent.SERVICE, SMS, PHONE)
    assert (called.channel, called.value) == (PHONE, "+441134960000")


@pytest.mark.requirement("X-13")
def test_service_needs_an_opt_in_where_the_chain_says_so(start_service: StartService, quiet: dict[str, Any]) -> None:
    """With the setting nobody is addressed for SERVICE who did not grant it."""
    desk = Desk(Shop(start_service(PROGRAM, **quiet, service_opt_in="true")))
    desk.activate(example())
    ben = desk.shop.customer()
    assert desk.contacts([ben], Consent.SERVICE, SMS)[0].basis == CheckConsentResponse.NEVER_GRANTED
    desk.grant(ben, use(Consent.SERVICE))
    assert desk.contacts([ben], Consent.SERVICE, SMS)[0].outcome == Contact.ALLOWED


def test_erased_and_blocked_customers_are_not_addressed(desk: Desk, anna: str) -> None:
    """A file whose key was destroyed is ERASED, and one that is blocked or merged BLOCKED, whatever was granted."""
    desk.grant(anna, use(Consent.OFFERS))
    database = desk.shop.running.database
    for state in ("BLOCKED", "MERGED"):
        with database.write() as tx:
            tx.execute(sa.text("UPDATE customers SET state = :state"), {"state": state})
        assert desk.contacts([anna], Consent.OFFERS, SMS) == [Contact(customer=anna, outcome=Contact.BLOCKED)]
    vault = Vault(VAULT_KEYS, read_keys(SECRETS["vault_key"]), read_keys(SECRETS["index_key"]))
    with database.write() as tx:
        vault.erase(tx, anna)
    assert desk.contacts([anna], Consent.OFFERS, SMS) == [Contact(customer=anna, outcome=Contact.ERASED)]
    assert desk.shop.file(anna).state == customer_pb2.Customer.ERASED


def test_a_question_must_be_whole(desk: Desk, anna: str) -> None:
    """Nobody, too many, no purpose, no channel, a channel twice or one that leads nowhere are refused by field."""
    wrong: list[tuple[list[str], Any, tuple[Any, ...], dict[str, str]]] = [
        ([], Consent.OFFERS, (SMS,), {"customers": "REPEATED_MIN_ITEMS"}),
        ([anna] * 501, Consent.OFFERS, (SMS,), {"customers": "REPEATED_MAX_ITEMS"}),
        (["customers/anna"], Consent.OFFERS, (SMS,), {"customers[0]": "STRING_PATTERN"}),
        ([anna], Consent.PURPOSE_UNSPECIFIED, (SMS,), {"purpose": "ENUM_NOT_IN"}),
        ([anna], Consent.OFFERS, (), {"channels": "REPEATED_MIN_ITEMS"}),
        ([anna], Consent.OFFERS, (SMS, SMS), {"channels": "REPEATED_UNIQUE"}),
        ([anna], Consent.OFFERS, (SMS, Consent.ALL), {"channels[1]": "ENUM_IN"}),
        ([anna], Consent.OFFERS, (Consent.POST,), {"channels[0]": "ENUM_IN"}),
    ]
    for customers, purpose, channels, fields in wrong:
        assert refused(desk.contacts, customers, purpose, *channels).fields == fields


def test_five_hundred_customers_cost_a_handful_of_statements(desk: Desk) -> None:
    """The number of statements does not grow with the number of customers."""
    names = [desk.shop.customer() for _ in range(12)]
    counts = []
    for asked in (names[:1], names):
        statements: list[str] = []
        listener = lambda *given: statements.append(given[2])  # noqa: B023, E731
        sa.event.listen(desk.shop.running.database.reader, "before_cursor_execute", listener)
        desk.contacts([asked[number % len(asked)] for number in range(500)], Consent.SERVICE, SMS, EMAIL)
        sa.event.remove(desk.shop.running.database.reader, "before_cursor_execute", listener)
        # Workers read beside it, from other tables.
        ours = ("FROM customers", "FROM vault_keys", "FROM consent_records")
        counts.append(len([statement for statement in statements if any(table in statement for table in ours)]))
    assert counts == [3, 3]


word = st.tuples(st.integers(0, 2), st.sampled_from(Purpose), st.sampled_from(Channel), st.sampled_from(Decision))


@pytest.mark.requirement("C-38")
def test_many_are_decided_as_one_by_one(desk: Desk) -> None:
    """What the one statement for all reads leads to the same record as a question for one customer and channel."""
    database = desk.shop.running.database

    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(word, max_size=12), st.sampled_from(Purpose))
    def decide_alike(words: list[tuple[int, Purpose, Channel, Decision]], purpose: Purpose) -> None:
        with database.write() as tx:
            tx.execute(sa.text("DELETE FROM consent_records"))
            for number, about, channel, decision in words:
                append(tx, f"c{number}", [Use(about, channel)], Word(decision, Source.DESK, "", "k"), 1)
        with database.read() as tx:
            found = latest(tx, ["c0", "c1", "c2"], purpose)
            for number in range(3):
                records = found.get(f"c{number}", [])
                for channel in Channel:
                    counting = [each for each in records if each.use.channel in (Channel.ALL, channel)]
                    last = max(counting, key=lambda record: record.sequence, default=None)
                    assert last == deciding(tx, f"c{number}", Use(purpose, channel), None)

    decide_alike()
