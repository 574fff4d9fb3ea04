"""What the tests of the gateway share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chassis.texts import Texts
from gateway.routes import RouteTable
from gateway.tests.contracts import services
from gateway.tests.door import Door, opened
from services.customer.server import PROGRAM as CUSTOMER
from shuke.gateway.v1 import errors_pb2
from tests.running import Clock, StartService


@pytest.fixture(scope="session")
def table() -> RouteTable:
    """Read the routes of all contracts."""
    return RouteTable.of(services())


@pytest.fixture(scope="session")
def texts() -> Texts:
    """Read the gateway's sentences."""
    return Texts("gateway", errors_pb2.ErrorReason.DESCRIPTOR)


@pytest.fixture
def door(start_service: StartService) -> Iterator[Door]:
    """Open the front door before a real customer service, on each engine in turn."""
    clock = Clock()
    with opened(start_service, clock, start_service(CUSTOMER, clock).address) as made:
        yield made
