"""What decided a customer's class, what the policy makes of the figures of that day, and what of those of today.

A run keeps no figures of single customers: they are worked out anew from what is known now.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from services.tiering.grading.domain import Metrics, Progress, enters, graded, keeps, measured
from services.tiering.memberships.domain import Movement
from services.tiering.policies.domain import Ladder, PolicyVersion
from services.tiering.scoring.domain import Place


@dataclass(frozen=True, slots=True)
class Step:
    """What a customer has of what one class of a ladder asks for."""

    class_key: str
    entry: tuple[Progress, ...]
    enters: bool
    keep: tuple[Progress, ...]  # empty where the policy has none of its own
    keeps: bool  # whether a customer who held so high meets them


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a policy makes of a customer's figures as of a day."""

    as_of: date
    policy: PolicyVersion
    metrics: Metrics
    class_key: str | None
    steps: tuple[Step, ...] = ()  # of a ladder, the lowest first
    place: Place | None = None  # of a score; None without a sale by the day


@dataclass(frozen=True, slots=True)
class Decision:
    """What gave a customer its class: a run, a refund, or the first purchase."""

    movement: Movement
    policy: PolicyVersion | None  # None where none covers the day of the first purchase any more
    known_through: Mapping[int, int]  # by partition, how far the run had read
    basis: Assessment | None  # of the day that the run or the refund graded; None for a first purchase


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a customer holds its class."""

    scheme: str
    customer: str
    decision: Decision | None  # None for a customer who never moved
    today: Assessment

    @property
    def effective_class(self) -> str | None:
        """The class that holds at present."""
        return self.decision.movement.to_class if self.decision else None

    @property
    def differs(self) -> bool:
        """Whether what is known now gives another class for the day that was graded."""
        basis = self.decision.basis if self.decision else None
        return basis is not None and basis.class_key != self.effective_class

    @property
    def would_change(self) -> bool:
        """Whether an evaluation of today would give another class."""
        return self.today.class_key != self.effective_class


def assess_by_ladder(
    policy: PolicyVersion,
    ladder: Ladder,
    metrics: Metrics,
    as_of: date,
    current: str | None,
    before: Mapping[date, Metrics],
) -> Assessment:
    """Assess figures by a ladder; `current` is the class held at the end of the day, before it is graded.

    `before` holds the figures as of each of the ladder's days of grace.
    """
    bought, held = metrics.first_date is not None, ladder.rank(current)
    steps = tuple(
        Step(
            class_key=step.class_key,
            entry=measured(step.entry, metrics, as_of),
            enters=bought and enters(step, metrics, as_of),
            keep=measured(step.keep, metrics, as_of),
            keeps=bought and held >= rank and keeps(step, metrics, as_of),
        )
        for rank, step in enumerate(ladder.classes)
    )
    return Assessment(as_of, policy, metrics, graded(ladder, metrics, as_of, current, before), steps)


def assess_by_score(policy: PolicyVersion, metrics: Metrics, as_of: date, place: Place | None) -> Assessment:
    """Assess figures by the place that a score gives them among everybody's."""
    return Assessment(as_of, policy, metrics, place.class_key if place else None, place=place)
