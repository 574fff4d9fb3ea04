"""What a desk sees of a customer's class: where it stands, what is missing, who else is there, how it came about."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from chassis import wire
from services.tiering.policies.domain import Condition, Metric, Window
from services.tiering.tests.clients import (
    ANALYTICS,
    LOYALTY,
    MANAGER,
    MEMBERSHIPS,
    Tiering,
    counts,
    policy_of,
    refused,
)
from services.tiering.tests.ladders import GOLD, NEW, REGULAR
from services.tiering.tests.ladders import LOYALTY as LADDER
from services.tiering.tests.owner import ANNA, BERT, CARLA, at, customer, refund, sale
from shuke.tiering.v1 import policies_pb2
from shuke.tiering.v1 import tiering_pb2 as pb

JANUARY, FEBRUARY = date(2011, 1, 5), date(2011, 2, 5)
Q1, Q2 = date(2011, 3, 31), date(2011, 6, 30)


def gbp(pounds: int) -> Money:
    """Write an amount."""
    return Money(currency_code="GBP", units=pounds)


def members(tiering: Tiering, size: int = 2, **fields: str) -> list[pb.Membership]:
    """List all pages of members."""
    found: list[pb.Membership] = []
    token = ""
    while True:
        request = pb.ListMembersRequest(parent=LOYALTY, page_size=size, page_token=token, **fields)
        answer = tiering.running.call(MEMBERSHIPS, "ListMembers", request)
        assert len(answer.members) <= size
        found += answer.members
        token = answer.next_page_token
        if not token:
            return found


@pytest.mark.requirement("T-02", "X-01")
def test_a_member_sees_the_way_to_the_next_class(tiering: Tiering) -> None:
    """The class that holds, the one that today's figures earn, and what is missing to the next, in its unit."""
    tiering.activate()
    tiering.tell(sale(ANNA, JANUARY, 6_000_00), refund(ANNA, FEBRUARY, 500_00))
    member = tiering.member(ANNA)
    assert (member.effective_class, member.earned_class, member.next_class) == ("NEW", "GOLD", "DIAMOND")
    spend, tenure = member.progress
    assert (spend.current_amount, spend.required_amount, spend.missing_amount) == (
        *(gbp(5_500), gbp(20_000), gbp(14_500)),
    )
    # Five years and two months later the tenure is long reached.
    assert (tenure.metric, tenure.current_count, tenure.required_count, tenure.missing_count) == (
        *(policies_pb2.METRIC_TENURE_DAYS, (date(2026, 3, 2) - JANUARY).days, 90, 0),
    )
    assert member.policy == "policies/loyalty/versions/1"
    assert tiering.member(ANNA, language="zh-CN").effective_display_name == "新客户"


@pytest.mark.requirement("X-05")
def test_progress_follows_the_window(tiering: Tiering) -> None:
    """With a rolling window what was bought before it no longer counts, and the day after its start does."""
    ladder = replace(
        LADDER,
        classes=(NEW, replace(REGULAR, entry=(Condition(Metric.PURCHASE_COUNT, 2),)), GOLD),
        window=Window.ROLLING,
        rolling_months=12,
    )
    ladder = replace(ladder, classes=ladder.classes[:2])
    tiering.activate(policy_of(ladder))
    today = date(2026, 3, 2)
    tiering.tell(
        *(sale(ANNA, day, 1_00) for day in (JANUARY, date(2025, 3, 2), date(2025, 3, 3))), sale(BERT, today, 1_00)
    )
    assert [tiering.member(who).progress[0].current_count for who in (ANNA, BERT)] == [1, 1]
    tiering.tell(sale(ANNA, today, 1_00))
    assert (tiering.member(ANNA).earned_class, tiering.member(ANNA).next_class) == ("REGULAR", "")


def test_who_is_not_in_the_ledger_has_no_place(tiering: Tiering) -> None:
    """A customer without an entry is not found, a scheme without a policy neither, and a retired one says so."""
    unknown = refused(lambda: tiering.member(ANNA))
    assert (unknown.code, unknown.reason, unknown.metadata) == ("NOT_FOUND", "SCHEME_UNKNOWN", {"name": LOYALTY})
    name = tiering.activate().name
    missing = refused(lambda: tiering.member(ANNA))
    assert (missing.code, missing.reason) == ("NOT_FOUND", "MEMBERSHIP_NOT_FOUND")
    assert missing.metadata == {"name": f"{LOYALTY}/members/{ANNA}"}
    assert refused(lambda: tiering.history(ANNA)).reason == "MEMBERSHIP_NOT_FOUND"
    tiering.step("Retire", name, MANAGER)
    retired = refused(lambda: tiering.member(ANNA))
    assert (retired.code, retired.reason) == ("FAILED_PRECONDITION", "POLICY_MISSING")


def test_a_drafted_scheme_is_not_known_yet(tiering: Tiering) -> None:
    """A scheme is known from its first activation on, not when somebody begins to write, nor when that is given up."""
    name = tiering.draft().name
    assert refused(tiering.distribution).reason == "SCHEME_UNKNOWN"
    tiering.step("Retire", name, MANAGER)
    assert refused(tiering.distribution).reason == "SCHEME_UNKNOWN"


@pytest.mark.requirement("T-20")
def test_members_are_listed_by_class(tiering: Tiering) -> None:
    """Who holds a class at present comes in the order of the names; who holds none is not listed."""
    tiering.activate()
    tiering.tell(
        *(sale(customer(number), JANUARY, 600_00 if number % 2 else 1_00) for number in range(5)),
        refund(customer(7), JANUARY, 1_00),
    )
    tiering.evaluate(Q1)
    assert [one.customer for one in members(tiering)] == [f"customers/{customer(number)}" for number in range(5)]
    regular = members(tiering, size=1, class_key="REGULAR")
    assert [one.customer for one in regular] == [f"customers/{customer(number)}" for number in (1, 3)]
    assert (regular[0].name, regular[0].effective_display_name) == (f"{LOYALTY}/members/{customer(1)}", "Regular")
    assert wire.instant(regular[0].since_time) == at(Q1, 23) - 1
    assert members(tiering, class_key="GOLD") == []


def test_a_page_token_fits_its_own_query(tiering: Tiering) -> None:
    """A token of one class does not open the list of another, nor one customer's history another's."""
    tiering.activate()
    tiering.tell(*(sale(customer(number), JANUARY, 600_00) for number in range(1, 4)))
    tiering.evaluate(Q1)
    query = pb.ListMembersRequest(parent=LOYALTY, class_key="REGULAR", page_size=1)
    query.page_token = tiering.running.call(MEMBERSHIPS, "ListMembers", query).next_page_token
    query.class_key = "NEW"
    history = pb.ListHistoryRequest(parent=f"{LOYALTY}/members/{ANNA}", page_size=1)
    history.page_token = tiering.running.call(MEMBERSHIPS, "ListHistory", history).next_page_token
    assert [one.to_class for one in tiering.running.call(MEMBERSHIPS, "ListHistory", history).movements] == ["NEW"]
    history.parent = f"{LOYALTY}/members/{BERT}"
    for call in (
        lambda: tiering.running.call(MEMBERSHIPS, "ListMembers", query),
        lambda: tiering.running.call(MEMBERSHIPS, "ListHistory", history),
    ):
        refusal = refused(call)
        assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", {"page_token": "PAGE_TOKEN_INVALID"})


@pytest.mark.requirement("T-20", "X-08")
def test_classes_are_counted_at_the_end_of_any_day(tiering: Tiering) -> None:
    """Each day shows the classes effective by its end, out of the customers with an entry by then."""
    tiering.activate()
    tiering.tell(sale(ANNA, JANUARY, 600_00), refund(BERT, JANUARY, 1_00), sale(CARLA, FEBRUARY, 1_00))
    tiering.evaluate(Q1)
    tiering.running.clock.now += 1_000_000
    tiering.tell(refund(ANNA, date(2011, 5, 5), 600_00))
    tiering.evaluate(Q2)
    found = {
        day: (answer.denominator, answer.none_count, answer.classes[0].count, answer.classes[1].count)
        for day in (date(2011, 1, 4), JANUARY, FEBRUARY, date(2011, 3, 30), Q1, Q2)
        for answer in [tiering.distribution(day)]
    }
    assert found == {
        date(2011, 1, 4): (0, 0, 0, 0),
        JANUARY: (2, 1, 1, 0),
        FEBRUARY: (3, 1, 2, 0),
        date(2011, 3, 30): (3, 1, 2, 0),
        Q1: (3, 1, 1, 1),
        Q2: (3, 1, 2, 0),
    }
    today, last_day = tiering.distribution(), tiering.distribution(date.max)
    assert counts(last_day.classes) == counts(today.classes)
    assert (today.date, counts(today.classes)["NEW"]) == (wire.to_date(date(2026, 3, 2)), 2)


def test_a_class_of_an_older_version_is_counted_by_its_key(tiering: Tiering) -> None:
    """After a version without Regular its holders still stand somewhere, until the next run; the sum holds."""
    tiering.activate()
    tiering.tell(sale(ANNA, JANUARY, 600_00))
    tiering.evaluate(Q1)
    tiering.activate(policy_of(replace(LADDER, classes=(NEW, GOLD)), Q2))
    found = tiering.distribution()
    assert [(one.class_key, one.display_name, one.count) for one in found.classes] == [
        *[("NEW", "New", 0), ("GOLD", "Gold", 0), ("REGULAR", "REGULAR", 1)]
    ]
    assert tiering.member(ANNA).effective_display_name == "REGULAR"
    tiering.running.clock.now += 1_000_000
    assert tiering.evaluate(Q2).policy == "policies/loyalty/versions/2"
    assert tiering.member(ANNA).effective_class == "NEW"


def test_a_day_before_the_first_policy_has_no_classes(tiering: Tiering) -> None:
    """Classes are counted for days that a policy covers, and only for days of the calendar."""
    tiering.activate()
    refusal = refused(lambda: tiering.distribution(date(2010, 11, 30)))
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "POLICY_MISSING")
    request = pb.GetClassDistributionRequest(scheme=LOYALTY, date=Date(year=2011, month=2, day=30))
    refusal = refused(lambda: tiering.running.call(ANALYTICS, "GetClassDistribution", request))
    assert refusal.fields == {"date": "DATE_MALFORMED"}


def test_what_a_caller_may_not_is_refused(tiering: Tiering) -> None:
    """Each service asks for its own permission."""
    refusal = refused(lambda: tiering.member(ANNA, permissions=("tiering.policies.*",)))
    assert (refusal.code, refusal.metadata) == ("PERMISSION_DENIED", {"permission": "tiering.members.get"})
