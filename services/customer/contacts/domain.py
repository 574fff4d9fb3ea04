"""Addressing a customer: only with consent, first on the channel that the customer prefers (C-36, C-38, N-03, N-07).

And reaching staff, whose work it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.customer.consents.domain import Basis, Channel
from services.customer.customers.domain import Customer, State
from services.customer.directory.domain import Staff
from services.customer.personal.domain import PHONES, ContactPoint, Personal

# The kinds of contact point that a channel leads to.
KINDS: Mapping[Channel, Sequence[str]] = {
    Channel.SMS: ("MOBILE",),
    Channel.EMAIL: ("EMAIL",),
    Channel.PHONE: PHONES,
    Channel.WECHAT: ("WECHAT",),
}


class Outcome(StrEnum):
    """What became of the wish to address a customer."""

    ALLOWED = "ALLOWED"
    NO_CONSENT = "NO_CONSENT"
    NO_CONTACT = "NO_CONTACT"
    ERASED = "ERASED"
    UNKNOWN = "UNKNOWN"
    BLOCKED = "BLOCKED"


class StaffOutcome(StrEnum):
    """What became of the wish to reach a member of staff."""

    ALLOWED = "ALLOWED"
    NO_CONTACT = "NO_CONTACT"
    UNKNOWN = "UNKNOWN"
    INACTIVE = "INACTIVE"


# States of a file in which nobody is addressed, whatever was allowed.
SILENT = {State.BLOCKED: Outcome.BLOCKED, State.MERGED: Outcome.BLOCKED, State.ERASED: Outcome.ERASED}


@dataclass(frozen=True, slots=True)
class Choice:
    """How a customer may be addressed, or why not; the channel and all behind it only where it is allowed."""

    outcome: Outcome
    basis: Basis | None = None
    channel: Channel | None = None
    value: str = ""
    preferred: bool = False


def choose(customer: Customer | None, bases: Mapping[Channel, Basis], channels: Sequence[Channel]) -> Choice:
    """Choose the first channel that is allowed and leads somewhere: the preferred one where it is asked, then as asked.

    `bases` tells for each of the channels what its use rests on.
    """
    if customer is None:
        return Choice(Outcome.UNKNOWN)
    if customer.state in SILENT:
        return Choice(SILENT[customer.state])
    order = sorted(channels, key=lambda channel: channel != customer.preferred_channel)
    allowed = [channel for channel in order if bases[channel].allows]
    for channel in allowed:
        point = contact_point(customer.personal, channel)
        if point:
            preferred = channel == customer.preferred_channel
            return Choice(Outcome.ALLOWED, bases[channel], channel, point.value, preferred)
    if allowed:
        return Choice(Outcome.NO_CONTACT, bases[allowed[0]])
    return Choice(Outcome.NO_CONSENT, bases[order[0]])


def contact_point(personal: Personal, channel: Channel) -> ContactPoint | None:
    """Find where a channel leads: to the point marked as preferred, else to the first of its kinds."""
    points = [point for point in personal.contact_points if point.kind in KINDS[channel]]
    return min(points, key=lambda point: not point.preferred, default=None)


def reach(staff: Staff | None) -> StaffOutcome:
    """Tell whether a member of staff is reached, at the address of the entry."""
    if staff is None:
        return StaffOutcome.UNKNOWN
    if not staff.active:
        return StaffOutcome.INACTIVE
    return StaffOutcome.ALLOWED if staff.email else StaffOutcome.NO_CONTACT
