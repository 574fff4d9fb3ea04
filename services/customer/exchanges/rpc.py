"""Handler of RecordExchange of `shuke.customer.v1.PurchaseService`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from chassis.call import Call
from chassis.calls import Calls
from chassis.database import Tx
from chassis.errors import Problems, Refused
from chassis.ids import NewId
from chassis.settings import Chain
from services.customer.exchanges.domain import check, sold_for
from services.customer.ledger.repository import Recorded, only
from services.customer.purchases.convert import draft_from_proto as sale_from_proto
from services.customer.purchases.domain import Draft as Sale
from services.customer.refunds.convert import draft_from_proto as refund_from_proto
from services.customer.refunds.convert import recorded_to_proto
from services.customer.refunds.domain import Draft as Refund
from shuke.customer.v1 import purchases_pb2 as pb

D_contra = TypeVar("D_contra", contravariant=True)


class Records(Protocol[D_contra]):
    """Records drafts of one kind within a transaction."""

    def record(self, tx: Tx, drafts: Sequence[D_contra | Refused], now: int, new_id: NewId) -> list[Recorded | Refused]:
        """Record drafts, let the running sums follow, and tell of them."""


class Sales(Records[Sale], Protocol):
    """Records sales, and writes what became of them."""

    def answers(
        self, tx: Tx, outcomes: Sequence[Recorded | Refused], languages: Iterable[str]
    ) -> list[pb.RecordPurchaseResponse | Refused]:
        """Write what became of sales, each in a language."""


class Exchanges:
    """Records refunds together with the sales that they are given for."""

    def __init__(self, calls: Calls, refunds: Records[Refund], sales: Sales, chain: Chain) -> None:
        self.calls = calls
        self.refunds = refunds
        self.sales = sales
        self.chain = chain

    def RecordExchange(self, request: pb.RecordExchangeRequest, call: Call) -> pb.RecordExchangeResponse:
        """Record a refund and a sale, both or neither."""
        call.principal.require_store(request.refund.receipt.store)
        refund, sale = self._drafts(request, call)

        def work(tx: Tx, now: int, new_id: NewId) -> pb.RecordExchangeResponse:
            given = only(self.refunds.record(tx, [refund], now, new_id))
            outcomes = self.sales.record(tx, [sold_for(given.entry, sale)], now, new_id)
            sold = only(self.sales.answers(tx, outcomes, [call.language]))
            back = recorded_to_proto(given.entry, self.chain.money, replayed=given.replayed)
            return pb.RecordExchangeResponse(refund=back, purchase=sold)

        return self.calls.transact(work)

    def _drafts(self, request: pb.RecordExchangeRequest, call: Call) -> tuple[Refund, Sale]:
        """Read both halves; what is wrong with one hides nothing of the other."""
        problems, more = Problems(), Problems()
        operator, money = call.principal.operator, self.chain.money
        refund = refund_from_proto(problems, request, operator, money)
        check(problems, refund)
        sale = sale_from_proto(more, request, operator, money, self.chain.region)
        problems.found += more.found
        problems.refuse()
        return refund, sale
