"""What classes are entitled to follows from what each adds, and a catalogue that contradicts itself is found out."""

from __future__ import annotations

from dataclasses import replace

import protovalidate
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Problems
from services.tiering.benefits.convert import catalogue_from_proto
from services.tiering.benefits.domain import (
    Benefit,
    Catalogue,
    ClassBenefits,
    Kind,
    Period,
    check,
    display_names,
    entitled,
)
from services.tiering.policies.domain import Ladder
from services.tiering.tests.clients import example
from services.tiering.tests.ladders import LOYALTY, ladders
from services.tiering.tests.owner import GBP

EXAMPLE = catalogue_from_proto(Problems(), GBP, example("benefits").benefits)
REGULAR = {"MEMBER_PRICE", "POINTS"}
SILVER = REGULAR | {"BIRTHDAY_GIFT", "PRIORITY_BOOKING"}
GOLD = SILVER | {"FREE_DELIVERY", "DEDICATED_REPRESENTATIVE"}


def codes(catalogue: Catalogue, held: dict[str, str], rules: dict[str, Ladder], *, has_bought: bool = True) -> set[str]:
    """Name what a customer is entitled to."""
    return {one.benefit.code for one in entitled(catalogue, rules, held, has_bought=has_bought)}


@pytest.mark.parametrize(
    ("class_key", "expected"),
    [
        pytest.param("NEW", set(), marks=pytest.mark.requirement("T-06", "X-09")),
        pytest.param("REGULAR", REGULAR, marks=pytest.mark.requirement("T-07")),
        pytest.param("SILVER", SILVER, marks=pytest.mark.requirement("T-08", "T-11")),
        pytest.param("GOLD", GOLD, marks=pytest.mark.requirement("T-09", "T-11")),
        pytest.param(
            "DIAMOND",
            GOLD | {"CUSTOMISED_SERVICE", "ANNUAL_GIFT"},
            marks=pytest.mark.requirement("T-10", "T-11"),
        ),
        ("FORGOTTEN", set()),
    ],
)
def test_a_class_has_what_it_adds_and_all_of_the_classes_below(class_key: str, expected: set[str]) -> None:
    """In the example each tier has the benefits of its requirement; the first purchase's are used up by then."""
    assert codes(EXAMPLE, {"loyalty": class_key}, {"loyalty": LOYALTY}) == expected


@pytest.mark.requirement("T-12")
def test_points_are_for_regular_customers_and_those_above() -> None:
    """In the example a customer collects points from REGULAR on; what they add up to is for a points ledger to say."""
    held = {
        step.class_key: codes(EXAMPLE, {"loyalty": step.class_key}, {"loyalty": LOYALTY}) for step in LOYALTY.classes
    }
    collecting = [class_key for class_key, benefits in held.items() if "POINTS" in benefits]
    assert collecting == ["REGULAR", "SILVER", "GOLD", "DIAMOND"]
    [points] = [one for one in EXAMPLE.benefits if one.code == "POINTS"]
    assert (points.kind, points.percent > 0) == (Kind.POINTS_RATE, True)


@pytest.mark.requirement("T-06", "X-09")
def test_the_first_purchase_has_its_benefits_before_any_class() -> None:
    """Who has not bought yet is entitled to them alone, once, and sees that they come from NEW."""
    [found] = entitled(EXAMPLE, {"loyalty": LOYALTY}, {}, has_bought=False)
    assert (found.benefit.code, found.benefit.quota, found.benefit.period) == (
        *("FIRST_PURCHASE_DISCOUNT", 1, Period.LIFETIME),
    )
    assert [(one.scheme, one.class_key) for one in found.origins] == [("loyalty", "NEW")]


@st.composite
def catalogues(draw: st.DrawFn, rules: dict[str, Ladder]) -> Catalogue:
    """Draw a catalogue for some schemes' classes, and for some that their rules do not know."""
    benefits = tuple(
        Benefit(f"B{number}", Kind.SERVICE, "权", "B", first_purchase=draw(st.booleans())) for number in range(8)
    )
    adds = st.sets(st.sampled_from([benefit.code for benefit in benefits]), min_size=1, max_size=3)
    keys = [(scheme, key) for scheme, one in rules.items() for key in ("GONE", *(c.class_key for c in one.classes))]
    chosen = draw(st.lists(st.sampled_from(keys), unique=True))
    return Catalogue(benefits, tuple(ClassBenefits(*key, tuple(sorted(draw(adds)))) for key in chosen))


@pytest.mark.requirement("T-11", "X-10")
@given(data=st.data())
def test_higher_classes_contain_lower_ones_and_schemes_add_up(data: st.DataObject) -> None:
    """For any schemes and catalogue a class has all that the class below has, and two schemes give the union."""
    rules = {scheme: data.draw(ladders()) for scheme in ("one", "two")}
    catalogue = data.draw(catalogues(rules))
    below: set[str] = set()
    for step in rules["one"].classes:
        own = codes(catalogue, {"one": step.class_key}, rules)
        added = {
            code
            for one in catalogue.classes
            if (one.scheme, one.class_key) == ("one", step.class_key)
            for code in one.adds
        }
        lasting = {benefit.code for benefit in catalogue.benefits if not benefit.first_purchase}
        assert own == below | (added & lasting)
        below = own
    held = {scheme: data.draw(st.sampled_from(one.classes)).class_key for scheme, one in rules.items()}
    both = entitled(catalogue, rules, held, has_bought=True)
    assert {one.benefit.code for one in both} == codes(catalogue, {"one": held["one"]}, rules) | codes(
        catalogue, {"two": held["two"]}, rules
    )
    assert all(one.origins for one in both)


def test_names_of_benefits_come_in_both_languages() -> None:
    """What a class is entitled to is told as people call it, in the order of the codes."""
    names = display_names(EXAMPLE, "loyalty", LOYALTY)
    assert names["REGULAR"] == [("会员价", "Member price"), ("积分累积", "Points")]
    assert names["NEW"] == []
    assert display_names(EXAMPLE, "value", LOYALTY)["DIAMOND"] == []


def test_the_example_passes_every_check() -> None:
    """It says that it is an example, keeps the contract's shape, and contradicts itself nowhere."""
    policy = example("benefits")
    protovalidate.validate(policy)
    assert policy.example
    assert "An example" in policy.description
    assert wrong(EXAMPLE) == {}


GIFT = Benefit("GIFT", Kind.GIFT, "礼", "Gift")
OFF = Benefit("OFF", Kind.PERCENT_OFF, "折", "Off", percent=10)


def wrong(catalogue: Catalogue) -> dict[str, str]:
    """Check a catalogue."""
    problems = Problems()
    check(problems, catalogue)
    return {violation.field: violation.reason for violation in problems.found}


@pytest.mark.parametrize(
    ("benefit", "field", "reason"),
    [
        (replace(GIFT, display_zh=""), "display_name.zh", "POLICY_INCOMPLETE"),
        (replace(OFF, percent=0), "percent", "POLICY_INCOMPLETE"),
        (replace(OFF, percent=101), "percent", "BENEFIT_VALUE_WRONG"),
        (replace(GIFT, percent=5), "percent", "BENEFIT_VALUE_WRONG"),
        (replace(OFF, amount=5), "amount", "BENEFIT_VALUE_WRONG"),
        (replace(GIFT, kind=Kind.AMOUNT_OFF), "amount", "POLICY_INCOMPLETE"),
        (replace(GIFT, kind=Kind.AMOUNT_OFF, amount=-1), "amount", "BENEFIT_VALUE_WRONG"),
        (replace(GIFT, kind=Kind.PRICE_LIST), "price_list_code", "POLICY_INCOMPLETE"),
        (replace(GIFT, quota=1), "period", "POLICY_INCOMPLETE"),
        (replace(GIFT, period=Period.YEAR), "quota", "POLICY_INCOMPLETE"),
        (replace(OFF, first_purchase=True), "first_purchase", "FIRST_PURCHASE_ONCE"),
        (replace(OFF, first_purchase=True, quota=2, period=Period.LIFETIME), "first_purchase", "FIRST_PURCHASE_ONCE"),
    ],
)
def test_a_benefit_that_does_not_fit_its_kind_is_found(benefit: Benefit, field: str, reason: str) -> None:
    """A value that the kind needs is there, no other is, and quotas have a period."""
    assert wrong(Catalogue((benefit,))) == {f"benefits.benefits[0].{field}": reason}


def test_a_catalogue_that_contradicts_itself_is_found() -> None:
    """A code or a class that stands twice, and a class that adds what is not there, each by its field."""
    catalogue = Catalogue(
        (GIFT, OFF, GIFT),
        (
            ClassBenefits("loyalty", "GOLD", ("GIFT", "GONE")),
            ClassBenefits("value", "GOLD", ("OFF",)),
            ClassBenefits("loyalty", "GOLD", ("OFF",)),
        ),
    )
    assert wrong(catalogue) == {
        "benefits.benefits[2].code": "BENEFIT_REPEATED",
        "benefits.classes[0].adds[1]": "BENEFIT_UNKNOWN",
        "benefits.classes[2].class_key": "CLASS_REPEATED",
    }
