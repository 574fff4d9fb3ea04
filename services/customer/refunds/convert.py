"""Refunds between the contract and the domain, and the event that tells of one."""

from __future__ import annotations

from collections.abc import Mapping

from chassis import names, wire
from chassis.errors import Problems
from chassis.events import Change
from chassis.money import Currency
from services.customer.customers.domain import Buyer
from services.customer.ledger.convert import (
    CUSTOMER_STATES,
    Reader,
    beginning_to_proto,
    quantity_text,
    set_receipt,
    tell_of,
    write_details,
)
from services.customer.ledger.domain import Beginning, Correction, Entry, Receipt
from services.customer.purchases.convert import purchase_to_proto
from services.customer.refunds.domain import AT, Draft, Original, check
from shuke.customer.v1 import events_pb2
from shuke.customer.v1 import purchases_pb2 as pb


def draft_from_proto(
    problems: Problems, request: pb.RecordRefundRequest | pb.RecordExchangeRequest, operator: str, currency: Currency
) -> Draft:
    """Read a refund; note all that is wrong with it."""
    refund = request.refund
    reader = Reader(problems, AT, currency)
    named = refund.HasField("original_receipt")
    draft = Draft(
        content=reader.content(refund, operator),
        original_id=names.identity(refund.original_purchase),
        original_receipt=reader.receipt("original_receipt", refund.original_receipt) if named else None,
        buyer=Buyer(names.identity(refund.customer)),
        reason=refund.reason,
        approver=refund.approver,
        settled=request.settled,
    )
    check(problems, draft)
    return draft


def receipt_from_proto(request: pb.LookupPurchaseRequest, currency: Currency) -> Receipt:
    """Read the receipt to look up."""
    problems = Problems()
    receipt = Reader(problems, "", currency).receipt("receipt", request.receipt)
    problems.refuse()
    return receipt


def recorded_to_proto(entry: Entry, currency: Currency, *, replayed: bool) -> pb.RecordRefundResponse:
    """Write what became of a refund."""
    response = pb.RecordRefundResponse(replayed=replayed)
    write_refund(response.refund, entry, currency)
    return response


def refund_to_proto(entry: Entry, currency: Currency) -> pb.Refund:
    """Write a recorded refund."""
    refund = pb.Refund()
    write_refund(refund, entry, currency)
    return refund


def write_refund(refund: pb.Refund, entry: Entry, currency: Currency) -> None:
    """Write a recorded refund into a message."""
    write_head(refund, entry, currency)
    write_details(refund, entry.content, currency)


def write_head(refund: pb.Refund, entry: Entry, currency: Currency) -> None:
    """Write a recorded refund without its lines, adjustments and tenders."""
    content = entry.content
    refund.name = names.name("refunds", entry.id)
    set_receipt(refund.receipt, content.receipt)
    refund.original_purchase = names.name("purchases", entry.original_id)
    if entry.original:
        set_receipt(refund.original_receipt, entry.original)
    refund.customer = names.name("customers", entry.customer_id)
    refund.customer_state = CUSTOMER_STATES[entry.customer_state]
    wire.set_timestamp(refund.business_time, content.business_time)
    wire.set_money(refund.total, content.total, currency)
    refund.reason, refund.approver, refund.operator = entry.reason, entry.approver, content.operator
    refund.state = pb.Refund.State.Value(entry.link) if entry.link else pb.Refund.STATE_UNSPECIFIED
    refund.anomalies.extend([pb.Purchase.Anomaly.Value(anomaly) for anomaly in entry.anomalies])
    wire.set_timestamp(refund.create_time, entry.create_time)


def left_to_proto(original: Original, currency: Currency) -> pb.LookupPurchaseResponse:
    """Write a sale and what is left of it; what was given back beyond that, by settled refunds, leaves nothing."""
    lines = []
    for line in original.sale.content.lines:
        quantity, amount = original.left_of_line(line.line_no) or (0, 0)
        left = wire.to_money(max(amount, 0), currency)
        lines.append(
            pb.LookupPurchaseResponse.LineLeft(
                line_no=line.line_no, quantity=quantity_text(max(quantity, 0)), amount=left
            )
        )
    return pb.LookupPurchaseResponse(
        purchase=purchase_to_proto(original.sale, currency),
        total_left=wire.to_money(max(original.left(), 0), currency),
        lines_left=lines,
    )


def purchase_refunded(entry: Entry, currency: Currency) -> Change:
    """Tell that money was given back."""
    original, subject = entry.original, names.name("refunds", entry.id)
    customer = names.name("customers", entry.customer_id)
    event = events_pb2.PurchaseRefunded(
        refund=subject,
        original_purchase=names.name("purchases", entry.original_id),
        original_business_date=wire.to_date(original.business_date if original and entry.original_id else None),
        customer=customer,
    )
    tell_of(event, entry, currency)
    return Change(subject, customer or subject, event)


def refund_linked(correction: Correction, remaining: Mapping[str, Beginning], currency: Currency) -> list[Change]:
    """Tell those who had a refund, and those who have it now, that it was linked to its sale."""
    sides = ((events_pb2.LOST, correction.before), (events_pb2.GAINED, correction.after))
    return [_linked(side, entry, correction.after, remaining, currency) for side, entry in sides if entry.counts_for]


def _linked(
    side: events_pb2.Side.ValueType,
    entry: Entry,
    linked: Entry,
    remaining: Mapping[str, Beginning],
    currency: Currency,
) -> Change:
    original, subject = linked.original, names.name("refunds", entry.id)
    customer, gained = names.name("customers", entry.customer_id), side == events_pb2.GAINED
    event = events_pb2.RefundLinked(
        refund=subject,
        customer=customer,
        side=side,
        original_purchase=names.name("purchases", linked.original_id),
        original_business_date=wire.to_date(original.business_date if original and gained else None),
        remaining=None if gained else beginning_to_proto(remaining[entry.customer_id or ""]),
    )
    tell_of(event, entry, currency)
    return Change(subject, customer, event)
