"""Verbs that work the time limits: an engineer confirms a fault report, a ticket waits, and goes on (K-73, X-14)."""

from __future__ import annotations

from chassis.errors import wrong
from services.ticketing.cases.domain import Actor, Case
from services.ticketing.clocks import domain as clocks
from services.ticketing.clocks.domain import Kind
from services.ticketing.complaints.domain import commit
from services.ticketing.sla.domain import PauseReason, SlaPolicy
from services.ticketing.states.domain import Verb
from services.ticketing.steps.domain import answered, counted, meet, step


def confirm_report(case: Case, policy: SlaPolicy, agreed_time: int, remark: str, actor: Actor, now: int) -> Case:
    """Record that an engineer confirmed the report and agreed the repair time, which is a commitment (K-73).

    Raises `Invalid` (TIME_IN_PAST) and `CommitmentTooLate`.
    """
    case = step(case, Verb.CONFIRM_REPORT, actor, now, text=remark)
    case = meet(case, (Kind.ACKNOWLEDGE, Kind.CONFIRM, Kind.RESPOND), now, Verb.CONFIRM_REPORT, actor)
    return commit(answered(case, now, actor), policy, agreed_time, "agreed_time", actor, now)


def pause(case: Case, policy: SlaPolicy, code: str, party: str, remark: str, actor: Actor, now: int) -> Case:
    """Let a ticket wait for a party: the clocks that the reason names stand still (X-14).

    Raises `Invalid` (PARTY_MISSING, PAUSE_REASON_UNKNOWN).
    """
    reason = _reason(policy, code, party)
    details = {"reason": code, "waiting_for": party}
    case = step(case, Verb.PAUSE, actor, now, text=remark, details=details, waiting_for=party)
    for clock in case.clocks:
        if clock.kind in reason.clocks and clock.state is clocks.State.RUNNING:
            paused = clocks.pause(clock, time=now, cause=code, party=party, actor=actor.staff)
            case = counted(case, paused)
    return case


def resume(case: Case, remark: str, actor: Actor, now: int) -> Case:
    """End the waiting: paused clocks count on."""
    return step(case, Verb.RESUME, actor, now, text=remark)


def _reason(policy: SlaPolicy, code: str, party: str) -> PauseReason:
    if not party:
        raise wrong("waiting_for", "PARTY_MISSING")
    fitting = [one for one in policy.pause_reasons if party in one.parties]
    for one in fitting:
        if one.code == code:
            return one
    raise wrong("reason", "PAUSE_REASON_UNKNOWN", code=code, allowed=", ".join(one.code for one in fitting) or "-")
