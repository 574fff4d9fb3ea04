"""Sending receipts of an old sales file into a running suite, and what became of them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any

import httpx2
from google.protobuf.json_format import MessageToDict
from google.type.money_pb2 import Money

from chassis.money import NANOS
from cli.api import Api, ApiError, Json
from cli.purchases_cells import Problem
from cli.purchases_rows import Reading, kind_of
from cli.replay import IN_FLIGHT
from shuke.customer.v1 import customer_pb2
from shuke.customer.v1 import purchases_pb2 as pb

# A batch holds so many receipts, and is cut earlier where they have many lines: a body is limited.
BATCH = 100
BATCH_LINES = 10_000
CUSTOMERS_KEPT = 100_000
PATHS = {"purchase": "/v1/purchases:batchRecord", "refund": "/v1/refunds:batchRecord"}
REFUSED, READ = "refused", "read"


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a sale or refund: it was recorded or replayed, with anomalies, or refused, for problems."""

    kind: str  # purchase or refund
    receipt_no: str
    total: Money
    word: str
    anomalies: Sequence[str] = ()
    problems: Sequence[Problem] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a receipt's records."""

    reading: Reading
    fates: list[Fate]


@dataclass(slots=True)
class Outcome:
    """What became of all receipts so far."""

    receipts: int = 0
    unreadable: int = 0
    left_out: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    anomalies: Counter[str] = field(default_factory=Counter)
    # By currency and kind: what of the file is in the ledger, or in a dry run what could be read.
    totals: dict[str, Counter[str]] = field(default_factory=dict)

    @property
    def refused(self) -> int:
        """Count what is not in the ledger though it should be."""
        return self.unreadable + sum(self.counts[f"{kind}s_refused"] for kind in PATHS)

    def add(self, answer: Answer) -> None:
        """Count a receipt."""
        self.receipts += 1
        self.unreadable += bool(answer.reading.problems)
        self.left_out += not (answer.reading.problems or answer.fates)
        for fate in answer.fates:
            self.counts[f"{fate.kind}s_{fate.word}"] += 1
            self.anomalies.update(fate.anomalies)
            if not fate.problems:
                sums = self.totals.setdefault(fate.total.currency_code, Counter())
                sums[fate.kind] += fate.total.units * NANOS + fate.total.nanos

    def to_json(self) -> dict[str, Any]:
        """Write it for programs; amounts are decimal numbers."""
        return {
            "receipts": self.receipts,
            "unreadable": self.unreadable,
            "left_out": self.left_out,
            **dict(sorted(self.counts.items())),
            "anomalies": dict(sorted(self.anomalies.items())),
            "totals": {
                currency: {
                    "purchases": _decimal(sums["purchase"]),
                    "refunds": _decimal(sums["refund"]),
                    "net": _decimal(sums["purchase"] - sums["refund"]),
                }
                for currency, sums in sorted(self.totals.items())
            },
        }


class Sender:
    """Sends receipts in batches, several at a time. Sending one again changes nothing."""

    def __init__(self, api: Api, token: str) -> None:
        self.api = api
        self.token = token
        self._customers = lru_cache(CUSTOMERS_KEPT)(self._look_up)

    def send(self, readings: Iterable[Reading]) -> Iterator[list[Answer]]:
        """Send receipts; answer a batch when it and all before it are done."""
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            waiting: deque[Future[list[Answer]]] = deque()
            for batch in batches(readings):
                waiting.append(pool.submit(self._batch, batch))
                if len(waiting) > IN_FLIGHT:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _batch(self, readings: Sequence[Reading]) -> list[Answer]:
        """Send the sales of a batch, then its refunds."""
        answers = [Answer(reading, []) for reading in readings]
        due: dict[str, list[tuple[Answer, pb.Purchase | pb.Refund]]] = {kind: [] for kind in PATHS}
        for answer in answers:
            for record in answer.reading.records:
                problem = self._name(record, answer.reading.refunded) if isinstance(record, pb.Refund) else None
                if problem:
                    answer.fates.append(fate_of(record, REFUSED, problems=[problem]))
                else:
                    due[kind_of(record)].append((answer, record))
        for kind, path in PATHS.items():
            if due[kind]:
                requests = [{kind: MessageToDict(record), "settled": True} for _, record in due[kind]]
                results = self.api.post(path, {"requests": requests}, self.token)["results"]
                for (answer, record), result in zip(due[kind], results, strict=True):
                    answer.fates.append(_judged(record, result))
        return answers

    def _name(self, refund: pb.Refund, key: customer_pb2.CustomerLookup | None) -> Problem | None:
        """Name a refund's customer by the file that a key leads to; answer why that cannot be done."""
        if key is None:
            return None
        try:
            found = self._customers(key.SerializeToString())
        except ApiError as error:
            if error.status != httpx2.codes.BAD_REQUEST:
                raise
            return Problem("refund.customer", error.reason, str(error))
        if len(found) == 1:
            [refund.customer] = found
            return None
        reason = "CUSTOMER_AMBIGUOUS" if found else "CUSTOMER_UNKNOWN"
        return Problem("refund.customer", reason, f"the key of the refund's customer leads to {len(found)} files")

    def _look_up(self, key: bytes) -> Sequence[str]:
        lookup = MessageToDict(customer_pb2.CustomerLookup.FromString(key))
        answer = self.api.post("/v1/customers:lookup", {"lookup": lookup}, self.token)
        return [match["customer"] for match in answer["matches"]]


def batches(readings: Iterable[Reading]) -> Iterator[list[Reading]]:
    """Cut receipts into batches, by their number and by their lines."""
    batch: list[Reading] = []
    lines = 0
    for reading in readings:
        batch.append(reading)
        lines += sum(len(record.lines) for record in reading.records)
        if len(batch) == BATCH or lines >= BATCH_LINES:
            yield batch
            batch, lines = [], 0
    if batch:
        yield batch


def dry(readings: Iterable[Reading]) -> Iterator[list[Answer]]:
    """Answer what would be sent, and send nothing."""
    for batch in batches(readings):
        yield [Answer(reading, [fate_of(record, READ) for record in reading.records]) for reading in batch]


def fate_of(
    record: pb.Purchase | pb.Refund, word: str, anomalies: Sequence[str] = (), problems: Sequence[Problem] = ()
) -> Fate:
    """Say what became of a record."""
    return Fate(kind_of(record), record.receipt.receipt_no, record.total, word, anomalies, problems)


def _judged(record: pb.Purchase | pb.Refund, result: Json) -> Fate:
    """Read what the suite answered to a record."""
    if "error" in result:
        told = result["error"]
        error = ApiError(told["code"], told)
        wrong = [field for detail in told.get("details", ()) for field in detail.get("fieldViolations", ())]
        problems = [Problem(each["field"], error.reason, each["description"]) for each in wrong]
        return fate_of(record, REFUSED, problems=problems or [Problem("", error.reason, str(error))])
    response = result["response"]
    anomalies = response[kind_of(record)]["anomalies"]
    return fate_of(record, "replayed" if response["replayed"] else "recorded", anomalies)


def _decimal(nanos: int) -> str:
    return f"{Decimal(nanos) / NANOS:f}"
