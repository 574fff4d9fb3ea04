"""The customer service as tiering sees it: an event feed, here of events that a test writes."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from uuid import UUID

from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message

from chassis import names, wire
from chassis.calendar import to_micros
from chassis.errors import Unavailable
from chassis.events import PARTITIONS, partition_of
from chassis.money import Currency
from shuke.customer.v1 import events_pb2, purchases_pb2
from shuke.event.v1 import event_pb2

GBP = Currency.of("GBP")
EPOCH = "epoch-1"


def customer(number: int) -> str:
    """Answer the id of a customer."""
    return str(UUID(int=0x0190A8F0_0000_7000_8000_000000000000 + number))


ANNA, BERT, CARLA, DORA, EMIL = map(customer, range(1, 6))


def at(day: date, hour: int = 12) -> int:
    """Answer an instant of a day, in microseconds."""
    return to_micros(datetime.combine(day, time(hour), UTC))


def sale(
    who: str, day: date, pence: int, *, business_time: int | None = None, profit: int = 0
) -> events_pb2.PurchaseRecorded:
    """Write that a sale was recorded; at noon of its business date, where no time is given."""
    return events_pb2.PurchaseRecorded(
        customer=names.name("customers", who),
        kind=purchases_pb2.Purchase.SALE,
        store="UK",
        business_date=wire.to_date(day),
        business_time=wire.timestamp(at(day) if business_time is None else business_time),
        total=wire.to_money(pence, GBP),
        profit=wire.to_money(profit, GBP),
    )


def refund(
    who: str, day: date, pence: int, *, profit: int = 0, sale_date: date | None = None
) -> events_pb2.PurchaseRefunded:
    """Write that a refund was recorded, perhaps of a sale whose day is known."""
    return events_pb2.PurchaseRefunded(
        customer=names.name("customers", who),
        kind=purchases_pb2.Purchase.SALE,
        store="UK",
        business_date=wire.to_date(day),
        business_time=wire.timestamp(at(day)),
        total=wire.to_money(pence, GBP),
        profit=wire.to_money(profit, GBP),
        original_business_date=wire.to_date(sale_date),
    )


def beginning(entry: date | None = None, sold: date | None = None) -> events_pb2.Beginning:
    """Write when a customer began: the first sale at noon of its day."""
    return events_pb2.Beginning(
        first_entry_date=wire.to_date(entry),
        first_sale_date=wire.to_date(sold),
        first_sale_time=wire.timestamp(at(sold)) if sold else None,
    )


def voided(lost: events_pb2.PurchaseRecorded, remaining: events_pb2.Beginning) -> events_pb2.PurchaseVoided:
    """Write that a sale was voided, and when its customer now began."""
    event = events_pb2.PurchaseVoided(remaining=remaining)
    for name in ("customer", "kind", "store"):
        setattr(event, name, getattr(lost, name))
    for name in ("business_date", "business_time", "total", "profit"):
        getattr(event, name).CopyFrom(getattr(lost, name))
    return event


class Owner:
    """A feed that holds its events in memory."""

    def __init__(self) -> None:
        self.events: list[event_pb2.Event] = []
        self.open = True
        self.epoch = EPOCH
        self.past: list[event_pb2.PastEpoch] = []
        # Whether a reader who is behind has to wait for events.
        self.slow = False
        self.heads = dict.fromkeys(range(PARTITIONS), 0)
        self._lock = threading.Lock()

    def tell(self, *changes: Message) -> list[event_pb2.Event]:
        """Add events, numbered as the owner does."""
        with self._lock:
            told = [self._event(change) for change in changes]
            self.events += told
        return told

    def restore(self, *lost: event_pb2.Event) -> None:
        """Lose the last events, and begin another epoch."""
        with self._lock:
            self.events = [event for event in self.events if event not in lost]
            for event in lost:
                self.heads[event.partition] -= 1
            heads = [event_pb2.Cursor(partition=part, position=head) for part, head in self.heads.items()]
            self.past.append(event_pb2.PastEpoch(epoch=self.epoch, heads=heads))
            self.epoch = f"epoch-{len(self.past) + 1}"

    def _event(self, change: Message) -> event_pb2.Event:
        key = getattr(change, "customer", "") or f"purchases/{len(self.events)}"
        partition = partition_of(key)
        self.heads[partition] += 1
        data = Any()
        data.Pack(change)
        return event_pb2.Event(
            source="customer.shuke",
            type=change.DESCRIPTOR.full_name,
            partition_key=key,
            data=data,
            epoch=self.epoch,
            partition=partition,
            position=self.heads[partition],
        )

    def read_events(self, cursors: Mapping[int, int], limit: int) -> event_pb2.ReadEventsResponse:
        """Read events behind cursors, as the owner's feed does; an owner that is away raises `Unavailable`."""
        if not self.open:
            raise Unavailable
        with self._lock:
            behind = [event for event in self.events if event.position > cursors[event.partition]]
            heads = [event_pb2.Cursor(partition=part, position=self.heads[part]) for part in cursors]
        if self.slow and behind:
            raise Unavailable
        ordered = sorted(behind, key=lambda event: (event.partition, event.position))
        return event_pb2.ReadEventsResponse(events=ordered[:limit], heads=heads, epoch=self.epoch, past=self.past)
