"""Handlers for corrections of sales of `shuke.customer.v1.PurchaseService`."""

from __future__ import annotations

from collections.abc import Sequence

from chassis import names
from chassis.calendar import day_of
from chassis.call import Call
from chassis.calls import Calls
from chassis.database import Tx
from chassis.events import EventLog
from chassis.ids import NewId
from chassis.settings import Chain
from services.customer.corrections import convert
from services.customer.corrections.domain import Limits, Target, attach, void
from services.customer.customers.domain import Buyer, resolve
from services.customer.customers.repository import Customers, states
from services.customer.ledger import repository as ledger
from services.customer.ledger.domain import Entry, Record
from services.customer.purchases.convert import purchase_to_proto
from services.customer.purchases.domain import PurchaseNotFound
from services.customer.spend import repository as spend
from shuke.customer.v1 import purchases_pb2 as pb


class Corrections:
    """Voids sales, and attaches them to other customers."""

    def __init__(self, calls: Calls, customers: Customers, log: EventLog, chain: Chain, limits: Limits) -> None:
        self.calls = calls
        self.customers = customers
        self.log = log
        self.chain = chain
        self.money = chain.money
        self.limits = limits

    def VoidPurchase(self, request: pb.VoidPurchaseRequest, call: Call) -> pb.Purchase:
        """Take a sale back as never made."""
        voiding = convert.voiding_from_proto(request)

        def work(tx: Tx, now: int, new_id: NewId) -> pb.Purchase:
            sale, refunds = self._held(tx, request.name, call)
            correction = void(sale, refunds, voiding, self.limits, now, day_of(now, self.chain.zone_info))
            ledger.rewrite(tx, [correction.after])
            remaining = spend.move(tx, [correction])
            self.log.add(tx, [convert.purchase_voided(correction, remaining, self.money)], now, new_id)
            return purchase_to_proto(correction.after, self.money)

        return self.calls.once(call, request, pb.Purchase, work)

    def AttachPurchase(self, request: pb.AttachPurchaseRequest, call: Call) -> pb.Purchase:
        """Give a sale and its refunds to the customer whom they belong to."""
        buyer = convert.buyer_from_proto(request, self.chain.region)

        def work(tx: Tx, now: int, new_id: NewId) -> pb.Purchase:
            sale, refunds = self._held(tx, request.name, call)
            today = day_of(now, self.chain.zone_info)
            corrections = attach(sale, refunds, self._target(tx, buyer), request.reason, self.limits, today)
            ledger.rewrite(tx, [correction.after for correction in corrections])
            remaining = spend.move(tx, corrections)
            self.log.add(tx, convert.purchase_attached(corrections, remaining, self.money), now, new_id)
            return purchase_to_proto(corrections[0].after if corrections else sale, self.money)

        return self.calls.once(call, request, pb.Purchase, work)

    def _held(self, tx: Tx, name: str, call: Call) -> tuple[Entry, Sequence[Entry]]:
        """Read a sale and its refunds, and keep them as they are until the transaction ends."""
        purchase_id = names.identity(name)
        ledger.lock(tx, [purchase_id])
        found = ledger.find(tx, Record.SALE, [purchase_id])
        if purchase_id not in found:
            raise PurchaseNotFound(name=name)
        sale = found[purchase_id]
        call.principal.require_store(sale.content.receipt.store)
        return sale, ledger.refunds_of(tx, [purchase_id])

    def _target(self, tx: Tx, buyer: Buyer) -> Target:
        resolution = resolve(buyer, self.customers.known(tx, [buyer])[buyer], "")
        customer_id = resolution.customer_id or ""
        return Target(resolution, states(tx, {customer_id}).get(customer_id))
