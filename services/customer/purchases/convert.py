"""Sales between the contract and the domain, and the event that tells of one."""

from __future__ import annotations

from chassis import names, wire
from chassis.errors import Problems
from chassis.events import Change
from chassis.money import Currency
from services.customer.customers.convert import key_from_proto
from services.customer.customers.domain import Buyer
from services.customer.ledger.convert import (
    Reader,
    adjustments_to_proto,
    lines_to_proto,
    receipt_to_proto,
    tenders_to_proto,
    told_of,
)
from services.customer.ledger.domain import Entry
from services.customer.purchases.domain import Draft
from shuke.customer.v1 import events_pb2
from shuke.customer.v1 import purchases_pb2 as pb


def draft_from_proto(
    problems: Problems,
    request: pb.RecordPurchaseRequest | pb.RecordExchangeRequest,
    operator: str,
    currency: Currency,
    region: str,
) -> Draft:
    """Read a sale; note all that is wrong with it."""
    purchase = request.purchase
    reader = Reader(problems, "purchase", currency)
    content = reader.content(purchase, operator)
    key = None
    if purchase.HasField("customer_lookup"):
        key = key_from_proto(problems, "purchase.customer_lookup", purchase.customer_lookup, region)
        if purchase.customer:
            problems.add("purchase.customer_lookup", "CUSTOMER_NAMED_TWICE")
    return Draft(
        content=content,
        kind=pb.Purchase.Kind.Name(purchase.kind or pb.Purchase.SALE),
        buyer=Buyer(names.identity(purchase.customer), key),
        settled=request.settled,
        sales_staff=purchase.sales_staff,
        group_order=purchase.group_order,
    )


def purchase_to_proto(entry: Entry, currency: Currency) -> pb.Purchase:
    """Write a recorded sale."""
    content = entry.content
    purchase = purchase_head_to_proto(entry, currency)
    purchase.lines.extend(lines_to_proto(content.lines, currency))
    purchase.adjustments.extend(adjustments_to_proto(content.adjustments, currency))
    purchase.tenders.extend(tenders_to_proto(content.tenders, currency))
    return purchase


def purchase_head_to_proto(entry: Entry, currency: Currency) -> pb.Purchase:
    """Write a recorded sale without its lines, adjustments and tenders."""
    content = entry.content
    return pb.Purchase(
        name=names.name("purchases", entry.id),
        receipt=receipt_to_proto(content.receipt),
        customer=names.name("customers", entry.customer_id),
        customer_state=pb.Purchase.CustomerState.Value(entry.customer_state),
        kind=pb.Purchase.Kind.Value(entry.kind),
        business_time=wire.timestamp(content.business_time),
        total=wire.to_money(content.total, currency),
        operator=content.operator,
        sales_staff=entry.sales_staff,
        group_order=entry.group_order,
        anomalies=[pb.Purchase.Anomaly.Value(anomaly) for anomaly in entry.anomalies],
        create_time=wire.timestamp(entry.create_time),
        state=pb.Purchase.VOIDED if entry.void else pb.Purchase.RECORDED,
        void_time=wire.timestamp(entry.void.time if entry.void else None),
        void_reason=entry.void.reason if entry.void else "",
        void_approver=entry.void.approver if entry.void else "",
        attach_reason=entry.attach_reason,
    )


def purchase_recorded(entry: Entry, currency: Currency) -> Change:
    """Tell that a sale was recorded."""
    subject, customer = names.name("purchases", entry.id), names.name("customers", entry.customer_id)
    event = events_pb2.PurchaseRecorded(
        purchase=subject,
        customer=customer,
        **told_of(entry, currency),
    )
    return Change(subject, customer or subject, event)
