"""What every verb is made of: a step by the table of states, entries of the timeline, clocks that start and stop.

Each is a function from a case to a case, which gathers what is new: entries, events of clocks, signals for listeners.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from services.ticketing.cases.domain import (
    NOBODY,
    Actor,
    Case,
    Commitment,
    Entry,
    ManagerRequired,
    OwnerRequired,
    Promise,
    Signal,
    Told,
)
from services.ticketing.clocks import domain as clocks
from services.ticketing.clocks.domain import Clock, ClockEvent, Kind, Step
from services.ticketing.policies.domain import Rules
from services.ticketing.priorities.domain import rank
from services.ticketing.states.domain import State, Verb, Who, require


def step(
    case: Case,
    verb: Verb,
    actor: Actor,
    now: int,
    *,
    text: str = "",
    details: Mapping[str, str] | None = None,
    **changes: Any,  # noqa: ANN401  (fields of the ticket)
) -> Case:
    """Take one step by the table, change fields of the ticket with it, and enter it into the timeline.

    A ticket that leaves WAITING lets its clocks count on. Raises `TicketStateForbids`, `OwnerRequired` and
    `ManagerRequired`.
    """
    before = case.ticket
    row = require(verb, before.state, before.type, before.name)
    if row.who is Who.MANAGER and not actor.manager:
        raise ManagerRequired
    if row.who is Who.OWNER and not actor.manager and actor.staff != before.owner:
        raise OwnerRequired(owner=f"staff/{before.owner}")
    state = row.to or before.state
    if before.state is State.WAITING and state is not State.WAITING:
        case = _resumed(case, now, actor)
        changes["waiting_for"] = ""
    # A clock that runs behind never turns a ticket's time back.
    moved: dict[str, Any] = {"state": state, "update_time": max(now, before.update_time), "version": before.version + 1}
    case = replace(case, ticket=replace(case.ticket, **(moved | changes)))
    return entered(case, verb, actor, now, before.state, text=text, details=details or {})


def entered(
    case: Case,
    verb: Verb,
    actor: Actor,
    time: int,
    from_state: State | None,
    *,
    text: str = "",
    details: Mapping[str, str],
) -> Case:
    """Enter something into the timeline."""
    number = case.ticket.entries + 1
    entry = Entry(number, time, actor.name, verb, from_state, case.ticket.state, text, details)
    return replace(case, ticket=replace(case.ticket, entries=number), entries=(*case.entries, entry))


def signalled(case: Case, told: Told, **details: object) -> Case:
    """Tell whoever listens."""
    return replace(case, signals=(*case.signals, Signal(told, details)))


def counted(case: Case, events: Iterable[ClockEvent]) -> Case:
    """Add events to the clocks; a warning and a breach are entered into the timeline and told."""
    for event in events:
        old = case.clock(event.kind, event.number)
        new = clocks.apply(old, event)
        others = tuple(clock for clock in case.clocks if clock is not old)
        case = replace(case, clocks=(*others, new), clock_events=(*case.clock_events, event))
        if event.step in (Step.AT_RISK, Step.BREACHED):
            case = _alerted(case, event, old or new)
    return case


def fire(case: Case, now: int) -> Case:
    """Give the warnings and breaches whose time has come; each is given once in a clock's life (N-14, K-75)."""
    for clock in case.clocks:
        case = counted(case, clocks.alerts(clock, now))
    if not case.clock_events:
        return case
    # A desk that polls sees it by the time of the change; who works on the ticket may go on with the etag at hand.
    return replace(case, ticket=replace(case.ticket, update_time=max(now, case.ticket.update_time)))


def meet(case: Case, kinds: Iterable[Kind], now: int, cause: Verb, actor: Actor) -> Case:
    """Stop clocks of some kinds, because what they ask for has been done."""
    for kind in kinds:
        clock = case.clock(kind)
        if clock:
            case = counted(case, clocks.meet(clock, time=now, now=now, cause=cause, actor=actor.staff))
    return case


def drop(case: Case, dropped: Sequence[Clock], now: int, cause: str, actor: Actor) -> Case:
    """Stop clocks that do not apply any more."""
    for clock in dropped:
        case = counted(case, clocks.drop(clock, now=now, cause=cause, actor=actor.staff))
    return case


def answered(case: Case, now: int, actor: Actor) -> Case:
    """Take the open commitment as answered: kept in time, or late (K-36)."""
    promise = case.promise
    if promise is None:
        return case
    state = Promise.KEPT if now <= promise.promised_time else Promise.LATE
    clock = case.clock(Kind.COMMITMENT, promise.number)
    if clock:
        case = counted(case, clocks.meet(clock, time=now, now=now, cause=state, actor=actor.staff))
    return promised(case, replace(promise, state=state, answer_time=now))


def promised(case: Case, commitment: Commitment) -> Case:
    """Put a commitment in its place."""
    return replace(case, commitments=(*case.commitments[: commitment.number - 1], commitment))


def ranked(case: Case, rules: Rules) -> Case:
    """Work the priority out anew (X-22): another clock may be the next one due."""
    ticket = case.ticket
    due = [clock.due_time for clock in case.clocks if clock.due_time is not None]
    priority = rank(
        rules.priority,
        rules.priority_name,
        severity=ticket.severity,
        deadline=min(due, default=None),
        report_time=ticket.report_time,
        classes=ticket.classes,
    )
    return replace(case, ticket=replace(ticket, priority=priority))


def _resumed(case: Case, now: int, actor: Actor) -> Case:
    for clock in case.clocks:
        if clock.state is clocks.State.PAUSED:
            case = counted(case, clocks.resume(clock, time=now, actor=actor.staff))
    return case


def _alerted(case: Case, event: ClockEvent, clock: Clock) -> Case:
    at_risk = event.step is Step.AT_RISK
    due = clock.due_time if clock.due_time is not None else event.time
    details = {"clock": str(event.kind)} | ({"commitment": str(event.number)} if event.number else {})
    verb = Verb.CLOCK_AT_RISK if at_risk else Verb.CLOCK_BREACHED
    case = entered(case, verb, NOBODY, event.record_time, case.ticket.state, details=details)
    told = Told.AT_RISK if at_risk else Told.BREACHED
    return signalled(case, told, clock=event.kind, number=event.number, due_time=due)
