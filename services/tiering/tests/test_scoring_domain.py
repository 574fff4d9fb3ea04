"""The order of all customers by weighted ranks: figures worked out by hand, and what must hold for any score."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tiering.grading.domain import Metrics
from services.tiering.policies.domain import Score, Weights
from services.tiering.scoring.domain import Place, Ranks, cuts, places
from services.tiering.tests.ladders import FIRST_DAY, METRICS
from services.tiering.tests.scores import VALUE, scores


def bought(net_spend: int, profit: int, purchase_count: int) -> Metrics:
    """Figures of a customer with a sale."""
    return Metrics(net_spend, profit, purchase_count, active_days=1, first_date=FIRST_DAY)


SHOP = {
    "anna": bought(100, 30, 3),
    "bert": bought(100, 10, 1),
    "carla": bought(50, 40, 1),
    "dora": bought(20, 5, 2),
}


@pytest.mark.requirement("T-22", "T-23", "X-04")
def test_a_score_is_weighed_from_three_ranks() -> None:
    """Equal figures share the lower rank; 40, 40 and 20 times the ranks below, added up, make the order."""
    order = places(VALUE, SHOP)
    assert [(one.customer, one.ranks, one.score, one.place) for one in order] == [
        ("anna", Ranks(3, 3, 4), 40 * 2 + 40 * 2 + 20 * 3, 1),
        ("carla", Ranks(2, 4, 1), 40 * 1 + 40 * 3, 2),
        ("bert", Ranks(3, 2, 1), 40 * 2 + 40 * 1, 3),
        ("dora", Ranks(1, 1, 3), 20 * 2, 4),
    ]
    assert order[0] == Place("anna", 100, 30, 3, Ranks(3, 3, 4), 220, 1, "B", 4)


@pytest.mark.requirement("X-04")
def test_equal_scores_stand_by_amount_and_then_by_name() -> None:
    """Of one score the higher contract amount stands first, and of one amount the name that comes first."""
    by_profit = replace(VALUE, weights=Weights(0, 100, 0))
    order = places(by_profit, {"z": bought(5, 1, 1), "b": bought(4, 1, 1), "a": bought(4, 1, 1), "y": bought(9, 0, 9)})
    assert [(one.customer, one.score) for one in order] == [("z", 100), ("a", 100), ("b", 100), ("y", 0)]


@pytest.mark.requirement("X-04")
def test_who_never_bought_has_no_place() -> None:
    """A customer whose only entry is a refund is in no class, and takes no share of one."""
    order = places(VALUE, SHOP | {"emil": replace(bought(1_000, 1_000, 0), first_date=None)})
    assert order == places(VALUE, SHOP)


@pytest.mark.requirement("T-24", "T-25", "T-26", "T-27", "T-28", "X-04")
@pytest.mark.parametrize(
    ("population", "last_places"),
    [
        (0, [0, 0, 0, 0]),
        (1, [0, 0, 1, 1]),  # 0.05, 0.2, 0.7
        (2, [0, 0, 1, 2]),  # 0.1, 0.4, 1.4
        (3, [0, 1, 2, 3]),  # 0.15, 0.6, 2.1
        (10, [1, 2, 7, 10]),  # 0.5 is rounded up
        (30, [2, 6, 21, 30]),  # 1.5
        (100, [5, 20, 70, 100]),
        (4_339, [217, 868, 3_037, 4_339]),  # 216.95, 867.8, 3,037.3
    ],
)
def test_classes_end_at_their_share_rounded_half_up(population: int, last_places: list[int]) -> None:
    """A, B, C and D take 5, 15, 50 and 30 per cent, cut where the shares from the top down end."""
    assert cuts(VALUE, population) == tuple(zip("ABCD", last_places, strict=True))


@pytest.mark.requirement("T-24", "T-25", "T-26", "T-27", "T-28")
def test_a_fifth_of_the_customers_are_the_important_ones() -> None:
    """Of a hundred customers those who bring most are A, the next B, and together they are twenty."""
    order = places(VALUE, {f"{number:03}": bought(number, number, number) for number in range(100)})
    assert [one.class_key for one in order] == [*"A" * 5, *"B" * 15, *"C" * 50, *"D" * 30]
    assert [one.customer for one in order] == [f"{99 - number:03}" for number in range(100)]


@pytest.mark.requirement("T-29")
def test_those_who_bring_most_of_the_profit_are_the_important_ones() -> None:
    """Where a fifth of the customers bring four fifths of the profit, that fifth is A and B."""
    profits = {f"{number:03}": 400 if number % 5 == 0 else 25 for number in range(100)}
    order = places(VALUE, {name: bought(4 * profit, profit, 1) for name, profit in profits.items()})
    important = [one for one in order if one.class_key in ("A", "B")]
    assert {one.customer for one in important} == {name for name, profit in profits.items() if profit == 400}
    assert 100 * sum(one.profit for one in important) == 80 * sum(profits.values())


CUSTOMERS = st.dictionaries(st.sampled_from("abcdefghijkl"), METRICS, max_size=12)


@given(score=scores(), customers=CUSTOMERS)
def test_each_class_gets_its_share(score: Score, customers: dict[str, Metrics]) -> None:
    """Everybody with a sale has one place, and classes follow each other where they are cut."""
    order = places(score, customers)
    assert sorted(one.customer for one in order) == sorted(name for name, one in customers.items() if one.first_date)
    assert [one.place for one in order] == list(range(1, len(order) + 1))
    ends = cuts(score, len(order))
    assert not ends or ends[-1].last_place == len(order)
    start = 0
    for class_key, end in ends:
        assert {one.class_key for one in order[start:end]} <= {class_key}
        start = end


@given(score=scores(), customers=CUSTOMERS.filter(bool), more=st.tuples(*[st.integers(0, 60)] * 3), data=st.data())
def test_better_figures_never_cost_a_place(
    score: Score, customers: dict[str, Metrics], more: tuple[int, int, int], data: st.DataObject
) -> None:
    """Whoever brings more, while all others stay, keeps the place or gets a better one."""
    name = data.draw(st.sampled_from(sorted(customers)))
    one = replace(customers[name], first_date=FIRST_DAY)
    better = replace(
        one,
        net_spend=one.net_spend + more[0],
        profit=one.profit + more[1],
        purchase_count=one.purchase_count + more[2],
    )

    def place_with(figures: Metrics) -> int:
        return next(found.place for found in places(score, customers | {name: figures}) if found.customer == name)

    assert place_with(better) <= place_with(one)
