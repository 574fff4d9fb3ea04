"""Store days between the contract and the domain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from google.type.money_pb2 import Money

from chassis import wire
from chassis.errors import Problems
from chassis.money import Currency
from services.customer.ledger.domain import Anomaly, Record
from services.customer.store_days.domain import Close, Figures, Item, Key, Side, StoreDay, Sums
from shuke.customer.v1 import purchases_pb2 as pb


def journal_from_proto(problems: Problems, request: pb.ReconcileStoreDayRequest, currency: Currency) -> Side:
    """Read a store's journal, receipt by receipt or added up per terminal; note all that is wrong with it."""
    side: dict[Key, Figures] = {}
    for index, receipt in enumerate(request.receipts):
        path = f"receipts[{index}]"
        key = Key(receipt.terminal, Record(pb.JournalReceipt.Kind.Name(receipt.kind)), receipt.receipt_no)
        if key in side:
            problems.add(path, "JOURNAL_REPEATED")
        side[key] = Figures(1, _amount(problems, f"{path}.total", receipt.total, currency))
    for index, each in enumerate(request.terminals):
        path = f"terminals[{index}]"
        sales, refunds = Key(each.terminal, Record.SALE), Key(each.terminal, Record.REFUND)
        if sales in side:
            problems.add(path, "JOURNAL_REPEATED")
        sums = each.sums
        side[sales] = Figures(sums.sale_count, _amount(problems, f"{path}.sums.sale_total", sums.sale_total, currency))
        side[refunds] = Figures(
            sums.refund_count, _amount(problems, f"{path}.sums.refund_total", sums.refund_total, currency)
        )
    return side


def _amount(problems: Problems, field: str, money: Money, currency: Currency) -> int:
    amount = currency.read(problems, field, money)
    if amount < 0:
        problems.add(field, "AMOUNT_NEGATIVE")
    return amount


def compared_to_proto(
    close: Close, items: Iterable[Item], anomalies: Mapping[Anomaly, int], currency: Currency
) -> pb.ReconcileStoreDayResponse:
    """Write how journal and ledger compare."""
    answer = pb.ReconcileStoreDayResponse
    return answer(
        close=close_to_proto(close, currency),
        items=[
            answer.Item(
                terminal=item.key.terminal,
                kind=pb.JournalReceipt.Kind.Value(item.key.record),
                receipt_no=item.key.receipt_no,
                verdict=answer.Item.Verdict.Value(item.verdict),
                journal_count=item.journal.count,
                journal_total=wire.to_money(item.journal.total, currency),
                held_count=item.held.count,
                held_total=wire.to_money(item.held.total, currency),
            )
            for item in items
        ],
        anomalies=[
            answer.AnomalyCount(anomaly=pb.Purchase.Anomaly.Value(anomaly), count=count)
            for anomaly, count in sorted(anomalies.items())
        ],
    )


def close_to_proto(close: Close, currency: Currency) -> pb.DayClose:
    """Write a close."""
    return pb.DayClose(
        store=close.store,
        business_date=wire.to_date(close.business_date),
        attempt=close.attempt,
        balanced=close.balanced,
        journal=sums_to_proto(close.journal, currency),
        held=sums_to_proto(close.held, currency),
        closed_by=close.closed_by,
        api_key=close.api_key,
        close_time=wire.timestamp(close.close_time),
    )


def sums_to_proto(sums: Sums, currency: Currency) -> pb.DaySums:
    """Write a day's sums."""
    return pb.DaySums(
        sale_count=sums.sales.count,
        sale_total=wire.to_money(sums.sales.total, currency),
        refund_count=sums.refunds.count,
        refund_total=wire.to_money(sums.refunds.total, currency),
    )


def day_to_proto(day: StoreDay, currency: Currency) -> pb.StoreDay:
    """Write a store's business date."""
    return pb.StoreDay(
        store=day.store,
        business_date=wire.to_date(day.business_date),
        state=pb.StoreDay.State.Value(day.state),
        held=sums_to_proto(day.held, currency),
        last_close=close_to_proto(day.last_close, currency) if day.last_close else None,
    )
