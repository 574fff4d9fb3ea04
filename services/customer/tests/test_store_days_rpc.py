"""The day close: a store's journal is held against the ledger, as often as it takes, and changes nothing in it."""

from __future__ import annotations

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from services.customer.tests.builders import (
    LEEDS,
    YESTERDAY,
    YORK,
    Shop,
    alone,
    at,
    by_phone,
    day,
    line,
    pence,
    refused,
    sale,
)
from services.customer.tests.closing import REFUND, Office, sums, till, told, verdicts
from shuke.customer.v1 import purchases_pb2 as pb

TODAY = "2026-03-02"
OPEN, BALANCED, DIFFERENT, CHANGED = (
    pb.StoreDay.OPEN,
    pb.StoreDay.BALANCED,
    pb.StoreDay.DIFFERENT,
    pb.StoreDay.CHANGED,
)


@pytest.fixture
def office(shop: Shop) -> Office:
    """Make a client that closes the shop's days."""
    return Office(shop)


@pytest.mark.requirement("C-21")
def test_what_is_missing_is_delivered_and_the_day_closed_again(shop: Shop, office: Office) -> None:
    """A close names what did not arrive; after it is delivered a second one balances, and both are kept."""
    shop.record(sale("R1"))
    shop.refund(alone("R1", line(1, 4_00)))
    journal = (told("R1"), told("R2", 7_00), told("R1", 4_00, REFUND))
    first = office.close(*journal, operator="A7")
    assert verdicts(first) == {"R1 SALE": "EQUAL", "R2 SALE": "MISSING", "R1 REFUND": "EQUAL"}
    assert not first.close.balanced
    assert first.close.journal == sums(2, 17_00, 1, 4_00)
    assert first.close.held == sums(1, 10_00, 1, 4_00)
    assert (first.close.attempt, first.close.closed_by, first.close.api_key) == (1, "A7", "apiKeys/test")
    assert first.close.close_time == Timestamp(seconds=shop.running.clock.now // 1_000_000)

    shop.record(sale("R2", line(1, 7_00)), settled=True)
    second = office.close(*journal, staff="M1")
    assert set(verdicts(second).values()) == {"EQUAL"}
    assert second.close.balanced
    assert (second.close.attempt, second.close.closed_by) == (2, "M1")
    [closed] = office.days(YESTERDAY, YESTERDAY)
    assert (closed.state, closed.last_close, closed.held) == (BALANCED, second.close, second.close.journal)


@pytest.mark.requirement("C-21")
def test_receipts_differ_in_three_ways(shop: Shop, office: Office) -> None:
    """A receipt may be missing, be extra, or have another amount; each item tells what both sides have."""
    shop.record_all(sale("R1"), sale("R2"), sale("R3"))
    answer = office.close(told("R1"), told("R2", 9_00), told("R4", 1_00))
    assert verdicts(answer) == {"R1 SALE": "EQUAL", "R2 SALE": "AMOUNT", "R3 SALE": "EXTRA", "R4 SALE": "MISSING"}
    figures = {
        each.receipt_no: (each.journal_count, pence(each.journal_total), each.held_count, pence(each.held_total))
        for each in answer.items
    }
    assert figures == {"R1": (1, 1000, 1, 1000), "R2": (1, 900, 1, 1000), "R3": (0, 0, 1, 1000), "R4": (1, 100, 0, 0)}


@pytest.mark.requirement("C-21")
def test_a_sale_and_a_refund_of_one_number_are_two_receipts(shop: Shop, office: Office) -> None:
    """A refund that is recorded as a sale does not pass for the refund."""
    shop.record(sale("R1"))
    assert verdicts(office.close(told("R1", kind=REFUND))) == {"R1 REFUND": "MISSING", "R1 SALE": "EXTRA"}


@pytest.mark.requirement("C-21")
def test_terminals_are_compared_by_their_sums(shop: Shop, office: Office) -> None:
    """A store that tells sums hears of each terminal which of its sales and refunds differ, and how."""
    shop.record_all(sale("R1"), sale("R2"))
    shop.refund(alone("F1", line(1, 4_00)))
    assert verdicts(office.close(till("T1", 2, 20_00, 1, 4_00))) == {"T1 SALE": "EQUAL", "T1 REFUND": "EQUAL"}
    assert verdicts(office.close(till("T1", 3, 20_00, 1, 5_00))) == {"T1 SALE": "MISSING", "T1 REFUND": "AMOUNT"}
    moved = office.close(till("T2", 2, 20_00))
    assert verdicts(moved) == {
        "T1 SALE": "EXTRA",
        "T1 REFUND": "EXTRA",
        "T2 SALE": "MISSING",
        "T2 REFUND": "EQUAL",
    }
    assert (moved.close.journal, moved.close.balanced) == (sums(2, 20_00), False)


def test_a_journal_without_anything_is_a_day_without_business(shop: Shop, office: Office) -> None:
    """An empty journal balances a day of which the ledger has nothing, and finds extra whatever it has."""
    assert office.close().close.balanced
    shop.record(sale("R1"))
    assert verdicts(office.close()) == {"T1 SALE": "EXTRA"}


def test_a_voided_sale_counts_on_neither_side(shop: Shop, office: Office) -> None:
    """What was voided is not held; a journal that still has it hears that it is missing."""
    shop.void(shop.record(sale("R1")).purchase.name)
    assert office.close().close.balanced
    assert verdicts(office.close(told("R1"))) == {"R1 SALE": "MISSING"}


def test_only_the_store_and_the_day_are_compared(shop: Shop, office: Office) -> None:
    """Other stores and other days have closes of their own."""
    shop.record_all(sale("R1"), sale("R2", store=YORK), sale("R3", on="2026-02-28"), sale("R4", on=TODAY, time="01:00"))
    answer = office.close(told("R1"))
    assert answer.close.balanced
    assert office.close(told("R2"), store=YORK).close.attempt == 1
    assert office.close(told("R3"), on="2026-02-28").close.attempt == 1


@pytest.mark.requirement("C-21")
def test_a_close_counts_what_was_odd(shop: Shop, office: Office) -> None:
    """The anomalies of a day's sales and refunds are counted by kind, and the lists show where they are."""
    unknown = by_phone("+447700900999")
    shop.record(sale("R1"))
    strange = [shop.record(sale(number, customer_lookup=unknown), settled=True).purchase for number in ("R2", "R3")]
    late = at("2026-03-09 10:00")
    back = shop.refund(alone("F1", business_time=late), settled=True).refund
    other = shop.record(sale("R4", store=YORK, customer_lookup=unknown), settled=True).purchase
    counted = pb.ReconcileStoreDayResponse.AnomalyCount
    assert list(office.close().anomalies) == [
        counted(anomaly=pb.Purchase.CUSTOMER_UNKNOWN, count=2),
        counted(anomaly=pb.Purchase.TIME_IN_FUTURE, count=1),
    ]
    request = pb.ListPurchasesRequest(store=LEEDS, with_anomalies=True)
    assert {each.name for each in shop.purchases(request).purchases} == {each.name for each in strange}
    assert len(shop.purchases(pb.ListPurchasesRequest(store=LEEDS)).purchases) == 3
    request.store = YORK
    assert [each.name for each in shop.purchases(request).purchases] == [other.name]
    refunds = pb.ListRefundsRequest(store=LEEDS, with_anomalies=True)
    assert [each.name for each in shop.refunds(refunds).refunds] == [back.name]


def test_a_repeat_of_the_request_is_no_second_attempt(shop: Shop, office: Office) -> None:
    """Under one request id the first answer is given again, whatever arrived meanwhile; another content is refused."""
    first = office.close(told("R1"), request_id="close-1")
    shop.record(sale("R1"))
    assert office.close(told("R1"), request_id="close-1") == first
    assert refused(office.close, request_id="close-1").reason == "REQUEST_ID_REUSED"
    assert office.close(told("R1"), request_id="close-2").close.attempt == 2


def test_every_day_of_a_window_is_listed_with_what_became_of_it(shop: Shop, office: Office) -> None:
    """Days that nobody closed are named open, with sales or without; a change after a balanced close is seen."""
    shop.record_all(sale("R1", on="2026-02-26"), sale("R2", on="2026-02-27"), sale("R3", on="2026-02-28"))
    office.close(told("R1"), on="2026-02-26")
    office.close(told("R2"), on="2026-02-27")
    office.close(told("R9"), on="2026-02-28")
    shop.refund(alone("F1", line(1, 4_00), on="2026-02-26"))
    shop.record(sale("R5", store=YORK))
    listed = office.days("2026-02-26", "2026-03-01")
    assert [(each.business_date, each.state) for each in listed] == [
        (day("2026-03-01"), OPEN),
        (day("2026-02-28"), DIFFERENT),
        (day("2026-02-27"), BALANCED),
        (day("2026-02-26"), CHANGED),
    ]
    assert [each.held for each in listed] == [sums(0, 0), sums(1, 10_00), sums(1, 10_00), sums(1, 10_00, 1, 4_00)]
    assert [each.HasField("last_close") for each in listed] == [False, True, True, True]
    assert listed[3].last_close.held == sums(1, 10_00)
    assert {each.store for each in listed} == {LEEDS}
    [york] = office.days(YESTERDAY, YESTERDAY, store=YORK)
    assert (york.state, york.held) == (OPEN, sums(1, 10_00))


def test_days_to_come_are_not_listed(office: Office) -> None:
    """A window without end, or with one that is still to come, ends today; one that begins tomorrow is empty."""
    assert [each.business_date for each in office.days(YESTERDAY)] == [day(TODAY), day(YESTERDAY)]
    assert [each.business_date for each in office.days(YESTERDAY, "2026-12-31")] == [day(TODAY), day(YESTERDAY)]
    assert office.days("2026-03-03") == []


@pytest.mark.requirement("G-28")
def test_a_store_sees_and_closes_its_own_days_only(office: Office) -> None:
    """A store's key is refused the days of another store."""
    assert office.close(stores=(LEEDS,)).close.attempt == 1
    assert len(office.days(YESTERDAY, stores=(LEEDS,))) == 2
    foreign = pb.ListStoreDaysRequest(store=YORK, first_date=day(YESTERDAY))
    for refusal in (
        refused(office.close, store=YORK, stores=(LEEDS,)),
        refused(office.page, foreign, stores=(LEEDS,)),
    ):
        assert (refusal.code, refusal.reason) == ("PERMISSION_DENIED", "STORE_FOREIGN")


def test_all_that_is_wrong_with_a_journal_is_said_at_once(office: Office) -> None:
    """Repeated receipts and terminals, negative amounts and foreign money are each named by field."""
    euros = told("R3")
    euros.total.currency_code = "EUR"
    assert refused(office.close, told("R1"), told("R1", -1), euros).fields == {
        "receipts[1]": "JOURNAL_REPEATED",
        "receipts[1].total": "AMOUNT_NEGATIVE",
        "receipts[2].total": "CURRENCY_FOREIGN",
    }
    assert refused(office.close, till("", 1, 1), till("", 1, -1, 1, -1)).fields == {
        "terminals[1]": "JOURNAL_REPEATED",
        "terminals[1].sums.sale_total": "AMOUNT_NEGATIVE",
        "terminals[1].sums.refund_total": "AMOUNT_NEGATIVE",
    }
    assert refused(office.close, told("R1"), till("T1", 1, 10_00)).fields == {"": "RECONCILE_STORE_DAY_JOURNAL"}
    assert refused(office.close, told("", kind=pb.JournalReceipt.KIND_UNSPECIFIED)).fields == {
        "receipts[0].kind": "ENUM_NOT_IN",
        "receipts[0].receipt_no": "STRING_PATTERN",
    }
    too_late = refused(office.close, on="2026-03-03")
    assert (too_late.code, too_late.reason) == ("FAILED_PRECONDITION", "TIME_IN_FUTURE")
    assert too_late.metadata == {"field": "business_date"}
    assert {each.state for each in office.days(YESTERDAY)} == {OPEN}


def test_a_list_of_days_must_be_asked_for_properly(office: Office) -> None:
    """A store and a first day are needed, a window ends after it begins, and a page token fits its query only."""
    assert set(refused(office.page, pb.ListStoreDaysRequest(page_size=-1)).fields) == {
        "store",
        "first_date",
        "page_size",
    }
    reversed_window = pb.ListStoreDaysRequest(store=LEEDS, first_date=day(TODAY), last_date=day(YESTERDAY))
    assert refused(office.page, reversed_window).reason == "RANGE_REVERSED"
    query = pb.ListStoreDaysRequest(store=LEEDS, first_date=day(YESTERDAY), page_size=1)
    token = office.page(query).next_page_token
    foreign = pb.ListStoreDaysRequest(store=YORK, first_date=day(YESTERDAY), page_token=token)
    assert refused(office.page, foreign).reason == "PAGE_TOKEN_INVALID"
