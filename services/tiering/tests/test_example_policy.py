"""The example policy of the loyalty scheme is fit to be put in force, and is the ladder that the tests grade by."""

from pathlib import Path

import protovalidate
import pytest
from google.protobuf import json_format

from chassis.errors import Problems
from chassis.money import Currency
from services.tiering.policies.convert import ladder_from_proto
from services.tiering.policies.domain import check
from services.tiering.tests.ladders import LOYALTY
from shuke.tiering.v1.policies_pb2 import Policy

FILE = Path(__file__).parents[3] / "cli" / "example_policies" / "loyalty.json"


@pytest.fixture
def policy() -> Policy:
    """Read the file as a client would send it."""
    return json_format.Parse(FILE.read_text(encoding="utf-8"), Policy())


def test_it_says_that_it_is_an_example(policy: Policy) -> None:
    """Nobody takes its numbers for a rule of the chain."""
    assert policy.example
    assert policy.description.startswith("示例政策")
    assert "An example" in policy.description


def test_it_covers_the_example_data(policy: Policy) -> None:
    """It is in force from the first day of the example's purchases."""
    day = policy.effective_date
    assert (day.year, day.month, day.day) == (2010, 12, 1)


@pytest.mark.requirement("X-05")
def test_it_passes_every_check(policy: Policy) -> None:
    """Its shape keeps the contract, and its ladder is complete, ordered and as the tests know it."""
    protovalidate.validate(policy)
    problems = Problems()
    ladder = ladder_from_proto(problems, Currency.of("GBP"), policy.ladder)
    check(problems, ladder)
    assert problems.found == []
    assert ladder == LOYALTY
