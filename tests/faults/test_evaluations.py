"""Evaluations on two replicas of tiering: asked for at the same moment, and killed in the middle."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from chassis.database import Database
from chassis.tests.events import at_once, until
from services.customer.server import PROGRAM as CUSTOMER
from services.customer.tests.builders import Shop, line
from services.customer.tests.builders import sale as bought
from services.tiering.evaluations.tables import EVALUATIONS
from services.tiering.memberships.tables import MOVEMENTS
from services.tiering.server import PROGRAM, build
from services.tiering.tables import CURSORS
from services.tiering.tests.clients import Tiering
from services.tiering.tests.owner import Owner, customer, sale
from shuke.tiering.v1.events_pb2 import EvaluationCompleted
from tests.databases import text_of
from tests.faults.clocks import Wrong
from tests.faults.reading import heard
from tests.faults.telling import Tell
from tests.processes import beginning
from tests.running import Refusal, StartService

DAY = date(2026, 3, 1)
PEOPLE = 20

pytestmark = [pytest.mark.requirement("T-14"), pytest.mark.parametrize("engine", ["postgresql"], indirect=True)]


def completed(database: Database) -> int:
    """Count the evaluations of which tiering has told that they are complete."""
    events, waiting = PROGRAM.log.events, PROGRAM.log.outbox
    with database.read() as tx:
        counts = (
            sa.select(sa.func.count())
            .select_from(table)
            .where(table.c.type == EvaluationCompleted.DESCRIPTOR.full_name)
            for table in (events, waiting)
        )
        return sum(tx.execute(count).scalar_one() for count in counts)


def count(database: Database, table: sa.Table) -> int:
    """Count the rows of a table."""
    with database.read() as tx:
        return tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("rounds", [3, pytest.param(30, marks=pytest.mark.whole)])
def test_two_evaluations_at_once_are_one(start_service: StartService, tell: Tell, rounds: int) -> None:
    """Of two replicas that are asked at the same moment one begins the run, the other names it; it is done once."""
    owner = Owner()
    program = replace(PROGRAM, build=partial(build, customer=owner))
    one = Tiering(start_service(program), owner)
    database = one.running.database
    two = Tiering(start_service(program, database_url=text_of(database.url)), owner)
    one.activate()
    one.tell(*(sale(customer(number), DAY, 600_00) for number in range(PEOPLE)))

    def asked(tiering: Tiering) -> str:
        try:
            return tiering.start(DAY).name
        except Refusal as refusal:
            return refusal.metadata["name"]

    for _ in range(rounds):
        # Nothing is graded before both have asked, for a run reads the owner's events first.
        owner.open = False
        [name] = set(at_once(*(partial(asked, tiering) for tiering in (one, two))))
        owner.open = True
        two.running.wake()
        assert one.finish(name).HasField("response")
    runs, told = count(database, EVALUATIONS), completed(database)
    tell(
        injected=f"{rounds} evaluations, each asked of two replicas at once",
        acknowledged=f"{rounds} operations",
        found=f"{runs} evaluations, told {told} times",
    )
    assert (runs, told, count(database, MOVEMENTS)) == (rounds, rounds, 2 * PEOPLE)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kills", [1, pytest.param(10, marks=pytest.mark.whole)])
def test_an_evaluation_that_is_killed_is_done_once(
    start_service: StartService, tmp_path: Path, tell: Tell, kills: int
) -> None:
    """A process that is ended with -9 in the middle of a run leaves nothing of it; the next one does it all, once."""
    clock = Wrong(0)
    shop = Shop(start_service(CUSTOMER, clock))
    asked = {"customer_address": shop.running.address}
    # It takes the calls; the work is the processes'.
    answering = replace(PROGRAM, build=lambda *parts: build(*parts).answering())
    tiering = Tiering(start_service(answering, clock, **asked), Owner())
    database = tiering.running.database
    tiering.activate()
    people = [shop.customer() for _ in range(PEOPLE)]
    for number, who in enumerate(people):
        shop.record(bought(f"R{number}", line(amount=600_00), customer=who))
    held = sa.select(CURSORS).with_for_update()
    waiting = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
        "AND query LIKE '%cursors%FOR UPDATE'"
    )
    with beginning("tiering", tmp_path, database_url=text_of(database.url), **asked) as begin:
        process = begin("work")
        until(lambda: heard(shop.running.database, database))
        for _ in range(kills):
            # The run reads all events, then waits for the cursors, which somebody else holds.
            with database.write() as tx:
                tx.execute(held)
                started = tiering.start(DAY).name
                with database.read() as beside:
                    until(lambda: bool(beside.scalar(waiting)))
                process.kill()
            process = begin("work")
            assert tiering.finish(started).HasField("response")
    runs, told = count(database, EVALUATIONS), completed(database)
    tell(
        injected=f"{kills} kills of the process that evaluates",
        acknowledged=f"{kills} operations",
        found=f"{runs} evaluations, told {told} times",
    )
    assert (runs, told, count(database, MOVEMENTS)) == (kills, kills, 2 * PEOPLE)
