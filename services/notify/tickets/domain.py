"""What happens to a ticket: which notices it meets, whom they reach and what they can say (N-13, N-14, N-15)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from chassis.calendar import to_micros
from chassis.names import identity
from services.notify.rules.domain import Occasion, Recipient, TicketNotice
from services.notify.templates.domain import Value, Words


@dataclass(frozen=True, slots=True)
class Term:
    """A value of one of ticketing's enumerations, and the words for it."""

    key: str
    words: Words


@dataclass(frozen=True, slots=True)
class TicketEvent:
    """One event of a ticket, and the ticket as it stands since.

    Ticket, customer, owner and assignee are names; there is no customer when a member of staff reported, and no
    assignee while nobody works on it. Store and queue are codes, and a store may be missing. Clock, due and promised
    time, the commitment's number and the follow-up are there when the occasion has them. `time` is in microseconds.
    """

    event_id: str
    time: int
    occasion: Occasion
    ticket: str
    number: str
    type: Term
    severity: Term
    state: Term
    customer: str
    store: str
    queue: str
    owner: str
    assignee: str
    report_time: datetime
    clock: Term | None = None
    due_time: datetime | None = None
    promised_time: datetime | None = None
    commitment: int = 0
    follow_up: str = ""

    def business_key(self, recipient: str) -> str:
        """What makes notices of what happened to one recipient one notice, whatever rule asks and however often.

        It does not name the event: a ticketing service that was restored fires an alert anew under another id. What
        people do anew after that is another act, at another time.
        """
        return f"ticket/{self.occasion}/{identity(self.ticket)}/{self._which}/{recipient}"

    @property
    def _which(self) -> str:
        """Tell apart what can happen to a ticket more than once."""
        match self.occasion:
            case Occasion.OPENED | Occasion.ACKNOWLEDGED:
                return "once"
            case Occasion.COMMITMENT_MADE:
                return f"{self.commitment}-{_micros(self.promised_time)}"
            case Occasion.CLOCK_AT_RISK | Occasion.CLOCK_BREACHED:
                return f"{self.clock.key if self.clock else ''}-{self.commitment}-{_micros(self.due_time)}"
            case Occasion.FOLLOW_UP_DUE:
                return identity(self.follow_up)
            case _:
                return str(self.time)


def _micros(time: datetime | None) -> int:
    return to_micros(time) if time else 0


def meets(event: TicketEvent, notice: TicketNotice) -> bool:
    """Tell whether a notice is about an event; an empty filter lets everything through."""
    return (
        event.occasion is notice.occasion
        and _passes(event.type, notice.types)
        and _passes(event.severity, notice.severities)
        and _passes(event.clock, notice.clocks)
    )


def _passes(term: Term | None, wanted: Collection[str]) -> bool:
    return not wanted or (term is not None and term.key in wanted)


def recipients(event: TicketEvent, notice: TicketNotice, serving: Collection[str]) -> list[str]:
    """Name whom a notice reaches by an event; `serving` names who serves in its role at the ticket's store."""
    match notice.recipient:
        case Recipient.CUSTOMER:
            found: Collection[str] = (event.customer,)
        case Recipient.OWNER:
            found = (event.owner,)
        case Recipient.ASSIGNEE:
            found = (event.assignee or event.owner,)
        case Recipient.ROLE:
            found = serving
    return [name for name in found if name]


def values(event: TicketEvent) -> dict[str, Value]:
    """Answer what a notice of an event can say, by variable: nothing that anybody wrote, and nobody's name."""
    told: dict[str, Value | None] = {
        "ticket_number": event.number,
        "ticket_type": event.type.words,
        "severity": event.severity.words,
        "state": event.state.words,
        "store": event.store,
        "queue": event.queue,
        "report_time": event.report_time,
        "promised_time": event.promised_time,
        "clock": event.clock.words if event.clock else None,
        "due_time": event.due_time,
    }
    return {name: value for name, value in told.items() if value is not None}
