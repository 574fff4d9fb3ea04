"""The tier notice: the grade result and the benefits of the grade, after each grading (N-09, T-14)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType

from chassis.names import identity
from services.notify.templates.domain import Value, Words


class Change(StrEnum):
    """What a grading did to a customer's class."""

    NEW = "NEW"
    UP = "UP"
    DOWN = "DOWN"
    SAME = "SAME"


CHANGES: Mapping[Change, Words] = MappingProxyType(
    {
        Change.NEW: Words(zh="首次评定", en="new"),
        Change.UP: Words(zh="升级", en="moved up"),
        Change.DOWN: Words(zh="降级", en="moved down"),
        Change.SAME: Words(zh="保持不变", en="unchanged"),
    }
)
NO_CLASS = Words(zh="无等级", en="no class")


@dataclass(frozen=True, slots=True)
class GradeResult:
    """What an evaluation found of one customer: the class from now on, none by rank 0, and what it brings.

    `customer`, `evaluation` and `scheme` are names, `effective_time` is in microseconds.
    """

    event_id: str
    customer: str
    scheme: str
    evaluation: str
    effective_time: int
    class_key: str
    class_name: Words
    benefits: tuple[Words, ...]
    from_rank: int
    to_rank: int
    confirmed: bool

    @property
    def business_key(self) -> str:
        """What makes a notice of this result one notice, however often the result is told."""
        scheme, evaluation, customer = map(identity, (self.scheme, self.evaluation, self.customer))
        return f"tier/{scheme}/{evaluation}/{customer}/{self.class_key}"

    @property
    def change(self) -> Change:
        """What the grading did to the class."""
        if self.confirmed or self.from_rank == self.to_rank:
            return Change.SAME
        if self.from_rank == 0:
            return Change.NEW
        return Change.UP if self.to_rank > self.from_rank else Change.DOWN


def values(result: GradeResult, effective_date: date) -> dict[str, Value]:
    """Answer what a tier notice can say, by variable."""
    return {
        "class_name": result.class_name if result.to_rank else NO_CLASS,
        "benefits": result.benefits,
        "effective_date": effective_date,
        "change": CHANGES[result.change],
    }
