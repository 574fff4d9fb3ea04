"""The example policies are fit to be put in force, and are the ladder and the score that the tests grade by."""

from pathlib import Path

import protovalidate
import pytest
from google.protobuf import json_format

from chassis.errors import Problems
from chassis.money import Currency
from services.tiering.policies.convert import rules_from_proto
from services.tiering.policies.domain import Ladder, Score, check
from services.tiering.tests.ladders import LOYALTY
from services.tiering.tests.scores import VALUE
from shuke.tiering.v1.policies_pb2 import Policy

FOLDER = Path(__file__).parents[3] / "cli" / "example_policies"

pytestmark = pytest.mark.parametrize(
    ("scheme", "rules"),
    [
        pytest.param("loyalty", LOYALTY, marks=pytest.mark.requirement("T-02", "T-03", "T-04", "T-05")),
        pytest.param("value", VALUE, marks=pytest.mark.requirement("T-22", "T-28")),
    ],
)


@pytest.fixture
def policy(scheme: str) -> Policy:
    """Read the file as a client would send it."""
    return json_format.Parse((FOLDER / f"{scheme}.json").read_text(encoding="utf-8"), Policy())


def test_it_says_that_it_is_an_example(policy: Policy, rules: Ladder | Score) -> None:  # noqa: ARG001
    """Nobody takes its numbers for a rule of the chain."""
    assert policy.example
    assert policy.description.startswith("示例政策")
    assert "An example" in policy.description


def test_it_covers_the_example_data(policy: Policy, rules: Ladder | Score) -> None:  # noqa: ARG001
    """It is in force from the first day of the example's purchases."""
    day = policy.effective_date
    assert (day.year, day.month, day.day) == (2010, 12, 1)


@pytest.mark.requirement("X-05")
def test_it_passes_every_check(policy: Policy, rules: Ladder | Score) -> None:
    """Its shape keeps the contract, and its rules are complete, consistent and as the tests know them."""
    protovalidate.validate(policy)
    problems = Problems()
    found = rules_from_proto(problems, Currency.of("GBP"), policy)
    check(problems, found)
    assert problems.found == []
    assert found == rules
