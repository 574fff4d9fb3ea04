"""The class that a customer's figures give: the examples of the loyalty scheme, and what must hold for any ladder."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tiering.grading.domain import Metrics, Progress, earned, graded, next_class, progress
from services.tiering.policies.domain import Condition, Demotion, Ladder, LadderClass, Metric, grace_days
from services.tiering.tests.ladders import AS_OF, GOLD, LOYALTY, METRICS, NEW, current_classes, ladders, spent

KEEPS = replace(LOYALTY, demotion=Demotion.NONE)
# Gold is entered with 5,000 and kept with 4,000 or, for whoever holds Diamond, on the way down.
GENTLE = replace(
    LOYALTY,
    classes=tuple(
        replace(step, keep=(Condition(Metric.NET_SPEND, 4_000_00),)) if step is GOLD else step
        for step in LOYALTY.classes
    ),
)


@pytest.mark.requirement("T-01", "T-02", "T-03", "T-04", "T-05")
@pytest.mark.parametrize(
    ("net_spend", "expected"),
    [
        (-1, "NEW"),
        (0, "NEW"),
        (499_99, "NEW"),
        (500_00, "REGULAR"),
        (1_999_99, "REGULAR"),
        (2_000_00, "SILVER"),
        (4_999_99, "SILVER"),
        (5_000_00, "GOLD"),
        (19_999_99, "GOLD"),
        (20_000_00, "DIAMOND"),
    ],
)
def test_each_step_begins_at_its_bound(net_spend: int, expected: str) -> None:
    """A class is earned from its bound on, not a penny earlier; any sale earns the first."""
    assert earned(LOYALTY, spent(net_spend), AS_OF) == expected


@pytest.mark.requirement("T-05", "X-05")
@pytest.mark.parametrize(("tenure", "expected"), [(0, "GOLD"), (89, "GOLD"), (90, "DIAMOND"), (91, "DIAMOND")])
def test_diamond_takes_loyalty_besides_spend(tenure: int, expected: str) -> None:
    """The highest spend earns the highest class on the ninetieth day after the first sale and not on the day before."""
    assert earned(LOYALTY, spent(30_000_00, AS_OF - timedelta(days=tenure)), AS_OF) == expected


@pytest.mark.requirement("X-09")
def test_a_free_purchase_earns_the_first_class() -> None:
    """A sale with a zero total is a sale."""
    assert earned(LOYALTY, spent(0, AS_OF), AS_OF) == "NEW"


@pytest.mark.requirement("T-01")
def test_without_a_sale_there_is_no_class() -> None:
    """A customer whose only entry is a refund, or whose figures would do, stands as none before the first sale."""
    assert earned(LOYALTY, spent(-10_00, None), AS_OF) is None
    assert earned(LOYALTY, spent(30_000_00, None), AS_OF) is None
    assert graded(LOYALTY, spent(30_000_00, None), AS_OF, "GOLD") is None
    assert graded(KEEPS, spent(-10_00, None), AS_OF, None) is None


def test_below_the_lowest_bound_there_is_no_class() -> None:
    """Where the first purchase gives nothing, a customer can be below the lowest class."""
    assert earned(replace(LOYALTY, classes=LOYALTY.classes[1:]), spent(499_99), AS_OF) is None


@pytest.mark.requirement("X-06")
@pytest.mark.parametrize(("ladder", "expected"), [(LOYALTY, "REGULAR"), (KEEPS, "GOLD")])
def test_the_chain_decides_whether_a_class_is_lost(ladder: Ladder, expected: str) -> None:
    """A Gold customer with the spend of a Regular one falls at the evaluation, unless the policy never demotes."""
    assert graded(ladder, spent(600_00), AS_OF, "GOLD") == expected


@pytest.mark.requirement("X-06")
def test_without_demotion_a_class_outlasts_its_sale() -> None:
    """What was once reached is kept even when the ledger no longer shows a sale."""
    assert graded(KEEPS, spent(0, None), AS_OF, "SILVER") == "SILVER"


@pytest.mark.requirement("X-29")
def test_a_refund_costs_a_class_at_the_next_evaluation() -> None:
    """Net spend that a refund took below the bound loses the class when it is graded again."""
    before, refund = 5_100_00, 200_00
    assert graded(LOYALTY, spent(before), AS_OF, "NEW") == "GOLD"
    assert graded(LOYALTY, spent(before - refund), AS_OF, "GOLD") == "SILVER"


@pytest.mark.requirement("X-06")
@pytest.mark.parametrize(
    ("current", "net_spend", "expected"),
    [
        ("SILVER", 4_000_00, "SILVER"),  # comes from below: must enter
        ("GOLD", 4_000_00, "GOLD"),
        ("GOLD", 3_999_99, "SILVER"),
        ("DIAMOND", 4_000_00, "GOLD"),  # loses the highest class, keeps this one
        ("DIAMOND", 3_999_99, "SILVER"),
        ("PLATINUM", 4_000_00, "SILVER"),  # of another version of the policy: protects nothing
        (None, 5_000_00, "GOLD"),
    ],
)
def test_keeping_is_for_holders_of_a_class_or_a_higher_one(current: str, net_spend: int, expected: str) -> None:
    """The bound for keeping helps whoever holds the class or a higher one, and nobody who comes from below."""
    assert graded(GENTLE, spent(net_spend), AS_OF, current) == expected


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (Metric.NET_SPEND, 1),
        (Metric.PROFIT, 2),
        (Metric.PURCHASE_COUNT, 3),
        (Metric.ACTIVE_DAYS, 4),
        (Metric.TENURE_DAYS, 5),
    ],
)
def test_each_metric_reads_its_own_figure(metric: Metric, expected: int) -> None:
    """A condition compares the figure that it names."""
    metrics = Metrics(net_spend=1, profit=2, purchase_count=3, active_days=4, first_date=AS_OF - timedelta(days=5))
    assert metrics.value(metric, AS_OF) == expected
    ladder = replace(LOYALTY, classes=(LadderClass("A", "甲", "A", entry=(Condition(metric, expected),)),))
    assert earned(ladder, metrics, AS_OF) == "A"
    harder = replace(LOYALTY, classes=(LadderClass("A", "甲", "A", entry=(Condition(metric, expected + 1),)),))
    assert earned(harder, metrics, AS_OF) is None


def climbed_and_fallen(
    ladder: Ladder, metrics: Metrics, as_of: date, current: str | None, before: dict[date, Metrics]
) -> str | None:
    """Grade as a person would: climb from the ground while the next step lets in, then fall from the step held."""

    def reaches(conditions: tuple[Condition, ...], metrics: Metrics = metrics, as_of: date = as_of) -> bool:
        figures = {
            Metric.NET_SPEND: metrics.net_spend,
            Metric.PROFIT: metrics.profit,
            Metric.PURCHASE_COUNT: metrics.purchase_count,
            Metric.ACTIVE_DAYS: metrics.active_days,
            Metric.TENURE_DAYS: (as_of - (metrics.first_date or as_of)).days,
        }
        return metrics.first_date is not None and all(
            figures[condition.metric] >= condition.at_least for condition in conditions
        )

    def stays(step: LadderClass) -> bool:
        return any(
            reaches(conditions, figures, day)
            for day, figures in {as_of: metrics, **before}.items()
            for conditions in (step.keep or step.entry, step.entry)
        )

    steps: list[LadderClass | None] = [None, *ladder.classes]
    keys = [step.class_key if step else None for step in steps]
    held = keys.index(current) if current in keys else 0
    climbed = 0
    while climbed + 1 < len(steps) and (above := steps[climbed + 1]) and reaches(above.entry):
        climbed += 1
    if ladder.demotion is not Demotion.NONE:
        while held > climbed and (step := steps[held]) and not stays(step):
            held -= 1
    return keys[max(climbed, held)]


@st.composite
def cases(draw: st.DrawFn) -> tuple[Ladder, Metrics, str | None]:
    """Draw a ladder, a customer's figures and the class that the customer holds."""
    ladder = draw(ladders())
    return ladder, draw(METRICS), draw(current_classes(ladder))


@pytest.mark.requirement("X-06")
@given(case=cases(), earlier=st.lists(METRICS, min_size=3, max_size=3))
def test_grading_equals_climbing_and_falling(case: tuple[Ladder, Metrics, str | None], earlier: list[Metrics]) -> None:
    """The rule in one line and the slow walk over the steps agree for every ladder that passed its check."""
    ladder, metrics, current = case
    before = dict(zip(grace_days(ladder, AS_OF), earlier, strict=False))
    after = graded(ladder, metrics, AS_OF, current, before)
    assert after == climbed_and_fallen(ladder, metrics, AS_OF, current, before)
    assert earned(ladder, metrics, AS_OF) == climbed_and_fallen(
        replace(ladder, demotion=Demotion.AT_EVALUATION), metrics, AS_OF, None, {}
    )


@pytest.mark.requirement("X-06")
@pytest.mark.parametrize(
    ("ends", "now", "expected"),
    [
        ([5_000_00, 0], 600_00, "GOLD"),  # still earned at the end of last quarter
        ([600_00, 5_000_00], 600_00, "GOLD"),  # the quarter before
        ([600_00, 600_00], 600_00, "REGULAR"),
        ([600_00, 2_000_00], 0, "SILVER"),  # a lower class has its own grace
        ([20_000_00, 0], 600_00, "GOLD"),  # what was never held is not given
        ([0, 0], 6_000_00, "GOLD"),
    ],
)
def test_a_class_outlasts_its_conditions_by_the_quarters_of_grace(ends: list[int], now: int, expected: str) -> None:
    """With two quarters of grace a Gold customer stays what the figures at the last two quarters' ends still gave."""
    ladder = replace(LOYALTY, demotion=Demotion.AFTER_GRACE, grace_quarters=2)
    before = {day: spent(net) for day, net in zip(grace_days(ladder, AS_OF), ends, strict=True)}
    assert graded(ladder, spent(now), AS_OF, "GOLD", before) == expected


@given(case=cases(), more=st.tuples(*[st.integers(0, 50)] * 5))
def test_better_figures_never_lower_a_class(
    case: tuple[Ladder, Metrics, str | None], more: tuple[int, int, int, int, int]
) -> None:
    """More spend, profit, purchases, days or loyalty earn and keep at least the same class."""
    ladder, metrics, current = case
    net_spend, profit, purchases, days, tenure = more
    better = Metrics(
        net_spend=metrics.net_spend + net_spend,
        profit=metrics.profit + profit,
        purchase_count=metrics.purchase_count + purchases,
        active_days=metrics.active_days + days,
        first_date=(metrics.first_date or AS_OF) - timedelta(days=tenure),
    )
    assert ladder.rank(earned(ladder, better, AS_OF)) >= ladder.rank(earned(ladder, metrics, AS_OF))
    assert ladder.rank(graded(ladder, better, AS_OF, current)) >= ladder.rank(graded(ladder, metrics, AS_OF, current))


@given(case=cases())
def test_grading_stays_between_what_is_earned_and_what_is_held(case: tuple[Ladder, Metrics, str | None]) -> None:
    """Nobody gets less than the figures earn, nor more than the higher of that and the class held."""
    ladder, metrics, current = case
    rank_earned, rank_held = ladder.rank(earned(ladder, metrics, AS_OF)), ladder.rank(current)
    assert rank_earned <= ladder.rank(graded(ladder, metrics, AS_OF, current)) <= max(rank_earned, rank_held)


@pytest.mark.requirement("X-06")
@given(case=cases())
def test_without_demotion_no_class_is_lost(case: tuple[Ladder, Metrics, str | None]) -> None:
    """With demotion NONE the class after an evaluation is the higher of the one held and the one earned."""
    ladder, metrics, current = case
    ladder = replace(ladder, demotion=Demotion.NONE)
    rank_earned, rank_held = ladder.rank(earned(ladder, metrics, AS_OF)), ladder.rank(current)
    assert ladder.rank(graded(ladder, metrics, AS_OF, current)) == max(rank_earned, rank_held)


@given(case=cases())
def test_grading_twice_changes_nothing(case: tuple[Ladder, Metrics, str | None]) -> None:
    """A run repeated on the same figures moves nobody."""
    ladder, metrics, current = case
    once = graded(ladder, metrics, AS_OF, current)
    assert graded(ladder, metrics, AS_OF, once) == once


@given(case=cases())
def test_easier_keeping_never_lowers_a_class(case: tuple[Ladder, Metrics, str | None]) -> None:
    """Keep conditions up to the entry bounds only ever help."""
    ladder, metrics, current = case
    strict = replace(ladder, classes=tuple(replace(step, keep=()) for step in ladder.classes))
    assert ladder.rank(graded(ladder, metrics, AS_OF, current)) >= ladder.rank(graded(strict, metrics, AS_OF, current))


def test_progress_names_what_is_missing() -> None:
    """Each condition of the class above is compared; what is reached misses nothing."""
    metrics = spent(6_000_00, AS_OF - timedelta(days=100))
    assert progress(LOYALTY, metrics, AS_OF, "GOLD") == (
        Progress(Metric.NET_SPEND, 6_000_00, 20_000_00),
        Progress(Metric.TENURE_DAYS, 100, 90),
    )
    assert [one.missing for one in progress(LOYALTY, metrics, AS_OF, "GOLD")] == [14_000_00, 0]


def test_progress_ends_at_the_top() -> None:
    """Above the highest class there is nothing, and the first purchase asks for nothing but itself."""
    assert next_class(LOYALTY, "DIAMOND") is None
    assert progress(LOYALTY, spent(30_000_00), AS_OF, "DIAMOND") == ()
    assert next_class(LOYALTY, None) == NEW
    assert progress(LOYALTY, spent(0, None), AS_OF, None) == ()


@given(case=cases())
def test_whoever_misses_nothing_would_have_earned_it(case: tuple[Ladder, Metrics, str | None]) -> None:
    """A customer with a sale always misses something of the class above the one earned."""
    ladder, metrics, _ = case
    steps = progress(ladder, metrics, AS_OF, earned(ladder, metrics, AS_OF))
    assert metrics.first_date is None or not steps or any(step.missing for step in steps)
