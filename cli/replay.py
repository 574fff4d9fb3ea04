"""Sending the Online Retail file into a running suite, as its stores' tills would have done."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from cli.api import Api, Json
from cli.online_retail import ANONYMOUS, Day, Enrolment, Plan, Receipt, Refund, Sale
from cli.online_retail_file import Line

T = TypeVar("T")

# A store's day is cut into several batches, so that more than one of the four requests in flight is that store's.
BATCH = 50
IN_FLIGHT = 4
CURRENCY = "GBP"
PENCE = 100
NANOS_PER_PENNY = 10_000_000
ERRORS_KEPT = 10
# What a customer who agrees to the example notice agrees to.
PURPOSES = ("SERVICE", "OFFERS", "VOUCHERS", "NEW_PRODUCTS")

Token = Callable[[str], str]
Progress = Callable[[int], None]
# A store and the requests of one batch of its own.
Batch = tuple[str, list[dict[str, Any]]]


@dataclass(slots=True)
class Outcome:
    """What became of a replay."""

    customers: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, name: str, number: int = 1) -> None:
        """Count something; several threads do."""
        with self.lock:
            self.counts[name] += number

    def fail(self, error: str) -> None:
        """Keep what was refused; the first few are shown."""
        with self.lock:
            self.counts["refused"] += 1
            if len(self.errors) < ERRORS_KEPT:
                self.errors.append(error)


def replay(api: Api, plan: Plan, token: Token, progress: Progress, notice: str = "") -> Outcome:
    """Send the plan: a day after the other, stores side by side, all sales of a day before its refunds.

    `notice` names the version of the chain's notice that customers are shown when they are enrolled; without one nobody
    is asked for consent.
    """
    outcome = Outcome()
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        for day in plan.days:
            # A customer may buy in another store on the day of the enrolment, so all enrolments come first.
            _all(pool, lambda enrolment: _enrol(api, enrolment, token, outcome, notice), _enrolments(day))
            for path, kind, batches in (
                ("/v1/purchases:batchRecord", "purchase", _sales(day, outcome.customers)),
                ("/v1/refunds:batchRecord", "refund", _refunds(day, outcome.customers)),
            ):
                send = partial(_send, api, path, kind, token, outcome, progress)
                _all(pool, send, batches)
    return outcome


def receipts_in(plan: Plan) -> int:
    """Count what a replay sends."""
    return plan.totals.sales + plan.totals.refunds


def _all(pool: ThreadPoolExecutor, work: Callable[[T], None], items: Iterable[T]) -> None:
    """Do work on all items and wait; the first error is raised."""
    for _ in pool.map(work, items):
        pass


def _enrolments(day: Day) -> Iterator[Enrolment]:
    for store_day in day.stores:
        yield from store_day.enrolments


def _enrol(api: Api, enrolment: Enrolment, token: Token, outcome: Outcome, notice: str) -> None:
    person = enrolment.person
    consents = [{"purpose": purpose, "channel": "ALL"} for purpose in PURPOSES] if notice and person.consents else []
    answer = api.post(
        "/v1/customers:enrol",
        {
            "store": enrolment.store,
            "enrolmentRef": enrolment.enrolment_ref,
            "displayName": person.display_name,
            "languageCode": person.language_code,
            "contactPoints": [{"kind": point.kind, "value": point.value} for point in person.contact_points],
            "noticeVersion": notice,
            "consents": consents,
        },
        token(enrolment.store),
    )
    outcome.customers[enrolment.enrolment_ref] = answer["customer"]["name"]
    outcome.count("enrolments_replayed" if answer["replayed"] else "enrolled")


def _sales(day: Day, customers: dict[str, str]) -> Iterator[Batch]:
    """Cut the day's sales into batches, each of one store."""
    for store_day in day.stores:
        for batch in _chunks(store_day.sales):
            yield store_day.store, [_sale(sale, customers) for sale in batch]


def _refunds(day: Day, customers: dict[str, str]) -> Iterator[Batch]:
    """Cut the day's refunds into batches, each of one store."""
    for store_day in day.stores:
        for batch in _chunks(store_day.refunds):
            yield store_day.store, [_refund(refund, customers) for refund in batch]


def _send(api: Api, path: str, kind: str, token: Token, outcome: Outcome, progress: Progress, batch: Batch) -> None:
    """Send one batch and note each answer."""
    store, requests = batch
    answer = api.post(path, {"requests": requests}, token(store))
    for sent, result in zip(requests, answer["results"], strict=True):
        _note(kind, sent, result, outcome)
    progress(len(requests))


def _note(kind: str, sent: Json, result: Json, outcome: Outcome) -> None:
    if "error" in result:
        outcome.fail(f"{sent[kind]['receipt']}: {result['error']['message']}")
        return
    response = result["response"]
    outcome.count(f"{kind}s_replayed" if response["replayed"] else f"{kind}s_recorded")
    outcome.count("anomalies", len(response[kind]["anomalies"]))
    outcome.count(f"{kind}s_{response[kind]['customerState'].lower()}")


def _sale(sale: Sale, customers: dict[str, str]) -> dict[str, Any]:
    purchase = _record(sale)
    if sale.customer != ANONYMOUS:
        purchase["customer"] = customers[sale.customer]
    return {"purchase": purchase, "settled": True}


def _refund(refund: Refund, customers: dict[str, str]) -> dict[str, Any]:
    record = _record(refund)
    if refund.original is not None:
        record["originalReceipt"] = _receipt(refund.original)
    else:
        record["reason"] = refund.reason
        if refund.customer != ANONYMOUS:
            record["customer"] = customers[refund.customer]
    return {"refund": record, "settled": True}


def _record(record: Sale | Refund) -> dict[str, Any]:
    return {
        "receipt": _receipt(record.receipt),
        "businessTime": record.business_time.isoformat(),
        "lines": [_line(line) for line in record.lines],
        "total": _money(record.total),
    }


def _receipt(receipt: Receipt) -> dict[str, Any]:
    day = receipt.business_date
    return {
        "store": receipt.store,
        "terminal": receipt.terminal,
        "businessDate": {"year": day.year, "month": day.month, "day": day.day},
        "receiptNo": receipt.receipt_no,
    }


def _line(line: Line) -> dict[str, Any]:
    sent = {
        "lineNo": line.line_no,
        "sku": line.sku,
        "productName": line.product_name,
        "quantity": str(line.quantity),
        "amount": _money(line.amount),
        "profit": _money(line.profit),
    }
    if line.original_line_no is not None:
        sent["originalLineNo"] = line.original_line_no
    return sent


def _money(pence: int) -> dict[str, Any]:
    units, rest = divmod(pence, PENCE)
    return {"currencyCode": CURRENCY, "units": str(units), "nanos": rest * NANOS_PER_PENNY}


def _chunks(records: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(records), BATCH):
        yield records[start : start + BATCH]
