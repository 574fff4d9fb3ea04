"""What is asked of both servers, and what a good answer is."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from shuke.customer.v1 import customer_pb2
from shuke.customer.v1 import purchases_pb2 as pb
from shuke.event.v1 import event_pb2

STORE = "LEEDS"
DAY = Date(year=2026, month=3, day=2)
# Noon of that day, in seconds UTC.
NOON = 1_772_452_800
# Events that are asked for in one call.
LISTED = 500


class WrongAnswerError(Exception):
    """A server answered what it should not, so that its figures mean nothing."""


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of call: `requests` makes as many as are wanted, `done` counts the items of a good answer.

    `tells` says that items give events. Costs are told per item.
    """

    method: str
    answer: type[Message]
    requests: Callable[[int], Sequence[Message]]
    done: Callable[[Any], int]
    tells: bool = False


def name_of(number: int) -> str:
    """Name a customer of the reference."""
    return f"customers/{uuid.UUID(int=number)}"


def phone_of(number: int) -> str:
    """Answer a telephone number that belongs to nobody: those from 0 to 999 are kept for stories."""
    return f"+447700900{number:03d}"


class Caller:
    """Makes the calls of a till whose customers are known to a server by these names, the one of number 0 first."""

    def __init__(self, customers: Sequence[str], chance: Random) -> None:
        self._customers = customers
        self._chance = chance
        self._receipts = itertools.count(1)

    def record(self) -> Work:
        """Record sales, one a call."""
        return Work(
            "/shuke.customer.v1.PurchaseService/RecordPurchase",
            pb.RecordPurchaseResponse,
            lambda number: [self.sale() for _ in range(number)],
            _recorded,
            tells=True,
        )

    def record_batches(self, size: int) -> Work:
        """Record sales, so many a call."""
        return Work(
            "/shuke.customer.v1.PurchaseService/BatchRecordPurchases",
            pb.BatchRecordPurchasesResponse,
            lambda number: [
                pb.BatchRecordPurchasesRequest(requests=[self.sale() for _ in range(size)]) for _ in range(number)
            ],
            _all_recorded,
            tells=True,
        )

    def look_up(self) -> Work:
        """Find customers by their telephone numbers."""
        return Work(
            "/shuke.customer.v1.CustomerService/LookupCustomer",
            customer_pb2.LookupCustomerResponse,
            lambda number: [self._lookup() for _ in range(number)],
            _found,
        )

    def _lookup(self) -> customer_pb2.LookupCustomerRequest:
        phone = phone_of(self._chance.randrange(len(self._customers)))
        return customer_pb2.LookupCustomerRequest(lookup=customer_pb2.CustomerLookup(phone=phone))

    def sale(self, customer: str = "") -> pb.RecordPurchaseRequest:
        """Make the sale of one more receipt to a customer, or to any."""
        number = next(self._receipts)
        amount = _pence(self._chance.randrange(100, 10_000))
        return pb.RecordPurchaseRequest(
            purchase=pb.Purchase(
                receipt=pb.Receipt(store=STORE, terminal="T1", business_date=DAY, receipt_no=f"R{number:08d}"),
                customer=customer or self._chance.choice(self._customers),
                business_time=Timestamp(seconds=NOON),
                lines=[
                    pb.Line(
                        line_no=1,
                        sku="SKU00001",
                        product_name="Breakfast tea, loose, 250 g",
                        quantity="1",
                        amount=amount,
                    )
                ],
                tenders=[pb.Tender(kind=pb.Tender.CARD, amount=amount)],
                total=amount,
                operator="S1",
            ),
            settled=True,
        )


def read_events() -> Work:
    """Read the first events of the log."""
    cursors = [event_pb2.Cursor(partition=partition, position=0) for partition in range(16)]
    request = event_pb2.ReadEventsRequest(cursors=cursors, limit=LISTED)
    return Work(
        "/shuke.event.v1.EventFeedService/ReadEvents",
        event_pb2.ReadEventsResponse,
        lambda number: [request] * number,
        _listed,
    )


def enrol(customers: int) -> Work:
    """Open files of the customers from number 0 on."""
    return Work(
        "/shuke.customer.v1.CustomerService/EnrolCustomer",
        customer_pb2.EnrolCustomerResponse,
        lambda _: [_enrolment(number) for number in range(customers)],
        _enrolled,
        tells=True,
    )


def _enrolment(number: int) -> customer_pb2.EnrolCustomerRequest:
    phone = customer_pb2.ContactPoint(kind=customer_pb2.ContactPoint.MOBILE, value=phone_of(number))
    return customer_pb2.EnrolCustomerRequest(
        store=STORE, enrolment_ref=f"E{number}", display_name=f"Customer {number}", contact_points=[phone]
    )


def _pence(amount: int) -> Money:
    units, pence = divmod(amount, 100)
    return Money(currency_code="GBP", units=units, nanos=pence * 10_000_000)


def _recorded(answer: pb.RecordPurchaseResponse) -> int:
    _expect(answer.purchase.name and not answer.replayed and not answer.purchase.anomalies, answer)
    return 1


def _all_recorded(answer: pb.BatchRecordPurchasesResponse) -> int:
    return sum(_recorded(result.response) for result in answer.results)


def _found(answer: customer_pb2.LookupCustomerResponse) -> int:
    _expect(len(answer.matches) == 1, answer)
    return 1


def _listed(answer: event_pb2.ReadEventsResponse) -> int:
    _expect(answer.events, answer)
    return len(answer.events)


def _enrolled(answer: customer_pb2.EnrolCustomerResponse) -> int:
    _expect(answer.customer.name, answer)
    return 1


def _expect(good: object, answer: Message) -> None:
    if not good:
        raise WrongAnswerError(str(answer)[:500])
