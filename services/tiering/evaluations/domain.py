"""What a run is about: its day, the moment it takes effect, its movements and its figures."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from chassis import names
from chassis.calendar import end_of_day
from chassis.errors import FailedPrecondition, NotFound, Problems
from services.tiering.memberships.domain import Cause, Movement
from services.tiering.policies.domain import NO_RANK, Ladder, Rules, Score
from services.tiering.scoring.domain import ClassRange


class EvaluationNotFound(NotFound):
    """There is no such run. Metadata: name."""

    reason = "EVALUATION_NOT_FOUND"


class EvaluationApplied(FailedPrecondition):
    """The run took effect before. Metadata: name."""

    reason = "EVALUATION_APPLIED"


class EvaluationNotApplied(FailedPrecondition):
    """The run is not in effect. Metadata: name."""

    reason = "EVALUATION_NOT_APPLIED"


class EvaluationStale(FailedPrecondition):
    """What the run found no longer holds. Metadata: name."""

    reason = "EVALUATION_STALE"


class EvaluationNotNewest(FailedPrecondition):
    """Another run of the scheme was applied later. Metadata: name, newest."""

    reason = "EVALUATION_NOT_NEWEST"


def check_as_of(problems: Problems, as_of: date, today: date) -> None:
    """Note a day that is not over yet; `today` is the day in the chain's zone."""
    if as_of >= today:
        problems.add("as_of", "AS_OF_NOT_PAST", today=today.isoformat())


def effective_time(as_of: date, zone: ZoneInfo) -> int:
    """Answer when a run's movements take effect: at the last microsecond of the day graded, in the chain's zone."""
    return end_of_day(as_of, zone)


# Stands for the id of any customer, where what is written of many differs in nothing else.
ANYBODY = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run found for a customer with a ledger entry by its day."""

    from_class: str | None  # effective at the end of the day graded, never a later one
    to_class: str | None


@dataclass(frozen=True, slots=True)
class Run:
    """What a run is to do. Instants are microseconds."""

    id: str
    scheme: str
    as_of: date
    policy_version: int
    effective_time: int
    record_time: int

    def movement(self, outcome: Outcome) -> Movement:
        """Write how anybody of an outcome moves."""
        classes = (outcome.from_class, outcome.to_class)
        return Movement(
            self.scheme, ANYBODY, *classes, Cause.EVALUATION, self.effective_time, self.record_time, self.id
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """A run, the rules that it grades by, and whether its movements are to take effect."""

    run: Run
    rules: Ladder | Score
    applied: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run counted; `class_counts` and `none_count` add up to the denominator."""

    denominator: int
    class_counts: tuple[tuple[str, int], ...]  # every class of the rules, the lowest first
    none_count: int
    up_count: int
    down_count: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A run that is done; one that was not applied moved nobody. Instants are microseconds."""

    run: Run
    apply_time: int | None  # when it took effect
    revert_time: int | None  # when it was taken back
    known_through: Mapping[int, int]  # by partition, the position up to which the owner's events had been read
    figures: Figures
    class_ranges: tuple[ClassRange, ...] = ()  # of a score: each class that somebody got

    @property
    def name(self) -> str:
        """Answer the resource name."""
        return names.name("evaluations", self.run.id)

    def behind(self, now: int) -> int:
        """Answer the time at which it is taken back: after it took effect, whatever this process's clock says."""
        return max(now, (self.apply_time or 0) + 1)


def check_appliable(evaluation: Evaluation, newest: Evaluation | None) -> None:
    """Refuse to apply a run that was applied, or that another one has overtaken.

    `newest` is the run of the scheme in effect that was applied last.
    """
    if evaluation.apply_time is not None:
        raise EvaluationApplied(name=evaluation.name)
    if newest is not None and (newest.apply_time or 0) > evaluation.run.record_time:
        raise EvaluationStale(name=evaluation.name)


def check_same(evaluation: Evaluation, again: Evaluation) -> None:
    """Refuse to apply a run when grading its day again, by the policy in force now, does not give the same figures."""
    found, now = ((one.run.policy_version, one.figures, frozenset(one.class_ranges)) for one in (evaluation, again))
    if found != now:
        raise EvaluationStale(name=evaluation.name)


def check_revertible(evaluation: Evaluation, newest: Evaluation | None) -> None:
    """Refuse to revert a run that is not in effect, or was not applied last: others rest on what it gave."""
    if evaluation.apply_time is None or evaluation.revert_time is not None:
        raise EvaluationNotApplied(name=evaluation.name)
    if newest is not None and newest.run.id != evaluation.run.id:
        raise EvaluationNotNewest(name=evaluation.name, newest=newest.name)


def figures(rules: Rules, outcomes: Mapping[Outcome, int]) -> Figures:
    """Count a run from how many customers there are of each outcome.

    Up and down are counted by rank. Whoever comes from no class, or from one that the rules do not know, moves
    neither up nor down; whoever loses every class moves down.
    """
    after, steps = Counter[str | None](), Counter[int]()
    for outcome, count in outcomes.items():
        after[outcome.to_class] += count
        before = rules.rank(outcome.from_class)
        if before != NO_RANK:
            steps[rules.rank(outcome.to_class) - before] += count
    return Figures(
        denominator=after.total(),
        class_counts=tuple((step.class_key, after[step.class_key]) for step in rules.classes),
        none_count=after[None],
        up_count=sum(count for step, count in steps.items() if step > 0),
        down_count=sum(count for step, count in steps.items() if step < 0),
    )
