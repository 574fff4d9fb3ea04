"""What a run may take of PostgreSQL: more memory and time than a call, and for its own transaction alone."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import date

import pytest
import sqlalchemy as sa

from chassis import wire
from chassis.database import Database, DatabaseFault
from services.tiering.evaluations import repository
from services.tiering.tests.clients import LOYALTY, Tiering
from services.tiering.tests.jobs import job_of, work
from services.tiering.tests.owner import ANNA, customer, sale
from shuke.tiering.v1 import tiering_pb2 as pb

DAY = date(2011, 3, 31)


def test_memory_and_time_are_taken_until_the_transaction_ends(database: Database) -> None:
    """Inside, sorts and statements have what the settings say; the same connection then has what calls have."""
    if database.sqlite:
        with database.write() as tx:
            repository.take_time(tx, "8MB", 120.0)
        return
    shown = sa.text("SELECT current_setting('work_mem'), current_setting('statement_timeout'), current_setting('jit')")
    with database.write() as tx:
        before = tx.execute(shown).one()
    with database.write() as tx:
        repository.take_time(tx, "8MB", 120.0)
        assert tuple(tx.execute(shown).one()) == ("8MB", "2min", "off")
    with database.write() as tx:
        assert tx.execute(shown).one() == before
    assert before[1] == "30s"


def test_a_run_takes_what_the_settings_say(tiering: Tiering) -> None:
    """What PostgreSQL cannot read as an amount of memory ends the run, which asked for it; SQLite is asked nothing."""
    tiering.activate()
    tiering.tell(sale(ANNA, DAY, 600_00))
    job = job_of(tiering)
    job.config = job.config.model_copy(update={"evaluation_work_mem": "much"})
    request = pb.RunEvaluationRequest(scheme=LOYALTY, as_of=wire.to_date(DAY))
    with nullcontext() if tiering.running.database.sqlite else pytest.raises(DatabaseFault, match="set_config"):
        job(work(f"operations/tiering-{customer(77)}", request))
