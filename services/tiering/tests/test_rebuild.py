"""A customer service that was restored to an earlier time: sums are built anew, and classes are given and told once."""

from __future__ import annotations

from datetime import date

import pytest
import sqlalchemy as sa
from google.protobuf.message import Message
from structlog.testing import capture_logs

from chassis import names
from chassis.database import Occupied
from chassis.events import PARTITIONS
from services.tiering.spend.tables import BESIDE, DAYS
from services.tiering.tables import LEASES, LOG
from services.tiering.tests.clients import Tiering, counts, wait_for
from services.tiering.tests.owner import ANNA, BERT, CARLA, refund, sale
from services.tiering.tests.test_parked import Run, run
from shuke.tiering.v1 import events_pb2
from shuke.tiering.v1 import tiering_pb2 as pb

JANUARY, FEBRUARY, MARCH = date(2011, 1, 5), date(2011, 2, 5), date(2011, 3, 5)
Q1 = date(2011, 3, 31)

__all__ = ["run"]


def net(tiering: Tiering) -> dict[str, int]:
    """Read what each customer has spent, in pence."""
    spent = sa.func.sum(DAYS.c.sales - DAYS.c.refunds).label("net")
    with tiering.running.database.read() as tx:
        rows = tx.execute(sa.select(DAYS.c.customer_id, spent).group_by(DAYS.c.customer_id))
        return {row.customer_id: row.net for row in rows}


def rebuilt(tiering: Tiering) -> None:
    """Wait until the listener has gone over to the owner's log."""
    epoch = sa.text("SELECT count(*) FROM cursors WHERE source = 'customer.shuke' AND epoch = :epoch")

    def there() -> bool:
        with tiering.running.database.read() as tx:
            return bool(tx.execute(epoch, {"epoch": tiering.owner.epoch}).scalar_one() == PARTITIONS)

    tiering.running.wake()
    wait_for(there)
    tiering.settle()


def told(tiering: Tiering) -> list[tuple[str, str]]:
    """Read whose class was told to be what, since the last time."""
    changed = [one for one in tiering.told() if isinstance(one, events_pb2.MembershipChanged)]
    return [(names.identity(one.customer), one.to_class) for one in changed]


@pytest.mark.requirement("T-01", "T-20")
def test_what_tills_send_again_counts_once_and_tells_nobody_again(tiering: Tiering) -> None:
    """Sums lose what the owner lost and regain what comes again; a first class is given and told once in all."""
    tiering.activate()
    tiering.tell(sale(ANNA, JANUARY, 600_00))
    again: list[Message] = [sale(ANNA, FEBRUARY, 50_00), sale(BERT, FEBRUARY, 20_00), refund(ANNA, MARCH, 1_00)]
    lost = tiering.owner.tell(*again)
    tiering.settle()
    assert sorted(told(tiering)) == [(ANNA, "NEW"), (BERT, "NEW")]
    with capture_logs() as logs:
        tiering.owner.restore(*lost)
        rebuilt(tiering)
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["projection stale"]
    assert net(tiering) == {ANNA: 600_00}
    tiering.tell(*again, sale(CARLA, MARCH, 5_00))
    assert net(tiering) == {ANNA: 649_00, BERT: 20_00, CARLA: 5_00}
    assert told(tiering) == [(CARLA, "NEW")]
    assert [one.to_class for one in tiering.history(BERT)] == ["NEW"]
    with tiering.running.database.read() as tx:
        assert [tx.execute(sa.select(table)).first() for table in BESIDE] == [None, None]


@pytest.mark.requirement("T-13")
def test_a_run_waits_for_the_rebuild(tiering: Tiering) -> None:
    """It grades the sums of the log as it is, never those that are stale or half built."""
    tiering.activate()
    tiering.tell(sale(ANNA, JANUARY, 600_00), sale(BERT, JANUARY, 600_00))
    lost = tiering.owner.tell(sale(ANNA, FEBRUARY, 5_000_00))
    tiering.settle()
    tiering.owner.slow = True
    with capture_logs():
        tiering.owner.restore(*lost)
        name = tiering.start(Q1).name
        tiering.running.wake()
        wait_for(lambda: [line for line in (tiering.operation(name),) if line.metadata.value])
        assert net(tiering)[ANNA] == 5_600_00
        assert not tiering.operation(name).done
        tiering.owner.slow = False
        evaluation = pb.Evaluation()
        assert tiering.finish(name).response.Unpack(evaluation)
    assert (counts(evaluation.classes)["REGULAR"], evaluation.denominator) == (2, 2)


def test_a_rebuild_by_command_mends_the_sums(tiering: Tiering, run: Run) -> None:
    """The service does it while it serves, the command shows how far it is, and nothing is told."""
    tiering.activate()
    tiering.tell(sale(ANNA, JANUARY, 600_00), sale(BERT, JANUARY, 20_00))
    tiering.told()
    with tiering.running.database.write() as tx:
        tx.execute(sa.update(DAYS).values(sales=1))
    shown = run("rebuild").output.splitlines()
    assert shown[-1] == "customer.shuke: built anew"
    assert net(tiering) == {ANNA: 600_00, BERT: 20_00}
    assert told(tiering) == []
    refused = run("rebuild", "--source", "notify.shuke")
    assert (refused.exit_code, refused.output) == (1, "Error: nothing is built of events of notify.shuke\n")


def test_only_a_service_that_does_not_run_begins_another_epoch(tiering: Tiering, run: Run) -> None:
    """Whoever restores a database stops its service first; its log then goes on under another epoch."""
    database = tiering.running.database
    database.occupy()
    wait_for(lambda: leased(tiering))
    assert isinstance(run("restored").exception, Occupied)
    with database.read() as tx:
        before = LOG.epoch(tx)
        assert LOG.past(tx) == []
    tiering.running.service.stop()
    assert run("restored").output.startswith("epoch ")
    with database.read() as tx:
        assert LOG.epoch(tx) != before
        assert [past.epoch for past in LOG.past(tx)] == [before]


def leased(tiering: Tiering) -> bool:
    """Tell whether the service works."""
    with tiering.running.database.read() as tx:
        return tx.execute(sa.select(LEASES)).first() is not None
