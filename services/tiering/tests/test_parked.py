"""A purchase that tiering cannot read: its customer waits, the others go on, and commands list and replay it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from chassis.consumer import Consumer
from chassis.service import commands
from services.tiering.consumers import SOURCE
from services.tiering.server import PROGRAM
from services.tiering.spend.tables import DAYS
from services.tiering.tables import CURSORS
from services.tiering.tests.clients import Tiering
from services.tiering.tests.owner import ANNA, BERT, EPOCH, sale
from tests.databases import text_of
from tests.running import CHAIN, keys

JANUARY = date(2011, 1, 5)

Run = Callable[..., Result]


@pytest.fixture
def run(tiering: Tiering, tmp_path: Path) -> Run:
    """Run commands as a process of their own would, on the database of the service that serves."""
    environ = {
        **CHAIN,
        "SHUKE_TIERING_DATABASE_URL": text_of(tiering.running.database.url),
        "SHUKE_TIERING_SIGNING_KEY": keys()[0],
        "SHUKE_TRUST": str(tmp_path / "trust.json"),
    }

    def command(*words: str) -> Result:
        with capture_logs():
            return CliRunner().invoke(commands(PROGRAM), words, env=environ)

    return command


def sales(tiering: Tiering) -> dict[str, int]:
    """Read what each customer has bought, in pence."""
    with tiering.running.database.read() as tx:
        return {row.customer_id: row.sales for row in tx.execute(sa.select(DAYS.c.customer_id, DAYS.c.sales))}


def test_a_purchase_that_cannot_be_read_holds_up_its_customer_alone(tiering: Tiering, run: Run) -> None:
    """The commands name the customer, the place and the kind of problem, nothing of the purchase."""
    foreign = sale(ANNA, JANUARY, 1234)
    foreign.total.currency_code = "EUR"
    with capture_logs():
        tiering.tell(foreign, sale(BERT, JANUARY, 500), sale(ANNA, JANUARY, 700))
    assert sales(tiering) == {BERT: 500}
    partition = tiering.owner.events[0].partition
    listed = run("parked").output.splitlines()
    assert listed[0].startswith(f"customers/{ANNA}: 2 waiting of customer.shuke since 2026-03-02T04:00:00+00:00; ")
    assert listed[0].endswith(f"the first is {partition}/1, tries 3: Invalid")
    assert listed[1:] == ["parked subjects: 1"]
    again = run("replay", f"customers/{ANNA}")
    assert (again.exit_code, sales(tiering)) == (1, {BERT: 500})
    assert again.output == "Error: took effect: 0; the next one failed: Invalid\n"
    assert "tries 4" in run("parked").output


def test_what_an_earlier_release_parked_is_replayed(tiering: Tiering, run: Run) -> None:
    """Once the cause is mended the command applies what waits, and the customer's next events come in by themselves."""

    def earlier_release(*_: object) -> None:
        raise ZeroDivisionError

    base = tiering.running.service.foundation
    consumer = Consumer(base.database, CURSORS, SOURCE, earlier_release, clock=base.clock, new_id=base.new_id)
    tiering.owner.open = False
    with capture_logs():
        consumer.deliver(tiering.owner.tell(sale(ANNA, JANUARY, 300), sale(ANNA, JANUARY, 400)), EPOCH)
    tiering.owner.open = True
    tiering.tell(sale(ANNA, JANUARY, 50))
    assert sales(tiering) == {}
    assert run("replay", f"customers/{ANNA}").output == "took effect: 3\n"
    assert sales(tiering) == {ANNA: 750}
    assert run("parked").output == "parked subjects: 0\n"
    tiering.tell(sale(ANNA, JANUARY, 50))
    assert sales(tiering) == {ANNA: 800}


def test_a_subject_that_is_not_parked_is_told(run: Run) -> None:
    """A name that is mistyped does not look like a success."""
    nothing = run("replay", "customers/nobody")
    assert (nothing.exit_code, nothing.output) == (1, "Error: no event of customers/nobody is parked\n")
