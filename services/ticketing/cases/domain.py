"""A case: a ticket with its clocks, commitments and solutions, and what is new about it since it was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from chassis.errors import Aborted, Forbidden, NotFound
from services.ticketing.clocks.domain import Clock, ClockEvent, Kind
from services.ticketing.priorities.domain import Priority
from services.ticketing.states.domain import State, Verb


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


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tickets a list shows; empty texts are any.

    `mine` is who owns them or works on them. `stores` are those that the caller may see, None for all; what is `mine`
    is seen whatever its store.
    """

    mine: str = ""
    customer_id: str = ""
    owner: str = ""
    assignee: str = ""
    queue: str = ""
    store: str = ""
    type: str = ""
    number: str = ""
    states: tuple[State, ...] = ()
    stores: tuple[str, ...] | None = None
    seen_by: str = ""
    changed_since: int | None = None


def require_current(ticket: Ticket, etag: str) -> None:
    """Raise `TicketChanged`, with how it stands now, where an etag is given that is not current."""
    if etag not in ("", ticket.etag):
        raise TicketChanged(name=ticket.name, state=ticket.state, etag=ticket.etag)
