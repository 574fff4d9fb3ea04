"""What tests of the day close send, in short."""

# ruff: noqa: ANN401  (a keyword argument is whatever the caller's headers take)

from __future__ import annotations

from typing import Any

from services.customer.tests.builders import LEEDS, PURCHASES, YESTERDAY, Shop, day, gbp
from shuke.customer.v1 import purchases_pb2 as pb

SALE, REFUND = pb.JournalReceipt.SALE, pb.JournalReceipt.REFUND


def told(number: str, amount: int = 10_00, kind: pb.JournalReceipt.Kind.ValueType = SALE) -> pb.JournalReceipt:
    """Write a receipt of the journal; the amount is pence."""
    return pb.JournalReceipt(terminal="T1", kind=kind, receipt_no=number, total=gbp(amount))


def sums(sales: int, sold: int, refunds: int = 0, refunded: int = 0) -> pb.DaySums:
    """Write sums; amounts are pence."""
    return pb.DaySums(sale_count=sales, sale_total=gbp(sold), refund_count=refunds, refund_total=gbp(refunded))


def till(terminal: str, *figures: int) -> pb.JournalTerminal:
    """Write a terminal of the journal with its `sums`."""
    return pb.JournalTerminal(terminal=terminal, sums=sums(*figures))


class Office:
    """A client that closes a shop's days."""

    def __init__(self, shop: Shop) -> None:
        self.running = shop.running

    def close(
        self,
        *journal: pb.JournalReceipt | pb.JournalTerminal,
        store: str = LEEDS,
        on: str = YESTERDAY,
        request_id: str = "",
        **caller: Any,
    ) -> pb.ReconcileStoreDayResponse:
        """Close a day by a journal of receipts, terminals, or nothing."""
        request = pb.ReconcileStoreDayRequest(
            store=store,
            business_date=day(on),
            receipts=[each for each in journal if isinstance(each, pb.JournalReceipt)],
            terminals=[each for each in journal if isinstance(each, pb.JournalTerminal)],
            request_id=request_id,
        )
        answer: pb.ReconcileStoreDayResponse = self.running.call(PURCHASES, "ReconcileStoreDay", request, **caller)
        return answer

    def page(self, request: pb.ListStoreDaysRequest, **caller: Any) -> pb.ListStoreDaysResponse:
        """Read a page of days."""
        answer: pb.ListStoreDaysResponse = self.running.call(PURCHASES, "ListStoreDays", request, **caller)
        return answer

    def days(self, first: str, last: str = "", store: str = LEEDS, **caller: Any) -> list[pb.StoreDay]:
        """Read the days of a window, two at a time."""
        request = pb.ListStoreDaysRequest(store=store, first_date=day(first), page_size=2)
        if last:
            request.last_date.CopyFrom(day(last))
        found: list[pb.StoreDay] = []
        while True:
            answer = self.page(request, **caller)
            assert len(answer.store_days) <= 2
            found += answer.store_days
            request.page_token = answer.next_page_token
            if not request.page_token:
                return found


def verdicts(answer: pb.ReconcileStoreDayResponse) -> dict[str, str]:
    """Answer the verdict of each item, by its receipt number or terminal and its kind."""
    item, kind = pb.ReconcileStoreDayResponse.Item, pb.JournalReceipt.Kind
    return {
        f"{each.receipt_no or each.terminal} {kind.Name(each.kind)}": item.Verdict.Name(each.verdict)
        for each in answer.items
    }
