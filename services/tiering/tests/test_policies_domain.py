"""A ladder is put in force only when it is complete, ordered and consistent; its window follows the calendar."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Problems
from services.tiering.policies.domain import (
    Condition,
    Demotion,
    Ladder,
    LadderClass,
    Metric,
    Score,
    Weights,
    Window,
    check,
    grace_days,
    window_start,
)
from services.tiering.tests.ladders import DIAMOND, GOLD, LOYALTY, NEW, REGULAR, SILVER, ladders
from services.tiering.tests.scores import VALUE, A, B, C, D, scores
from shuke.tiering.v1 import errors_pb2

NET = Metric.NET_SPEND
COUNT = Metric.PURCHASE_COUNT


def found(rules: Ladder | Score) -> list[tuple[str, str]]:
    """Check rules and list the fields and reasons."""
    problems = Problems()
    check(problems, rules)
    return [(violation.field, violation.reason) for violation in problems.found]


def of(*classes: LadderClass) -> Ladder:
    """Put other classes on the example's ladder."""
    return replace(LOYALTY, classes=classes)


def step(key: str, *entry: tuple[Metric, int], keep: tuple[tuple[Metric, int], ...] = ()) -> LadderClass:
    """Write a class in short."""
    return LadderClass(
        key, "甲", "A", entry=tuple(Condition(*one) for one in entry), keep=tuple(Condition(*one) for one in keep)
    )


@pytest.mark.requirement("X-05")
def test_the_example_passes() -> None:
    """A complete, ordered ladder has no problem."""
    assert found(LOYALTY) == []


@given(ladder=ladders())
def test_a_ladder_built_upwards_passes(ladder: Ladder) -> None:
    """Whatever asks for more on each step passes, with any keep bounds up to the entry bounds."""
    assert found(ladder) == []


@given(ladder=ladders())
def test_a_ladder_upside_down_is_refused(ladder: Ladder) -> None:
    """Classes from highest to lowest are never taken for a ladder."""
    turned = replace(ladder, classes=ladder.classes[::-1])
    assert bool(found(turned)) == (len(ladder.classes) > 1)


@pytest.mark.requirement("X-05", "X-06", "X-29")
@pytest.mark.parametrize(
    ("choice", "ladder"),
    [
        ("window", replace(LOYALTY, window=None)),
        ("demotion", replace(LOYALTY, demotion=None)),
        ("refund_counts_at", replace(LOYALTY, refund_counts_at=None)),
        ("on_refund", replace(LOYALTY, on_refund=None)),
    ],
)
def test_every_choice_is_the_chains_own(choice: str, ladder: Ladder) -> None:
    """Window, demotion and the treatment of refunds have no default: a ladder without one is incomplete."""
    assert found(ladder) == [(f"ladder.{choice}", "POLICY_INCOMPLETE")]


@pytest.mark.requirement("X-05")
def test_a_rolling_window_needs_its_months() -> None:
    """The length of a rolling window has no default; other windows need none."""
    rolling = replace(LOYALTY, window=Window.ROLLING)
    assert found(rolling) == [("ladder.rolling_months", "POLICY_INCOMPLETE")]
    assert found(replace(rolling, rolling_months=12)) == []


@pytest.mark.requirement("X-06")
def test_grace_needs_its_quarters() -> None:
    """How long a class outlasts its conditions has no default; the other ways of losing one need none."""
    grace = replace(LOYALTY, demotion=Demotion.AFTER_GRACE)
    assert found(grace) == [("ladder.grace_quarters", "POLICY_INCOMPLETE")]
    assert found(replace(grace, grace_quarters=2)) == []


@pytest.mark.requirement("X-06")
@pytest.mark.parametrize("as_of", [date(2011, 4, 1), date(2011, 5, 17), date(2011, 6, 30)])
def test_grace_looks_back_to_the_ends_of_quarters(as_of: date) -> None:
    """On every day of a quarter the same quarters before it count, also over the year's end; without grace none do."""
    grace = replace(LOYALTY, demotion=Demotion.AFTER_GRACE, grace_quarters=3)
    assert grace_days(grace, as_of) == (date(2011, 3, 31), date(2010, 12, 31), date(2010, 9, 30))
    assert grace_days(replace(grace, demotion=Demotion.AT_EVALUATION), as_of) == ()
    assert grace_days(grace, date(1, 5, 1)) == (date(1, 3, 31),)


@pytest.mark.requirement("X-05")
def test_all_that_is_missing_is_told_at_once() -> None:
    """An empty draft hears of everything that it lacks."""
    empty = Ladder(classes=(), window=None, demotion=None, refund_counts_at=None, on_refund=None)
    assert found(empty) == [
        ("ladder.classes", "POLICY_INCOMPLETE"),
        ("ladder.window", "POLICY_INCOMPLETE"),
        ("ladder.refund_counts_at", "POLICY_INCOMPLETE"),
        ("ladder.demotion", "POLICY_INCOMPLETE"),
        ("ladder.on_refund", "POLICY_INCOMPLETE"),
    ]


PLANTED = {
    "a class without conditions": (of(NEW, step("A")), [("classes[1].entry", "POLICY_INCOMPLETE")]),
    "a count without a bound": (
        of(NEW, step("A", (COUNT, 0))),
        [("classes[1].entry[0].at_least_count", "POLICY_INCOMPLETE")],
    ),
    "a class without a name in one language": (
        of(replace(NEW, display_en="")),
        [("classes[0].display_name.en", "POLICY_INCOMPLETE")],
    ),
    "a key that stands twice": (
        of(NEW, REGULAR, replace(SILVER, class_key="REGULAR")),
        [("classes[2].class_key", "CLASS_REPEATED")],
    ),
    "a metric that stands twice": (
        of(NEW, step("A", (NET, 100), (NET, 200))),
        [("classes[1].entry[1].metric", "CONDITION_REPEATED")],
    ),
    "a metric that stands twice for keeping": (
        of(NEW, step("A", (NET, 200), keep=((NET, 100), (NET, 100)))),
        [("classes[1].keep[1].metric", "CONDITION_REPEATED")],
    ),
    "a bound below the class below": (
        of(NEW, SILVER, REGULAR),
        [("classes[2].entry[0].at_least_amount", "POLICY_UNORDERED")],
    ),
    "a bound equal to that of the class below": (
        of(NEW, REGULAR, replace(REGULAR, class_key="SILVER")),
        [("classes[2].entry[0].at_least_amount", "POLICY_UNORDERED")],
    ),
    "one bound higher and another lower": (
        of(step("A", (NET, 100), (COUNT, 5)), step("B", (NET, 200), (COUNT, 4))),
        [("classes[1].entry[1].at_least_count", "POLICY_UNORDERED")],
    ),
    "a condition of the class below dropped": (
        of(step("A", (NET, 100), (COUNT, 5)), step("B", (NET, 200))),
        [("classes[1].entry", "POLICY_UNORDERED")],
    ),
    "another metric than the class below": (
        of(step("A", (NET, 100)), step("B", (COUNT, 5))),
        [("classes[1].entry", "POLICY_UNORDERED")],
    ),
    "a first purchase above the lowest class": (
        of(REGULAR, NEW),
        [("classes[1].at_first_purchase", "FIRST_PURCHASE_NOT_LOWEST")],
    ),
    "a first purchase with conditions": (
        of(replace(NEW, entry=REGULAR.entry, keep=REGULAR.entry), SILVER),
        [
            ("classes[0].entry", "FIRST_PURCHASE_NOT_LOWEST"),
            ("classes[0].keep", "FIRST_PURCHASE_NOT_LOWEST"),
        ],
    ),
    "keeping harder than entering": (
        of(NEW, step("A", (NET, 100), (COUNT, 3), keep=((COUNT, 3), (NET, 101)))),
        [("classes[1].keep[1].at_least_amount", "KEEP_ABOVE_ENTRY")],
    ),
}


@pytest.mark.parametrize(("ladder", "expected"), PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_mistake_is_found_where_it_stands(ladder: Ladder, expected: list[tuple[str, str]]) -> None:
    """Each mistake is told once, by the path of the field that is wrong and with a reason of the contract."""
    assert found(ladder) == [(f"ladder.{field}", reason) for field, reason in expected]
    assert {reason for _, reason in expected} <= set(errors_pb2.ErrorReason.keys())


FINE = {
    "the top asks for one thing more": of(NEW, REGULAR, SILVER, GOLD, DIAMOND),
    "an equal bound beside one more condition": of(step("A", (NET, 100)), step("B", (NET, 100), (COUNT, 5))),
    "an equal bound beside a higher one": of(step("A", (NET, 1), (COUNT, 5)), step("B", (NET, 2), (COUNT, 5))),
    "no class at the first purchase": of(REGULAR, SILVER),
    "keeping by another metric than entering": of(NEW, step("A", (NET, 100), keep=((COUNT, 2),))),
    "a single class": of(NEW),
}


@pytest.mark.parametrize("ladder", FINE.values(), ids=FINE.keys())
def test_what_is_strictly_harder_passes(ladder: Ladder) -> None:
    """A class may ask for more of the same, for something else besides, or for both."""
    assert found(ladder) == []


@pytest.mark.requirement("T-22", "T-28", "X-04")
@given(score=scores())
def test_a_score_whose_parts_are_whole_passes(score: Score) -> None:
    """The example passes, and so do any weights and any shares above zero that are a hundred together."""
    assert found(VALUE) == []
    assert found(replace(score, window=Window.LIFETIME)) == []


@pytest.mark.requirement("X-04", "X-05")
def test_all_that_a_score_lacks_is_told_at_once() -> None:
    """An empty draft hears of its classes, its choices and each weight; a weight of nothing is a choice."""
    empty = Score(classes=(), window=None, refund_counts_at=None, weights=Weights(amount=100))
    assert found(empty) == [
        ("score.classes", "POLICY_INCOMPLETE"),
        ("score.window", "POLICY_INCOMPLETE"),
        ("score.refund_counts_at", "POLICY_INCOMPLETE"),
        ("score.weights.profit", "POLICY_INCOMPLETE"),
        ("score.weights.frequency", "POLICY_INCOMPLETE"),
    ]
    assert found(replace(VALUE, weights=Weights(100, 0, 0))) == []


MISTAKES = {
    "weights that are too little": (
        replace(VALUE, weights=Weights(40, 40, 19)),
        [("weights", "SUM_NOT_HUNDRED")],
    ),
    "shares that are too much": (
        replace(VALUE, classes=(replace(D, share=31), C, B, A)),
        [("classes", "SUM_NOT_HUNDRED")],
    ),
    "a class without a share": (
        replace(VALUE, classes=(replace(D, share=35), C, B, replace(A, share=0))),
        [("classes[0].share", "POLICY_INCOMPLETE")],
    ),
    "a class that stands twice": (
        replace(VALUE, classes=(replace(D, class_key="B"), C, B, A)),
        [("classes[3].class_key", "CLASS_REPEATED")],
    ),
    "a class without a name": (
        replace(VALUE, classes=(D, C, B, replace(A, display_zh=""))),
        [("classes[0].display_name.zh", "POLICY_INCOMPLETE")],
    ),
    "a rolling window without months": (
        replace(VALUE, window=Window.ROLLING),
        [("rolling_months", "POLICY_INCOMPLETE")],
    ),
}


@pytest.mark.requirement("T-22", "T-28", "X-04", "X-05")
@pytest.mark.parametrize(("score", "expected"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_in_a_score_is_found_where_it_stands(score: Score, expected: list[tuple[str, str]]) -> None:
    """Each mistake is told by the path of the field as people list it, with a reason of the contract."""
    assert found(score) == [(f"score.{field}", reason) for field, reason in expected]
    assert {reason for _, reason in expected} <= set(errors_pb2.ErrorReason.keys())


@pytest.mark.requirement("X-05")
@pytest.mark.parametrize(
    ("window", "months", "as_of", "start"),
    [
        (Window.LIFETIME, 0, date(2011, 3, 31), date.min),
        (Window.CALENDAR_QUARTER, 0, date(2011, 3, 31), date(2011, 1, 1)),
        (Window.CALENDAR_QUARTER, 0, date(2011, 4, 1), date(2011, 4, 1)),
        (Window.CALENDAR_QUARTER, 0, date(2011, 12, 9), date(2011, 10, 1)),
        (Window.CALENDAR_YEAR, 0, date(2011, 12, 31), date(2011, 1, 1)),
        (Window.ROLLING, 12, date(2011, 12, 9), date(2010, 12, 10)),
        (Window.ROLLING, 12, date(2011, 12, 31), date(2011, 1, 1)),
        (Window.ROLLING, 1, date(2011, 1, 15), date(2010, 12, 16)),
        (Window.ROLLING, 1, date(2011, 3, 31), date(2011, 3, 1)),
        (Window.ROLLING, 1, date(2011, 2, 28), date(2011, 1, 29)),
        (Window.ROLLING, 12, date(2012, 2, 29), date(2011, 3, 1)),
        (Window.ROLLING, 24, date(2012, 2, 29), date(2010, 3, 1)),
        (Window.ROLLING, 120, date(1, 6, 1), date.min),
    ],
)
def test_a_window_starts_by_the_calendar(window: Window, months: int, as_of: date, start: date) -> None:
    """The first day that counts follows from the window and the day graded, also at the ends of short months."""
    assert window_start(replace(LOYALTY, window=window, rolling_months=months), as_of) == start


@given(ladder=ladders(), as_of=st.dates(max_value=date(9999, 12, 30)))
def test_a_window_holds_its_day_and_never_goes_back(ladder: Ladder, as_of: date) -> None:
    """The day graded always counts, and a later day's window never starts earlier."""
    start = window_start(ladder, as_of)
    assert start <= as_of
    assert start <= window_start(ladder, as_of + timedelta(days=1))


def test_a_ladder_without_a_window_grades_nobody() -> None:
    """A ladder that never passed its check is a fault of the caller, not a lifetime."""
    with pytest.raises(ValueError, match="have a window"):
        window_start(replace(LOYALTY, window=None), date(2011, 3, 31))


def test_classes_are_known_by_rank() -> None:
    """No class and a class of another version rank below the lowest."""
    assert [LOYALTY.rank(key) for key in ("NEW", "DIAMOND", "PLATINUM", None)] == [0, 4, -1, -1]
    assert [LOYALTY.class_at(rank) for rank in (-1, 0, 4)] == [None, "NEW", "DIAMOND"]
    assert [ladder.first_class for ladder in (LOYALTY, of(REGULAR))] == ["NEW", None]
