"""The catalogue comes into force by distinct people, and a till sees what a customer is entitled to by it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import partial

import pytest
from google.type.money_pb2 import Money

from chassis import wire
from services.tiering.tests.clients import (
    AUTHOR,
    BENEFITS,
    LOYALTY,
    MANAGER,
    POLICIES,
    Tiering,
    example,
    policy_of,
    refused,
)
from services.tiering.tests.ladders import GOLD, NEW, REGULAR
from services.tiering.tests.ladders import LOYALTY as LADDER
from services.tiering.tests.owner import ANNA, BERT, at, refund, sale
from shuke.tiering.v1 import benefits_pb2 as pb
from shuke.tiering.v1 import events_pb2
from shuke.tiering.v1 import policies_pb2 as policies

JANUARY, Q1 = date(2011, 1, 5), date(2011, 3, 31)
TODAY, TOMORROW = date(2026, 3, 2), date(2026, 3, 3)
DAY = 86_400_000_000


def entitlements(tiering: Tiering, customer: str, page_token: str = "") -> pb.ListEntitlementsResponse:
    """Ask what a customer is entitled to."""
    request = pb.ListEntitlementsRequest(parent=f"customers/{customer}", page_token=page_token)
    answer: pb.ListEntitlementsResponse = tiering.running.call(BENEFITS, "ListEntitlements", request)
    return answer


def codes(tiering: Tiering, customer: str) -> list[str]:
    """Name what a customer is entitled to."""
    return [one.benefit.code for one in entitlements(tiering, customer).entitlements]


def changes(tiering: Tiering) -> list[events_pb2.MembershipChanged]:
    """Read which changes were told since the last time."""
    return [one for one in tiering.told() if isinstance(one, events_pb2.MembershipChanged)]


def gifts(code: str, class_key: str, effective_date: date, scheme: str = LOYALTY) -> policies.Policy:
    """Write a catalogue of one gift."""
    gift = pb.Benefit(code=code, kind=pb.Benefit.GIFT)
    gift.display_name.zh, gift.display_name.en = "礼品", code.title()
    adds = pb.ClassBenefits(scheme=scheme, class_key=class_key, adds=[code])
    return policies.Policy(
        effective_date=wire.to_date(effective_date), benefits=pb.BenefitCatalogue(benefits=[gift], classes=[adds])
    )


@pytest.mark.requirement("T-06", "T-07", "X-09")
def test_the_discount_of_the_first_purchase_goes_with_it(tiering: Tiering) -> None:
    """Who is not known, or has only given back, has it; with the first sale it is gone; a class brings its own."""
    tiering.activate()
    tiering.activate(example("benefits"), "benefits")
    tiering.tell(refund(BERT, JANUARY, 1_00))
    for nobody in (ANNA, BERT):
        [discount] = entitlements(tiering, nobody).entitlements
        assert (discount.benefit.code, discount.benefit.percent) == ("FIRST_PURCHASE_DISCOUNT", 10)
        [origin] = discount.origins
        assert origin == pb.BenefitOrigin(scheme=LOYALTY, class_key="NEW", display_name="New")
    tiering.tell(sale(ANNA, JANUARY, 0))
    assert codes(tiering, ANNA) == []
    tiering.tell(sale(ANNA, JANUARY, 600_00))
    tiering.evaluate(Q1)
    assert codes(tiering, ANNA) == ["MEMBER_PRICE", "POINTS"]
    assert codes(tiering, BERT) == ["FIRST_PURCHASE_DISCOUNT"]


@pytest.mark.requirement("T-09", "T-11", "X-10")
def test_all_schemes_together_entitle_and_each_is_named(tiering: Tiering) -> None:
    """A customer has what the classes of all schemes in force give, and each benefit says where it comes from."""
    catalogue = example("benefits")
    catalogue.benefits.classes.add(scheme="schemes/value", class_key="REGULAR", adds=["POINTS", "ANNUAL_GIFT"])
    catalogue.benefits.classes.add(scheme="schemes/none", class_key="NEW", adds=["CUSTOMISED_SERVICE"])
    tiering.activate(catalogue, "benefits")
    tiering.activate()
    value = tiering.activate(policy_of(replace(LADDER, classes=(NEW, REGULAR))), "value")
    tiering.tell(sale(ANNA, JANUARY, 5_000_00))
    tiering.evaluate(Q1)
    tiering.evaluate(Q1, "schemes/value")
    found = {
        one.benefit.code: [(origin.scheme, origin.class_key) for origin in one.origins]
        for one in entitlements(tiering, ANNA).entitlements
    }
    assert found == {
        "ANNUAL_GIFT": [("schemes/value", "REGULAR")],
        "BIRTHDAY_GIFT": [(LOYALTY, "SILVER")],
        "DEDICATED_REPRESENTATIVE": [(LOYALTY, "GOLD")],
        "FREE_DELIVERY": [(LOYALTY, "GOLD")],
        "MEMBER_PRICE": [(LOYALTY, "REGULAR")],
        "POINTS": [(LOYALTY, "REGULAR"), ("schemes/value", "REGULAR")],
        "PRIORITY_BOOKING": [(LOYALTY, "SILVER")],
    }
    assert list(found) == sorted(found)
    tiering.step("Retire", value.name, MANAGER)
    assert "ANNUAL_GIFT" not in codes(tiering, ANNA)


def test_a_class_of_the_future_entitles_to_nothing_yet(tiering: Tiering) -> None:
    """A sale that a till dated ahead counts as bought, and its class gives nothing before its time."""
    tiering.activate()
    tiering.activate(gifts("GIFT", "NEW", TODAY), "benefits")
    tiering.tell(sale(ANNA, TODAY, 1_00, business_time=at(TOMORROW)))
    assert codes(tiering, ANNA) == []
    tiering.running.clock.now = at(TOMORROW)
    assert codes(tiering, ANNA) == ["GIFT"]


@pytest.mark.requirement("T-14")
def test_customers_are_told_all_that_their_class_has(tiering: Tiering) -> None:
    """Whoever moves and whoever stays hears of the benefits of the class, the inherited ones too."""
    tiering.activate()
    tiering.activate(example("benefits"), "benefits")
    tiering.tell(sale(ANNA, JANUARY, 2_000_00), sale(BERT, JANUARY, 1_00))
    assert [list(one.to_benefits) for one in changes(tiering)] == [[], []]
    tiering.evaluate(Q1)
    [changed] = changes(tiering)
    silver = ["Birthday gift pack", "Member price", "Points", "Priority booking"]
    assert [text.en for text in changed.to_benefits] == silver
    assert changed.to_benefits[0].zh == "生日礼包"
    tiering.running.clock.now += 1_000_000
    tiering.evaluate(Q1)
    told = [one for one in tiering.told() if isinstance(one, events_pb2.MembershipConfirmed)]
    assert {one.class_key: [text.en for text in one.benefits] for one in told} == {"SILVER": silver, "NEW": []}


@pytest.mark.requirement("T-15", "T-17")
def test_a_new_version_of_the_catalogue_holds_from_its_day(tiering: Tiering) -> None:
    """What is listed, entitles and is told follows the version that covers today; three people brought it there."""
    tiering.activate(gifts("OLD", "NEW", JANUARY), "benefits")
    version = tiering.activate(gifts("FRESH", "NEW", TOMORROW), "benefits")
    assert len({version.author, version.reviewer, version.approver}) == 3
    tiering.activate()
    tiering.tell(sale(ANNA, JANUARY, 1_00))
    assert codes(tiering, ANNA) == ["OLD"]
    tiering.running.clock.now += DAY
    assert codes(tiering, ANNA) == ["FRESH"]
    answer = tiering.running.call(BENEFITS, "ListBenefits", pb.ListBenefitsRequest())
    assert ([one.benefit.code for one in answer.benefits], answer.policy) == (["FRESH"], version.name)
    tiering.tell(sale(BERT, JANUARY, 1_00))
    told = {one.customer: one.to_benefits[0].en for one in changes(tiering)}
    assert told == {f"customers/{ANNA}": "Old", f"customers/{BERT}": "Fresh"}


def test_the_catalogue_is_listed_with_the_classes_that_add(tiering: Tiering) -> None:
    """Pages follow each other by code; a chain without a catalogue lists nothing; a token fits its own query."""

    def page(token: str = "") -> pb.ListBenefitsResponse:
        request = pb.ListBenefitsRequest(page_size=5, page_token=token)
        answer: pb.ListBenefitsResponse = tiering.running.call(BENEFITS, "ListBenefits", request)
        return answer

    assert page() == pb.ListBenefitsResponse()
    name = tiering.activate(example("benefits"), "benefits").name
    first = page()
    second = page(first.next_page_token)
    found = [one.benefit.code for one in (*first.benefits, *second.benefits)]
    assert (found, len(first.benefits), second.next_page_token) == (sorted(found), 5, "")
    assert sorted(example("benefits").benefits.benefits, key=lambda one: one.code) == [
        one.benefit for one in (*first.benefits, *second.benefits)
    ]
    assert (first.policy, [one.class_key for one in first.benefits[0].origins]) == (name, ["DIAMOND"])
    # No policy of the scheme is in force, so that classes are called by their keys.
    assert first.benefits[0].origins[0].display_name == "DIAMOND"
    refusal = refused(lambda: entitlements(tiering, ANNA, page_token=first.next_page_token))
    assert refusal.fields == {"page_token": "PAGE_TOKEN_INVALID"}


# ------------------------------------------------------------------------------------------------------ what is refused


def test_the_catalogue_stands_under_its_own_key_alone(tiering: Tiering) -> None:
    """Benefits under a scheme's key and rules under the catalogue's are refused, and no scheme has that key."""
    for policy, key in ((example("benefits"), "loyalty"), (example(), "benefits")):
        refusal = refused(partial(tiering.draft, policy, key))
        assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", {"parent": "POLICY_KIND_WRONG"})
    tiering.activate(example("benefits"), "benefits")
    assert refused(lambda: tiering.start(Q1, "schemes/benefits")).reason == "POLICY_MISSING"
    assert refused(lambda: tiering.distribution(scheme="schemes/benefits")).reason == "SCHEME_UNKNOWN"
    draft = tiering.draft(example("benefits"), "benefits")
    changed = policy_of(replace(LADDER, classes=(NEW, GOLD)))
    changed.name = draft.name
    request = policies.UpdateDraftRequest(policy=changed)
    refusal = refused(lambda: tiering.running.call(POLICIES, "UpdateDraft", request, staff=AUTHOR))
    assert refusal.fields == {"policy.name": "POLICY_KIND_WRONG"}


def test_amounts_are_checked_when_written_and_the_rest_at_submission(tiering: Tiering) -> None:
    """A foreign currency is refused in the draft; what does not fit together when it is submitted, all at once."""
    policy = example("benefits")
    policy.benefits.benefits[3].amount.CopyFrom(Money(currency_code="CNY", units=1))
    assert refused(lambda: tiering.draft(policy, "benefits")).fields == {
        "policy.benefits.benefits[3].amount": "CURRENCY_FOREIGN"
    }
    policy.benefits.benefits[3].amount.CopyFrom(Money(currency_code="GBP", units=1))
    policy.benefits.benefits[1].price_list_code = ""
    policy.benefits.classes[0].adds.append("NOTHING")
    name = tiering.draft(policy, "benefits").name
    refusal = refused(lambda: tiering.step("Submit", name, AUTHOR))
    assert (refusal.code, refusal.fields) == (
        "INVALID_ARGUMENT",
        {
            "benefits.benefits[1].price_list_code": "POLICY_INCOMPLETE",
            "benefits.benefits[3].amount": "BENEFIT_VALUE_WRONG",
            "benefits.classes[0].adds[1]": "BENEFIT_UNKNOWN",
        },
    )


def test_what_is_no_customer_and_what_a_caller_may_not_is_refused(tiering: Tiering) -> None:
    """A malformed name is named by its field, and each method asks for its own permission."""
    assert list(refused(lambda: entitlements(tiering, "anna")).fields) == ["parent"]
    request = pb.ListEntitlementsRequest(parent=f"customers/{ANNA}")
    refusal = refused(
        lambda: tiering.running.call(BENEFITS, "ListEntitlements", request, permissions=("tiering.benefits.*",))
    )
    assert (refusal.code, refusal.metadata) == ("PERMISSION_DENIED", {"permission": "tiering.entitlements.list"})
