"""Movements and the class that follows from them, in whatever order sales and runs become known."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tiering.grading.domain import Progress
from services.tiering.memberships.domain import (
    Cause,
    Membership,
    Movement,
    class_at,
    deciding,
    membership,
    on_refund,
    on_sale,
)
from services.tiering.policies.domain import Metric
from services.tiering.tests.histories import History, histories, reverting, standing_of
from services.tiering.tests.ladders import AS_OF, LOYALTY, spent

ANNA = "0190a8f0-0000-7000-8000-000000000001"
NOW = 10_000


def sale(first_sale_time: int | None, moved: Sequence[Movement] = (), now: int = NOW) -> Movement | None:
    """Tell Anna's first class after her first sale became another one."""
    return on_sale("loyalty", ANNA, LOYALTY.first_class, standing_of(moved), first_sale_time, now)


def run(to_class: str | None, effective_time: int, record_time: int = NOW, from_class: str | None = "NEW") -> Movement:
    """Write a movement of a run."""
    return Movement("loyalty", ANNA, from_class, to_class, Cause.EVALUATION, effective_time, record_time, "run-1")


def recorded(sale_times: Sequence[int]) -> list[Movement]:
    """Record Anna's sales in the order of arrival."""
    return followed([min(sale_times[: number + 1]) for number in range(len(sale_times))])


def followed(first_sale_times: Sequence[int | None], now: Sequence[int] = ()) -> list[Movement]:
    """Let Anna's first sale become one after another; the clock may stand still, or even go back."""
    movements: list[Movement] = []
    for first_sale_time, moment in zip(first_sale_times, now or [NOW] * len(first_sale_times), strict=True):
        moved = sale(first_sale_time, movements, moment)
        movements += [moved] if moved else []
    return movements


@pytest.mark.requirement("T-01", "T-20", "X-09")
def test_the_first_purchase_gives_the_first_class_at_its_business_time() -> None:
    """The class holds from when the customer bought, not from when that became known."""
    assert sale(1_000) == Movement("loyalty", ANNA, None, "NEW", Cause.FIRST_PURCHASE, 1_000, NOW)


def test_a_later_purchase_moves_nobody() -> None:
    """Whoever holds the first class since the first sale keeps it as it is."""
    assert sale(1_000, recorded([1_000])) is None


@pytest.mark.requirement("X-08", "T-20")
def test_an_earlier_sale_that_arrives_late_is_a_correction() -> None:
    """The first class then begins earlier, by a movement of its own that says when it became known."""
    assert sale(400, recorded([1_000])) == Movement("loyalty", ANNA, None, "NEW", Cause.CORRECTION, 400, NOW + 1)


def test_a_ladder_without_a_first_class_gives_none_at_a_purchase() -> None:
    """Where the chain grades at evaluations only, a purchase moves nobody, and neither does its loss."""
    assert on_sale("loyalty", ANNA, None, None, 1_000, NOW) is None
    assert on_sale("loyalty", ANNA, None, None, None, NOW) is None


def test_a_customer_graded_before_is_not_new_again() -> None:
    """The first class of whoever a run has graded is a correction of the past, wherever it begins."""
    graded = run("REGULAR", effective_time=1_000, from_class=None)
    assert sale(600, [graded]) == Movement("loyalty", ANNA, None, "NEW", Cause.CORRECTION, 600, NOW)
    late = sale(1_200, [graded])
    assert late is not None
    assert [class_at([graded, late], time) for time in (999, 1_000, 1_200)] == [None, "REGULAR", "REGULAR"]


@pytest.mark.requirement("X-08", "T-01", "T-20")
def test_a_first_sale_that_is_lost_lets_the_class_begin_later() -> None:
    """Where another sale remains, the class begins with that one, by a movement of its own."""
    movements = followed([400, 1_000])
    assert movements[1:] == [Movement("loyalty", ANNA, None, "NEW", Cause.CORRECTION, 1_000, NOW + 1)]
    assert [class_at(movements, time) for time in (399, 400, 999, 1_000)] == [None, None, None, "NEW"]


@pytest.mark.requirement("X-08", "T-01", "T-20")
def test_whoever_loses_every_sale_never_had_the_first_class() -> None:
    """A movement to no class takes it back as of when it began; the next sale is a first purchase again."""
    movements = followed([400, None])
    assert movements[1:] == [Movement("loyalty", ANNA, "NEW", None, Cause.CORRECTION, 400, NOW + 1)]
    assert [class_at(movements, time) for time in (399, 400, 9_999)] == [None, None, None]
    again = sale(400, movements, NOW + 9)
    assert again == Movement("loyalty", ANNA, None, "NEW", Cause.FIRST_PURCHASE, 400, NOW + 9)
    assert class_at([*movements, again], 400) == "NEW"


def test_what_a_run_gave_outlasts_the_loss_of_the_first_sale() -> None:
    """Whoever was graded keeps that class until the next run, and held none before."""
    movements = [*followed([400]), run("REGULAR", effective_time=1_000)]
    lost = sale(None, movements, NOW + 1)
    assert lost == Movement("loyalty", ANNA, None, None, Cause.CORRECTION, 400, NOW + 1)
    assert [class_at([*movements, lost], time) for time in (400, 999, 1_000)] == [None, None, "REGULAR"]


@pytest.mark.requirement("X-08")
def test_the_class_holds_from_its_time_on() -> None:
    """Before the first movement there is none, and each moment belongs to the movement effective at it."""
    movements = [*recorded([1_000]), run("GOLD", effective_time=2_000)]
    assert [class_at(movements, time) for time in (999, 1_000, 1_999, 2_000, 9_999)] == [
        None,
        "NEW",
        "NEW",
        "GOLD",
        "GOLD",
    ]


@pytest.mark.requirement("X-08")
def test_a_correction_does_not_disturb_a_run() -> None:
    """An earlier first purchase that becomes known after a run changes the time before, not what the run gave."""
    movements = [*recorded([1_000]), run("GOLD", effective_time=2_000)]
    late = sale(400, movements, now=NOW + 9)
    assert late is not None
    assert [class_at([*movements, late], time) for time in (399, 400, 1_500, 2_000)] == [None, "NEW", "NEW", "GOLD"]


def test_a_first_purchase_after_midnight_does_not_outrank_the_run_of_its_business_date() -> None:
    """A sale made at half past midnight on yesterday's business date counts in yesterday's run, which decides."""
    midnight = 2_000
    movements = [*recorded([midnight + 30]), run("REGULAR", effective_time=midnight - 1, from_class=None)]
    assert [class_at(movements, time) for time in (midnight - 2, midnight - 1, midnight + 30)] == [
        None,
        "REGULAR",
        "REGULAR",
    ]


def test_a_correcting_run_of_the_same_day_decides() -> None:
    """Of two runs with the same effective time the one recorded later holds."""
    movements = [run("GOLD", 2_000, record_time=NOW), run("SILVER", 2_000, record_time=NOW + 1, from_class="GOLD")]
    assert class_at(movements, 2_000) == "SILVER"


def test_a_run_may_take_the_class_away() -> None:
    """After a movement to no class the customer holds none, though the first purchase still stands in the history."""
    assert class_at([*recorded([1_000]), run(None, 2_000)], 2_000) is None


@pytest.mark.requirement("X-08")
@given(sale_times=st.lists(st.integers(0, 50), min_size=1, max_size=4), time=st.integers(0, 60))
def test_sales_may_arrive_in_any_order(sale_times: list[int], time: int) -> None:
    """Every order of arrival leads to the same class at every time: the first from the earliest sale on."""
    expected = "NEW" if time >= min(sale_times) else None
    assert {class_at(recorded(order), time) for order in itertools.permutations(sale_times)} == {expected}


@pytest.mark.requirement("X-08")
@given(
    steps=st.lists(st.tuples(st.none() | st.integers(0, 50), st.integers(NOW - 2, NOW + 2)), min_size=1, max_size=6),
    time=st.integers(0, 60),
)
def test_the_last_correction_decides_whatever_the_clock_says(steps: list[tuple[int | None, int]], time: int) -> None:
    """After any gains and losses, whether clocks stand still or go back, the class begins with the last first sale."""
    movements = followed([first for first, _ in steps], [moment for _, moment in steps])
    first = steps[-1][0]
    assert class_at(movements, time) == ("NEW" if first is not None and time >= first else None)
    times = [one.record_time for one in movements]
    assert sorted(set(times)) == times


@pytest.mark.requirement("X-06", "X-08", "T-20")
def test_after_a_revert_the_last_correction_decides() -> None:
    """A first class that began later, or was lost, while a run stood is what its revert leaves, not the one before."""
    movements = [*followed([400]), graded := run("REGULAR", effective_time=1_000)]
    for first_sale_time, expected in ((1_500, [None, None, "NEW"]), (None, [None, None, None])):
        changed = sale(first_sale_time, movements, NOW + 1)
        assert changed is not None
        back = reverting([*movements, changed], graded, NOW + 2)
        assert (back.from_class, back.to_class) == ("REGULAR", None)
        after = [*movements, changed, back]
        assert [class_at(after, time) for time in (400, 1_000, 1_500)] == expected


@pytest.mark.requirement("X-06", "T-20")
def test_whoever_only_a_reverted_run_graded_is_new() -> None:
    """Nothing is left of the run, so that the first sale known afterwards is a first purchase."""
    graded = run("REGULAR", effective_time=1_000, from_class=None)
    movements = [graded, reverting([graded], graded, NOW + 1)]
    assert deciding(movements, 9_999) is None
    assert sale(400, movements, NOW + 2) == Movement("loyalty", ANNA, None, "NEW", Cause.FIRST_PURCHASE, 400, NOW + 2)


@pytest.mark.requirement("X-06", "X-08", "T-20")
@given(history=histories(), data=st.data())
def test_what_is_left_decides_at_any_time(history: History, data: st.DataObject) -> None:
    """However sales, losses, runs and reverts are mixed and read, runs that stand decide, then the first sale."""
    moved = data.draw(st.permutations(history.moved))
    assert [class_at(moved, time) for time in range(9)] == [history.class_at(time) for time in range(9)]


RUNS = st.builds(
    run,
    to_class=st.sampled_from([None, "NEW", "REGULAR", "GOLD"]),
    effective_time=st.integers(0, 50),
    record_time=st.integers(NOW, NOW + 50),
)


@given(data=st.data(), sale_times=st.lists(st.integers(0, 50), max_size=4), time=st.integers(0, 60))
def test_the_order_of_movements_does_not_matter(data: st.DataObject, sale_times: list[int], time: int) -> None:
    """The class at a time follows from which movements there are, not from the order in which they are read."""
    runs = data.draw(st.lists(RUNS, max_size=4, unique_by=lambda one: (one.effective_time, one.record_time)))
    movements = [*recorded(sale_times), *runs]
    assert deciding(data.draw(st.permutations(movements)), time) == deciding(movements, time)


@given(
    runs=st.lists(RUNS, min_size=1, max_size=4),
    sale_times=st.lists(st.integers(0, 50), max_size=4),
    time=st.integers(0, 60),
)
def test_first_purchases_never_change_what_a_run_decided(
    runs: list[Movement], sale_times: list[int], time: int
) -> None:
    """Once a run's movement is effective, sales that become known change the class at no time from then on."""
    if time >= min(one.effective_time for one in runs):
        assert class_at([*recorded(sale_times), *runs], time) == class_at(runs, time)


def refunded(movements: Sequence[Movement], graded_class: str | None, now: int = NOW) -> Movement | None:
    """Tell what becomes of Anna, who was graded before, when what a refund leaves gives her a class."""
    standing = standing_of(movements)
    assert standing
    return on_refund("loyalty", ANNA, standing, LOYALTY, graded_class, now)


@pytest.mark.requirement("X-29")
def test_a_refund_takes_a_class_away_from_now_on() -> None:
    """The movement names no run; the class before, higher ones and the same one are not given by it."""
    movements = [run("GOLD", effective_time=2_000)]
    lost = refunded(movements, "SILVER", NOW + 5)
    assert lost == Movement("loyalty", ANNA, "GOLD", "SILVER", Cause.REFUND, NOW + 5, NOW + 5)
    assert [refunded(movements, one) for one in ("GOLD", "DIAMOND")] == [None, None]
    assert class_at([*movements, lost], NOW + 4) == "GOLD"


@pytest.mark.requirement("X-29")
def test_a_class_that_the_ladder_does_not_know_is_not_taken_away() -> None:
    """It ranks as none, and nothing ranks lower."""
    assert refunded([run("FORGOTTEN", effective_time=2_000)], None) is None


@pytest.mark.requirement("X-29")
def test_a_refund_holds_until_a_run_of_a_later_time() -> None:
    """A run of an earlier day that is recorded later does not outrank it."""
    movements = [run("GOLD", effective_time=2_000)]
    lost = refunded(movements, "SILVER")
    assert lost
    movements += [lost, run("DIAMOND", effective_time=NOW - 1, record_time=NOW + 9)]
    assert class_at(movements, NOW + 9) == "SILVER"
    assert class_at([*movements, run("GOLD", NOW + 1, NOW + 9)], NOW + 9) == "GOLD"


@pytest.mark.requirement("X-29")
@given(
    runs=st.lists(RUNS, min_size=1, max_size=3),
    classes=st.lists(st.sampled_from([None, "NEW", "REGULAR", "GOLD"]), max_size=4),
    now=st.integers(0, NOW + 60),
)
def test_refunds_only_ever_lower_the_class(runs: list[Movement], classes: list[str | None], now: int) -> None:
    """Each that moves decides at once, below what held before, though the clock stands still or is behind."""
    movements = list(runs)
    for graded_class in classes:
        before = class_at(movements, 10**9)
        movement = refunded(movements, graded_class, now)
        movements += [movement] if movement else []
        after = min(LOYALTY.rank(before), LOYALTY.rank(graded_class))
        assert LOYALTY.rank(class_at(movements, 10**9)) == after


@pytest.mark.requirement("X-01")
def test_a_membership_tells_class_and_progress() -> None:
    """Whoever spent on since the last run holds its class, has earned a higher one, and sees the way to the next."""
    movements = [*recorded([1_000]), run("REGULAR", effective_time=2_000)]
    assert membership("loyalty", ANNA, movements, LOYALTY, spent(2_500_00), AS_OF, NOW) == Membership(
        scheme="loyalty",
        customer=ANNA,
        effective_class="REGULAR",
        since_time=2_000,
        earned_class="SILVER",
        next_class="GOLD",
        progress=(Progress(Metric.NET_SPEND, 2_500_00, 5_000_00),),
    )


def test_a_membership_without_a_class_says_so() -> None:
    """A customer with a refund alone holds nothing since never, and the first class is next."""
    nothing = membership("loyalty", ANNA, [], LOYALTY, spent(-10_00, None), AS_OF, NOW)
    assert (nothing.effective_class, nothing.since_time, nothing.earned_class) == (None, None, None)
    assert (nothing.next_class, nothing.progress) == ("NEW", ())


def test_a_membership_begins_with_the_corrected_first_purchase() -> None:
    """Since when the first class holds follows the earliest sale known."""
    corrected = membership("loyalty", ANNA, recorded([1_000, 400]), LOYALTY, spent(0), AS_OF, NOW)
    assert (corrected.effective_class, corrected.since_time) == ("NEW", 400)


def test_a_membership_at_the_top_has_no_next_class() -> None:
    """The highest class leaves nothing to reach, and a class taken away has not begun."""
    movements = [replace(run("DIAMOND", 2_000), to_class=None)]
    top = membership("loyalty", ANNA, movements, LOYALTY, spent(30_000_00), AS_OF, NOW)
    assert (top.earned_class, top.next_class, top.progress) == ("DIAMOND", None, ())
    assert (top.effective_class, top.since_time) == (None, None)
