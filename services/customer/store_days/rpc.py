"""Handlers of the day close of `shuke.customer.v1.PurchaseService`."""

from __future__ import annotations

from datetime import date, timedelta

from chassis import wire
from chassis.calendar import day_of
from chassis.call import Call
from chassis.calls import Calls
from chassis.database import Database, Tx
from chassis.errors import Problems
from chassis.ids import NewId
from chassis.paging import Pager, page_size
from chassis.settings import Chain
from services.customer.ledger.convert import window_from_proto
from services.customer.store_days import convert, repository
from services.customer.store_days.domain import (
    Close,
    StoreDay,
    Sums,
    Verdict,
    compare,
    days_back,
    odd,
    require_begun,
    side_of,
    sum_up,
)
from shuke.customer.v1 import purchases_pb2 as pb


class StoreDays:
    """Closes the days of stores, and lists them."""

    def __init__(self, calls: Calls, database: Database, chain: Chain, pager: Pager) -> None:
        self.calls = calls
        self.database = database
        self.chain = chain
        self.money = chain.money
        self.pager = pager

    def ReconcileStoreDay(self, request: pb.ReconcileStoreDayRequest, call: Call) -> pb.ReconcileStoreDayResponse:
        """Hold a store's journal against the ledger, and keep the outcome."""
        problems = Problems()
        day = wire.read_date(problems, "business_date", request.business_date)
        journal = convert.journal_from_proto(problems, request, self.money)
        problems.refuse()
        require_begun(day, self._today())
        store, principal = request.store, call.principal

        def work(tx: Tx, now: int, _new_id: NewId) -> pb.ReconcileStoreDayResponse:
            before = repository.last_closes(tx, store, day, day).get(day)
            held = repository.held(tx, store, day)
            side = side_of(held, receipts=bool(request.receipts))
            items = compare(journal, side)
            close = Close(
                store=store,
                business_date=day,
                attempt=before.attempt + 1 if before else 1,
                balanced=all(item.verdict is Verdict.EQUAL for item in items),
                journal=sum_up(journal),
                held=sum_up(side),
                closed_by=principal.operator or principal.staff,
                api_key=principal.name,
                close_time=now,
            )
            repository.add(tx, close)
            return convert.compared_to_proto(close, items, odd(held), self.money)

        return self.calls.once(call, request, pb.ReconcileStoreDayResponse, work)

    def ListStoreDays(self, request: pb.ListStoreDaysRequest, _call: Call) -> pb.ListStoreDaysResponse:
        """List a store's days, the latest first."""
        first, last = self._window(request)
        size = page_size(request.page_size)
        page, more = self.pager.page(request, days_back(first, last, size + 1), size, lambda day: [day.isoformat()])
        if not page:
            return pb.ListStoreDaysResponse()
        store, ends = request.store, (page[-1], page[0])
        with self.database.read() as tx:
            held = repository.sums_by_day(tx, store, *ends)
            closes = repository.last_closes(tx, store, *ends)
        days = [StoreDay(store, day, held.get(day, Sums()), closes.get(day)) for day in page]
        return pb.ListStoreDaysResponse(
            store_days=[convert.day_to_proto(day, self.money) for day in days], next_page_token=more
        )

    def _window(self, request: pb.ListStoreDaysRequest) -> tuple[date, date]:
        """Answer the days still to be listed; those to come are left out."""
        first, last = window_from_proto(request)
        today = self._today()
        cursor = self.pager.cursor(request)
        if cursor:
            last = date.fromisoformat(str(cursor[0])) - timedelta(days=1)
        # The contract has made sure of the first day.
        return first or today, min(last or today, today)

    def _today(self) -> date:
        return day_of(self.calls.clock(), self.chain.zone_info)
