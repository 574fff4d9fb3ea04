"""The event feed of a service beside notify; a test writes its events."""

from __future__ import annotations

import threading

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message

from chassis import wire
from chassis.events import PARTITIONS, partition_of
from shuke.event.v1 import event_pb2, event_pb2_grpc
from tests.running import START

EPOCH = "epoch-1"


class Feed(event_pb2_grpc.EventFeedServiceServicer):
    """What one service has told."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.heads = dict.fromkeys(range(PARTITIONS), 0)
        self.address = ""
        self._events: list[event_pb2.Event] = []
        self._lock = threading.Lock()

    def tell(self, *changes: Message, time: int = START, event_id: str = "") -> None:
        """Tell of changes."""
        with self._lock:
            for change in changes:
                self._events.append(self._event(change, time, event_id))

    def _event(self, change: Message, time: int, event_id: str) -> event_pb2.Event:
        ticket = getattr(change, "ticket", None)
        about = change if ticket is None else ticket
        named = (getattr(about, field, "") for field in ("customer", "staff", "name"))
        key = next(filter(None, named), "evaluations/1")
        partition = partition_of(key)
        self.heads[partition] += 1
        data = Any()
        data.Pack(change)
        return event_pb2.Event(
            id=event_id or f"event-{len(self._events)}-{partition}-{self.heads[partition]}",
            source=f"{self.owner}.shuke",
            type=change.DESCRIPTOR.full_name,
            partition_key=key,
            time=wire.timestamp(time),
            data=data,
            epoch=EPOCH,
            partition=partition,
            position=self.heads[partition],
        )

    def ReadEvents(  # noqa: N802  (gRPC names it)
        self, request: event_pb2.ReadEventsRequest, _context: grpc.ServicerContext
    ) -> event_pb2.ReadEventsResponse:
        """Answer the events behind the cursors."""
        cursors = {cursor.partition: cursor.position for cursor in request.cursors}
        with self._lock:
            behind = [event for event in self._events if event.position > cursors[event.partition]]
            heads = [event_pb2.Cursor(partition=part, position=self.heads[part]) for part in cursors]
        ordered = sorted(behind, key=lambda event: (event.partition, event.position))
        return event_pb2.ReadEventsResponse(events=ordered[: request.limit], heads=heads, epoch=EPOCH)
