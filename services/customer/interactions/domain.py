"""The rules of the communication log: every contact with a customer is kept, and none is ever changed (C-15, N-08)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chassis import names
from chassis.errors import Forbidden
from services.customer.customers.domain import CLOSED, Customer, CustomerClosed
from services.customer.ledger.domain import TimeInFuture


class StaffUnnamed(Forbidden):
    """Nobody is named who held the contact."""

    reason = "STAFF_UNNAMED"


class Kind(StrEnum):
    """Kind of contact."""

    VISIT = "VISIT"
    CALL = "CALL"
    MESSAGE = "MESSAGE"
    EMAIL = "EMAIL"
    LETTER = "LETTER"
    CHAT = "CHAT"
    OTHER = "OTHER"


class Direction(StrEnum):
    """Who turned to whom: INBOUND the customer to the chain, OUTBOUND the chain to the customer."""

    INBOUND = "INBOUND"
    OUTBOUND = "OUTBOUND"


@dataclass(frozen=True, slots=True)
class Draft:
    """What is told of a contact; without a time it takes place now."""

    customer_id: str
    kind: Kind
    direction: Direction
    occur_time: int | None
    store: str
    summary: str
    ticket_id: str


@dataclass(frozen=True, slots=True)
class Interaction:
    """A contact with a customer: staff held it, or notify handed the message over that it names.

    Times are microseconds UTC.
    """

    id: str
    customer_id: str
    kind: Kind
    direction: Direction
    occur_time: int
    create_time: int
    staff: str = ""
    store: str = ""
    summary: str = ""
    ticket_id: str = ""
    message_id: str = ""

    @property
    def name(self) -> str:
        """The resource name."""
        return names.name("interactions", self.id)

    @property
    def customer(self) -> str:
        """The customer's resource name."""
        return names.name("customers", self.customer_id)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which contacts with a customer a list shall show: of a kind, from a time on and before another; None for all."""

    customer_id: str
    kind: Kind | None = None
    start: int | None = None
    end: int | None = None


def require_holder(staff: str) -> str:
    """Answer the staff code of whoever held a contact; raise `StaffUnnamed` without one (C-15)."""
    if not staff:
        raise StaffUnnamed
    return staff


def enter(draft: Draft, customer: Customer, staff: str, *, now: int, tolerance: int, new_id: str) -> Interaction:
    """Enter a contact that a member of staff had; `tolerance` is how far the caller's clock may run ahead.

    Raises `CustomerClosed` for a file that was merged or erased, and `TimeInFuture`.
    """
    if customer.state in CLOSED:
        raise CustomerClosed(name=customer.name, state=customer.state)
    occur_time = now if draft.occur_time is None else draft.occur_time
    if occur_time > now + tolerance:
        raise TimeInFuture(field="interaction.occur_time")
    return Interaction(
        id=new_id,
        customer_id=customer.id,
        kind=draft.kind,
        direction=draft.direction,
        occur_time=occur_time,
        create_time=now,
        staff=staff,
        store=draft.store,
        summary=draft.summary,
        ticket_id=draft.ticket_id,
    )
