"""The rules of a refund: it gives back a sale, or part of one, or stands alone for a reason (X-29).

A refund is a fact of its own: it counts on its own business date from the moment it is recorded, linked or not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from chassis.errors import FailedPrecondition, NotFound, Problems, Refused
from chassis.money import Currency
from services.customer.customers.domain import Buyer, Known, Resolution, resolve
from services.customer.ledger.domain import (
    Content,
    Correction,
    Entry,
    Link,
    Moment,
    Receipt,
    Record,
    SaleVoided,
    accept,
    payload_hash,
    time_odd,
)

AT = "refund"
SALE = "SALE"


class RefundNotFound(NotFound):
    """There is no such refund."""

    reason = "REFUND_NOT_FOUND"


class ReceiptNotFound(NotFound):
    """No sale is recorded under this receipt."""

    reason = "RECEIPT_NOT_FOUND"


class OriginalNotFound(NotFound):
    """The purchase named as the original does not exist."""

    reason = "ORIGINAL_NOT_FOUND"


class OverRefund(FailedPrecondition):
    """More is given back than is left of the original sale."""

    reason = "OVER_REFUND"


class RefundApproverMissing(FailedPrecondition):
    """A refund without an original needs an approver, unless it is settled."""

    reason = "REFUND_APPROVER_MISSING"


@dataclass(frozen=True, slots=True)
class Original:
    """The sale that is given back, and the refunds it has had so far."""

    sale: Entry
    refunds: tuple[Entry, ...] = ()

    def left(self) -> int:
        """Answer how much of the sale's total is left; nothing of a voided one was ever sold."""
        sold = 0 if self.sale.void else self.sale.content.total
        return sold - sum(refund.content.total for refund in self.refunds)

    def left_of_line(self, line_no: int) -> tuple[int, int] | None:
        """Answer the quantity and the amount left of a line; None when the sale has no such line."""
        sold = [line for line in self.sale.content.lines if line.line_no == line_no]
        if not sold:
            return None
        back = [line for refund in self.refunds for line in refund.content.lines if line.original_line_no == line_no]
        quantity, amount = (0, 0) if self.sale.void else (sold[0].quantity, sold[0].amount)
        return quantity - sum(line.quantity for line in back), amount - sum(line.amount for line in back)

    def after(self, refund: Entry) -> Original:
        """Answer the sale with one more refund."""
        return Original(self.sale, (*self.refunds, refund))


@dataclass(frozen=True, slots=True)
class Draft:
    """A refund as a till sent it; the server fills in the id or the receipt of an original that is recorded."""

    content: Content
    original_id: str
    original_receipt: Receipt | None
    buyer: Buyer
    reason: str
    approver: str
    settled: bool

    @property
    def payload_hash(self) -> bytes:
        """What makes two refunds the same."""
        return payload_hash(self.content, self.original_receipt)


def check(problems: Problems, draft: Draft) -> None:
    """Note what is wrong with a refund in itself: an original named twice, lines of none, no reason for having none."""
    if draft.original_id and draft.original_receipt:
        problems.add(f"{AT}.original_receipt", "ORIGINAL_NAMED_TWICE")
    if draft.original_id or draft.original_receipt:
        return
    if not draft.reason:
        problems.add(f"{AT}.reason", "REFUND_REASON_MISSING")
    for index, line in enumerate(draft.content.lines):
        if line.original_line_no:
            problems.add(f"{AT}.lines[{index}].original_line_no", "ORIGINAL_MISSING")


def check_against(draft: Draft, original: Original) -> None:
    """Raise `Invalid` for lines that the original does not have, and for another customer than the original's."""
    problems = Problems()
    for index, line in enumerate(draft.content.lines):
        if line.original_line_no and original.left_of_line(line.original_line_no) is None:
            field = f"{AT}.lines[{index}].original_line_no"
            problems.add(field, "ORIGINAL_LINE_UNKNOWN", line_no=str(line.original_line_no))
    named = draft.buyer.customer_id
    if named and original.sale.customer_id and named != original.sale.customer_id:
        customer = f"customers/{original.sale.customer_id}"
        problems.add(f"{AT}.customer", "ORIGINAL_CUSTOMER_DIFFERS", customer=customer)
    problems.refuse()


def excess(content: Content, original: Original, currency: Currency) -> tuple[Refused, ...]:
    """Tell whether the sale was voided, or more is given back than is left of it, of the whole or of a line."""
    if original.sale.void:
        return (SaleVoided(name=f"purchases/{original.sale.id}"),)
    if content.total > original.left():
        return (OverRefund(field=f"{AT}.total", left=currency.text(max(original.left(), 0))),)
    asked: dict[int, tuple[int, int]] = {}
    for index, line in enumerate(content.lines):
        left = original.left_of_line(line.original_line_no)
        if left is None:
            continue
        before = asked.get(line.original_line_no, (0, 0))
        wanted = (before[0] + line.quantity, before[1] + line.amount)
        asked[line.original_line_no] = wanted
        if wanted[0] > left[0] or wanted[1] > left[1]:
            return (OverRefund(field=f"{AT}.lines[{index}]", left=currency.text(max(left[1], 0))),)
    return ()


def record(
    draft: Draft, original: Original | None, known: Known, moment: Moment, currency: Currency, new_id: str
) -> Entry:
    """Record a refund; without `settled` what is odd about it is refused."""
    if original is not None:
        check_against(draft, original)
        sale = original.sale
        resolution = Resolution(sale.customer_id, sale.customer_state, pending=sale.pending)
        odd = excess(draft.content, original, currency)
        link = Link.LINKED
    else:
        resolution = resolve(draft.buyer, known, AT)
        odd = ()
        link = Link.AWAITING_SALE if draft.original_receipt else Link.STANDALONE
        if link is Link.STANDALONE and not (draft.approver or draft.settled):
            raise RefundApproverMissing(field=f"{AT}.approver")
    return Entry(
        id=new_id,
        record=Record.REFUND,
        kind=original.sale.kind if original else SALE,
        content=draft.content,
        payload_hash=draft.payload_hash,
        customer_id=resolution.customer_id,
        customer_state=resolution.state,
        create_time=moment.now,
        anomalies=accept((*resolution.odd, *odd, *time_odd(draft.content, moment, AT)), settled=draft.settled),
        pending=resolution.pending,
        original=draft.original_receipt,
        original_id=original.sale.id if original else None,
        link=link,
        reason=draft.reason,
        approver=draft.approver,
    )


def link(sale: Entry, waiting: Iterable[Entry], currency: Currency) -> list[Correction]:
    """Link refunds that waited for a sale: they are its customer's and of its kind, as if they had come after it.

    They are facts by now, so that whatever exceeds what is left becomes an anomaly. Each sees those before it.
    """
    original, corrections = Original(sale), []
    for refund in waiting:
        odd = accept(excess(refund.content, original, currency), settled=True)
        linked = dataclasses.replace(
            refund,
            kind=sale.kind,
            customer_id=sale.customer_id,
            customer_state=sale.customer_state,
            pending=sale.pending,
            original_id=sale.id,
            link=Link.LINKED,
            anomalies=(*refund.anomalies, *odd),
        )
        corrections.append(Correction(refund, linked))
        original = original.after(linked)
    return corrections
