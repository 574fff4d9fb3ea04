"""Tills that sell and take back at the front door of a suite, by HTTP and gRPC, until each receipt is acknowledged."""

from __future__ import annotations

import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import httpx2
from google.protobuf.json_format import ParseDict

from chassis.client import Headers, open_channel
from cli.api import RETRIED, Api, ApiError
from cli.demo import STEPS, example
from cli.suite import Suite
from shuke.customer.v1 import purchases_pb2, purchases_pb2_grpc

DAY = {"year": 2026, "month": 3, "day": 1}
TIME = "2026-03-01T10:00:00Z"
# As long as a till with a customer before it waits.
PATIENCE = 5.0
BATCH = 50
# How many receipts beyond the point at which a test does something may be under way.
IN_FLIGHT = 20
# Of a hundred receipts, so many are sent once more after they were acknowledged.
AGAIN = 5
SCHEME = "loyalty"
# What says that the same should be sent again.
PASSING = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED}
NOT_NOW = {code.value[0] for code in PASSING}


@dataclass(frozen=True, slots=True)
class Receipt:
    """A sale, or the refund of part of one: where, under which number, whose, and how much in pence."""

    store: str
    number: str
    customer: str
    pence: int
    original: str = ""

    @property
    def kind(self) -> str:
        """The name of the record in a request."""
        return "refund" if self.original else "purchase"

    def request(self) -> dict[str, Any]:
        """Write the request down."""
        line = {"lineNo": 1, "sku": "A", "quantity": "1", "amount": money(self.pence)}
        record = {"receipt": receipt(self.store, self.number), "businessTime": TIME, "total": money(self.pence)}
        if self.original:
            record |= {"originalReceipt": receipt(self.store, self.original), "reason": "DAMAGED"}
            line["originalLineNo"] = 1
        else:
            record["customer"] = self.customer
        return {self.kind: {**record, "lines": [line]}, "settled": True}


def receipt(store: str, number: str) -> dict[str, Any]:
    """Write a receipt's key."""
    return {"store": store, "terminal": "1", "businessDate": DAY, "receiptNo": number}


def money(pence: int) -> dict[str, Any]:
    """Write an amount."""
    return {"currencyCode": "GBP", "units": str(pence // 100), "nanos": pence % 100 * 10_000_000}


class ShiftOver(Exception):
    """The test has ended, however that came."""


@dataclass
class Books:
    """What the tills were told: which receipts were acknowledged, and how often again; why others had to be sent again.

    Beyond `most` receipts no till begins anything new, until a test lets them; when it is `over` none goes on.
    """

    most: int
    over: bool = False
    acknowledged: dict[tuple[str, str], Receipt] = field(default_factory=dict)
    repeated: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    tries: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answered(self, sent: Receipt, *, replayed: bool) -> None:
        """Note an answer."""
        with self.lock:
            self.acknowledged[sent.store, sent.number] = sent
            self.repeated += replayed

    def go_on(self) -> None:
        """Wait until a till may begin something new."""
        while len(self.acknowledged) >= self.most and not self.over:
            threading.Event().wait(0.002)

    def tried(self) -> None:
        """Note that something is sent."""
        if self.over:
            raise ShiftOver
        with self.lock:
            self.tries += 1

    def again(self, reason: str) -> None:
        """Note why something must be sent again."""
        with self.lock:
            self.refused[reason] += 1
        threading.Event().wait(random.uniform(0.02, 0.2))

    def sums(self) -> dict[str, tuple[int, int, int, int]]:
        """Add up for each customer: sold, given back, and how often each."""
        customers = {(each.store, each.number): each.customer for each in self.acknowledged.values()}
        found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        for each in self.acknowledged.values():
            mine = found[customers[each.store, each.original or each.number]]
            back = bool(each.original)
            mine[back] += each.pence
            mine[2 + back] += 1
        return {customer: (sold, back, sales, refunds) for customer, (sold, back, sales, refunds) in found.items()}


class Till:
    """A till of one store, with a key of its own; it sends a receipt until that is acknowledged."""

    def __init__(self, suite: Suite, store: str, token: str, books: Books, chance: random.Random) -> None:
        self.store = store
        self.token = token
        self.books = books
        self.chance = chance
        # It does its own trying again, so that every try is counted.
        self.api = Api(chance.choice(suite.urls), tries=1)
        self.api.client.timeout = PATIENCE
        self.channel = open_channel(suite.addresses["gateway"])
        stub = purchases_pb2_grpc.PurchaseServiceStub(self.channel)
        self.methods: dict[str, tuple[Callable[..., Any], Any]] = {
            "purchase": (stub.RecordPurchase, purchases_pb2.RecordPurchaseRequest),
            "refund": (stub.RecordRefund, purchases_pb2.RecordRefundRequest),
        }

    def close(self) -> None:
        """Close the connections."""
        self.api.close()
        self.channel.close()

    def work(self, sales: list[Receipt], refunds: list[Receipt]) -> None:
        """Send sales one by one and in batches, each refund some time after its sale, and some of all once more."""
        waiting = {each.original: each for each in refunds}
        left = list(sales)
        while left:
            self.books.go_on()
            size = BATCH if self.chance.random() < 1 / BATCH else 1
            batch, left = left[:size], left[size:]
            self._send_batch(batch) if size > 1 else self._send_one(batch[0])
            for each in batch:
                if each.number in waiting:
                    self._send_one(waiting.pop(each.number))
                if self.chance.randrange(100) < AGAIN:
                    self._send_one(each)

    def _send_one(self, sent: Receipt) -> None:
        by = self.chance.choice((self._by_http, self._by_grpc))
        self.books.answered(sent, replayed=self._until_answered(lambda: by(sent)))

    def _send_batch(self, batch: list[Receipt]) -> None:
        left = batch
        while left:
            body = {"requests": [each.request() for each in left]}
            results = self._until_answered(
                lambda body=body: self.api.post("/v1/purchases:batchRecord", body, self.token)["results"]  # type: ignore[misc]
            )
            again = []
            for each, result in zip(left, results, strict=True):
                if "response" in result:
                    self.books.answered(each, replayed=result["response"]["replayed"])
                else:
                    assert result["error"]["code"] in NOT_NOW, result
                    again.append(each)
            left = again

    def _by_http(self, sent: Receipt) -> bool:
        replayed: bool = self.api.post(f"/v1/{sent.kind}s", sent.request(), self.token)["replayed"]
        return replayed

    def _by_grpc(self, sent: Receipt) -> bool:
        method, kind = self.methods[sent.kind]
        headers: Headers = (("authorization", f"Bearer {self.token}"),)
        answer = method(ParseDict(sent.request(), kind()), metadata=headers, timeout=PATIENCE)
        replayed: bool = answer.replayed
        return replayed

    def _until_answered(self, send: Callable[[], Any]) -> Any:
        while True:
            self.books.tried()
            try:
                return send()
            except httpx2.TransportError as error:
                self.books.again(type(error).__name__)
            except ApiError as error:
                if error.status not in RETRIED:
                    raise
                self.books.again(error.error["status"])
            except grpc.RpcError as error:
                if error.code() not in PASSING:
                    raise
                self.books.again(error.code().name)


@dataclass
class Shift:
    """Tills at work on a suite."""

    suite: Suite
    books: Books
    tills: list[Future[None]]

    def busy(self) -> bool:
        """Tell whether a till still works; raise what one of them failed with."""
        for till in self.tills:
            if till.done():
                till.result()
        return not all(till.done() for till in self.tills)

    def go_on(self, acknowledged: int) -> None:
        """Let the tills begin a few receipts beyond so many that are acknowledged, and then wait."""
        self.books.most = acknowledged + IN_FLIGHT

    def until(self, acknowledged: int) -> None:
        """Wait until so many receipts are acknowledged, and let the tills do a few more."""
        self.go_on(acknowledged)
        while len(self.books.acknowledged) < acknowledged and self.busy():
            threading.Event().wait(0.002)


@contextmanager
def selling(suite: Suite, sales: int, refunds: int, customers: int, chance: random.Random) -> Iterator[Shift]:
    """Let four tills send so many sales and refunds of enrolled customers; wait for them at the end."""
    api = Api(suite.url)
    activate_policy(api, suite.admin_token)
    stores = [f"S-{number}" for number in range(1, 5)]
    names = []
    tokens = {}
    for store in stores:
        told = {"displayName": store, "openingDate": {"year": 2020, "month": 1, "day": 1}}
        api.post("/v1/stores", {"storeId": store, "store": told}, suite.admin_token)
        tokens[store] = key(api, suite.admin_token, kind="TILL", roles=["till"], stores=[store])
    for number in range(customers):
        store = stores[number % len(stores)]
        point = {"kind": "EMAIL", "value": f"customer{number}@example.com"}
        wanted = {"store": store, "enrolmentRef": str(number), "displayName": "Anna", "contactPoints": [point]}
        names.append(api.post("/v1/customers:enrol", wanted, tokens[store])["customer"]["name"])
    api.close()
    books, pool = Books(sales + refunds), ThreadPoolExecutor(len(stores))
    tills = []
    try:
        shift = Shift(suite, books, [])
        for store in stores:
            mine = [
                Receipt(store, f"P{number}", chance.choice(names), chance.randrange(1, 100_00))
                for number in range(sales // len(stores))
            ]
            back = [
                Receipt(store, f"R{number}", "", chance.randrange(1, each.pence + 1), each.number)
                for number, each in enumerate(chance.sample(mine, refunds // len(stores)))
            ]
            till = Till(suite, store, tokens[store], books, random.Random(chance.random()))
            tills.append(till)
            shift.tills.append(pool.submit(till.work, mine, back))
        yield shift
        books.most = sales + refunds
        for each in shift.tills:
            each.result()
    finally:
        books.over = True
        pool.shutdown(cancel_futures=True)
        for till in tills:
            till.close()


def key(api: Api, admin: str, **wanted: object) -> str:
    """Make an API key; answer its token."""
    token: str = api.post("/v1/apiKeys", {"apiKey": {"displayName": "faults", **wanted}}, admin)["token"]
    return token


def activate_policy(api: Api, admin: str) -> None:
    """Put the example ladder in force, by three people, so that a first sale gives its customer a class."""
    people = {}
    for number, who in enumerate(("author", "reviewer", "approver")):
        staff = f"P-{number}"
        member = {"displayName": who, "roles": ["administrator"], "chainWide": True}
        api.post("/v1/staff", {"staffId": staff, "staff": member}, admin)
        people[who] = key(api, admin, kind="STAFF", staff=staff, roles=["administrator"], stores=["*"])
    versions = f"/v1/tiering/policies/{SCHEME}/versions"
    api.post(versions, {"policy": example("loyalty")}, people["author"])
    for verb, who in STEPS:
        api.post(f"{versions}/1:{verb}", {}, people[who])
