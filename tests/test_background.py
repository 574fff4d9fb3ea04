"""The background work of every service is leased: held while the service runs, given back when it stops."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import sqlalchemy as sa

from chassis.events import PARTITIONS
from chassis.service import Program
from chassis.tests.events import change, new_id, until
from services.customer.server import PROGRAM as CUSTOMER
from services.tiering.server import PROGRAM as TIERING
from tests.databases import text_of
from tests.running import Running, StartService

ANSWERING = replace(CUSTOMER, build=lambda *parts: CUSTOMER.build(*parts).answering())
PARTS = range(PARTITIONS)
WORKING = replace(CUSTOMER, build=lambda *parts: CUSTOMER.build(*parts).working())


def leased(running: Running, program: Program) -> dict[str, str]:
    """Read what is leased, and to whom."""
    table = program.metadata.tables["leases"]
    with running.database.read() as tx:
        return {row.name: row.holder for row in tx.execute(sa.select(table))}


def listening(running: Running, program: Program, source: str) -> Counter[str]:
    """Count how many partitions of a source each process listens to."""
    held = leased(running, program)
    return Counter(holder for name, holder in held.items() if name in {f"{source} events {part}" for part in PARTS})


@pytest.mark.parametrize("transport", ["feed", "nats"], indirect=True)
@pytest.mark.parametrize(
    ("program", "source"), [(CUSTOMER, "tiering"), (TIERING, "customer")], ids=["customer", "tiering"]
)
def test_a_service_that_stops_leaves_no_lease(
    start_service: StartService, program: Program, source: str, transport: dict[str, str]
) -> None:
    """What must run once per service is leased under its name, and free as soon as the service has stopped."""
    running = start_service(program)
    expected = {"sequencer", "relay"} if transport else {"sequencer"}
    expected |= {f"{source} events {part}" for part in PARTS}
    until(lambda: expected <= leased(running, program).keys())
    running.service.stop()
    assert leased(running, program) == {}


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_replica_takes_over_from_one_that_stops(start_service: StartService) -> None:
    """Two processes on one database share the partitions of a source; one has them all when the other has stopped."""
    first = start_service(TIERING)
    until(lambda: len(leased(first, TIERING)) == 19)
    [before] = set(leased(first, TIERING).values())
    second = start_service(TIERING, database_url=text_of(first.database.url))
    until(lambda: sorted(listening(first, TIERING, "customer").values()) == [8, 8])
    first.service.stop()
    until(lambda: len(leased(second, TIERING)) == 19)
    [after] = set(leased(second, TIERING).values())
    assert after != before


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_one_process_answers_and_another_works(start_service: StartService) -> None:
    """A process that only answers does no background work; one that only works takes no calls and does it all."""
    answering = start_service(ANSWERING)
    told = change("customers/a", 1)
    answering.database.transact(lambda tx: CUSTOMER.log.add(tx, [told], 0, new_id))
    assert answering.service.workers == ()
    assert leased(answering, CUSTOMER) == {}

    working = start_service(WORKING, database_url=text_of(answering.database.url))
    assert working.service.foundation.server.port == 0
    until(lambda: {"sequencer", "tiering events 0"} <= leased(working, CUSTOMER).keys())
    until(lambda: _waiting(answering) == 0)


def _waiting(running: Running) -> int:
    with running.database.read() as tx:
        return CUSTOMER.log.waiting(tx)
