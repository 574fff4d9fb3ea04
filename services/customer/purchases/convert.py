"""Sales between the contract and the domain, and the event that tells of one."""

from __future__ import annotations

from chassis import names, wire
from chassis.errors import Problems
from chassis.events import Change
from chassis.money import Currency
from services.customer.customers.convert import key_from_proto
from services.customer.customers.domain import Buyer
from services.customer.ledger.convert import (
    CUSTOMER_STATES,
    KIND_NAMES,
    KINDS,
    Reader,
    set_receipt,
    tell_of,
    write_details,
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
        kind=KIND_NAMES[purchase.kind or pb.Purchase.SALE],
        buyer=Buyer(names.identity(purchase.customer), key),
        settled=request.settled,
        sales_staff=purchase.sales_staff,
        group_order=purchase.group_order,
    )


def purchase_to_proto(entry: Entry, currency: Currency) -> pb.Purchase:
    """Write a recorded sale."""
    purchase = pb.Purchase()
    write_purchase(purchase, entry, currency)
    return purchase


def write_purchase(purchase: pb.Purchase, entry: Entry, currency: Currency) -> None:
    """Write a recorded sale into a message."""
    write_head(purchase, entry, currency)
    write_details(purchase, entry.content, currency)


def write_head(purchase: pb.Purchase, entry: Entry, currency: Currency) -> None:
    """Write a recorded sale without its lines, adjustments and tenders."""
    content = entry.content
    purchase.name = names.name("purchases", entry.id)
    set_receipt(purchase.receipt, content.receipt)
    purchase.customer = names.name("customers", entry.customer_id)
    purchase.customer_state = CUSTOMER_STATES[entry.customer_state]
    purchase.kind = KINDS[entry.kind]
    wire.set_timestamp(purchase.business_time, content.business_time)
    wire.set_money(purchase.total, content.total, currency)
    purchase.operator = content.operator
    purchase.sales_staff, purchase.group_order = entry.sales_staff, entry.group_order
    purchase.anomalies.extend([pb.Purchase.Anomaly.Value(anomaly) for anomaly in entry.anomalies])
    wire.set_timestamp(purchase.create_time, entry.create_time)
    purchase.state = pb.Purchase.RECORDED
    if entry.void:
        purchase.state = pb.Purchase.VOIDED
        wire.set_timestamp(purchase.void_time, entry.void.time)
        purchase.void_reason, purchase.void_approver = entry.void.reason, entry.void.approver
    purchase.attach_reason = entry.attach_reason


def purchase_recorded(entry: Entry, currency: Currency) -> Change:
    """Tell that a sale was recorded."""
    subject, customer = names.name("purchases", entry.id), names.name("customers", entry.customer_id)
    event = events_pb2.PurchaseRecorded(purchase=subject, customer=customer)
    tell_of(event, entry, currency)
    return Change(subject, customer or subject, event)
