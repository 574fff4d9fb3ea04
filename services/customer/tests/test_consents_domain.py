"""The rules of consent, without wire and storage."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest

from chassis.errors import Invalid
from services.customer.consents.domain import (
    Channel,
    Decision,
    Last,
    Source,
    Use,
    Word,
    counting_channels,
    follow,
    require_told,
)
from services.customer.customers.domain import Enrolment
from services.customer.personal.domain import ContactPoint, Personal
from services.customer.policies.domain import Notice, NoticeNotInForce, NoticeVersion, Purpose, shown

DAY = date(2026, 3, 2)
VERSION = NoticeVersion("policies/notice/versions/1", DAY, example=False, active=True, notice=Notice("告知", "N", ()))
WORD = Word(Decision.GRANTED, Source.WEB, "", "apiKeys/1", VERSION.name)


def test_a_notice_serves_from_its_day_on() -> None:
    """On its effective date a version may be relied on, the day before not."""
    assert shown(VERSION, VERSION.name, "notice_version", DAY) is VERSION
    with pytest.raises(NoticeNotInForce):
        shown(VERSION, VERSION.name, "notice_version", DAY - timedelta(days=1))


@pytest.mark.requirement("X-13")
def test_every_purpose_that_was_not_told_is_named() -> None:
    """The caller hears of all of them at once, each at its place."""
    uses = [Use(Purpose.OFFERS), Use(Purpose.SURVEY, Channel.SMS)]
    with pytest.raises(Invalid) as refusal:
        require_told(VERSION, uses, "consents")
    assert [violation.field for violation in refusal.value.violations] == ["consents[0].purpose", "consents[1].purpose"]


@pytest.mark.parametrize(("now", "time"), [(4, 5), (5, 5), (6, 6)])
def test_records_follow_the_last_one(now: int, time: int) -> None:
    """Whatever the clock shows, a record is not put before the one that it follows."""
    records = follow(Last(2, 5), "c", [Use(Purpose.OFFERS), Use(Purpose.SURVEY)], WORD, now)
    assert [(record.sequence, record.record_time) for record in records] == [(3, time), (4, time)]


def test_what_is_said_of_all_channels_counts_for_each() -> None:
    """A use on a channel rests on words of that channel and of all; one without a channel on words of all alone."""
    assert counting_channels(Channel.SMS) == (Channel.ALL, Channel.SMS)
    assert counting_channels(Channel.ALL) == (Channel.ALL,)


def test_enrolments_from_before_are_the_same_still() -> None:
    """The content of an enrolment without a notice is what it was before there were consents: its digest holds on."""
    personal = Personal("Anna", (ContactPoint("MOBILE", "+447700900123"),), member_code="M-1")
    before = ["Anna", [["MOBILE", "+447700900123"]], "M-1", []]
    enrolment = Enrolment("LEEDS", "E-1", personal, "PERSON", "en", accept_duplicates=False)
    assert json.loads(enrolment.content) == before
