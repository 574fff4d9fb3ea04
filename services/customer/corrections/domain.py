"""The rules of corrections: what was recorded stays, and says from then on what became of it (C-21, C-23)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from chassis.errors import FailedPrecondition, Problems, Refused
from services.customer.customers.domain import Buyer, Resolution, State
from services.customer.ledger.domain import Correction, CustomerState, Entry, SaleVoided, Void, accept


class PurchaseHasRefunds(FailedPrecondition):
    """Something of the sale was given back."""

    reason = "PURCHASE_HAS_REFUNDS"


class VoidApproverMissing(FailedPrecondition):
    """A sale of this age is voided with an approver only, unless the till has done it."""

    reason = "VOID_APPROVER_MISSING"


class AttachTooLate(FailedPrecondition):
    """The sale is too old to be given to another customer."""

    reason = "ATTACH_TOO_LATE"


class CustomerMerged(FailedPrecondition):
    """The customer's file was merged into another one."""

    reason = "CUSTOMER_MERGED"


class CustomerErased(FailedPrecondition):
    """The customer's personal data were erased."""

    reason = "CUSTOMER_ERASED"


@dataclass(frozen=True, slots=True)
class Limits:
    """Days after its business date: until when a sale is voided without an approver, until when it is attached."""

    void_days: int
    attach_days: int


@dataclass(frozen=True, slots=True)
class Voiding:
    """What is told of a sale that is to be voided."""

    reason: str
    approver: str
    settled: bool


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a sale is to be attached to, and in which state the file of whoever was found is."""

    resolution: Resolution
    state: State | None


def void(sale: Entry, refunds: Sequence[Entry], voiding: Voiding, limits: Limits, now: int, today: date) -> Correction:
    """Mark a sale as never made; what a till has settled has happened, whatever the day.

    `today` is the day in the chain's zone. Raises `Refused` for a sale that is voided, refunded or too old.
    """
    name = _name(sale)
    if sale.void:
        raise SaleVoided(name=name)
    if refunds:
        raise PurchaseHasRefunds(name=name)
    if _age(sale, today) > limits.void_days and not (voiding.approver or voiding.settled):
        raise VoidApproverMissing(field="approver", days=str(limits.void_days))
    return Correction(sale, dataclasses.replace(sale, void=Void(now, voiding.reason, voiding.approver)))


def check_named(problems: Problems, buyer: Buyer) -> None:
    """Note that nobody is named to attach a sale to."""
    if not (buyer.customer_id or buyer.key):
        problems.add("customer", "CUSTOMER_UNNAMED")


def attach(
    sale: Entry, refunds: Sequence[Entry], target: Target, reason: str, limits: Limits, today: date
) -> list[Correction]:
    """Give a sale and its refunds to a customer; nothing changes for one who has them already.

    Raises `Refused` for a voided or too old sale, and for a customer who is not known or with whom no business is done.
    """
    if sale.void:
        raise SaleVoided(name=_name(sale))
    customer_id = target.resolution.customer_id
    if customer_id and customer_id == sale.customer_id:
        return []
    accept((*target.resolution.odd, *_closed(target)), settled=False)
    if _age(sale, today) > limits.attach_days:
        raise AttachTooLate(name=_name(sale), days=str(limits.attach_days))
    given = [_given(entry, customer_id) for entry in (sale, *refunds)]
    given[0] = dataclasses.replace(given[0], attach_reason=reason)
    return [Correction(before, after) for before, after in zip((sale, *refunds), given, strict=True)]


def _given(entry: Entry, customer_id: str | None) -> Entry:
    return dataclasses.replace(entry, customer_id=customer_id, customer_state=CustomerState.RESOLVED, pending=None)


def _closed(target: Target) -> tuple[Refused, ...]:
    closed = {State.MERGED: CustomerMerged, State.ERASED: CustomerErased}
    if target.state not in closed:
        return ()
    return (closed[target.state](name=f"customers/{target.resolution.customer_id}"),)


def _age(sale: Entry, today: date) -> int:
    return (today - sale.content.receipt.business_date).days


def _name(sale: Entry) -> str:
    return f"purchases/{sale.id}"
