"""What tests of the customer service send, in short; and a client with a method per RPC."""

# ruff: noqa: ANN401  (a keyword argument is whatever the field of the message takes)

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from chassis.calendar import to_micros
from chassis.money import Currency
from chassis.wire import timestamp, to_date, to_money
from shuke.customer.v1 import customer_pb2, customer_pb2_grpc, events_pb2, purchases_pb2_grpc
from shuke.customer.v1 import purchases_pb2 as pb
from shuke.event.v1 import event_pb2, event_pb2_grpc
from tests.running import Refusal, Running

GBP = Currency.of("GBP")
LEEDS, YORK = "LEEDS", "YORK"
# The day before the tests' clock.
YESTERDAY = "2026-03-01"
NOBODY = "customers/00000000-0000-7000-8000-000000000000"
NOTHING = "purchases/00000000-0000-7000-8000-000000000000"

CUSTOMERS, PURCHASES = customer_pb2_grpc.CustomerServiceStub, purchases_pb2_grpc.PurchaseServiceStub
EVENTS: dict[str, type[Message]] = {
    message.DESCRIPTOR.full_name: message
    for message in (
        *(events_pb2.CustomerCreated, events_pb2.CustomerUpdated, events_pb2.ConsentChanged),
        *(events_pb2.PurchaseRecorded, events_pb2.PurchaseRefunded, events_pb2.PurchaseVoided),
        *(events_pb2.PurchaseAttached, events_pb2.RefundLinked, events_pb2.ProfitSet),
        *(events_pb2.StoreChanged, events_pb2.StaffChanged, events_pb2.InteractionLogged),
    )
}


def gbp(pence: int) -> Money:
    """Write an amount in pence."""
    money = to_money(pence, GBP)
    assert money is not None
    return money


def pence(money: Money) -> int:
    """Read an amount in pence."""
    assert money.currency_code == "GBP"
    return money.units * 100 + money.nanos // 10_000_000


def day(text: str) -> Date:
    """Write a day."""
    written = to_date(date.fromisoformat(text))
    assert written is not None
    return written


def micros(text: str) -> int:
    """Read a UTC time."""
    return to_micros(datetime.fromisoformat(text).replace(tzinfo=UTC))


def at(text: str) -> Timestamp:
    """Write a UTC time."""
    written = timestamp(micros(text))
    assert written is not None
    return written


def receipt(number: str, store: str = LEEDS, on: str = YESTERDAY, terminal: str = "T1") -> pb.Receipt:
    """Write a receipt's key."""
    return pb.Receipt(store=store, terminal=terminal, business_date=day(on), receipt_no=number)


def line(number: int = 1, amount: int = 10_00, quantity: str = "1", sku: str = "TEA", **more: Any) -> pb.Line:
    """Write a line; amounts are pence."""
    for name in ("list_amount", "tax", "profit"):
        if name in more:
            more[name] = gbp(more[name])
    return pb.Line(line_no=number, sku=sku, quantity=quantity, amount=gbp(amount), **more)


def sale(
    number: str, *lines: pb.Line, store: str = LEEDS, on: str = YESTERDAY, time: str = "10:00", **more: Any
) -> pb.Purchase:
    """Write a sale of one line of ten pounds, or of the lines given; the total is theirs."""
    lines = lines or (line(),)
    more.setdefault("total", gbp(sum(pence(each.amount) for each in lines)))
    more.setdefault("business_time", at(f"{on} {time}"))
    return pb.Purchase(receipt=receipt(number, store, on), lines=lines, **more)


def refund(
    number: str, *lines: pb.Line, store: str = LEEDS, on: str = YESTERDAY, time: str = "15:00", **more: Any
) -> pb.Refund:
    """Write a refund of one line of ten pounds, or of the lines given."""
    lines = lines or (line(),)
    more.setdefault("total", gbp(sum(pence(each.amount) for each in lines)))
    more.setdefault("business_time", at(f"{on} {time}"))
    return pb.Refund(receipt=receipt(number, store, on), lines=lines, **more)


def alone(number: str, *lines: pb.Line, **more: Any) -> pb.Refund:
    """Write a refund without an original, with all that it needs."""
    return refund(number, *lines, reason="DAMAGED", approver="M1", **more)


def mobile(number: str) -> customer_pb2.ContactPoint:
    """Write a mobile telephone."""
    return customer_pb2.ContactPoint(kind=customer_pb2.ContactPoint.MOBILE, value=number)


def mail(address: str) -> customer_pb2.ContactPoint:
    """Write an e-mail address."""
    return customer_pb2.ContactPoint(kind=customer_pb2.ContactPoint.EMAIL, value=address)


def profits(sold: str | pb.Receipt, lines: Mapping[int, int | None]) -> pb.SetProfitRequest:
    """Write the profits of a sale's lines, in pence; None for one that is not known."""
    told = [
        pb.SetProfitRequest.LineProfit(line_no=number, profit=None if amount is None else gbp(amount))
        for number, amount in lines.items()
    ]
    if isinstance(sold, str):
        return pb.SetProfitRequest(purchase=sold, lines=told)
    return pb.SetProfitRequest(receipt=sold, lines=told)


def by_phone(number: str) -> customer_pb2.CustomerLookup:
    """Write a lookup by telephone number."""
    return customer_pb2.CustomerLookup(phone=number)


class Shop:
    """A client of a running customer service."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self._numbers = itertools.count(1)

    def record(self, purchase: pb.Purchase, *, settled: bool = False, **caller: Any) -> pb.RecordPurchaseResponse:
        """Record a sale."""
        request = pb.RecordPurchaseRequest(purchase=purchase, settled=settled)
        answer: pb.RecordPurchaseResponse = self.running.call(PURCHASES, "RecordPurchase", request, **caller)
        return answer

    def record_all(
        self, *purchases: pb.Purchase, settled: bool = False, **caller: Any
    ) -> Sequence[pb.BatchRecordPurchasesResponse.Result]:
        """Record sales in one batch."""
        requests = [pb.RecordPurchaseRequest(purchase=purchase, settled=settled) for purchase in purchases]
        request = pb.BatchRecordPurchasesRequest(requests=requests)
        answer: pb.BatchRecordPurchasesResponse = self.running.call(
            PURCHASES, "BatchRecordPurchases", request, **caller
        )
        return answer.results

    def refund(self, given: pb.Refund, *, settled: bool = False, **caller: Any) -> pb.RecordRefundResponse:
        """Record a refund."""
        request = pb.RecordRefundRequest(refund=given, settled=settled)
        answer: pb.RecordRefundResponse = self.running.call(PURCHASES, "RecordRefund", request, **caller)
        return answer

    def refund_all(
        self, *refunds: pb.Refund, settled: bool = False, **caller: Any
    ) -> Sequence[pb.BatchRecordRefundsResponse.Result]:
        """Record refunds in one batch."""
        requests = [pb.RecordRefundRequest(refund=each, settled=settled) for each in refunds]
        request = pb.BatchRecordRefundsRequest(requests=requests)
        answer: pb.BatchRecordRefundsResponse = self.running.call(PURCHASES, "BatchRecordRefunds", request, **caller)
        return answer.results

    def exchange(
        self, given: pb.Refund, purchase: pb.Purchase, *, settled: bool = False, **caller: Any
    ) -> pb.RecordExchangeResponse:
        """Record an exchange."""
        request = pb.RecordExchangeRequest(refund=given, purchase=purchase, settled=settled)
        answer: pb.RecordExchangeResponse = self.running.call(PURCHASES, "RecordExchange", request, **caller)
        return answer

    def void(
        self, name: str, *, approver: str = "", settled: bool = False, request_id: str = "", **caller: Any
    ) -> pb.Purchase:
        """Void a sale."""
        request = pb.VoidPurchaseRequest(
            name=name, reason="KEYED_WRONG", approver=approver, settled=settled, request_id=request_id
        )
        answer: pb.Purchase = self.running.call(PURCHASES, "VoidPurchase", request, **caller)
        return answer

    def attach(
        self,
        name: str,
        customer: str = "",
        *,
        lookup: customer_pb2.CustomerLookup | None = None,
        request_id: str = "",
        **caller: Any,
    ) -> pb.Purchase:
        """Attach a sale to a customer."""
        request = pb.AttachPurchaseRequest(
            name=name, customer=customer, customer_lookup=lookup, reason="CARD_FORGOTTEN", request_id=request_id
        )
        answer: pb.Purchase = self.running.call(PURCHASES, "AttachPurchase", request, **caller)
        return answer

    def set_profits(self, *requests: pb.SetProfitRequest, **caller: Any) -> Sequence[pb.BatchSetProfitResponse.Result]:
        """Tell profits in one batch."""
        request = pb.BatchSetProfitRequest(requests=requests)
        answer: pb.BatchSetProfitResponse = self.running.call(PURCHASES, "BatchSetProfit", request, **caller)
        return answer.results

    def purchase(self, name: str, **caller: Any) -> pb.Purchase:
        """Read a sale."""
        answer: pb.Purchase = self.running.call(PURCHASES, "GetPurchase", pb.GetPurchaseRequest(name=name), **caller)
        return answer

    def refunded(self, name: str, **caller: Any) -> pb.Refund:
        """Read a refund."""
        answer: pb.Refund = self.running.call(PURCHASES, "GetRefund", pb.GetRefundRequest(name=name), **caller)
        return answer

    def purchases(self, request: pb.ListPurchasesRequest, **caller: Any) -> pb.ListPurchasesResponse:
        """Read a page of sales."""
        answer: pb.ListPurchasesResponse = self.running.call(PURCHASES, "ListPurchases", request, **caller)
        return answer

    def refunds(self, request: pb.ListRefundsRequest, **caller: Any) -> pb.ListRefundsResponse:
        """Read a page of refunds."""
        answer: pb.ListRefundsResponse = self.running.call(PURCHASES, "ListRefunds", request, **caller)
        return answer

    def spend(self, customer: str, first: str = "", last: str = "", **caller: Any) -> pb.SpendSummary:
        """Read what a customer spent, within days where they are given."""
        request = pb.GetSpendSummaryRequest(customer=customer)
        if first:
            request.first_date.CopyFrom(day(first))
        if last:
            request.last_date.CopyFrom(day(last))
        answer: pb.SpendSummary = self.running.call(PURCHASES, "GetSpendSummary", request, **caller)
        return answer

    def enrol(self, *, caller: dict[str, Any] | None = None, **fields: Any) -> customer_pb2.EnrolCustomerResponse:
        """Enrol a customer: one with a telephone of her own in Leeds, unless told otherwise."""
        number = next(self._numbers)
        defaults = {
            "store": LEEDS,
            "enrolment_ref": f"E{number}",
            "contact_points": [mobile(f"+4477009{number:05d}")],
            "display_name": f"Customer {number}",
        }
        request = customer_pb2.EnrolCustomerRequest(**defaults | fields)
        answer: customer_pb2.EnrolCustomerResponse = self.running.call(
            CUSTOMERS, "EnrolCustomer", request, **caller or {}
        )
        return answer

    def customer(self, **fields: Any) -> str:
        """Enrol a customer and answer her name."""
        name: str = self.enrol(**fields).customer.name
        assert name
        return name

    def file(self, name: str, **caller: Any) -> customer_pb2.Customer:
        """Read a customer's file."""
        request = customer_pb2.GetCustomerRequest(name=name)
        answer: customer_pb2.Customer = self.running.call(CUSTOMERS, "GetCustomer", request, **caller)
        return answer

    def look_up(
        self, lookup: customer_pb2.CustomerLookup, *, desk: bool = False, **caller: Any
    ) -> Sequence[customer_pb2.CustomerMatch]:
        """Find customers by a key."""
        view = customer_pb2.LookupCustomerRequest.DESK if desk else customer_pb2.LookupCustomerRequest.POS
        request = customer_pb2.LookupCustomerRequest(lookup=lookup, view=view)
        answer: customer_pb2.LookupCustomerResponse = self.running.call(CUSTOMERS, "LookupCustomer", request, **caller)
        return answer.matches

    def feed(self) -> Sequence[event_pb2.Event]:
        """Read all events, as another service of the suite does."""
        cursors = [event_pb2.Cursor(partition=partition, position=0) for partition in range(16)]
        request = event_pb2.ReadEventsRequest(cursors=cursors, limit=2000)
        answer: event_pb2.ReadEventsResponse = self.running.call(
            event_pb2_grpc.EventFeedServiceStub, "ReadEvents", request, permissions=("events.read",), stores=()
        )
        return answer.events

    def told(self, subject: str) -> Message:
        """Read the one event that a record gave."""
        [event] = self.all_told(subject)
        return event

    def all_told(self, subject: str) -> list[Message]:
        """Read the events that a record gave, customer by customer."""
        return [EVENTS[event.type].FromString(event.data.value) for event in self.feed() if event.subject == subject]


def refused(act: Callable[..., object], *given: Any, **more: Any) -> Refusal:
    """Do what must be refused, and answer what was said."""
    with pytest.raises(Refusal) as caught:
        act(*given, **more)
    return caught.value
