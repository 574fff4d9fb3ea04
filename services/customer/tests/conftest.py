"""What the tests of the customer service share."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from services.customer.server import PROGRAM
from services.customer.tests.builders import Shop
from services.customer.tests.consenting import FIRST, Desk, example
from shuke.event.v1 import event_pb2, event_pb2_grpc
from tests.running import Running, StartService


class QuietFeed(event_pb2_grpc.EventFeedServiceServicer):
    """An event feed on which nothing ever happens."""

    def ReadEvents(  # noqa: N802  (gRPC names it)
        self, _request: event_pb2.ReadEventsRequest, _context: grpc.ServicerContext
    ) -> event_pb2.ReadEventsResponse:
        """Answer that there is nothing."""
        return event_pb2.ReadEventsResponse(epoch="quiet")


@pytest.fixture(scope="session")
def quiet() -> Iterator[dict[str, Any]]:
    """Serve an empty feed in the neighbours' place, so that the service under test does not wait for one that is down.

    Answers the settings that name it.
    """
    server = grpc.server(ThreadPoolExecutor(4))
    event_pb2_grpc.add_EventFeedServiceServicer_to_server(QuietFeed(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield dict.fromkeys(("tiering_address", "notify_address"), f"127.0.0.1:{port}")
    server.stop(None).wait()


@pytest.fixture
def customer(start_service: StartService, quiet: dict[str, Any]) -> Running:
    """Start the customer service, on each engine in turn."""
    return start_service(PROGRAM, **quiet)


@pytest.fixture
def shop(customer: Running) -> Shop:
    """Make a client of the running service."""
    return Shop(customer)


@pytest.fixture
def desk(shop: Shop) -> Desk:
    """Make a client, with the example notice in force: it tells every purpose but DISCLOSURE."""
    made = Desk(shop)
    assert made.activate(example()) == FIRST
    return made
