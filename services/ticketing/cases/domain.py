"""A case: a ticket with its clocks, commitments and solutions, and what is new about it since it was read.

Every verb is a function from a case to a case, built on `step`, which asks the table of states. What happened gathers in
the case itself: entries of the timeline, events of the clocks, and signals for whoever listens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Any

from chassis.errors import Aborted, Forbidden, NotFound
from services.ticketing.clocks import domain as clocks
from services.ticketing.clocks.domain import Clock, ClockEvent, Kind, Step
from services.ticketing.policies.domain import Rules
from services.ticketing.priorities.domain import Priority, rank
from services.ticketing.states.domain import State, Verb, Who, require


class TicketNotFound(NotFound):
    """There is no such ticket."""

    reason = "TICKET_NOT_FOUND"


class TicketChanged(Aborted):
    """Somebody else has worked on the ticket since the caller read it."""

    reason = "TICKET_CHANGED"


class OwnerRequired(Forbidden):
    """Only the owner or a manager may do this."""

    reason = "OWNER_REQUIRED"


class ManagerRequired(Forbidden):
    """Only a manager with a staff key may do this."""

    reason = "MANAGER_REQUIRED"


class ActorMissing(Forbidden):
    """The call names no member of staff."""

    reason = "ACTOR_MISSING"


class Promise(StrEnum):
    """State of a commitment; the values are the contract's."""

    OPEN = "OPEN"
    KEPT = "KEPT"
    LATE = "LATE"
    DROPPED = "DROPPED"


class Offer(StrEnum):
    """State of a solution; the values are the contract's."""

    PROPOSED = "PROPOSED"
    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"
    CARRIED_OUT = "CARRIED_OUT"


class Told(StrEnum):
    """What listeners are told of; the values are the messages of the contract's events."""

    OPENED = "TicketOpened"
    ACKNOWLEDGED = "TicketAcknowledged"
    TRANSFERRED = "TicketTransferred"
    SOLVED = "TicketSolved"
    CLOSED = "TicketClosed"
    REOPENED = "TicketReopened"
    COMMITMENT = "CommitmentMade"
    AT_RISK = "ClockAtRisk"
    BREACHED = "ClockBreached"
    FOLLOW_UP_DUE = "FollowUpDue"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a member of staff by code, empty for none; the name of the key; whether with a manager's rights."""

    staff: str
    key: str
    manager: bool = False

    @property
    def name(self) -> str:
        """How the timeline names who acted."""
        return f"staff/{self.staff}" if self.staff else self.key


# Acts when time does.
NOBODY = Actor("", "")


@dataclass(frozen=True, slots=True)
class Product:
    """What the matter is about (C-26, K-09); each may be empty."""

    sku: str = ""
    model: str = ""
    specification: str = ""
    serial_no: str = ""
    purchase_date: date | None = None
    purchase_place: str = ""


@dataclass(frozen=True, slots=True)
class Commitment:
    """A time at which the customer was promised an answer (K-35). Times are microseconds UTC."""

    number: int
    promised_time: int
    staff: str
    make_time: int
    state: Promise = Promise.OPEN
    answer_time: int | None = None


@dataclass(frozen=True, slots=True)
class Solution:
    """A way to settle a case (K-37). Amounts are minor units of the chain's currency; no compensation is zero."""

    number: int
    description: str
    explanation: str
    compensation: int
    staff: str
    propose_time: int
    state: Offer = Offer.PROPOSED
    compensated: int = 0
    answer_time: int | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket without what hangs on it. Times are microseconds UTC; codes and ids stand bare; empty is none.

    `entries` counts the timeline, `attempts` the failed attempts to reach the customer.
    """

    id: str
    number: str
    type: str
    channel: str
    severity: str
    customer_id: str
    reporter: str
    store: str
    queue: str
    subject: str
    description: str
    category: str
    cause_code: str
    product: Product | None
    report_time: int
    owner: str
    assignee: str
    state: State
    priority: Priority
    classes: tuple[str, ...]
    create_time: int
    update_time: int
    close_time: int | None = None
    waiting_for: str = ""
    finding: str = ""
    entries: int = 0
    attempts: int = 0
    version: int = 1

    @property
    def name(self) -> str:
        """The resource name."""
        return f"tickets/{self.id}"

    @property
    def etag(self) -> str:
        """The etag of this version, quoted as HTTP does."""
        return f'"{self.version}"'

    @property
    def subject_name(self) -> str:
        """Whose words it holds: the customer, or the member of staff who reports."""
        return f"customers/{self.customer_id}" if self.customer_id else f"staff/{self.reporter}"

    @property
    def responsible(self) -> str:
        """Who must act: the assignee, else the owner (K-28)."""
        return self.assignee or self.owner


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the timeline; `details` hold nothing personal, `text` may."""

    number: int
    time: int
    actor: str
    verb: Verb
    from_state: State | None
    to_state: State
    text: str
    details: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Signal:
    """Something that listeners are told of, with what the event says beside the ticket's facts."""

    told: Told
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """A ticket and what hangs on it, with what is new since it was read."""

    ticket: Ticket
    clocks: tuple[Clock, ...] = ()
    commitments: tuple[Commitment, ...] = ()
    solutions: tuple[Solution, ...] = ()
    entries: tuple[Entry, ...] = ()
    clock_events: tuple[ClockEvent, ...] = ()
    signals: tuple[Signal, ...] = ()

    @property
    def promise(self) -> Commitment | None:
        """The commitment that is open; there is one at most."""
        return next((one for one in self.commitments if one.state is Promise.OPEN), None)

    def clock(self, kind: Kind, number: int = 0) -> Clock | None:
        """Find a clock."""
        return next((clock for clock in self.clocks if (clock.kind, clock.number) == (kind, number)), None)


def require_current(ticket: Ticket, etag: str) -> None:
    """Raise `TicketChanged`, with how it stands now, where an etag is given that is not current."""
    if etag not in ("", ticket.etag):
        raise TicketChanged(name=ticket.name, state=ticket.state, etag=ticket.etag)


def step(
    case: Case,
    verb: Verb,
    actor: Actor,
    now: int,
    *,
    text: str = "",
    details: Mapping[str, str] | None = None,
    **changes: object,
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
    moved = {"state": state, "update_time": max(now, before.update_time), "version": before.version + 1}
    case = replace(case, ticket=replace(case.ticket, **(moved | changes)))  # type: ignore[arg-type]  # fields by name
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
    return case


def meet(case: Case, kinds: Iterable[Kind], now: int, cause: Verb, actor: Actor) -> Case:
    """Stop clocks of some kinds, because what they ask for has been done."""
    for kind in kinds:
        clock = case.clock(kind)
        if clock and clock.state in (clocks.State.RUNNING, clocks.State.PAUSED):
            case = counted(case, clocks.meet(clock, time=now, now=now, cause=cause, actor=actor.staff))
    return case


def drop(case: Case, dropped: Sequence[Clock], now: int, cause: str, actor: Actor) -> Case:
    """Stop clocks that do not apply any more."""
    for clock in dropped:
        if clock.state in (clocks.State.RUNNING, clocks.State.PAUSED):
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
