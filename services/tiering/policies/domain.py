"""A ladder policy: classes from lowest to highest, the conditions for each, and what makes it fit to be put in force.

A ladder is read from a draft, so what the chain must choose may still be missing (None, 0 or empty). `check` finds
that; whatever grades customers relies on a ladder that passed it.
"""

from calendar import monthrange
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from itertools import pairwise

from chassis.errors import FailedPrecondition, NotFound, Problems

# The rank of having no class: below the lowest.
NO_RANK = -1
# The key under which the catalogue of benefits is kept; no scheme has it.
CATALOGUE = "benefits"


class PolicyMissing(FailedPrecondition):
    """No active policy of the scheme covers the day. Metadata: scheme, as_of."""

    reason = "POLICY_MISSING"


class SchemeUnknown(NotFound):
    """No policy of this scheme was ever activated. Metadata: name."""

    reason = "SCHEME_UNKNOWN"


class Metric(StrEnum):
    """What a condition measures; the values are the contract's."""

    NET_SPEND = "METRIC_NET_SPEND"
    PROFIT = "METRIC_PROFIT"
    PURCHASE_COUNT = "METRIC_PURCHASE_COUNT"
    ACTIVE_DAYS = "METRIC_ACTIVE_DAYS"
    TENURE_DAYS = "METRIC_TENURE_DAYS"

    @property
    def is_money(self) -> bool:
        """Whether bounds are amounts; the other metrics count."""
        return self in (Metric.NET_SPEND, Metric.PROFIT)


class Window(StrEnum):
    """Which business dates count, up to the day graded. Tenure counts from the first sale in any window."""

    LIFETIME = "LIFETIME"
    ROLLING = "ROLLING"
    CALENDAR_QUARTER = "CALENDAR_QUARTER"
    CALENDAR_YEAR = "CALENDAR_YEAR"


class Demotion(StrEnum):
    """When a class that is no longer earned is lost."""

    NONE = "NONE"
    AT_EVALUATION = "AT_EVALUATION"


class RefundCountsAt(StrEnum):
    """On which business date a refund counts."""

    REFUND_TIME = "REFUND_TIME"


class OnRefund(StrEnum):
    """When a refund may cost a class."""

    AT_EVALUATION = "ON_REFUND_AT_EVALUATION"


@dataclass(frozen=True, slots=True)
class Condition:
    """Holds when the metric is at or above the bound."""

    metric: Metric
    at_least: int  # minor units for money metrics, purchases or days for the others


@dataclass(frozen=True, slots=True)
class LadderClass:
    """One step of a ladder."""

    class_key: str
    display_zh: str
    display_en: str
    at_first_purchase: bool = False
    entry: tuple[Condition, ...] = ()
    keep: tuple[Condition, ...] = ()  # empty: as for entry


@dataclass(frozen=True, slots=True)
class Ladder:
    """Classes from lowest to highest and how they are applied."""

    classes: tuple[LadderClass, ...]
    window: Window | None
    demotion: Demotion | None
    refund_counts_at: RefundCountsAt | None
    on_refund: OnRefund | None
    rolling_months: int = 0  # for the rolling window alone

    @property
    def first_class(self) -> str | None:
        """The class that a first purchase gives at once, if the ladder has one."""
        return next((step.class_key for step in self.classes if step.at_first_purchase), None)

    def rank(self, class_key: str | None) -> int:
        """Place a class on the ladder, 0 being the lowest.

        None ranks below all, and so does a class that only another version of the policy knows.
        """
        return next((rank for rank, step in enumerate(self.classes) if step.class_key == class_key), NO_RANK)

    def class_at(self, rank: int) -> str | None:
        """Name the class of a rank; None for no class."""
        return None if rank == NO_RANK else self.classes[rank].class_key

    def display(self, class_key: str | None) -> tuple[str, str]:
        """Answer what a class is called in Chinese and English; its key where only another version knows it."""
        rank = self.rank(class_key)
        if rank == NO_RANK:
            return class_key or "", class_key or ""
        return self.classes[rank].display_zh, self.classes[rank].display_en


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """A version of a scheme's policy: its ladder, and the first day that it covers."""

    scheme: str
    version: int
    effective_date: date
    ladder: Ladder


def covering(versions: Iterable[PolicyVersion], day: date) -> PolicyVersion | None:
    """Find, among the active versions of one scheme, the one that covers a day: the latest that began by then."""
    begun = (version for version in versions if version.effective_date <= day)
    return max(begun, key=lambda version: version.effective_date, default=None)


def window_start(ladder: Ladder, as_of: date) -> date:
    """Answer the first business date that counts for a grading as of a day; the day itself is the last.

    A rolling window of n months starts on the day after the same day n months earlier, which is the month's last day
    where that month is shorter: one month up to 31 March starts on 1 March, up to 28 February on 29 January.
    """
    match ladder.window:
        case Window.LIFETIME:
            return date.min
        case Window.ROLLING:
            return day_after_months_before(as_of, ladder.rolling_months)
        case Window.CALENDAR_QUARTER:
            return date(as_of.year, (as_of.month - 1) // 3 * 3 + 1, 1)
        case Window.CALENDAR_YEAR:
            return date(as_of.year, 1, 1)
    raise ValueError("a ladder that passed its check has a window")


def day_after_months_before(day: date, months: int) -> date:
    """Go some months back, then one day on; a day before the calendar's first becomes its first."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    if year < date.min.year:
        return date.min
    last = monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last)) + timedelta(days=1)


def check(problems: Problems, ladder: Ladder, field: str = "ladder") -> None:
    """Note everything that keeps a ladder from being put in force; `field` is the path of the ladder in its message.

    The classes must be strictly ordered: whoever enters a class would also enter every class below it, and not the
    other way round. Keep conditions need no such order, because a customer keeps the highest class that it can.
    """
    choices = {
        "classes": ladder.classes,
        "window": ladder.window,
        "demotion": ladder.demotion,
        "refund_counts_at": ladder.refund_counts_at,
        "on_refund": ladder.on_refund,
    }
    note_missing(problems, field, choices)
    if ladder.window is Window.ROLLING:
        note_missing(problems, field, {"rolling_months": ladder.rolling_months})
    for index, step in enumerate(ladder.classes):
        path = f"{field}.classes[{index}]"
        if step.class_key in {lower.class_key for lower in ladder.classes[:index]}:
            problems.add(f"{path}.class_key", "CLASS_REPEATED", class_key=step.class_key)
        check_class(problems, path, step, lowest=index == 0)
    for index, (below, above) in enumerate(pairwise(ladder.classes), start=1):
        check_order(problems, f"{field}.classes[{index}].entry", below.entry, above.entry)


def check_class(problems: Problems, path: str, step: LadderClass, *, lowest: bool) -> None:
    """Note what is wrong with a class by itself."""
    note_missing(problems, f"{path}.display_name", {"zh": step.display_zh, "en": step.display_en})
    if step.at_first_purchase:
        misplaced = {"at_first_purchase": not lowest, "entry": step.entry, "keep": step.keep}
        for name, wrong in misplaced.items():
            if wrong:
                problems.add(f"{path}.{name}", "FIRST_PURCHASE_NOT_LOWEST")
    else:
        note_missing(problems, path, {"entry": step.entry})
    check_conditions(problems, f"{path}.entry", step.entry)
    check_conditions(problems, f"{path}.keep", step.keep)
    to_enter = bounds(step.entry)
    for index, condition in enumerate(step.keep):
        if condition.at_least > to_enter.get(condition.metric, condition.at_least):
            problems.add(bound_path(f"{path}.keep[{index}]", condition), "KEEP_ABOVE_ENTRY")


def check_conditions(problems: Problems, path: str, conditions: Sequence[Condition]) -> None:
    """Note metrics that stand twice, and counts without a bound: 0 cannot be told from missing, and holds for all."""
    for index, condition in enumerate(conditions):
        if condition.metric in bounds(conditions[:index]):
            problems.add(f"{path}[{index}].metric", "CONDITION_REPEATED", metric=condition.metric)
        if not condition.metric.is_money:
            note_missing(problems, f"{path}[{index}]", {"at_least_count": condition.at_least})


def check_order(problems: Problems, path: str, below: Sequence[Condition], above: Sequence[Condition]) -> None:
    """Note where entering a class does not ask for all that the class below asks for, and for something more."""
    if not below or not above:
        return
    floor = bounds(below)
    if not floor.keys() <= bounds(above).keys():
        problems.add(path, "POLICY_UNORDERED")
    harder = any(condition.metric not in floor or condition.at_least > floor[condition.metric] for condition in above)
    for index, condition in enumerate(above):
        least = floor.get(condition.metric)
        if least is not None and (condition.at_least < least or (condition.at_least == least and not harder)):
            problems.add(bound_path(f"{path}[{index}]", condition), "POLICY_UNORDERED")


def bounds(conditions: Sequence[Condition]) -> dict[Metric, int]:
    """Read conditions as a bound per metric."""
    return {condition.metric: condition.at_least for condition in conditions}


def bound_path(path: str, condition: Condition) -> str:
    """Name the field that holds a condition's bound."""
    return f"{path}.at_least_amount" if condition.metric.is_money else f"{path}.at_least_count"


def note_missing(problems: Problems, path: str, values: Mapping[str, object]) -> None:
    """Note each value that the chain has to choose and has not."""
    for name, value in values.items():
        if not value:
            problems.add(f"{path}.{name}", "POLICY_INCOMPLETE")
