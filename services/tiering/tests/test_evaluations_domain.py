"""A run grades a day that is over, takes effect at its end, and counts every customer once."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.calendar import to_micros
from chassis.errors import Problems, Violation
from services.tiering.evaluations.domain import Figures, Outcome, check_as_of, effective_time, figures
from services.tiering.tests.ladders import LOYALTY
from shuke.tiering.v1 import errors_pb2

LONDON = ZoneInfo("Europe/London")
TODAY = date(2011, 4, 1)


def found(as_of: date) -> list[Violation]:
    """Check a day."""
    problems = Problems()
    check_as_of(problems, as_of, TODAY)
    return problems.found


def test_only_a_day_that_is_over_can_be_graded() -> None:
    """Yesterday can be graded, today and later cannot; the answer tells what today is."""
    assert found(date(2011, 3, 31)) == []
    refused = [Violation("as_of", "AS_OF_NOT_PAST", {"field": "as_of", "today": "2011-04-01"})]
    assert found(TODAY) == refused
    assert found(date(2011, 4, 2)) == refused
    assert "AS_OF_NOT_PAST" in errors_pb2.ErrorReason.keys()  # noqa: SIM118  (an enum of protobuf is no dict)


@pytest.mark.requirement("T-13")
def test_a_run_takes_effect_at_the_end_of_its_day_in_the_chains_zone() -> None:
    """At the end of a quarter that is one microsecond before the next quarter begins, in summer time too."""
    assert effective_time(date(2011, 3, 31), LONDON) == to_micros(datetime(2011, 4, 1, tzinfo=LONDON)) - 1
    assert effective_time(date(2011, 12, 31), LONDON) == to_micros(datetime(2012, 1, 1, tzinfo=LONDON)) - 1


@pytest.mark.requirement("T-13", "T-20")
def test_a_run_counts_classes_and_movements() -> None:
    """Every customer with an entry is counted in one class or none; a first class is no way up."""
    outcomes = {
        Outcome(None, "NEW"): 1,  # a first class
        Outcome(None, "SILVER"): 10,  # the same, and a higher one
        Outcome("SILVER", "SILVER"): 100,
        Outcome("NEW", "REGULAR"): 1_000,
        Outcome("NEW", "SILVER"): 10_000,
        Outcome("GOLD", "REGULAR"): 100_000,
        Outcome("GOLD", None): 1_000_000,
        Outcome(None, None): 10_000_000,
        Outcome("PLATINUM", "GOLD"): 100_000_000,  # from a class of an older version
    }
    assert figures(LOYALTY, outcomes) == Figures(
        denominator=111_111_111,
        class_counts=(("NEW", 1), ("REGULAR", 101_000), ("SILVER", 10_110), ("GOLD", 100_000_000), ("DIAMOND", 0)),
        none_count=11_000_000,
        up_count=11_000,
        down_count=1_100_000,
    )


HELD = st.sampled_from([None, *(step.class_key for step in LOYALTY.classes)])
OUTCOMES = st.dictionaries(st.builds(Outcome, from_class=HELD, to_class=HELD), st.integers(1, 100), max_size=30)


@given(outcomes=OUTCOMES)
def test_figures_add_up(outcomes: dict[Outcome, int]) -> None:
    """Classes and none make up the denominator, and all who leave a class move up or down."""
    counted = figures(LOYALTY, outcomes)
    moved = sum(count for outcome, count in outcomes.items() if outcome.from_class not in (None, outcome.to_class))
    in_classes = sum(count for _, count in counted.class_counts)
    assert in_classes + counted.none_count == counted.denominator == sum(outcomes.values())
    assert counted.up_count + counted.down_count == moved
