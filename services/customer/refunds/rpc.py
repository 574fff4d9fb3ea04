"""Handlers for refunds of `shuke.customer.v1.PurchaseService`."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from chassis import names
from chassis.batch import read_items
from chassis.calendar import day_of
from chassis.call import Call
from chassis.calls import Calls
from chassis.database import Database, Tx
from chassis.errors import Problems, Refused
from chassis.events import EventLog
from chassis.ids import NewId
from chassis.paging import Pager, page_size
from chassis.settings import Chain
from services.customer.customers.repository import Customers
from services.customer.ledger import repository as ledger
from services.customer.ledger.convert import cursor_of, query_from_proto
from services.customer.ledger.domain import Entry, Link, Moment, Record
from services.customer.ledger.repository import Recorded
from services.customer.refunds import convert, repository
from services.customer.refunds.domain import (
    Draft,
    Original,
    OriginalNotFound,
    ReceiptNotFound,
    RefundNotFound,
    link,
    record,
)
from services.customer.spend import repository as spend
from shuke.customer.v1 import purchases_pb2 as pb


class Refunds:
    """Records and reads refunds."""

    def __init__(
        self,
        calls: Calls,
        database: Database,
        customers: Customers,
        log: EventLog,
        chain: Chain,
        pager: Pager,
        tolerance: int,
    ) -> None:
        self.calls = calls
        self.database = database
        self.customers = customers
        self.log = log
        self.chain = chain
        self.money = chain.money
        self.pager = pager
        self.tolerance = tolerance

    def RecordRefund(self, request: pb.RecordRefundRequest, call: Call) -> pb.RecordRefundResponse:
        """Record one refund."""
        outcome = ledger.only(self._record([self._draft(request, call)]))
        return convert.recorded_to_proto(outcome.entry, self.money, replayed=outcome.replayed)

    def BatchRecordRefunds(self, request: pb.BatchRecordRefundsRequest, call: Call) -> pb.BatchRecordRefundsResponse:
        """Record refunds, each on its own."""
        drafts = read_items(call, request.requests, lambda item: self._draft(item, call))
        answer = pb.BatchRecordRefundsResponse()
        for outcome in self._record(drafts):
            result = answer.results.add()
            if isinstance(outcome, Refused):
                result.error.CopyFrom(call.status(outcome))
            else:
                result.response.replayed = outcome.replayed
                convert.write_head(result.response.refund, outcome.entry, self.money)
        return answer

    def _draft(self, request: pb.RecordRefundRequest, call: Call) -> Draft:
        problems = Problems()
        draft = convert.draft_from_proto(problems, request, call.principal.operator, self.money)
        problems.refuse()
        return draft

    def _record(self, drafts: Sequence[Draft | Refused]) -> list[Recorded | Refused]:
        return self.calls.transact(lambda tx, now, new_id: self.record(tx, drafts, now, new_id))

    def record(self, tx: Tx, drafts: Sequence[Draft | Refused], now: int, new_id: NewId) -> list[Recorded | Refused]:
        """Record refunds, let the running sums follow, and tell of them."""
        moment = Moment(now, day_of(now, self.chain.zone_info), self.tolerance)
        linked, originals = self._linked(tx, drafts)
        known = self.customers.known(tx, [draft.buyer for draft in linked if not isinstance(draft, Refused)])

        def rule(draft: Draft) -> Entry:
            original = originals.get(draft.original_id)
            entry = record(draft, original, known[draft.buyer], moment, self.money, new_id())
            if original is not None:
                # The next refund of the batch sees this one.
                originals[draft.original_id] = original.after(entry)
            return entry

        outcomes = ledger.record(tx, Record.REFUND, linked, rule)
        fresh = ledger.fresh(outcomes)
        # Keys before sums, as a sale takes them.
        repository.wait(tx, fresh)
        spend.add(tx, fresh)
        self.log.add(tx, [convert.purchase_refunded(entry, self.money) for entry in fresh], now, new_id)
        return outcomes

    def link(self, tx: Tx, sales: Sequence[Entry], now: int, new_id: NewId) -> None:
        """Link the refunds that have waited for sales which this transaction has just recorded."""
        waiting = repository.waiting_for(tx, [sale.content.receipt for sale in sales])
        if not waiting:
            return
        refunds = ledger.find(tx, Record.REFUND, itertools.chain.from_iterable(waiting.values()))
        corrections = [
            correction
            for sale in sales
            for correction in link(sale, [refunds[one] for one in waiting.get(sale.content.receipt, ())], self.money)
        ]
        repository.found(tx, waiting)
        ledger.rewrite(tx, [correction.after for correction in corrections])
        remaining = spend.move(tx, corrections)
        told = [event for one in corrections for event in convert.refund_linked(one, remaining, self.money)]
        self.log.add(tx, told, now, new_id)

    def _linked(self, tx: Tx, drafts: Sequence[Draft | Refused]) -> tuple[list[Draft | Refused], dict[str, Original]]:
        """Find the originals that refunds name, and hold them: two refunds of one sale must see each other."""
        told = [draft for draft in drafts if not isinstance(draft, Refused)]
        receipts = {draft.original_receipt for draft in told if draft.original_receipt}
        known = ledger.known_receipts(tx, Record.SALE, sorted(receipts)) if receipts else {}
        by_receipt = {receipt: sale_id for receipt, (sale_id, _) in known.items()}
        originals = self._originals(tx, {draft.original_id for draft in told}.union(by_receipt.values()) - {""})

        def link(draft: Draft | Refused) -> Draft | Refused:
            if isinstance(draft, Refused):
                return draft
            sale_id = by_receipt.get(draft.original_receipt, "") if draft.original_receipt else draft.original_id
            if not sale_id:
                return draft
            if sale_id not in originals:
                return OriginalNotFound(field="refund.original_purchase", name=names.name("purchases", sale_id))
            receipt = originals[sale_id].sale.content.receipt
            return dataclasses.replace(draft, original_id=sale_id, original_receipt=receipt)

        return [link(draft) for draft in drafts], originals

    def _originals(self, tx: Tx, ids: AbstractSet[str]) -> dict[str, Original]:
        if not ids:
            return {}
        ledger.lock(tx, ids)
        refunds: dict[str, list[Entry]] = {}
        for refund in ledger.refunds_of(tx, ids):
            refunds.setdefault(refund.original_id or "", []).append(refund)
        sales = ledger.find(tx, Record.SALE, ids)
        return {sale_id: Original(sale, tuple(refunds.get(sale_id, ()))) for sale_id, sale in sales.items()}

    def LookupPurchase(self, request: pb.LookupPurchaseRequest, call: Call) -> pb.LookupPurchaseResponse:
        """Find a sale by its receipt and tell what is left of it."""
        receipt = convert.receipt_from_proto(request, self.money)
        with self.database.read() as tx:
            known = ledger.known_receipts(tx, Record.SALE, [receipt])
            if receipt not in known:
                raise ReceiptNotFound(receipt=str(receipt))
            sale_id, _ = known[receipt]
            refunds = ledger.refunds_of(tx, [sale_id])
            sale = ledger.find(tx, Record.SALE, [sale_id])[sale_id]
        return convert.left_to_proto(Original(sale, tuple(refunds)), self.money)

    def GetRefund(self, request: pb.GetRefundRequest, call: Call) -> pb.Refund:
        """Answer one refund."""
        refund_id = names.identity(request.name)
        with self.database.read() as tx:
            found = ledger.find(tx, Record.REFUND, [refund_id])
        if refund_id not in found:
            raise RefundNotFound(name=request.name)
        entry = found[refund_id]
        call.principal.require_store(entry.content.receipt.store)
        return convert.refund_to_proto(entry, self.money)

    def ListRefunds(self, request: pb.ListRefundsRequest, call: Call) -> pb.ListRefundsResponse:
        """List refunds, the latest business date first."""
        size = page_size(request.page_size)
        query = query_from_proto(request, self.pager.cursor(request), size + 1)
        link = Link(pb.Refund.State.Name(request.state)) if request.state else None
        with self.database.read() as tx:
            found = ledger.list_entries(tx, Record.REFUND, query, link=link)
        page, more = self.pager.page(request, found, size, cursor_of)
        refunds = [convert.refund_to_proto(entry, self.money) for entry in page]
        return pb.ListRefundsResponse(refunds=refunds, next_page_token=more)
