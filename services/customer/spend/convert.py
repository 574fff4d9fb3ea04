"""A customer's spend between the domain and the contract."""

from __future__ import annotations

from decimal import Decimal

from chassis import wire
from chassis.money import Currency, half_up
from services.customer.ledger.domain import Spend
from shuke.customer.v1 import purchases_pb2 as pb


def summary_to_proto(customer: str, spend: Spend, currency: Currency) -> pb.SpendSummary:
    """Write what a customer's records add up to."""
    average = half_up(Decimal(spend.gross) / spend.purchases) if spend.purchases else None
    return pb.SpendSummary(
        customer=customer,
        gross=wire.to_money(spend.gross, currency),
        refunded=wire.to_money(spend.refunded, currency),
        net=wire.to_money(spend.net, currency),
        profit=wire.to_money(spend.profit, currency),
        purchase_count=spend.purchases,
        refund_count=spend.refunds,
        profit_unknown_count=spend.profit_unknown,
        average_transaction=wire.to_money(average, currency),
        first_purchase_time=wire.timestamp(spend.first.business_time if spend.first else None),
        last_purchase_time=wire.timestamp(spend.last_time),
    )
