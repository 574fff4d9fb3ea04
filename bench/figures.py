"""From what single rounds cost to the figure that is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True, slots=True)
class Cost:
    """What a block of calls cost: microseconds of the server's CPU per item, and the median call in milliseconds."""

    cpu: float
    latency: float


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
    """What all rounds say: medians, the median of the rounds' ratios, and how far the middle half of these lies apart.

    `ours` and `reference` are in `unit`; `ours_ms` and `reference_ms` are how long the caller waited. They depend on
    what else the machine does, and are told for information.
    """

    ratio: float
    ours: float
    reference: float
    unit: str
    spread: float
    ours_ms: float
    reference_ms: float


def figure(rounds: Sequence[Round], unit: str) -> Figure:
    """Sum up two rounds or more."""
    ratios = [each.ratio for each in rounds]
    lower, _, upper = quantiles(ratios, n=4, method="inclusive")
    return Figure(
        ratio=median(ratios),
        ours=median(each.ours.cpu for each in rounds),
        reference=median(each.reference.cpu for each in rounds),
        unit=unit,
        spread=upper - lower,
        ours_ms=median(each.ours.latency for each in rounds),
        reference_ms=median(each.reference.latency for each in rounds),
    )
