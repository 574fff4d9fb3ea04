"""What runs beside the customer service in production: feeds that it reads, and services that read its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

from bench.processes import BenchError
from chassis.client import Credentials, FeedClient
from chassis.clock import system_clock
from chassis.consumer import LIMIT, REST, Feed
from chassis.events import PARTITIONS
from chassis.principals import Principal
from chassis.tokens import Signer
from chassis.workers import Worker
from shuke.event.v1 import event_pb2, event_pb2_grpc

LISTENERS = ("tiering", "ticketing", "notify")
CATCH_UP_SECONDS = 60.0


class QuietFeed(event_pb2_grpc.EventFeedServiceServicer):
    """An event feed on which nothing ever happens."""

    def ReadEvents(  # noqa: N802  (gRPC names it)
        self, _request: event_pb2.ReadEventsRequest, _context: grpc.ServicerContext
    ) -> event_pb2.ReadEventsResponse:
        """Answer that there is nothing."""
        return event_pb2.ReadEventsResponse(epoch="quiet")


@contextmanager
def quiet_feed() -> Iterator[str]:
    """Serve an empty feed in the place of tiering and notify; answer where."""
    server = grpc.server(ThreadPoolExecutor(2))
    event_pb2_grpc.add_EventFeedServiceServicer_to_server(QuietFeed(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


class Listener:
    """Reads a service's events at the pace of a real listener, and forgets them."""

    def __init__(self, name: str, feed: Feed) -> None:
        self._feed = feed
        self._cursors = dict.fromkeys(range(PARTITIONS), 0)
        self._heard = 0
        self._news = threading.Condition()
        self.worker = Worker(name, self.poll, LIMIT, REST)

    def poll(self) -> int:
        """Read what comes next; answer how many events."""
        events = self._feed.read_events(self._cursors, LIMIT).events
        with self._news:
            self._cursors |= {event.partition: event.position for event in events}
            self._heard += len(events)
            self._news.notify_all()
        return len(events)

    def hear(self, events: int) -> None:
        """Wait until so many events were read since the beginning."""
        with self._news:
            if not self._news.wait_for(lambda: self._heard >= events, CATCH_UP_SECONDS):
                raise BenchError(f"{self.worker.name} read {self._heard} events of {events}")


class Audience:
    """All that listen to the customer service."""

    def __init__(self, listeners: list[Listener]) -> None:
        self._listeners = listeners
        self._told = 0

    def hear(self, events: int) -> None:
        """Wait until everybody has read so many events more."""
        self._told += events
        for listener in self._listeners:
            listener.hear(self._told)


@contextmanager
def listening(channel: grpc.Channel, keys: Mapping[str, str]) -> Iterator[Audience]:
    """Read the customer service's events as its neighbours do, each in its own name."""
    listeners = []
    for name in LISTENERS:
        signer = Signer(name, keys[name], system_clock)
        credentials = Credentials(signer, Principal(f"services/{name}", ("events.read",)))
        listeners.append(Listener(name, FeedClient("customer", channel, credentials)))
    for listener in listeners:
        listener.worker.start()
    try:
        yield Audience(listeners)
    finally:
        for listener in listeners:
            listener.worker.stop()
