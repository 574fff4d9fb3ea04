"""The rules of a sale (C-21 to C-24, C-26): a fact is recorded with its oddities, a command may be refused."""

from __future__ import annotations

from dataclasses import dataclass

from chassis.errors import NotFound
from services.customer.customers.domain import Buyer, Resolution
from services.customer.ledger.domain import Content, Entry, Moment, Record, accept, payload_hash, time_odd


class PurchaseNotFound(NotFound):
    """There is no such purchase."""

    reason = "PURCHASE_NOT_FOUND"


@dataclass(frozen=True, slots=True)
class Draft:
    """A sale as a till sent it."""

    content: Content
    kind: str
    buyer: Buyer
    settled: bool
    sales_staff: str = ""
    group_order: str = ""

    @property
    def payload_hash(self) -> bytes:
        """What makes two sales the same."""
        return payload_hash(self.content)


def record(draft: Draft, resolution: Resolution, moment: Moment, new_id: str) -> Entry:
    """Record a sale; without `settled` an unknown, ambiguous or blocked customer or a time in the future is refused."""
    odd = (*resolution.odd, *time_odd(draft.content, moment, "purchase"))
    return Entry(
        id=new_id,
        record=Record.SALE,
        kind=draft.kind,
        content=draft.content,
        payload_hash=draft.payload_hash,
        customer_id=resolution.customer_id,
        customer_state=resolution.state,
        create_time=moment.now,
        anomalies=accept(odd, settled=draft.settled),
        pending=resolution.pending,
        sales_staff=draft.sales_staff,
        group_order=draft.group_order,
    )
