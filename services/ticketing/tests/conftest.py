"""What the tests of the ticketing service share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.ticketing.server import PROGRAM
from services.ticketing.tests import neighbours
from services.ticketing.tests.clerk import Clerk
from services.ticketing.tests.neighbours import Neighbours
from tests.running import Running, StartService


@pytest.fixture
def beside() -> Iterator[Neighbours]:
    """Serve the customer service's lookups, and the feeds of both neighbours."""
    with neighbours.serving() as served:
        yield served


@pytest.fixture
def ticketing(beside: Neighbours, start_service: StartService) -> Running:
    """Start the ticketing service, on each engine in turn. The neighbours come first, so that they outlive it."""
    return start_service(PROGRAM, customer_address=beside.address, tiering_address=beside.address)


@pytest.fixture
def clerk(ticketing: Running) -> Clerk:
    """Make a client for tickets, with the chain's people known and the policies of `houses` in force."""
    return Clerk(ticketing)
