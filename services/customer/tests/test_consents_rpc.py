"""Consent over the wire: given freely, for what was told, taken back at any time, and decided by what was said last."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.wire import timestamp
from services.customer.server import PROGRAM
from services.customer.tests.builders import Shop, at, mobile, refused
from services.customer.tests.consenting import FIRST, MANAGER, Desk, example, use
from shuke.customer.v1 import events_pb2
from shuke.customer.v1.consents_pb2 import CheckConsentResponse, Consent, ConsentRecord
from tests.running import StartService

ANNA = "+447700900123"
MINUTE = 60_000_000
TOLD = [purpose for purpose in Consent.Purpose.values() if purpose not in (0, Consent.DISCLOSURE)]


def later(desk: Desk, micros: int = MINUTE) -> Timestamp:
    """Let time pass, and answer what the clock shows then."""
    desk.shop.running.clock.now += micros
    now = timestamp(desk.shop.running.clock.now)
    assert now is not None
    return now


@pytest.mark.requirement("C-34", "C-38")
def test_a_grant_tells_who_when_how_and_under_which_notice(desk: Desk) -> None:
    """A record keeps what the customer said, the notice shown, the way, the staff member, the key and the time."""
    anna = desk.shop.customer()
    [record] = desk.grant(anna, use(Consent.OFFERS, Consent.EMAIL), caller={"operator": "O7"})
    assert record == ConsentRecord(
        name=f"{anna}/consentRecords/1",
        customer=anna,
        consent=use(Consent.OFFERS, Consent.EMAIL),
        decision=ConsentRecord.GRANTED,
        notice_version=FIRST,
        source=ConsentRecord.DESK,
        recorded_by="O7",
        api_key="apiKeys/test",
        record_time=at("2026-03-02 04:00"),
    )
    withdrawn = desk.withdraw(anna, Consent(purpose=Consent.OFFERS), use(Consent.SURVEY), caller={"staff": "S1"})
    assert [(each.name, each.notice_version, each.recorded_by, each.consent.channel) for each in withdrawn] == [
        (f"{anna}/consentRecords/{number}", "", "S1", Consent.ALL) for number in (2, 3)
    ]
    assert list(desk.records(anna)) == [*reversed(withdrawn), record]


@pytest.mark.requirement("C-33", "C-36", "X-13")
def test_nothing_is_allowed_that_was_not_granted(desk: Desk) -> None:
    """Whoever says nothing is a customer like any other, and allows no purpose but the service asked for."""
    anna = desk.shop.customer()
    for purpose in Consent.Purpose.values()[1:]:
        answer = desk.check(anna, purpose)
        service = purpose == Consent.SERVICE
        assert answer.allowed == service
        assert answer.basis == (
            CheckConsentResponse.NO_OPT_IN_NEEDED if service else CheckConsentResponse.NEVER_GRANTED
        )
        assert not answer.HasField("record")
    desk.grant(anna, use(Consent.OFFERS))
    assert [purpose for purpose in Consent.Purpose.values()[1:] if desk.check(anna, purpose).allowed] == [
        *(Consent.SERVICE, Consent.OFFERS),
    ]


@pytest.mark.requirement("X-13")
def test_the_chain_may_ask_an_opt_in_for_service(start_service: StartService, neighbours: dict[str, Any]) -> None:
    """With the setting, SERVICE is allowed only once it was granted."""
    desk = Desk(Shop(start_service(PROGRAM, **neighbours, service_opt_in="true")))
    desk.activate(example())
    anna = desk.shop.customer()
    assert desk.check(anna, Consent.SERVICE).basis == CheckConsentResponse.NEVER_GRANTED
    desk.grant(anna, use(Consent.SERVICE))
    assert desk.check(anna, Consent.SERVICE).allowed


@pytest.mark.requirement("C-38")
def test_a_withdrawal_holds_at_once_and_the_past_stays_as_it_was(desk: Desk) -> None:
    """Each moment is decided by what had been said by then, and the answer names the record that it rests on."""
    anna = desk.shop.customer()
    before = later(desk)
    granted_at = later(desk)
    [granted] = desk.grant(anna, use(Consent.OFFERS))
    between, withdrawn_at = later(desk), later(desk)
    [withdrawn] = desk.withdraw(anna, use(Consent.OFFERS))
    assert desk.check(anna, Consent.OFFERS) == CheckConsentResponse(
        allowed=False, basis=CheckConsentResponse.WITHDRAWN, record=withdrawn, time=withdrawn_at
    )
    later(desk)
    for time, record in ((before, None), (granted_at, granted), (between, granted), (withdrawn_at, withdrawn)):
        answer = desk.check(anna, Consent.OFFERS, time=time)
        assert (answer.allowed, answer.time) == (record == granted, time)
        assert (answer.record if answer.HasField("record") else None) == record
    assert not desk.check(anna, Consent.OFFERS, time=Timestamp(seconds=-(2**35))).allowed


@pytest.mark.requirement("C-38")
def test_a_withdrawal_holds_at_once_on_a_clock_that_runs_behind(desk: Desk) -> None:
    """Whoever records the withdrawal by a slower clock than the grant's is obeyed all the same, from that moment on."""
    anna = desk.shop.customer()
    later(desk, 2_000_000)
    desk.grant(anna, use(Consent.OFFERS))
    later(desk, -2_000_000)
    desk.withdraw(anna, use(Consent.OFFERS))
    assert desk.check(anna, Consent.OFFERS).basis == CheckConsentResponse.WITHDRAWN


@pytest.mark.requirement("C-38")
def test_a_channel_has_a_word_of_its_own(desk: Desk) -> None:
    """Who allows all channels may except one, who refuses all may allow one; what is said of all counts for each."""
    anna, ben = desk.shop.customer(), desk.shop.customer()
    sms, email, every = Consent.SMS, Consent.EMAIL, Consent.ALL

    def allowed(customer: str) -> list[bool]:
        return [desk.check(customer, Consent.OFFERS, channel).allowed for channel in (sms, email, every)]

    desk.grant(anna, use(Consent.OFFERS))
    desk.withdraw(anna, use(Consent.OFFERS, sms))
    assert allowed(anna) == [False, True, True]
    desk.withdraw(anna, use(Consent.OFFERS))
    assert allowed(anna) == [False, False, False]
    desk.grant(anna, use(Consent.OFFERS, sms))
    assert allowed(anna) == [True, False, False]
    desk.grant(anna, Consent(purpose=Consent.OFFERS))
    assert allowed(anna) == [True, True, True]
    assert allowed(ben) == [False, False, False]


def test_the_service_asked_for_can_be_objected_to(desk: Desk) -> None:
    """A withdrawal of SERVICE needs no grant before it, and no notice."""
    anna = desk.shop.customer()
    desk.withdraw(anna, use(Consent.SERVICE), use(Consent.DISCLOSURE))
    assert desk.check(anna, Consent.SERVICE, Consent.SMS).basis == CheckConsentResponse.WITHDRAWN


def test_a_request_is_recorded_once(desk: Desk) -> None:
    """A repeat under the same request id answers the first records; with other content it is refused."""
    anna = desk.shop.customer()
    for act in (desk.grant, desk.withdraw):
        first = act(anna, use(Consent.OFFERS), request_id="r-1")
        later(desk)
        assert act(anna, use(Consent.OFFERS), request_id="r-1") == first
        refusal = refused(act, anna, use(Consent.SURVEY), request_id="r-1")
        assert (refusal.code, refusal.reason) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")
    assert len(desk.records(anna)) == 2


def test_words_at_the_same_time_all_count(desk: Desk) -> None:
    """Tills that speak for one customer at once get places of their own."""
    anna = desk.shop.customer()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: desk.grant(anna, use(Consent.OFFERS), use(Consent.SURVEY)), range(8)))
    assert [record.name for record in desk.records(anna)] == [
        f"{anna}/consentRecords/{number}" for number in range(16, 0, -1)
    ]


def test_records_come_in_pages(desk: Desk) -> None:
    """The newest stands first, and a page begins where the last one ended, whatever was said meanwhile."""
    anna = desk.shop.customer()
    desk.grant(anna, *map(use, TOLD))
    first = desk.page(anna, size=4)
    desk.withdraw(anna, use(Consent.OFFERS))
    second = desk.page(anna, size=4, token=first.next_page_token)
    names = [record.name.rpartition("/")[2] for page in (first, second) for record in page.consent_records]
    assert names == ["6", "5", "4", "3", "2", "1"]
    assert not second.next_page_token
    assert refused(desk.page, desk.shop.customer(), token=first.next_page_token).reason == "PAGE_TOKEN_INVALID"


def test_a_change_is_told(desk: Desk) -> None:
    """ConsentChanged carries use, decision and notice, ordered by customer; a refused call tells nothing."""
    anna = desk.shop.customer()
    desk.grant(anna, use(Consent.OFFERS, Consent.SMS), use(Consent.SURVEY))
    refused(desk.grant, anna, use(Consent.OFFERS), use(Consent.DISCLOSURE))
    desk.withdraw(anna, use(Consent.OFFERS))
    assert desk.shop.told(f"{anna}/consentRecords/1") == events_pb2.ConsentChanged(
        customer=anna,
        consent=use(Consent.OFFERS, Consent.SMS),
        decision=ConsentRecord.GRANTED,
        notice_version=FIRST,
        record=f"{anna}/consentRecords/1",
    )
    assert desk.shop.told(f"{anna}/consentRecords/3") == events_pb2.ConsentChanged(
        customer=anna,
        consent=use(Consent.OFFERS),
        decision=ConsentRecord.WITHDRAWN,
        record=f"{anna}/consentRecords/3",
    )
    events = [event for event in desk.shop.feed() if event.type.endswith("ConsentChanged")]
    assert [event.subject.rpartition("/")[2] for event in events] == ["1", "2", "3"]
    assert {event.partition_key for event in events} == {anna}


# ------------------------------------------------------------------------------------------------------------ enrolment


@pytest.mark.requirement("C-33", "C-34")
def test_consents_come_with_the_enrolment(desk: Desk) -> None:
    """What a customer allows at the till is recorded with the file, under the notice that was shown."""
    consents = [use(Consent.OFFERS), use(Consent.VOUCHERS, Consent.POST)]
    file = desk.shop.enrol(notice_version=FIRST, consents=consents, caller={"operator": "O7"}).customer
    assert file.notice_version == FIRST
    assert desk.shop.file(file.name) == file
    records = desk.records(file.name)[::-1]
    assert [record.consent for record in records] == consents
    assert {(record.source, record.notice_version, record.recorded_by) for record in records} == {
        (ConsentRecord.TILL, FIRST, "O7")
    }
    assert desk.check(file.name, Consent.VOUCHERS, Consent.POST).record == records[1]
    assert isinstance(desk.shop.told(records[0].name), events_pb2.ConsentChanged)


@pytest.mark.requirement("C-33", "C-34")
def test_a_notice_is_shown_and_nothing_granted(desk: Desk) -> None:
    """Giving consent is a free choice: the file tells the notice that was shown, and no use is allowed."""
    anna = desk.shop.customer(notice_version=FIRST)
    assert desk.shop.file(anna).notice_version == FIRST
    assert list(desk.records(anna)) == []


def test_an_enrolment_stands_for_its_consents(desk: Desk) -> None:
    """A repeat answers the file, in whatever order consents stand; other consents are a conflict, never lost."""
    details: dict[str, Any] = {
        "enrolment_ref": "E-1",
        "contact_points": [mobile(ANNA)],
        "notice_version": FIRST,
        "consents": [use(Consent.OFFERS), use(Consent.SURVEY)],
    }
    details["display_name"] = "Anna"
    anna = desk.shop.customer(**details)
    desk.step("Retire", FIRST, MANAGER)
    again = desk.shop.enrol(**details | {"consents": details["consents"][::-1]})
    assert (again.customer.name, again.replayed) == (anna, True)
    others: tuple[dict[str, Any], ...] = (
        {"consents": [use(Consent.OFFERS)]},
        {"consents": []},
        {"consents": [], "notice_version": ""},
        {"notice_version": "policies/notice/versions/2"},
    )
    for other in others:
        refusal = refused(desk.shop.enrol, **details | other)
        assert (refusal.code, refusal.reason) == ("ALREADY_EXISTS", "ENROLMENT_CONFLICT")
    assert len(desk.records(anna)) == 2


def test_nobody_is_enrolled_without_the_consents(desk: Desk) -> None:
    """An enrolment whose consents are refused opens no file, and one that only finds matches records no consent."""
    details: dict[str, Any] = {"contact_points": [mobile(ANNA)], "notice_version": FIRST}
    refused(desk.shop.enrol, **details, consents=[use(Consent.DISCLOSURE)])
    anna = desk.shop.customer(**details)
    [match] = desk.shop.enrol(**details, consents=[use(Consent.OFFERS)]).matches
    assert match.customer == anna
    assert list(desk.records(anna)) == []
    assert len([event for event in desk.shop.feed() if event.type.endswith("CustomerCreated")]) == 1
