"""Handler of GetSpendSummary of `shuke.customer.v1.PurchaseService`."""

from __future__ import annotations

from collections.abc import Callable

from chassis import names
from chassis.call import Call
from chassis.database import Database, Tx
from chassis.money import Currency
from services.customer.ledger.convert import window_from_proto
from services.customer.ledger.domain import CHAIN_SCOPE, Spend
from services.customer.spend.convert import summary_to_proto
from services.customer.spend.repository import spend_between, spends
from shuke.customer.v1 import purchases_pb2 as pb


class SpendSummaries:
    """Answers what customers spent."""

    def __init__(self, database: Database, require: Callable[[Tx, str], None], money: Currency) -> None:
        self.database = database
        self.require = require
        self.money = money

    def GetSpendSummary(self, request: pb.GetSpendSummaryRequest, call: Call) -> pb.SpendSummary:
        """Sum up a customer's records: the running sums without a window, the ledger's own within one."""
        first, last = window_from_proto(request)
        customer_id = names.identity(request.customer)
        with self.database.read() as tx:
            self.require(tx, customer_id)
            if first is None and last is None:
                spend = spends(tx, [customer_id]).get((customer_id, CHAIN_SCOPE), Spend())
            else:
                spend = spend_between(tx, customer_id, first, last)
        return summary_to_proto(request.customer, spend, self.money)
