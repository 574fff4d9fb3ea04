"""A year of a real shop through the handlers: every customer's net spend at four dates, to the penny, on both engines.

Every receipt of the Online Retail file that has a customer is sent as a receipt of one line. `make test` takes the
tenth of the customers whose numbers end in 9, `make test-whole` all. The expected figures were computed apart from this
project. Four of the file's lines cost a tenth of a penny and round to nothing on a receipt, so the expected figure of
such a customer may lie 0.001 above ours; no other difference is allowed.
"""

from __future__ import annotations

import csv
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

import grpc
import pytest
import sqlalchemy as sa
import structlog

from chassis import wire
from chassis.calendar import to_micros
from cli.demo_people import person
from cli.online_retail import store_code
from cli.online_retail_file import FILE, Invoice, Kind, read_invoices
from services.customer.ledger.domain import CHAIN_SCOPE
from services.customer.ledger.tables import ENTRIES, SPEND
from services.customer.server import PROGRAM
from services.customer.tables import LOG
from services.customer.tests.builders import day, gbp, pence
from shuke.customer.v1 import customer_pb2, customer_pb2_grpc, purchases_pb2_grpc
from shuke.customer.v1 import purchases_pb2 as pb
from tests.running import Running, StartService

EXPECTED = FILE.with_name("expected_customers_2011-12-09.csv")
COLUMNS = {
    "2011-03-31": "net_spend_to_2011-03-31",
    "2011-06-30": "net_spend_to_2011-06-30",
    "2011-09-30": "net_spend_to_2011-09-30",
    "2011-12-09": "net_spend",
}
# What the rounding of the four lines may cost, in pounds.
ROUNDED_OFF = (Decimal(0), Decimal("0.001"))
BATCH = 500
THREADS = 2

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Share:
    """The customers whose numbers end in some digits: what the file has of them, and how many spend 500 by a date."""

    digits: str
    customers: int
    sales: int
    refunds: int
    at_least_500: dict[str, int]
    net: int

    @property
    def receipts(self) -> int:
        """How many receipts they have."""
        return self.sales + self.refunds


TENTH = Share(
    digits="9",
    customers=444,
    sales=2_127,
    refunds=427,
    at_least_500={"2011-03-31": 99, "2011-06-30": 152, "2011-09-30": 207, "2011-12-09": 264},
    net=963_489_98,
)
WHOLE = Share(
    digits="0123456789",
    customers=4_372,
    sales=18_536,
    refunds=3_654,
    at_least_500={"2011-03-31": 894, "2011-06-30": 1_445, "2011-09-30": 1_972, "2011-12-09": 2_540},
    net=8_300_065_81,
)


@dataclass
class Year:
    """The file's receipts as requests, and the running service that takes them."""

    share: Share
    running: Running
    headers: tuple[tuple[str, str], ...]
    customers: customer_pb2_grpc.CustomerServiceStub
    purchases: purchases_pb2_grpc.PurchaseServiceStub
    names: dict[str, str]
    sales: Sequence[Invoice]
    refunds: Sequence[Invoice]

    def enrol(self, numbers: Sequence[str]) -> None:
        """Enrol every customer of the file and learn the names."""
        requests = [enrolment(number, rank) for rank, number in enumerate(numbers)]
        call = partial(self.customers.EnrolCustomer, metadata=self.headers)
        answers = at_once(call, requests)
        self.names = {number: answer.customer.name for number, answer in zip(numbers, answers, strict=True)}

    def send(self) -> Iterator[bool]:
        """Send every receipt, batch by batch; answer of each whether it was known."""
        sales = (self.one_line(pb.Purchase, invoice) for invoice in self.sales)
        requests = (pb.RecordPurchaseRequest(purchase=purchase, settled=True) for purchase in sales)
        batches = [pb.BatchRecordPurchasesRequest(requests=batch) for batch in chunks(requests)]
        for answer in at_once(partial(self.purchases.BatchRecordPurchases, metadata=self.headers), batches):
            yield from (known(result) for result in answer.results)
        refunds = (self.one_line(pb.Refund, invoice, reason="IMPORTED") for invoice in self.refunds)
        refund_requests = (pb.RecordRefundRequest(refund=refund, settled=True) for refund in refunds)
        refund_batches = [pb.BatchRecordRefundsRequest(requests=batch) for batch in chunks(refund_requests)]
        for refunded in at_once(partial(self.purchases.BatchRecordRefunds, metadata=self.headers), refund_batches):
            yield from (known(result) for result in refunded.results)

    def one_line(self, kind: Callable[..., T], invoice: Invoice, **more: str) -> T:
        """Write an invoice as a record of a single line."""
        total = gbp(sum(line.amount for line in invoice.lines))
        return kind(
            receipt=pb.Receipt(
                store=store_code(invoice.country),
                business_date=wire.to_date(invoice.time.date()),
                receipt_no=invoice.number,
            ),
            customer=self.names[invoice.customer],
            business_time=wire.timestamp(to_micros(invoice.time)),
            lines=[pb.Line(line_no=1, sku="ALL", quantity="1", amount=total)],
            total=total,
            **more,
        )

    def net_to(self, last: str) -> dict[str, int]:
        """Read every customer's net spend up to a business date, in pence, as GetSpendSummary answers it."""
        requests = [pb.GetSpendSummaryRequest(customer=name, last_date=day(last)) for name in self.names.values()]
        answers = at_once(partial(self.purchases.GetSpendSummary, metadata=self.headers), requests)
        return {number: pence(answer.net) for number, answer in zip(self.names, answers, strict=True)}

    def content(self) -> Content:
        """Look at what the database holds, beside what the handlers say of it."""
        with self.running.database.read() as tx:
            sums = tx.execute(sa.select(SPEND)).all()
            entries, waiting, numbered = (
                tx.scalar(sa.select(sa.func.count()).select_from(table)) or 0
                for table in (ENTRIES, LOG.outbox, LOG.events)
            )
        nets = {f"customers/{row.customer_id}": row.gross - row.refunded for row in sums if row.scope == CHAIN_SCOPE}
        return Content(nets, sorted(map(tuple, sums)), entries, waiting + numbered)


@dataclass(frozen=True)
class Content:
    """What the database holds: running sums, the chain's net of each customer, and how many entries and events."""

    nets: dict[str, int]
    sums: list[tuple[object, ...]]
    entries: int
    events: int


def enrolment(number: str, rank: int) -> customer_pb2.EnrolCustomerRequest:
    """Write the enrolment of an invented person under the number that the file knows."""
    invented = person(number, rank)
    return customer_pb2.EnrolCustomerRequest(
        store="UNITED-KINGDOM",
        enrolment_ref=number,
        contact_points=[
            customer_pb2.ContactPoint(kind=customer_pb2.ContactPoint.Kind.Value(point.kind), value=point.value)
            for point in invented.contact_points
        ],
        display_name=invented.display_name,
        language_code=invented.language_code,
    )


def known(result: pb.BatchRecordPurchasesResponse.Result | pb.BatchRecordRefundsResponse.Result) -> bool:
    """Tell whether a record was a replay; none may be refused, and none may be odd."""
    assert result.HasField("response"), result.error
    return result.response.replayed


def at_once(call: Callable[[T], R], requests: Sequence[T]) -> list[R]:
    """Make calls, a few at a time, and answer in order."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(call, requests))


def chunks(items: Iterable[T]) -> Iterator[list[T]]:
    """Cut into batches."""
    left = iter(items)
    while batch := list(itertools.islice(left, BATCH)):
        yield batch


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    """Log no calls: there are fifty thousand, and writing them for readers takes a tenth of the time."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    yield
    structlog.configure(**before)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(TENTH, id="a tenth"),
        pytest.param(WHOLE, id="all", marks=(pytest.mark.whole, pytest.mark.timeout(600))),
    ],
)
def share(request: pytest.FixtureRequest) -> Share:
    """Choose the customers."""
    chosen: Share = request.param
    return chosen


@pytest.fixture(scope="module")
def invoices(share: Share) -> Sequence[Invoice]:
    """Read their sales and refunds, once."""
    ends = tuple(share.digits)
    known = (invoice for invoice in read_invoices() if invoice.customer.endswith(ends))
    return [invoice for invoice in known if invoice.kind in (Kind.SALE, Kind.REFUND)]


@pytest.fixture(scope="module")
def expected(share: Share) -> dict[str, dict[str, str]]:
    """Read the independent figures of each of them."""
    with EXPECTED.open(encoding="utf-8", newline="") as text:
        rows = {row["customer_id"]: row for row in csv.DictReader(text)}
    return {number: row for number, row in rows.items() if number.endswith(tuple(share.digits))}


@pytest.fixture
def year(start_service: StartService, neighbours: dict[str, Any], share: Share, invoices: Sequence[Invoice]) -> Year:
    """Start the service; nobody is enrolled yet."""
    running = start_service(PROGRAM, **neighbours)
    channel: grpc.Channel = running.channel
    return Year(
        share=share,
        running=running,
        headers=running.headers(),
        customers=customer_pb2_grpc.CustomerServiceStub(channel),
        purchases=purchases_pb2_grpc.PurchaseServiceStub(channel),
        names={},
        sales=[invoice for invoice in invoices if invoice.kind is Kind.SALE],
        refunds=[invoice for invoice in invoices if invoice.kind is Kind.REFUND],
    )


@pytest.mark.requirement("C-21", "C-23")
def test_every_customers_net_spend_at_every_date(year: Year, expected: dict[str, dict[str, str]]) -> None:
    """Customers stand where independent figures put them, and a second sending of everything changes nothing."""
    share = year.share
    year.enrol(sorted(expected))
    assert len(set(year.names.values())) == len(year.names) == share.customers
    assert Counter(year.send()) == {False: share.receipts}
    nets = hold(year, expected)
    before = year.content()
    assert {year.names[number]: net for number, net in nets.items()} == before.nets
    assert (before.entries, before.events) == (share.receipts, share.customers + share.receipts)
    assert Counter(year.send()) == {True: share.receipts}
    assert year.content() == before


def hold(year: Year, expected: dict[str, dict[str, str]]) -> dict[str, int]:
    """Hold the ledger's figures against the expected ones at each date; answer the last ones."""
    nets: dict[str, int] = {}
    for last, column in COLUMNS.items():
        nets = year.net_to(last)
        differences = {
            number: Decimal(expected[number][column]) - Decimal(net).scaleb(-2) for number, net in nets.items()
        }
        assert {number: gap for number, gap in differences.items() if gap not in ROUNDED_OFF} == {}
        assert sum(net >= 500_00 for net in nets.values()) == year.share.at_least_500[last]
        assert nets["15389"] == (0 if last == "2011-03-31" else 500_00)
    assert sum(nets.values()) == year.share.net
    return nets
