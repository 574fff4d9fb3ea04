"""Movements between the classes of a scheme, and the class that follows from them.

Movements are only ever added. The class that holds at a time is derived from them by `deciding`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from chassis.errors import NotFound
from services.tiering.grading.domain import Metrics, Progress, earned, next_class, progress
from services.tiering.policies.domain import Ladder, Score


class MembershipNotFound(NotFound):
    """The customer has no ledger entry. Metadata: name."""

    reason = "MEMBERSHIP_NOT_FOUND"


class Cause(StrEnum):
    """Why a customer moved; the values are the contract's."""

    FIRST_PURCHASE = "FIRST_PURCHASE"
    EVALUATION = "EVALUATION"
    CORRECTION = "CORRECTION"
    REVERT = "REVERT"
    REFUND = "REFUND"


# Why movements grade a customer; those of a first purchase and its corrections tell of one fact.
GRADES = (Cause.EVALUATION, Cause.REFUND)
CORRECTS = (Cause.FIRST_PURCHASE, Cause.CORRECTION)


@dataclass(frozen=True, slots=True)
class Movement:
    """A customer's class in a scheme changed. Instants are microseconds; None as a class is no class."""

    scheme: str
    customer: str
    from_class: str | None
    to_class: str | None
    cause: Cause
    effective_time: int  # from when the class holds
    record_time: int  # when that became known
    evaluation: str | None = None  # the run's id, of movements that a run made, or that its revert made


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a customer with movements in a scheme stands."""

    class_key: str | None  # None for no class
    since_time: int  # effective time of the movement that decides
    record_time: int  # and its record time
    began_time: int | None  # since when the first class holds, by the last correction; None where it never began
    corrected_time: int | None  # record time of the last correction; None without one
    graded: bool  # whether a run or a refund made the movement that decides


def on_sale(
    scheme: str,
    customer: str,
    first_class: str | None,
    standing: Standing | None,
    first_sale_time: int | None,
    now: int,
) -> Movement | None:
    """Let the first class begin with the first sale; None when nothing changes.

    `first_sale_time` is the business time of the customer's earliest sale that counts as known by now, with any total,
    and None without one; `standing` is None for a customer without a movement in the scheme. Sales may arrive in any
    order and be taken away again, and all orders lead to the same. Each movement is recorded later than the one before.
    """
    began = standing.began_time if standing else None
    graded = standing is not None and standing.graded
    if first_class is not None and first_sale_time is not None:
        from_class, to_class, effective_time = None, first_class, first_sale_time
    elif standing is not None and began is not None:
        # It is taken back as of when it was said to have begun.
        from_class, to_class, effective_time = None if graded else standing.class_key, None, began
    else:
        return None
    if to_class is not None and effective_time == began:
        return None
    corrected = standing.corrected_time if standing else None
    return Movement(
        scheme=scheme,
        customer=customer,
        from_class=from_class,
        to_class=to_class,
        cause=Cause.FIRST_PURCHASE if began is None and not graded else Cause.CORRECTION,
        effective_time=effective_time,
        record_time=now if corrected is None else max(now, corrected + 1),
    )


def on_refund(
    scheme: str, customer: str, standing: Standing, ladder: Ladder, graded_class: str | None, now: int
) -> Movement | None:
    """Take a class away at once after a refund; None where `graded_class` ranks no lower than the class held (X-29).

    `standing` is of a customer who was graded before, and `graded_class` what `grading.domain.graded` gives today. The
    movement outranks the one that decided, also where the clock stands still or goes back.
    """
    if ladder.rank(graded_class) >= ladder.rank(standing.class_key):
        return None
    return Movement(
        scheme=scheme,
        customer=customer,
        from_class=standing.class_key,
        to_class=graded_class,
        cause=Cause.REFUND,
        effective_time=max(now, standing.since_time),
        record_time=max(now, standing.record_time + 1),
    )


def deciding(movements: Iterable[Movement], time: int) -> Movement | None:
    """Find, among one customer's movements in one scheme, the one that decides the class at a time, as known now.

      1. Of the movements of runs and refunds with effective_time <= time, if any, the one with the greatest
         (effective_time, record_time, evaluation) decides. Of a run that was reverted none counts any more, nor does
         the movement that reverts it: that one tells how the customer came back.
      2. Otherwise the one recorded last of the others does, once it is effective: they are corrections of one fact,
         when the first class began, or that it never did.
    So a first purchase never outranks a run: not when it is recorded late, and not when it takes effect after the run,
    as for a sale made after midnight that still counts on the business date before.
    """
    known = list(movements)
    reverted = {one.evaluation for one in known if one.cause is Cause.REVERT}
    graded = [
        one for one in known if one.cause in GRADES and one.effective_time <= time and one.evaluation not in reverted
    ]
    if graded:
        return max(graded, key=lambda one: (one.effective_time, one.record_time, one.evaluation or ""))
    corrections = [one for one in known if one.cause in CORRECTS]
    last = max(corrections, key=lambda one: one.record_time, default=None)
    return last if last and last.effective_time <= time else None


def class_at(movements: Iterable[Movement], time: int) -> str | None:
    """Answer the class that one customer holds in one scheme at a time, as known now."""
    movement = deciding(movements, time)
    return movement.to_class if movement else None


@dataclass(frozen=True, slots=True)
class Membership:
    """A customer's place in a scheme at present."""

    scheme: str
    customer: str
    effective_class: str | None
    since_time: int | None  # when the effective class began; None without one
    earned_class: str | None  # what the figures of today would give; None by a score, where it takes everybody's
    next_class: str | None  # above the earned one; None at the top
    progress: tuple[Progress, ...]  # towards the next class


def membership(
    scheme: str,
    customer: str,
    movements: Iterable[Movement],
    rules: Ladder | Score,
    metrics: Metrics,
    today: date,
    now: int,
) -> Membership:
    """Tell a customer's place from its movements, the rules in force today and the figures as of today."""
    decided = deciding(movements, now)
    effective_class = decided.to_class if decided else None
    since_time = decided.effective_time if decided and effective_class else None
    if isinstance(rules, Score):
        return Membership(scheme, customer, effective_class, since_time, None, None, ())
    earned_class = earned(rules, metrics, today)
    above = next_class(rules, earned_class)
    return Membership(
        scheme=scheme,
        customer=customer,
        effective_class=effective_class,
        since_time=since_time,
        earned_class=earned_class,
        next_class=above.class_key if above else None,
        progress=progress(rules, metrics, today, earned_class),
    )
