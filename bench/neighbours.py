"""What runs beside the customer service in production: feeds that it reads, and services that read its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

from bench.processes import BenchError
from chassis.client import Credentials, FeedClient
from chassis.clock import system_clock
from chassis.consumer import LIMIT, Feed
from chassis.events import PARTITIONS
from chassis.principals import Principal
from chassis.tokens import Signer
from shuke.event.v1 import event_pb2, event_pb2_grpc

LISTENERS = ("tiering", "ticketing", "notify")


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
    """Reads a service's events as a listener does, and forgets them."""

    def __init__(self, name: str, feed: Feed) -> None:
        self.name = name
        self._feed = feed
        self._cursors = dict.fromkeys(range(PARTITIONS), 0)

    def hear(self, events: int) -> None:
        """Read the next so many events; they must be there, for the feed answers all that is committed."""
        heard = 0
        while heard < events:
            news = self._feed.read_events(self._cursors, LIMIT).events
            if not news:
                raise BenchError(f"{self.name} read {heard} events of {events}")
            self._cursors |= {event.partition: event.position for event in news}
            heard += len(news)


def listeners(channel: grpc.Channel, keys: Mapping[str, str]) -> list[Listener]:
    """Make what listens to the customer service, each in its own name."""
    made = []
    for name in LISTENERS:
        signer = Signer(name, keys[name], system_clock)
        credentials = Credentials(signer, Principal(f"services/{name}", ("events.read",)))
        made.append(Listener(name, FeedClient("customer", channel, credentials)))
    return made
