"""Profits between the contract and the domain, and the event that tells of one."""

from __future__ import annotations

from chassis import names, wire
from chassis.errors import Problems
from chassis.events import Change
from chassis.money import Currency
from services.customer.ledger.convert import Reader
from services.customer.ledger.domain import Correction, Entry
from services.customer.profits.domain import LineProfit, Told
from shuke.customer.v1 import events_pb2
from shuke.customer.v1 import purchases_pb2 as pb


def told_from_proto(request: pb.SetProfitRequest, currency: Currency) -> Told:
    """Read profits; raise `Invalid` with all that is wrong with them."""
    problems = Problems()
    receipt = (
        Reader(problems, "", currency).receipt("receipt", request.receipt) if request.HasField("receipt") else None
    )
    lines = tuple(
        LineProfit(
            line.line_no,
            currency.read(problems, f"lines[{index}].profit", line.profit) if line.HasField("profit") else None,
        )
        for index, line in enumerate(request.lines)
    )
    problems.refuse()
    return Told(receipt or names.identity(request.purchase), lines)


def profit_to_proto(sale: Entry, currency: Currency) -> pb.PurchaseProfit:
    """Write what a sale brought."""
    return pb.PurchaseProfit(
        purchase=names.name("purchases", sale.id),
        profit=wire.to_money(sale.content.profit, currency),
        profit_known=sale.content.profit_known,
    )


def profit_set(correction: Correction, currency: Currency) -> Change:
    """Tell that the profit of a sale is another."""
    before, sale = correction.before.content, correction.after
    subject, customer = names.name("purchases", sale.id), names.name("customers", sale.customer_id)
    event = events_pb2.ProfitSet(
        purchase=subject,
        customer=customer,
        kind=pb.Purchase.Kind.Value(sale.kind),
        store=sale.content.receipt.store,
        business_date=wire.to_date(sale.content.receipt.business_date),
        old_profit=wire.to_money(before.profit, currency),
        old_profit_known=before.profit_known,
        profit=wire.to_money(sale.content.profit, currency),
        profit_known=sale.content.profit_known,
    )
    return Change(subject, customer or subject, event)
