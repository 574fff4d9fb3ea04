"""Handlers for sales of `shuke.customer.v1.PurchaseService`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from chassis import names
from chassis.batch import read_items
from chassis.calendar import day_of
from chassis.call import Call
from chassis.calls import Calls
from chassis.database import Database, Tx
from chassis.errors import Problems, Refused
from chassis.events import EventLog
from chassis.gathering import Gathering
from chassis.ids import NewId
from chassis.paging import Pager, page_size
from chassis.settings import Chain
from services.customer.customers.convert import classes_to_proto
from services.customer.customers.domain import resolve
from services.customer.customers.repository import Customers, classes
from services.customer.ledger import repository as ledger
from services.customer.ledger.convert import cursor_of, query_from_proto
from services.customer.ledger.domain import CHAIN_SCOPE, Entry, Moment, Record
from services.customer.ledger.repository import Recorded
from services.customer.purchases import convert
from services.customer.purchases.domain import Draft, PurchaseNotFound, record
from services.customer.spend import repository as spend
from shuke.customer.v1 import purchases_pb2 as pb

# Writes beside a sale, in a language, what a till wants to know at once.
Tell = Callable[[pb.RecordPurchaseResponse, Recorded, str], None]
# What is done, in the same transaction, about sales that have come in.
Arrived = Callable[[Tx, Sequence[Entry], int, NewId], None]


class Purchases:
    """Records and reads sales."""

    def __init__(
        self,
        calls: Calls,
        database: Database,
        customers: Customers,
        log: EventLog,
        chain: Chain,
        pager: Pager,
        tolerance: int,
        arrived: Arrived,
    ) -> None:
        self.calls = calls
        self.database = database
        self.customers = customers
        self.log = log
        self.chain = chain
        self.money = chain.money
        self.pager = pager
        self.tolerance = tolerance
        self.arrived = arrived
        self.gathering = Gathering(self._record_together)

    def RecordPurchase(self, request: pb.RecordPurchaseRequest, call: Call) -> pb.RecordPurchaseResponse:
        """Record one sale."""
        return self.gathering.run(call, (self._draft(request, call), call.language))

    def BatchRecordPurchases(
        self, request: pb.BatchRecordPurchasesRequest, call: Call
    ) -> pb.BatchRecordPurchasesResponse:
        """Record sales, each on its own."""
        drafts = read_items(call, request.requests, lambda item: self._draft(item, call))

        def work(tx: Tx, now: int, new_id: NewId) -> pb.BatchRecordPurchasesResponse:
            outcomes = self.record(tx, drafts, now, new_id)
            tell, answer = self._telling(tx, outcomes), pb.BatchRecordPurchasesResponse()
            for outcome in outcomes:
                result = answer.results.add()
                if isinstance(outcome, Refused):
                    result.error.CopyFrom(call.status(outcome))
                else:
                    convert.write_head(result.response.purchase, outcome.entry, self.money)
                    tell(result.response, outcome, call.language)
            return answer

        return self.calls.transact(work)

    def _draft(self, request: pb.RecordPurchaseRequest, call: Call) -> Draft:
        problems = Problems()
        draft = convert.draft_from_proto(problems, request, call.principal.operator, self.money, self.chain.region)
        problems.refuse()
        return draft

    def _record_together(self, sales: Sequence[tuple[Draft, str]]) -> list[pb.RecordPurchaseResponse | Refused]:
        """Record the sales of calls that came at the same time, each with its caller's language."""
        drafts, languages = zip(*sales, strict=True)

        def work(tx: Tx, now: int, new_id: NewId) -> list[pb.RecordPurchaseResponse | Refused]:
            return self.answers(tx, self.record(tx, drafts, now, new_id), languages)

        return self.calls.transact(work)

    def record(self, tx: Tx, drafts: Sequence[Draft | Refused], now: int, new_id: NewId) -> list[Recorded | Refused]:
        """Record sales, let the running sums follow, and tell of them."""
        moment = Moment(now, day_of(now, self.chain.zone_info), self.tolerance)
        known = self.customers.known(tx, [draft.buyer for draft in drafts if not isinstance(draft, Refused)])

        def rule(draft: Draft) -> Entry:
            return record(draft, resolve(draft.buyer, known[draft.buyer], "purchase"), moment, new_id())

        outcomes = ledger.record(tx, Record.SALE, drafts, rule)
        fresh = ledger.fresh(outcomes)
        spend.add(tx, fresh)
        self.log.add(tx, [convert.purchase_recorded(entry, self.money) for entry in fresh], now, new_id)
        self.arrived(tx, fresh, now, new_id)
        return outcomes

    def answers(
        self, tx: Tx, outcomes: Sequence[Recorded | Refused], languages: Iterable[str]
    ) -> list[pb.RecordPurchaseResponse | Refused]:
        """Write what became of sales, each in a language."""
        tell = self._telling(tx, outcomes)

        def answer(outcome: Recorded, language: str) -> pb.RecordPurchaseResponse:
            response = pb.RecordPurchaseResponse()
            convert.write_purchase(response.purchase, outcome.entry, self.money)
            tell(response, outcome, language)
            return response

        return [
            outcome if isinstance(outcome, Refused) else answer(outcome, language)
            for outcome, language in zip(outcomes, languages, strict=True)
        ]

    def _telling(self, tx: Tx, outcomes: Sequence[Recorded | Refused]) -> Tell:
        """Read what tills want to know at once about sales."""
        entries = [outcome.entry for outcome in outcomes if isinstance(outcome, Recorded)]
        ids = {entry.customer_id for entry in entries if entry.customer_id}
        firsts = spend.firsts(tx, ids, {entry.content.receipt.store for entry in entries}) if ids else {}
        held = classes(tx, ids) if ids else {}

        def tell(response: pb.RecordPurchaseResponse, outcome: Recorded, language: str) -> None:
            entry, customer = outcome.entry, outcome.entry.customer_id or ""
            response.replayed = outcome.replayed
            response.first_in_chain = firsts.get((customer, CHAIN_SCOPE)) == entry.id
            response.first_in_store = firsts.get((customer, entry.content.receipt.store)) == entry.id
            response.customer_classes.extend(classes_to_proto(held.get(customer, ()), language))

        return tell

    def GetPurchase(self, request: pb.GetPurchaseRequest, call: Call) -> pb.Purchase:
        """Answer one sale."""
        purchase_id = names.identity(request.name)
        with self.database.read() as tx:
            found = ledger.find(tx, Record.SALE, [purchase_id])
        if purchase_id not in found:
            raise PurchaseNotFound(name=request.name)
        entry = found[purchase_id]
        call.principal.require_store(entry.content.receipt.store)
        return convert.purchase_to_proto(entry, self.money)

    def ListPurchases(self, request: pb.ListPurchasesRequest, call: Call) -> pb.ListPurchasesResponse:
        """List sales, the latest business date first."""
        size = page_size(request.page_size)
        query = query_from_proto(request, self.pager.cursor(request), size + 1)
        voided = request.state == pb.Purchase.VOIDED if request.state else None
        with self.database.read() as tx:
            found = ledger.list_entries(tx, Record.SALE, query, voided=voided)
        page, more = self.pager.page(request, found, size, cursor_of)
        purchases = [convert.purchase_to_proto(entry, self.money) for entry in page]
        return pb.ListPurchasesResponse(purchases=purchases, next_page_token=more)
