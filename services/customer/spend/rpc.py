"""Handler of GetSpendSummary of `shuke.customer.v1.PurchaseService`."""

from __future__ import annotations

from chassis import names
from chassis.call import Call
from chassis.database import Database
from chassis.money import Currency
from services.customer.customers.domain import CustomerNotFound
from services.customer.customers.repository import states
from services.customer.ledger.convert import window_from_proto
from services.customer.ledger.domain import CHAIN_SCOPE, Spend
from services.customer.ledger.repository import spend_between, spends
from services.customer.spend.convert import summary_to_proto
from shuke.customer.v1 import purchases_pb2 as pb


class SpendSummaries:
    """Answers what customers spent."""

    def __init__(self, database: Database, money: Currency) -> None:
        self.database = database
        self.money = money

    def GetSpendSummary(self, request: pb.GetSpendSummaryRequest, call: Call) -> pb.SpendSummary:
        """Sum up a customer's records: the running sums without a window, the ledger's own within one."""
        first, last = window_from_proto(request)
        customer_id = names.identity(request.customer)
        with self.database.read() as tx:
            if not states(tx, {customer_id}):
                raise CustomerNotFound(name=request.customer)
            if first is None and last is None:
                spend = spends(tx, [customer_id]).get((customer_id, CHAIN_SCOPE), Spend())
            else:
                spend = spend_between(tx, customer_id, first, last)
        return summary_to_proto(request.customer, spend, self.money)
