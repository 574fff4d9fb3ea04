"""The rule of addressing a customer: never without consent, where the customer prefers it, and nothing beyond that."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.customer.consents.domain import Basis, Channel, Decision, Record, Source, Use, Word, bases, decide
from services.customer.contacts.domain import KINDS, Choice, Outcome, choose, contact_point
from services.customer.customers.domain import Customer, State
from services.customer.personal.domain import ContactPoint, Personal
from services.customer.policies.domain import Purpose

SMS, EMAIL, PHONE, WECHAT = Channel.SMS, Channel.EMAIL, Channel.PHONE, Channel.WECHAT
MOBILE = ContactPoint("MOBILE", "+447700900123")
LANDLINE = ContactPoint("LANDLINE", "+441134960000")
MAIL = ContactPoint("EMAIL", "anna@example.com")
YES, NO, NEVER = Basis.GRANTED, Basis.WITHDRAWN, Basis.NEVER_GRANTED


def customer(*points: ContactPoint, prefers: str = "", state: State = State.ACTIVE) -> Customer:
    """Make a customer with contact points."""
    return Customer(
        id="1",
        personal=Personal("Anna", points),
        party_type="PERSON",
        language_code="en",
        home_store="LEEDS",
        state=state,
        completion_due_date=None,
        enrolled_by="",
        enrolment_ref=None,
        enrolment_hash=None,
        create_time=0,
        update_time=0,
        preferred_channel=prefers,
    )


# ------------------------------------------------------------------------------------------------------------- choosing


@pytest.mark.requirement("N-03")
@pytest.mark.parametrize(
    ("prefers", "sms", "email", "points", "expected"),
    [
        ("", YES, YES, (MAIL, MOBILE), Choice(Outcome.ALLOWED, YES, SMS, MOBILE.value)),
        ("EMAIL", YES, YES, (MAIL, MOBILE), Choice(Outcome.ALLOWED, YES, EMAIL, MAIL.value, preferred=True)),
        ("SMS", YES, YES, (MAIL, MOBILE), Choice(Outcome.ALLOWED, YES, SMS, MOBILE.value, preferred=True)),
        ("EMAIL", YES, NO, (MAIL, MOBILE), Choice(Outcome.ALLOWED, YES, SMS, MOBILE.value)),
        ("EMAIL", YES, YES, (MOBILE,), Choice(Outcome.ALLOWED, YES, SMS, MOBILE.value)),
        ("PHONE", YES, YES, (MAIL, MOBILE), Choice(Outcome.ALLOWED, YES, SMS, MOBILE.value)),
        ("", NO, YES, (MAIL, MOBILE), Choice(Outcome.ALLOWED, YES, EMAIL, MAIL.value)),
        ("", YES, NO, (MAIL, LANDLINE), Choice(Outcome.NO_CONTACT, YES)),
        ("EMAIL", NO, NEVER, (MAIL, MOBILE), Choice(Outcome.NO_CONSENT, NEVER)),
        ("", NO, NEVER, (MAIL, MOBILE), Choice(Outcome.NO_CONSENT, NO)),
        ("", NO, NEVER, (), Choice(Outcome.NO_CONSENT, NO)),
    ],
)
def test_the_preferred_channel_goes_first(
    prefers: str, sms: Basis, email: Basis, points: tuple[ContactPoint, ...], expected: Choice
) -> None:
    """The customer's channel is taken when it is asked, allowed and leads somewhere; else the order asked decides."""
    assert choose(customer(*points, prefers=prefers), {SMS: sms, EMAIL: email}, [SMS, EMAIL]) == expected


def test_a_channel_leads_to_its_own_kinds() -> None:
    """A text goes to a mobile only, a call to a landline too; the point marked as preferred comes before the first."""
    other = ContactPoint("MOBILE", "+447700900456", preferred=True)
    personal = Personal("Anna", (LANDLINE, MOBILE, MAIL, other))
    assert [contact_point(personal, channel) for channel in (SMS, PHONE, EMAIL, WECHAT)] == [other, other, MAIL, None]
    assert contact_point(Personal("Anna", (LANDLINE, MOBILE)), PHONE) == LANDLINE
    assert contact_point(Personal("Anna", (LANDLINE,)), SMS) is None


@pytest.mark.parametrize(
    ("state", "outcome"),
    [(State.BLOCKED, Outcome.BLOCKED), (State.MERGED, Outcome.BLOCKED), (State.ERASED, Outcome.ERASED)],
)
def test_some_files_are_silent(state: State, outcome: Outcome) -> None:
    """Whatever was allowed, nobody is addressed in such a state; who is unknown is told to be."""
    assert choose(customer(MOBILE, state=state), {SMS: YES}, [SMS]) == Choice(outcome)
    assert choose(None, {SMS: YES}, [SMS]) == Choice(Outcome.UNKNOWN)


asked = st.lists(st.sampled_from(list(KINDS)), min_size=1, unique=True)


@pytest.mark.requirement("C-36", "C-38", "N-03", "N-07")
@given(
    st.lists(st.sampled_from((MOBILE, LANDLINE, MAIL)), unique=True),
    st.sampled_from(["", *KINDS]),
    st.sampled_from(State),
    asked,
    st.fixed_dictionaries({channel: st.sampled_from(Basis) for channel in KINDS}),
)
def test_nobody_is_addressed_against_their_word(
    points: list[ContactPoint], prefers: str, state: State, channels: list[Channel], known: dict[Channel, Basis]
) -> None:
    """A value is given out only for an asked channel that is allowed, and then none that stands before it would do."""
    file = customer(*points, prefers=prefers, state=state)
    choice = choose(file, known, channels)
    useful = [channel for channel in channels if known[channel].allows and contact_point(file.personal, channel)]
    silent = state in (State.BLOCKED, State.MERGED, State.ERASED)
    assert (choice.outcome is Outcome.ALLOWED) == (bool(useful) and not silent)
    if choice.outcome is Outcome.ALLOWED:
        assert choice.channel == (prefers if prefers in useful else useful[0])
        assert choice.preferred == (choice.channel == prefers)
        assert choice.value in [point.value for point in points]
    else:
        assert (choice.channel, choice.value, choice.preferred) == (None, "", False)


# ---------------------------------------------------------------------------------------------------------------- bases


def said(sequence: int, channel: Channel, decision: Decision) -> Record:
    """Write what a customer said."""
    return Record("1", sequence, Use(Purpose.OFFERS, channel), Word(decision, Source.DESK, "", ""), sequence)


words = st.lists(st.tuples(st.sampled_from(Channel), st.sampled_from(Decision)), max_size=8).map(
    lambda pairs: [said(number, channel, decision) for number, (channel, decision) in enumerate(pairs, 1)]
)


@pytest.mark.requirement("C-38")
@given(words, st.sampled_from(Purpose), st.booleans())
def test_channels_are_decided_as_one_by_one(records: Sequence[Record], purpose: Purpose, opt_in: bool) -> None:  # noqa: FBT001
    """The last word on the channel or on all of them decides, for many channels as for one."""
    found = bases(purpose, records, KINDS, service_opt_in=opt_in)
    for channel in KINDS:
        counting = [record for record in records if record.use.channel in (Channel.ALL, channel)]
        assert found[channel] is decide(purpose, counting[-1] if counting else None, service_opt_in=opt_in)
