"""Priority: severity first, then the deadline, brought forward by the strongest class of the customer (X-22, X-10)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

# The contract's severities, in the order in which their tickets are worked on.
SEVERITIES = ("EMERGENCY", "HIGH", "NORMAL", "LOW")


@dataclass(frozen=True, slots=True)
class PriorityPolicy:
    """How much earlier the deadlines of a class count: microseconds by class, "scheme:CLASS" (K-50, T-55, T-57)."""

    bonuses: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Priority:
    """A ticket's place and the parts that it is made of; `policy` names the version that was asked, if one was."""

    severity: str
    deadline: int | None
    class_bonus: int
    bonus_class: str
    order_time: int
    policy: str

    @property
    def rank(self) -> int:
        """The place of its severity, 0 for the first."""
        return SEVERITIES.index(self.severity)

    @property
    def order(self) -> tuple[int, int]:
        """What tickets are sorted by, the lowest first: no deadline and no bonus outweighs a severity."""
        return self.rank, self.order_time


def rank(
    policy: PriorityPolicy | None,
    policy_name: str,
    *,
    severity: str,
    deadline: int | None,
    report_time: int,
    classes: Collection[str],
) -> Priority:
    """Rank a ticket by its severity, the earliest due time of its clocks, if one runs, and the customer's classes.

    Bonuses are not added up: the highest counts, of equal ones that of the class whose name comes first. A ticket
    without a deadline stands at its report time.
    """
    bonuses = policy.bonuses if policy else {}
    strongest = max(sorted(bonuses.keys() & set(classes)), key=bonuses.__getitem__, default="")
    bonus = bonuses.get(strongest, 0)
    return Priority(
        severity=severity,
        deadline=deadline,
        class_bonus=bonus,
        bonus_class=strongest,
        order_time=report_time if deadline is None else deadline - bonus,
        policy=policy_name,
    )
