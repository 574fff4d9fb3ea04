"""What the tests of the gateway share."""

from __future__ import annotations

import pytest

from chassis.texts import Texts
from gateway.routes import RouteTable
from gateway.tests.contracts import services
from shuke.gateway.v1 import errors_pb2


@pytest.fixture(scope="session")
def table() -> RouteTable:
    """Read the routes of all contracts."""
    return RouteTable.of(services())


@pytest.fixture(scope="session")
def texts() -> Texts:
    """Read the gateway's sentences."""
    return Texts("gateway", errors_pb2.ErrorReason.DESCRIPTOR)
