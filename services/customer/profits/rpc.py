"""The handler for profits of `shuke.customer.v1.PurchaseService`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chassis import names
from chassis.batch import read_items
from chassis.call import Call
from chassis.calls import Calls
from chassis.database import Tx
from chassis.errors import Refused
from chassis.events import EventLog
from chassis.ids import NewId
from chassis.money import Currency
from services.customer.ledger import repository as ledger
from services.customer.ledger.domain import Correction, Entry, Receipt, Record
from services.customer.profits import convert
from services.customer.profits.domain import Told, revalued, set_profit
from services.customer.purchases.domain import PurchaseNotFound
from services.customer.refunds.domain import ReceiptNotFound
from services.customer.spend import repository as spend
from shuke.customer.v1 import purchases_pb2 as pb


class Profits:
    """Enters what sales brought."""

    def __init__(self, calls: Calls, log: EventLog, money: Currency) -> None:
        self.calls = calls
        self.log = log
        self.money = money

    def BatchSetProfit(self, request: pb.BatchSetProfitRequest, call: Call) -> pb.BatchSetProfitResponse:
        """Enter the profits of sales, each on its own."""
        told = read_items(call, request.requests, lambda item: convert.told_from_proto(item, self.money))
        outcomes = self.calls.transact(lambda tx, now, new_id: self._set(tx, told, call, now, new_id))
        result = pb.BatchSetProfitResponse.Result
        return pb.BatchSetProfitResponse(
            results=[
                result(error=call.status(outcome))
                if isinstance(outcome, Refused)
                else result(response=convert.profit_to_proto(outcome, self.money))
                for outcome in outcomes
            ]
        )

    def _set(
        self, tx: Tx, told: Sequence[Told | Refused], call: Call, now: int, new_id: NewId
    ) -> list[Entry | Refused]:
        """Set profits in order, let the running sums follow, and tell of what is another profit in the end."""
        ids, before = self._held(tx, [one for one in told if not isinstance(one, Refused)])
        after = dict(before)

        def one(item: Told | Refused) -> Entry | Refused:
            if isinstance(item, Refused):
                return item
            try:
                sale = _named(item, ids, after)
                call.principal.require_store(sale.content.receipt.store)
                after[sale.id] = set_profit(sale, item.lines)
            except Refused as refused:
                return refused
            return after[sale.id]

        outcomes = [one(item) for item in told]
        corrections = [Correction(before[sale_id], sale) for sale_id, sale in after.items() if sale != before[sale_id]]
        ledger.rewrite(tx, [correction.after for correction in corrections])
        others = revalued(corrections)
        spend.revalue(tx, others)
        self.log.add(tx, [convert.profit_set(correction, self.money) for correction in others], now, new_id)
        return outcomes

    def _held(self, tx: Tx, told: Sequence[Told]) -> tuple[dict[Receipt, str], dict[str, Entry]]:
        """Read the sales that are named, and keep them as they are until the transaction ends; ids by receipt too."""
        receipts = {one.sale for one in told if isinstance(one.sale, Receipt)}
        known = ledger.known_receipts(tx, Record.SALE, sorted(receipts))
        ids = {receipt: sale_id for receipt, (sale_id, _) in known.items()}
        named = {one.sale for one in told if isinstance(one.sale, str)}.union(ids.values())
        ledger.lock(tx, named)
        return ids, ledger.find(tx, Record.SALE, named)


def _named(told: Told, ids: Mapping[Receipt, str], sales: Mapping[str, Entry]) -> Entry:
    if isinstance(told.sale, Receipt):
        if told.sale not in ids:
            raise ReceiptNotFound(receipt=str(told.sale))
        return sales[ids[told.sale]]
    if told.sale not in sales:
        raise PurchaseNotFound(name=names.name("purchases", told.sale))
    return sales[told.sale]
