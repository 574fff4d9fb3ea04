"""The background work of every service is leased: held while the service runs, given back when it stops."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from chassis.service import Program
from chassis.tests.events import until
from services.customer.server import PROGRAM as CUSTOMER
from services.tiering.server import PROGRAM as TIERING
from tests.running import Running, StartService


def leased(running: Running, program: Program) -> set[str]:
    """Read what is leased."""
    with running.database.read() as tx:
        return set(tx.scalars(sa.select(program.metadata.tables["leases"].c.name)))


@pytest.mark.parametrize(
    ("program", "listener"), [(CUSTOMER, "tiering events"), (TIERING, "customer events")], ids=["customer", "tiering"]
)
def test_a_service_that_stops_leaves_no_lease(start_service: StartService, program: Program, listener: str) -> None:
    """What must run once per service is leased under its name, and free as soon as the service has stopped."""
    running = start_service(program)
    until(lambda: {"sequencer", listener} <= leased(running, program))
    running.service.stop()
    assert leased(running, program) == set()
