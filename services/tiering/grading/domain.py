"""Which class a ladder gives for a customer's figures. A run does the same in SQL for everybody: this is its oracle.

All functions take a ladder that passed `policies.domain.check` and a day, `as_of`, whose end is the moment graded.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from services.tiering.policies.domain import NO_RANK, Condition, Demotion, Ladder, LadderClass, Metric


@dataclass(frozen=True, slots=True)
class Metrics:
    """A customer's figures as of a day. All but the first date are of the ladder's window."""

    net_spend: int  # minor units: sales less refunds, each on its own business date; may be negative
    profit: int  # minor units, of what is known
    purchase_count: int
    active_days: int  # business dates with a sale
    first_date: date | None  # business date of the earliest sale ever; None without a sale by the day

    def value(self, metric: Metric, as_of: date) -> int:
        """Answer the figure that a condition compares."""
        match metric:
            case Metric.NET_SPEND:
                return self.net_spend
            case Metric.PROFIT:
                return self.profit
            case Metric.PURCHASE_COUNT:
                return self.purchase_count
            case Metric.ACTIVE_DAYS:
                return self.active_days
            case Metric.TENURE_DAYS:
                return (as_of - self.first_date).days if self.first_date else 0


# The figures of a customer of whom no entry is left.
NOTHING = Metrics(net_spend=0, profit=0, purchase_count=0, active_days=0, first_date=None)


def earned(ladder: Ladder, metrics: Metrics, as_of: date) -> str | None:
    """Answer the class that the figures alone give: the highest whose entry conditions all hold.

    The class of the first purchase has no conditions: every customer with a sale by `as_of` earns at least that one.
    Without a sale by `as_of` a customer earns none, whatever the conditions say.
    """
    return ladder.class_at(highest(ladder, metrics, as_of, held=NO_RANK))


def graded(
    ladder: Ladder, metrics: Metrics, as_of: date, current: str | None, before: Mapping[date, Metrics] | None = None
) -> str | None:
    """Answer the class after an evaluation; `current` is the class effective at the end of `as_of`.

    `before` holds the figures as of each of the ladder's days of grace (X-06).

    With rank(None) = -1, the lowest class at rank 0, and held = rank(current), a class c can be had when the customer
    has a sale by `as_of` and

        all entry conditions of c hold, or
        held >= rank(c) and all keep conditions of c hold (c has no keep conditions: those of entry).

    The answer is the highest class that can be had, else None. With demotion NONE it is `current` where that ranks
    higher, also for a customer without a sale by `as_of`: what was once reached is kept. With demotion AFTER_GRACE it
    is at least the highest class, up to `current`, that could be had on one of the days of grace. A `current` that the
    ladder does not know ranks as none: it protects nothing, and is lost.
    """
    held = ladder.rank(current)
    reached = highest(ladder, metrics, as_of, held)
    if ladder.demotion is Demotion.NONE:
        return ladder.class_at(max(reached, held))
    in_grace = (highest(ladder, figures, day, held) for day, figures in (before or {}).items())
    return ladder.class_at(max(reached, min(held, max(in_grace, default=NO_RANK))))


def highest(ladder: Ladder, metrics: Metrics, as_of: date, held: int) -> int:
    """Answer the highest rank that can be had by entering or, up to the rank held, by keeping."""
    if metrics.first_date is None:
        return NO_RANK
    return max(
        (rank for rank, step in enumerate(ladder.classes) if can_have(step, metrics, as_of, held_so_high=held >= rank)),
        default=NO_RANK,
    )


def can_have(step: LadderClass, metrics: Metrics, as_of: date, *, held_so_high: bool) -> bool:
    """Tell whether a customer with a sale enters a class, or keeps it while holding it or a higher one."""
    return enters(step, metrics, as_of) or (held_so_high and keeps(step, metrics, as_of))


def enters(step: LadderClass, metrics: Metrics, as_of: date) -> bool:
    """Tell whether a customer with a sale meets what entering a class asks for."""
    return all(holds(condition, metrics, as_of) for condition in step.entry)


def keeps(step: LadderClass, metrics: Metrics, as_of: date) -> bool:
    """Tell whether a customer with a sale who holds a class, or a higher one, meets what keeping it asks for."""
    return all(holds(condition, metrics, as_of) for condition in step.keep or step.entry)


def holds(condition: Condition, metrics: Metrics, as_of: date) -> bool:
    """Tell whether a figure reaches its bound: on the 90th day after the first sale 90 days of tenure are reached."""
    return metrics.value(condition.metric, as_of) >= condition.at_least


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a customer is on one condition; minor units for money metrics, counts for the others."""

    metric: Metric
    current: int
    required: int

    @property
    def missing(self) -> int:
        """What is still missing; 0 when the bound is reached."""
        return max(self.required - self.current, 0)


def next_class(ladder: Ladder, class_key: str | None) -> LadderClass | None:
    """Answer the class above; None at the top."""
    above = ladder.rank(class_key) + 1
    return ladder.classes[above] if above < len(ladder.classes) else None


def progress(ladder: Ladder, metrics: Metrics, as_of: date, earned_class: str | None) -> tuple[Progress, ...]:
    """Compare the figures with each entry condition of the class above the one earned; empty at the top.

    Empty, too, where the class above is that of the first purchase: a sale is all that it asks for.
    """
    above = next_class(ladder, earned_class)
    return measured(above.entry if above else (), metrics, as_of)


def measured(conditions: Iterable[Condition], metrics: Metrics, as_of: date) -> tuple[Progress, ...]:
    """Compare the figures with each condition."""
    return tuple(
        Progress(condition.metric, metrics.value(condition.metric, as_of), condition.at_least)
        for condition in conditions
    )
