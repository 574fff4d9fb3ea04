"""Corrections between the contract and the domain, and the events that tell of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chassis import names, wire
from chassis.errors import Problems
from chassis.events import Change
from chassis.money import Currency
from services.customer.corrections.domain import Voiding, check_named
from services.customer.customers.convert import key_from_proto
from services.customer.customers.domain import Buyer
from services.customer.ledger.convert import beginning_to_proto, tell_of
from services.customer.ledger.domain import Beginning, Correction, Entry
from shuke.customer.v1 import events_pb2
from shuke.customer.v1 import purchases_pb2 as pb


def voiding_from_proto(request: pb.VoidPurchaseRequest) -> Voiding:
    """Read what is told of a sale that is to be voided."""
    return Voiding(request.reason, request.approver, request.settled)


def buyer_from_proto(request: pb.AttachPurchaseRequest, region: str) -> Buyer:
    """Read whom a sale is to be attached to; raise `Invalid` with all that is wrong with it."""
    problems, key = Problems(), None
    if request.HasField("customer_lookup"):
        key = key_from_proto(problems, "customer_lookup", request.customer_lookup, region)
        if request.customer:
            problems.add("customer_lookup", "CUSTOMER_NAMED_TWICE")
    buyer = Buyer(names.identity(request.customer), key)
    if not problems.found:
        check_named(problems, buyer)
    problems.refuse()
    return buyer


def purchase_voided(correction: Correction, remaining: Mapping[str, Beginning], currency: Currency) -> Change:
    """Tell that a sale was voided."""
    sale = correction.before
    subject, left = names.name("purchases", sale.id), remaining.get(sale.customer_id or "")
    customer = names.name("customers", sale.customer_id)
    event = events_pb2.PurchaseVoided(
        purchase=subject,
        customer=customer,
        remaining=beginning_to_proto(left) if left else None,
    )
    tell_of(event, sale, currency)
    return Change(subject, customer or subject, event)


def purchase_attached(
    corrections: Sequence[Correction], remaining: Mapping[str, Beginning], currency: Currency
) -> list[Change]:
    """Tell who had a sale, and who has it now, that it moved with its refunds; it is the first of the corrections."""
    if not corrections:
        return []
    [sale, *refunds] = [one.before for one in corrections]
    loser, gainer = sale.customer_id, corrections[0].after.customer_id
    sides = ((loser, events_pb2.LOST, gainer), (gainer, events_pb2.GAINED, loser))
    return [
        _attached(sale, refunds, (customer, side, other), remaining.get(customer), currency)
        for customer, side, other in sides
        if customer
    ]


def _attached(
    sale: Entry,
    refunds: Sequence[Entry],
    side: tuple[str, events_pb2.Side.ValueType, str | None],
    left: Beginning | None,
    currency: Currency,
) -> Change:
    subject, customer = names.name("purchases", sale.id), names.name("customers", side[0])
    event = events_pb2.PurchaseAttached(
        purchase=subject,
        customer=customer,
        side=side[1],
        other_customer=names.name("customers", side[2]),
        refunds=[_moved(refund, currency) for refund in refunds],
        remaining=beginning_to_proto(left) if left else None,
    )
    tell_of(event, sale, currency)
    return Change(subject, customer, event)


def _moved(refund: Entry, currency: Currency) -> events_pb2.PurchaseAttached.RefundMoved:
    content = refund.content
    return events_pb2.PurchaseAttached.RefundMoved(
        refund=names.name("refunds", refund.id),
        business_date=wire.to_date(content.receipt.business_date),
        business_time=wire.timestamp(content.business_time),
        total=wire.to_money(content.total, currency),
        profit=wire.to_money(content.profit, currency),
    )
