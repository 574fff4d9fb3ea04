"""The steps of a complaint: facts, solutions, the customer's answer, promised times, compensation (K-27 to K-38).

Promised times and progress serve tickets of every type.
"""

from __future__ import annotations

from dataclasses import replace

from chassis.calendar import utc
from chassis.errors import FailedPrecondition, wrong
from services.ticketing.cases.domain import Actor, Case, Commitment, Offer, Solution, Told
from services.ticketing.clocks import domain as clocks
from services.ticketing.clocks.domain import Clock, Kind
from services.ticketing.sla.domain import SlaPolicy
from services.ticketing.states.domain import Verb
from services.ticketing.steps.domain import answered, counted, meet, promised, signalled, step

# As many as the contract can number.
MOST_SOLUTIONS = 100


class FactsNotVerified(FailedPrecondition):
    """The facts must be verified first (K-32, X-20)."""

    reason = "FACTS_NOT_VERIFIED"


class SolutionNotAccepted(FailedPrecondition):
    """The customer has not accepted the solution (K-38)."""

    reason = "SOLUTION_NOT_ACCEPTED"


class SolutionAnswered(FailedPrecondition):
    """The customer has answered already."""

    reason = "SOLUTION_ANSWERED"


class SolutionsTooMany(FailedPrecondition):
    """The ticket has as many solutions as it may have."""

    reason = "SOLUTIONS_TOO_MANY"


class CommitmentOpen(FailedPrecondition):
    """An earlier promise is still open."""

    reason = "COMMITMENT_OPEN"


class CommitmentTooLate(FailedPrecondition):
    """Only a manager may promise a time beyond the limit (X-21)."""

    reason = "COMMITMENT_TOO_LATE"


def verify_facts(case: Case, finding: str, report: str, actor: Actor, now: int) -> Case:
    """Record what was found of the customer's account."""
    details = {"finding": finding}
    return step(case, Verb.VERIFY_FACTS, actor, now, text=report, details=details, finding=finding)


def propose(case: Case, description: str, explanation: str, compensation: int, actor: Actor, now: int) -> Case:
    """Add a solution with its explanation, which is an answer of substance (K-33, K-34, K-37)."""
    number = len(case.solutions) + 1
    case = step(case, Verb.PROPOSE_SOLUTION, actor, now, text=description, details={"solution": str(number)})
    require_facts(case)
    if number > MOST_SOLUTIONS:
        raise SolutionsTooMany(limit=str(MOST_SOLUTIONS))
    solution = Solution(number, description, explanation, compensation, actor.staff, now)
    case = meet(case, (Kind.ACKNOWLEDGE, Kind.RESPOND), now, Verb.PROPOSE_SOLUTION, actor)
    return replace(case, solutions=(*case.solutions, solution))


def answer(case: Case, number: int, remark: str, actor: Actor, now: int, *, accepted: bool) -> Case:
    """Record the customer's answer to a solution (K-38)."""
    verb = Verb.ACCEPT_SOLUTION if accepted else Verb.DECLINE_SOLUTION
    case = step(case, verb, actor, now, text=remark, details={"solution": str(number)})
    solution = numbered(case, number)
    if solution.state is not Offer.PROPOSED:
        raise SolutionAnswered(number=str(number), state=solution.state)
    state = Offer.ACCEPTED if accepted else Offer.DECLINED
    return settled(case, replace(solution, state=state, answer_time=now))


def compensate(case: Case, number: int, amount: int, shown: str, remark: str, actor: Actor, now: int) -> Case:
    """Record what the customer was given under an accepted solution; `shown` is the amount as the timeline tells it.

    Raises `SolutionNotAccepted` and `Invalid` (COMPENSATION_TOO_HIGH).
    """
    details = {"solution": str(number), "amount": shown}
    case = step(case, Verb.RECORD_COMPENSATION, actor, now, text=remark, details=details)
    solution = numbered(case, number)
    require_accepted(solution)
    if solution.compensated + amount > solution.compensation:
        raise wrong("amount", "COMPENSATION_TOO_HIGH", number=str(number))
    return settled(case, replace(solution, compensated=solution.compensated + amount))


def commit_time(case: Case, policy: SlaPolicy, time: int, remark: str, actor: Actor, now: int) -> Case:
    """Promise the customer an answer at a time (K-35); an earlier promise must have been answered."""
    case = step(case, Verb.COMMIT_TIME, actor, now, text=remark)
    if case.promise:
        raise CommitmentOpen(promised_time=utc(case.promise.promised_time))
    return commit(case, policy, time, "promised_time", actor, now)


def report_progress(case: Case, policy: SlaPolicy, text: str, next_time: int | None, actor: Actor, now: int) -> Case:
    """Record that the customer was told the progress: it answers the open commitment, and the next one follows (K-36).

    Raises `Invalid` (NEXT_TIME_MISSING, TIME_IN_PAST) and `CommitmentTooLate`.
    """
    promise = case.promise
    case = step(case, Verb.REPORT_PROGRESS, actor, now, text=text)
    if promise and next_time is None:
        raise wrong("next_time", "NEXT_TIME_MISSING")
    case = answered(case, now, actor)
    case = meet(case, (Kind.ACKNOWLEDGE, Kind.RESPOND), now, Verb.REPORT_PROGRESS, actor)
    return case if next_time is None else commit(case, policy, next_time, "next_time", actor, now)


def commit(case: Case, policy: SlaPolicy, time: int, field: str, actor: Actor, now: int) -> Case:
    """Make a commitment: a hard deadline of its own, with a clock that never pauses (X-15).

    One beyond the due time of the RESOLVE clock takes a manager, and puts that clock off (X-21). Where that time has
    passed, a promise may reach as far as the limit itself.
    """
    if time <= now:
        raise wrong(field, "TIME_IN_PAST")
    resolve = case.clock(Kind.RESOLVE)
    latest = _latest(resolve, now)
    if latest is not None and time > latest and not actor.manager:
        raise CommitmentTooLate(field=field, latest=utc(latest))
    number, staff = len(case.commitments) + 1, actor.staff
    case = promised(case, Commitment(number, time, staff, now))
    limit, cause = time - now, f"commitments/{number}"
    warning = max(limit - policy.commitment_reminder, 0)
    started = clocks.start(
        Kind.COMMITMENT, number, limit=limit, warning=warning, time=now, now=now, cause=cause, actor=staff
    )
    case = signalled(counted(case, started), Told.COMMITMENT, number=number, promised_time=time)
    if resolve and latest is not None and now < latest < time and resolve.breach_time is None:
        longer = resolve.limit + time - latest
        put_off = clocks.limit(resolve, limit=longer, warning=warned(longer, policy), now=now, cause=cause, actor=staff)
        case = counted(case, put_off)
    return case


def warned(limit: int, policy: SlaPolicy) -> int:
    """Answer the counted time at which a clock of a limit is at risk."""
    return limit * policy.at_risk_percent // 100


def require_facts(case: Case) -> None:
    """Raise `FactsNotVerified` while nobody has looked at the facts."""
    if not case.ticket.finding:
        raise FactsNotVerified(name=case.ticket.name)


def require_accepted(solution: Solution) -> None:
    """Raise `SolutionNotAccepted` unless the customer agrees."""
    if solution.state not in (Offer.ACCEPTED, Offer.CARRIED_OUT):
        raise SolutionNotAccepted(number=str(solution.number))


def numbered(case: Case, number: int) -> Solution:
    """Find a solution by its number, or raise `Invalid` (SOLUTION_UNKNOWN)."""
    for solution in case.solutions:
        if solution.number == number:
            return solution
    raise wrong("solution", "SOLUTION_UNKNOWN", number=str(number))


def settled(case: Case, solution: Solution) -> Case:
    """Put a solution in its place."""
    before, after = case.solutions[: solution.number - 1], case.solutions[solution.number :]
    return replace(case, solutions=(*before, solution, *after))


def _latest(resolve: Clock | None, now: int) -> int | None:
    """Answer the latest time that anybody may promise; None where nothing limits it."""
    if resolve is None or resolve.state not in (clocks.State.RUNNING, clocks.State.PAUSED):
        return None
    due = resolve.due_time if resolve.due_time is not None else now + resolve.limit - resolve.counted
    return due if due > now else now + resolve.limit
