"""The rules of clocks: a clock is the sum of its events, and counts around the clock, every day (X-14, K-17).

Instants are microseconds UTC, spans microseconds. A limit is passed at its due time itself, so that a limit of zero is
breached when its clock starts (K-75). A verb answers the events that it adds, and first of all a breach that had passed
by then: whether anybody looked in between makes no difference to what was in time. A verb that a clock's state does not
allow adds none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class Kind(StrEnum):
    """What is limited; the values are the contract's."""

    ACKNOWLEDGE = "ACKNOWLEDGE"
    CONFIRM = "CONFIRM"
    RESPOND = "RESPOND"
    RESOLVE = "RESOLVE"
    COMMITMENT = "COMMITMENT"


class State(StrEnum):
    """Where a clock stands; the values are the contract's."""

    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    MET = "MET"
    DROPPED = "DROPPED"


class Step(StrEnum):
    """What happened to a clock; the values are the contract's."""

    STARTED = "STARTED"
    LIMITED = "LIMITED"
    PAUSED = "PAUSED"
    RESUMED = "RESUMED"
    MET = "MET"
    DROPPED = "DROPPED"
    AT_RISK = "AT_RISK"
    BREACHED = "BREACHED"


Key = tuple[Kind, int]

# In these a clock still asks for something.
OPEN = frozenset({State.RUNNING, State.PAUSED})


@dataclass(frozen=True, slots=True)
class ClockEvent:
    """One step of one clock, which is never changed.

    `number` is the commitment's, 0 for other kinds. `time` is from when it holds, `record_time` when it was written
    down. STARTED and LIMITED set `limit` and `warning`, how much may be counted and at how much the clock is at risk;
    without a warning it never is. `cause` is a rule, a pause reason or a verb, `party` whom a pause waits for, `actor`
    the code of who did it, empty when time did.
    """

    kind: Kind
    number: int
    step: Step
    time: int
    record_time: int
    limit: int | None = None
    warning: int | None = None
    cause: str = ""
    party: str = ""
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Clock:
    """One time limit on a ticket, as its events have made it.

    `counted` is what it had counted when it last began, stopped or got its limit; while it runs, the time since `since`
    comes on top. `at_risk_time` and `breach_time` are when that was so, once in a clock's life. `rule` is the cause of
    its present limit.
    """

    kind: Kind
    number: int
    state: State
    limit: int
    warning: int | None
    start_time: int
    counted: int
    since: int | None
    stop_time: int | None
    at_risk_time: int | None
    breach_time: int | None
    rule: str

    @property
    def key(self) -> Key:
        """Answer what tells it from the other clocks of its ticket."""
        return self.kind, self.number

    @property
    def due_time(self) -> int | None:
        """Answer when its limit is used up if it runs on; None unless it runs."""
        return None if self.since is None else self.since + self.limit - self.counted

    @property
    def pending(self) -> list[tuple[Step, int]]:
        """Answer the alerts that are left and when each is due if it runs on, the graver one first."""
        if self.since is None or self.breach_time is not None:
            return []
        left = [(Step.BREACHED, self.limit)]
        if self.warning is not None and self.at_risk_time is None:
            left.append((Step.AT_RISK, self.warning))
        # What a shorter limit finds passed has passed since then, and not before.
        return [(step, self.since + max(0, counted - self.counted)) for step, counted in left]

    @property
    def alert_time(self) -> int | None:
        """Answer when the next alert has to be fired; None when none is left, or while it does not run."""
        return min((time for _, time in self.pending), default=None)


# ------------------------------------------------------------------------------------------------- events make a clock


def apply(clock: Clock | None, event: ClockEvent) -> Clock:
    """Let one event change a clock, or begin it."""
    if event.step is Step.STARTED:
        return Clock(
            kind=event.kind,
            number=event.number,
            state=State.RUNNING,
            limit=event.limit or 0,
            warning=event.warning,
            start_time=event.time,
            counted=0,
            since=event.time,
            stop_time=None,
            at_risk_time=None,
            breach_time=None,
            rule=event.cause,
        )
    if clock is None:
        raise ValueError(f"the clock {event.kind} {event.number} has no beginning")
    # Another process's clock may run behind; that never turns back what was counted.
    counted = clock.counted if clock.since is None else clock.counted + max(0, event.time - clock.since)
    match event.step:
        case Step.LIMITED:
            since = None if clock.since is None else max(event.time, clock.since)
            changed = replace(clock, limit=event.limit or 0, warning=event.warning, rule=event.cause)
            return replace(changed, counted=counted, since=since)
        case Step.RESUMED:
            return replace(clock, state=State.RUNNING, since=event.time, stop_time=None)
        case Step.PAUSED | Step.MET | Step.DROPPED:
            stop_time = None if event.step is Step.PAUSED else event.time
            return replace(clock, state=State(event.step), counted=counted, since=None, stop_time=stop_time)
        case Step.AT_RISK:
            return replace(clock, at_risk_time=event.time)
        case Step.BREACHED:
            return replace(clock, breach_time=event.time)


def replay(events: Iterable[ClockEvent]) -> dict[Key, Clock]:
    """Work the clocks of a ticket out from all their events, in the order in which those were written."""
    clocks: dict[Key, Clock] = {}
    for event in events:
        key = event.kind, event.number
        clocks[key] = apply(clocks.get(key), event)
    return clocks


# --------------------------------------------------------------------------------------------------- verbs make events


def alerts(clock: Clock, now: int) -> list[ClockEvent]:
    """Fire what is due by now: a breach, or else a warning, each once in a clock's life."""
    due = [ClockEvent(*clock.key, step, time, now) for step, time in clock.pending if time <= now]
    return due[:1]


def start(
    kind: Kind, number: int, *, limit: int, warning: int | None, time: int, now: int, cause: str, actor: str
) -> list[ClockEvent]:
    """Begin to count, from a time that may lie in the past."""
    return _add(None, ClockEvent(kind, number, Step.STARTED, time, now, limit, warning, cause, actor=actor))


def limit(clock: Clock, *, limit: int, warning: int | None, now: int, cause: str, actor: str) -> list[ClockEvent]:
    """Give another limit, unless it is the same; the clock keeps what it has counted and what was fired."""
    if (clock.limit, clock.warning, clock.rule) == (limit, warning, cause):
        return []
    return _add(clock, ClockEvent(*clock.key, Step.LIMITED, now, now, limit, warning, cause, actor=actor))


def pause(clock: Clock, *, time: int, cause: str, party: str, actor: str) -> list[ClockEvent]:
    """Stop counting while a party is waited for; a commitment is never paused (K-36)."""
    if clock.kind is Kind.COMMITMENT or clock.state is not State.RUNNING:
        return []
    return _add(clock, ClockEvent(*clock.key, Step.PAUSED, time, time, cause=cause, party=party, actor=actor))


def resume(clock: Clock, *, time: int, actor: str) -> list[ClockEvent]:
    """Count on after a pause, or when the matter is not at its end after all; the time in between does not count."""
    if clock.kind is Kind.COMMITMENT or clock.state is State.RUNNING:
        return []
    return _add(clock, ClockEvent(*clock.key, Step.RESUMED, time, time, actor=actor))


def meet(clock: Clock, *, time: int, now: int, cause: str, actor: str) -> list[ClockEvent]:
    """Record that what it asks for was done, at a time that may lie in the past."""
    if clock.state not in OPEN:
        return []
    return _add(clock, ClockEvent(*clock.key, Step.MET, time, now, cause=cause, actor=actor))


def drop(clock: Clock, *, now: int, cause: str, actor: str) -> list[ClockEvent]:
    """Record that it does not apply any more."""
    if clock.state not in OPEN:
        return []
    return _add(clock, ClockEvent(*clock.key, Step.DROPPED, now, now, cause=cause, actor=actor))


def _add(clock: Clock | None, event: ClockEvent) -> list[ClockEvent]:
    """Put a breach that had passed by an event before it, and an alert that is due because of it behind it."""
    found = alerts(clock, event.time) if clock else []
    passed = [replace(alert, record_time=event.record_time) for alert in found if alert.step is Step.BREACHED]
    for breach in passed:
        clock = apply(clock, breach)
    return [*passed, event, *alerts(apply(clock, event), event.record_time)]
