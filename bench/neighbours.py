"""What stands in for the services beside the customer service: an event feed that it reads."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

from shuke.event.v1 import event_pb2, event_pb2_grpc


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
