"""From what single rounds cost to the figure that is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles


@dataclass(frozen=True, slots=True)
class Cost:
    """What a block of calls cost per item.

    `cpu` is microseconds of the serving process, `worker` of the one that does its background work, None where there is
    none; `latency` is the median call in milliseconds.
    """

    cpu: float
    latency: float
    worker: float | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """One block of our calls and one of the reference's, right after each other; which comes first alternates."""

    ours: Cost
    reference: Cost

    @property
    def ratio(self) -> float:
        """How many times the reference's CPU ours takes."""
        return self.ours.cpu / self.reference.cpu


@dataclass(frozen=True, slots=True)
class Figure:
    """What is told of one thing: a value in its unit, which a target is held against, and what to know beside it."""

    value: float
    unit: str
    beside: Mapping[str, float] = field(default_factory=dict)


def figure(rounds: Sequence[Round], item: str) -> Figure:
    """Sum up two rounds or more: the median of their ratios, and how far the middle half of these lies apart.

    Beside them stand microseconds of CPU per item, and how many milliseconds a caller waited; these depend on what else
    the machine does, and are told for information. All are medians over the rounds.
    """
    ratios = [each.ratio for each in rounds]
    lower, _, upper = quantiles(ratios, n=4, method="inclusive")
    beside = {
        "spread": upper - lower,
        "ours_us": median(each.ours.cpu for each in rounds),
        "bare_us": median(each.reference.cpu for each in rounds),
        "ours_ms": median(each.ours.latency for each in rounds),
        "bare_ms": median(each.reference.latency for each in rounds),
    }
    workers = [each.ours.worker for each in rounds if each.ours.worker is not None]
    if workers:
        beside["worker_us"] = median(workers)
    return Figure(median(ratios), f"of a bare call, CPU per {item}", beside)
