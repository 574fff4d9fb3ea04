"""What single rounds add up to."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import Cost, Figure, Round, figure

NUMBERS = st.floats(1.0, 1e6)
COSTS = st.builds(Cost, cpu=NUMBERS, latency=NUMBERS)
ROUNDS = st.lists(st.builds(Round, ours=COSTS, reference=COSTS), min_size=2, max_size=15)
FACTORS = st.floats(0.1, 10.0)


def cost(cpu: float, latency: float = 1.0) -> Cost:
    """Write a cost."""
    return Cost(cpu, latency)


def test_a_figure_is_made_of_medians() -> None:
    """Costs and waits are medians over the rounds, and so is the ratio; the spread is the middle half of the ratios."""
    rounds = [
        Round(Cost(10, 1.0, 7), Cost(10, 0.5)),
        Round(Cost(60, 3.0, 1), Cost(20, 0.1)),
        Round(Cost(20, 2.0, 5), Cost(10, 0.2)),
        Round(Cost(50, 9.0, 2), Cost(10, 0.3)),
        Round(Cost(40, 8.0, 4), Cost(10, 0.4)),
    ]
    beside = {"spread": 2.0, "ours_us": 40, "bare_us": 10, "ours_ms": 3.0, "bare_ms": 0.3, "worker_us": 4}
    assert figure(rounds, "call") == Figure(3.0, "of a bare call, CPU per call", beside)


def test_without_a_worker_nothing_is_told_of_one() -> None:
    """Where one process does everything there is no other to tell of."""
    assert "worker_us" not in figure([Round(cost(1), cost(1))] * 2, "call").beside


@given(ROUNDS)
def test_a_ratio_lies_among_those_of_the_rounds(rounds: list[Round]) -> None:
    """No figure lies outside of what was measured, nor does its spread."""
    told = figure(rounds, "call")
    ratios = [each.ratio for each in rounds]
    assert min(ratios) <= told.value <= max(ratios)
    assert 0 <= told.beside["spread"] <= (max(ratios) - min(ratios)) * (1 + 1e-9)


@given(ROUNDS, st.randoms())
def test_the_order_of_rounds_does_not_matter(rounds: list[Round], chance: object) -> None:
    """The same rounds in another order give the same figure."""
    other = list(rounds)
    chance.shuffle(other)  # type: ignore[attr-defined]
    assert figure(other, "call") == figure(rounds, "call")


@given(st.floats(0.1, 100.0), st.lists(FACTORS, min_size=2, max_size=15))
def test_a_machine_that_is_slow_for_a_while_changes_no_ratio(ratio: float, slowness: list[float]) -> None:
    """What slows both sides of a round alike, however unlike the rounds are, leaves ratio and spread as they are."""
    told = figure([Round(cost(ratio * slow), cost(slow)) for slow in slowness], "call")
    assert told.value == pytest.approx(ratio)
    assert told.beside["spread"] == pytest.approx(0, abs=1e-9 * ratio)


@given(ROUNDS, FACTORS)
def test_twice_our_cost_is_twice_the_ratio(rounds: list[Round], factor: float) -> None:
    """When ours costs so many times as much in each round, ratio and spread are so many times as large."""
    dearer = [dataclasses.replace(each, ours=cost(each.ours.cpu * factor)) for each in rounds]
    before, after = figure(rounds, "call"), figure(dearer, "call")
    assert after.value == pytest.approx(before.value * factor)
    assert after.beside["spread"] == pytest.approx(before.beside["spread"] * factor, abs=1e-9 * before.value * factor)
    assert after.beside["bare_us"] == before.beside["bare_us"]


@given(ROUNDS, st.lists(st.builds(Round, ours=COSTS, reference=COSTS), max_size=15))
def test_a_few_bad_rounds_do_not_carry_the_ratio_away(rounds: list[Round], bad: list[Round]) -> None:
    """As long as fewer rounds are disturbed than not, the ratio is one that undisturbed rounds allow."""
    disturbed = bad[: len(rounds) - 1]
    ratios = [each.ratio for each in rounds]
    assert min(ratios) <= figure(rounds + disturbed, "call").value <= max(ratios)
