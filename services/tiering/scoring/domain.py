"""Which class a score gives to each customer (T-22 to T-28, X-04). A run does the same in SQL: this is its oracle.

The customers with a sale by the day graded are ordered; a sale of any kind will do. Their contract amounts are ranked,
and so are their profits and their numbers of purchases: the rank of a figure is 1 + how many figures are smaller, so
that equal ones share the lower rank. With w for the weights and r for the ranks of a customer,

    score = w_amount (r_amount - 1) + w_profit (r_profit - 1) + w_frequency (r_frequency - 1)

and the order is by score, then by contract amount, the highest first, then by the customer's name. All are integers.
All functions take rules that passed `policies.domain.check`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from services.tiering.grading.domain import Metrics
from services.tiering.policies.domain import WHOLE, Score, Weights


class Ranks(NamedTuple):
    """The rank of each figure among all customers, 1 for the smallest."""

    amount: int
    profit: int
    frequency: int


@dataclass(frozen=True, slots=True)
class Place:
    """A customer's place in the order of a day, and what led there."""

    customer: str
    net_spend: int  # minor units, of the kinds that count; may be negative
    profit: int  # minor units, of what is known
    purchase_count: int
    ranks: Ranks
    score: int
    place: int  # 1 for the highest
    class_key: str
    population: int


@dataclass(frozen=True, slots=True)
class ClassRange:
    """How far a class reached in one run: contract amounts in minor units, and scores (T-23)."""

    class_key: str
    least_amount: int
    greatest_amount: int
    least_score: int
    greatest_score: int


class Cut(NamedTuple):
    """Where a class ends in the order."""

    class_key: str
    last_place: int


def cuts(rules: Score, population: int) -> tuple[Cut, ...]:
    """Cut the order of so many customers, the highest class first.

    A class ends at the place population x (its share and those above it), rounded half up. One that ends where the
    class above it does is empty.
    """
    shares = accumulate(one.share for one in rules.listed)
    return tuple(
        Cut(one.class_key, (2 * population * share + WHOLE) // (2 * WHOLE))
        for one, share in zip(rules.listed, shares, strict=True)
    )


def score(weights: Weights, ranks: Ranks) -> int:
    """Weigh the ranks of a customer."""
    return sum((weight or 0) * (rank - 1) for weight, rank in zip(weights, ranks, strict=True))


def rank(figure: int, figures: Iterable[int]) -> int:
    """Answer the rank of a figure among all."""
    return 1 + sum(other < figure for other in figures)


def places(rules: Score, customers: Mapping[str, Metrics]) -> list[Place]:
    """Order customers, by name, and give each its class; the highest place first, and none without a sale."""
    bought = {name: figures for name, figures in customers.items() if figures.first_date is not None}
    everybody = bought.values()
    ranks = {
        name: Ranks(
            amount=rank(mine.net_spend, (other.net_spend for other in everybody)),
            profit=rank(mine.profit, (other.profit for other in everybody)),
            frequency=rank(mine.purchase_count, (other.purchase_count for other in everybody)),
        )
        for name, mine in bought.items()
    }
    scores = {name: score(rules.weights, ranks[name]) for name in bought}
    order = sorted(bought, key=lambda name: (-scores[name], -bought[name].net_spend, name))
    ends = cuts(rules, len(order))
    return [
        Place(
            customer=name,
            net_spend=bought[name].net_spend,
            profit=bought[name].profit,
            purchase_count=bought[name].purchase_count,
            ranks=ranks[name],
            score=scores[name],
            place=place,
            class_key=next(cut.class_key for cut in ends if place <= cut.last_place),
            population=len(order),
        )
        for place, name in enumerate(order, start=1)
    ]
