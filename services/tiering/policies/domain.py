"""The rules of a scheme, a ladder or a score, and what makes them fit to be put in force.

Rules are read from a draft, so what the chain must choose may still be missing (None, 0 or empty). `check` finds that;
whatever grades customers relies on rules that passed it.
"""

from calendar import monthrange
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from chassis.errors import FailedPrecondition, NotFound, Problems

# The rank of having no class: below the lowest.
NO_RANK = -1
# The key under which the catalogue of benefits is kept; no scheme has it.
CATALOGUE = "benefits"
# What weights and shares add up to, in per cent.
WHOLE = 100


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


# What a score ranks, in the order of its weights.
RANKED = (Metric.NET_SPEND, Metric.PROFIT, Metric.PURCHASE_COUNT)


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
    AFTER_GRACE = "AFTER_GRACE"


class RefundCountsAt(StrEnum):
    """On which business date a refund counts: its own, or that of the sale that it gives back, where that is known."""

    REFUND_TIME = "REFUND_TIME"
    SALE_TIME = "SALE_TIME"


class OnRefund(StrEnum):
    """When a refund may cost a class."""

    AT_EVALUATION = "ON_REFUND_AT_EVALUATION"
    REVERSE_UPGRADE = "REVERSE_UPGRADE"


class Kind(StrEnum):
    """Kinds of sale, which their refunds share."""

    SALE = "SALE"
    CONTRACT = "CONTRACT"


@dataclass(frozen=True, slots=True)
class Condition:
    """Holds when the metric is at or above the bound."""

    metric: Metric
    at_least: int  # minor units for money metrics, purchases or days for the others


@dataclass(frozen=True, slots=True)
class SchemeClass:
    """A class of a scheme."""

    class_key: str
    display_zh: str
    display_en: str


@dataclass(frozen=True, slots=True)
class LadderClass(SchemeClass):
    """One step of a ladder."""

    at_first_purchase: bool = False
    entry: tuple[Condition, ...] = ()
    keep: tuple[Condition, ...] = ()  # empty: as for entry


@dataclass(frozen=True, slots=True)
class ScoreClass(SchemeClass):
    """A class that takes a share of all customers with a sale."""

    share: int = 0  # whole per cent


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the rules of every scheme have: classes from lowest to highest, and which entries count on which day."""

    classes: tuple[SchemeClass, ...]
    window: Window | None
    refund_counts_at: RefundCountsAt | None
    rolling_months: int = 0  # for the rolling window alone
    kinds: tuple[Kind, ...] = ()  # of the sales that count, with their refunds; empty: all

    @property
    def first_class(self) -> str | None:
        """The class that a first purchase gives at once, if there is one."""
        return None

    @property
    def listed(self) -> tuple[SchemeClass, ...]:
        """The classes in the order in which people write them."""
        return self.classes

    def rank(self, class_key: str | None) -> int:
        """Place a class in the scheme, 0 being the lowest.

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder(Rules):
    """Gives the highest class whose conditions hold."""

    classes: tuple[LadderClass, ...]
    demotion: Demotion | None
    on_refund: OnRefund | None
    grace_quarters: int = 0  # for demotion after grace alone

    @property
    def first_class(self) -> str | None:
        """The class that a first purchase gives at once, if the ladder has one."""
        return next((step.class_key for step in self.classes if step.at_first_purchase), None)

    @property
    def metrics(self) -> frozenset[Metric]:
        """What its conditions measure."""
        return frozenset(condition.metric for step in self.classes for condition in (*step.entry, *step.keep))


class Weights(NamedTuple):
    """How much each rank adds to a score, in per cent; None where the chain has not chosen."""

    amount: int | None = None
    profit: int | None = None
    frequency: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score(Rules):
    """Orders everybody with a sale by weighted ranks and gives each class its share of that order (T-22, X-04)."""

    classes: tuple[ScoreClass, ...]
    weights: Weights

    @property
    def metrics(self) -> frozenset[Metric]:
        """What it ranks."""
        return frozenset(RANKED)

    @property
    def listed(self) -> tuple[ScoreClass, ...]:
        """The classes from the highest down, as people write and cut them."""
        return self.classes[::-1]


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """A version of a scheme's policy: its rules, and the first day that it covers."""

    scheme: str
    version: int
    effective_date: date
    rules: Ladder | Score


def covering(versions: Iterable[PolicyVersion], day: date) -> PolicyVersion | None:
    """Find, among the active versions of one scheme, the one that covers a day: the latest that began by then."""
    begun = (version for version in versions if version.effective_date <= day)
    return max(begun, key=lambda version: version.effective_date, default=None)


def window_start(rules: Rules, as_of: date) -> date:
    """Answer the first business date that counts for a grading as of a day; the day itself is the last.

    A rolling window of n months starts on the day after the same day n months earlier, which is the month's last day
    where that month is shorter: one month up to 31 March starts on 1 March, up to 28 February on 29 January.
    """
    match rules.window:
        case Window.LIFETIME:
            return date.min
        case Window.ROLLING:
            return day_after_months_before(as_of, rules.rolling_months)
        case Window.CALENDAR_QUARTER:
            return quarter_start(as_of)
        case Window.CALENDAR_YEAR:
            return date(as_of.year, 1, 1)
    raise ValueError("rules that passed their check have a window")


def grace_days(ladder: Ladder, as_of: date) -> tuple[date, ...]:
    """Answer the days on which a class could last be earned to be kept still: the ends of the quarters before, if any.

    With two quarters of grace, 30 June and the days of May before it look back to 31 March and 31 December.
    """
    days: list[date] = []
    day = as_of
    for _ in range(ladder.grace_quarters if ladder.demotion is Demotion.AFTER_GRACE else 0):
        first = quarter_start(day)
        if first == date.min:
            break
        day = first - timedelta(days=1)
        days.append(day)
    return tuple(days)


def quarter_start(day: date) -> date:
    """Answer the first day of a day's quarter."""
    return date(day.year, (day.month - 1) // 3 * 3 + 1, 1)


def day_after_months_before(day: date, months: int) -> date:
    """Go some months back, then one day on; a day before the calendar's first becomes its first."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    if year < date.min.year:
        return date.min
    last = monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last)) + timedelta(days=1)


def check(problems: Problems, rules: Ladder | Score) -> None:
    """Note everything that keeps rules from being put in force; paths begin at the policy's payload."""
    match rules:
        case Ladder():
            check_ladder(problems, rules, "ladder")
        case Score():
            check_score(problems, rules, "score")


def check_ladder(problems: Problems, ladder: Ladder, field: str) -> None:
    """Note what is wrong with a ladder.

    The classes must be strictly ordered: whoever enters a class would also enter every class below it, and not the
    other way round. Keep conditions need no such order, because a customer keeps the highest class that it can.
    """
    check_common(problems, ladder, field)
    note_missing(problems, field, {"demotion": ladder.demotion, "on_refund": ladder.on_refund})
    if ladder.demotion is Demotion.AFTER_GRACE:
        note_missing(problems, field, {"grace_quarters": ladder.grace_quarters})
    for index, step in enumerate(ladder.classes):
        check_step(problems, f"{field}.classes[{index}]", step, lowest=index == 0)
    for index, (below, above) in enumerate(pairwise(ladder.classes), start=1):
        check_order(problems, f"{field}.classes[{index}].entry", below.entry, above.entry)


def check_score(problems: Problems, score: Score, field: str) -> None:
    """Note what is wrong with a score: weights and shares must be there, and be 100 together."""
    check_common(problems, score, field)
    weights, shares = score.weights._asdict(), [one.share for one in score.listed]
    missing = [name for name, weight in weights.items() if weight is None]
    for name in missing:
        problems.add(f"{field}.weights.{name}", "POLICY_INCOMPLETE")
    for index, share in enumerate(shares):
        note_missing(problems, f"{field}.classes[{index}]", {"share": share})
    if not missing:
        check_whole(problems, f"{field}.weights", weights.values())
    if shares:
        check_whole(problems, f"{field}.classes", shares)


def check_whole(problems: Problems, path: str, parts: Iterable[int]) -> None:
    """Note parts that are not 100 per cent together."""
    total = sum(parts)
    if total != WHOLE:
        problems.add(path, "SUM_NOT_HUNDRED", total=str(total))


def check_common(problems: Problems, rules: Rules, field: str) -> None:
    """Note what is wrong with what all rules have."""
    choices = {"classes": rules.classes, "window": rules.window, "refund_counts_at": rules.refund_counts_at}
    note_missing(problems, field, choices)
    if rules.window is Window.ROLLING:
        note_missing(problems, field, {"rolling_months": rules.rolling_months})
    keys = [one.class_key for one in rules.listed]
    for index, one in enumerate(rules.listed):
        path = f"{field}.classes[{index}]"
        if one.class_key in keys[:index]:
            problems.add(f"{path}.class_key", "CLASS_REPEATED", class_key=one.class_key)
        note_missing(problems, f"{path}.display_name", {"zh": one.display_zh, "en": one.display_en})


def check_step(problems: Problems, path: str, step: LadderClass, *, lowest: bool) -> None:
    """Note what is wrong with a step of a ladder by itself."""
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
