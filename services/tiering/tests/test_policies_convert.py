"""Ladders travel between the contract and the domain without loss; amounts that do not fit the chain are told."""

from dataclasses import replace

import pytest
from google.type import money_pb2
from hypothesis import given

from chassis.errors import Problems
from chassis.money import Currency
from services.tiering.policies.convert import ladder_from_proto, ladder_to_proto, rules_of, score_from_proto
from services.tiering.policies.domain import Kind, Ladder, Score, Weights
from services.tiering.tests.ladders import LOYALTY, REGULAR, ladders
from services.tiering.tests.scores import score_to_proto, scores
from shuke.tiering.v1 import errors_pb2, policies_pb2
from shuke.tiering.v1.policies_pb2 import Condition, LadderPolicy, Policy, WeightedScorePolicy

GBP = Currency.of("GBP")
POUND = money_pb2.Money(currency_code="GBP", units=1)


def read(message: LadderPolicy) -> tuple[Ladder, list[tuple[str, str]]]:
    """Read a ladder and list what is noted."""
    problems = Problems()
    ladder = ladder_from_proto(problems, GBP, message)
    return ladder, [(violation.field, violation.reason) for violation in problems.found]


@given(ladder=ladders())
def test_a_ladder_survives_the_way_there_and_back(ladder: Ladder) -> None:
    """What is written to the contract and through bytes is read again unchanged."""
    message = LadderPolicy.FromString(ladder_to_proto(ladder, GBP).SerializeToString())
    assert read(message) == (ladder, [])


def test_an_unfinished_ladder_survives_too() -> None:
    """A draft may lack its choices, and lacks the same ones when it is read again."""
    draft = Ladder(classes=(REGULAR,), window=None, demotion=None, refund_counts_at=None, on_refund=None)
    assert read(ladder_to_proto(draft, GBP)) == (draft, [])


@pytest.mark.requirement("X-04")
@given(score=scores())
def test_a_score_is_read_as_it_was_written(score: Score) -> None:
    """Classes are turned from the highest first to the lowest first; all else stays."""
    policy = Policy(score=score_to_proto(score))
    assert rules_of(policy.SerializeToString(), GBP) == score


@pytest.mark.requirement("X-04")
def test_a_score_counts_sales_and_contracts_unless_it_names_kinds() -> None:
    """Kinds have a default; window, refunds and weights have none, and stay missing in a draft."""
    draft = score_from_proto(WeightedScorePolicy())
    assert draft == Score(
        classes=(), window=None, refund_counts_at=None, weights=Weights(), kinds=(Kind.SALE, Kind.CONTRACT)
    )


def test_amounts_are_written_in_the_chains_currency() -> None:
    """Bounds on money become amounts, minor units of a currency without decimals included."""
    one_class = replace(LOYALTY, classes=(REGULAR,))
    pounds = ladder_to_proto(one_class, GBP).classes[0].entry[0]
    yen = ladder_to_proto(one_class, Currency.of("JPY")).classes[0].entry[0]
    assert (pounds.at_least_amount.units, pounds.at_least_amount.currency_code) == (500, "GBP")
    assert (yen.at_least_amount.units, yen.at_least_amount.currency_code) == (50_000, "JPY")


WRONG = {
    "money by count": (Condition(metric=policies_pb2.METRIC_NET_SPEND, at_least_count=5), "", "CONDITION_UNIT_WRONG"),
    "money without a bound": (Condition(metric=policies_pb2.METRIC_PROFIT), "", "CONDITION_UNIT_WRONG"),
    "a count by amount": (
        Condition(metric=policies_pb2.METRIC_TENURE_DAYS, at_least_amount=POUND),
        "",
        "CONDITION_UNIT_WRONG",
    ),
    "both units": (
        Condition(metric=policies_pb2.METRIC_NET_SPEND, at_least_amount=POUND, at_least_count=5),
        "",
        "CONDITION_UNIT_WRONG",
    ),
    "another currency": (
        Condition(metric=policies_pb2.METRIC_NET_SPEND, at_least_amount=money_pb2.Money(currency_code="CNY", units=1)),
        ".at_least_amount",
        "CURRENCY_FOREIGN",
    ),
    "finer than a penny": (
        Condition(metric=policies_pb2.METRIC_NET_SPEND, at_least_amount=money_pb2.Money(currency_code="GBP", nanos=1)),
        ".at_least_amount",
        "MONEY_TOO_FINE",
    ),
}


@pytest.mark.parametrize(("condition", "field", "reason"), WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("part", ["entry", "keep"])
def test_a_bound_in_the_wrong_unit_is_told(condition: Condition, field: str, reason: str, part: str) -> None:
    """Money metrics take an amount of the chain's currency, the others a count; the path names the condition."""
    step = policies_pb2.LadderClass(class_key="A")
    (step.entry if part == "entry" else step.keep).append(condition)
    _, noted = read(LadderPolicy(classes=[policies_pb2.LadderClass(class_key="NEW"), step]))
    assert noted == [(f"ladder.classes[1].{part}[0]{field}", reason)]


def test_an_amount_of_nothing_is_a_bound() -> None:
    """A bound of zero pounds can be told from no bound, and is kept."""
    zero = Condition(metric=policies_pb2.METRIC_NET_SPEND, at_least_amount=money_pb2.Money(currency_code="GBP"))
    ladder, noted = read(LadderPolicy(classes=[policies_pb2.LadderClass(class_key="A", entry=[zero])]))
    assert noted == []
    assert ladder.classes[0].entry[0].at_least == 0


def test_the_reasons_are_the_contracts() -> None:
    """What this API notes by itself stands in its closed list of reasons."""
    assert "CONDITION_UNIT_WRONG" in errors_pb2.ErrorReason.keys()  # noqa: SIM118  (an enum of protobuf is no dict)
