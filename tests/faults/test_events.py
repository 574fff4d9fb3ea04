"""Events between two services, told late, twice, out of order and with holes, some of which cannot be applied."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from chassis.consumer import Consumer
from chassis.errors import Unavailable
from chassis.events import PARTITIONS
from cli.suite import free_port
from services.customer.clients import feed_of
from services.customer.server import PROGRAM as CUSTOMER
from services.customer.tests.builders import Shop, line
from services.customer.tests.builders import refund as given_back
from services.customer.tests.builders import sale as sold
from services.tiering.server import PROGRAM as TIERING
from tests.faults.telling import Tell
from tests.running import Running, StartService

# As many tills as there are threads for calls, for each customer's sales wait for each other.
TILLS, DELIVERERS, POISONED = 12, 3, 2

# A transaction takes the numbers of its rows in the outbox, and commits some time later: others overtake it.
LATE = """
    CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_sleep(random() * 0.05); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER late AFTER INSERT ON outbox DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION late()
"""
# What a listener's effect writes fails for some customers.
POISON = {
    "sqlite": (
        [
            f"""CREATE TRIGGER poison_{verb} BEFORE {verb} ON spend_days
                WHEN NEW.customer_id IN ({{poisoned}}) BEGIN SELECT RAISE(ABORT, 'poison'); END"""
            for verb in ("INSERT", "UPDATE")
        ],
        ["DROP TRIGGER poison_INSERT", "DROP TRIGGER poison_UPDATE"],
    ),
    "postgresql": (
        [
            "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''poison''; END'",
            """CREATE TRIGGER poison BEFORE INSERT OR UPDATE ON spend_days FOR EACH ROW
               WHEN (NEW.customer_id IN ({poisoned})) EXECUTE FUNCTION poison()""",
        ],
        ["DROP TRIGGER poison ON spend_days"],
    ),
}


def run(running: Running, *statements: str) -> None:
    """Run statements on the database of a service."""
    with running.database.write() as tx:
        for statement in statements:
            tx.exec_driver_sql(statement)


def rows(running: Running, query: str) -> list[tuple[Any, ...]]:
    """Answer the rows of a query."""
    with running.database.read() as tx:
        return [tuple(row) for row in tx.execute(sa.text(query))]


def bought(running: Running) -> dict[str, tuple[int, int, int]]:
    """Answer what the customer service keeps of each customer: sold, given back, and how many sales."""
    query = "SELECT customer_id, gross, refunded, purchases FROM customer_spend WHERE scope = ''"
    return {row[0]: row[1:] for row in rows(running, query)}


def heard(running: Running) -> dict[str, tuple[int, int, int]]:
    """Answer what tiering made of it."""
    query = "SELECT customer_id, SUM(sales), SUM(refunds), SUM(purchase_count) FROM spend_days GROUP BY customer_id"
    return {row[0]: tuple(map(int, row[1:])) for row in rows(running, query)}  # type: ignore[misc]


def parked(running: Running) -> set[str]:
    """Answer whose events wait."""
    return {row[0].removeprefix("customers/") for row in rows(running, "SELECT subject FROM parked_events")}


@dataclass
class Deliverers:
    """Threads that bring a listener the events of its owner as no transport should."""

    owner: Running
    listener: Running
    over: Event
    delivered: int = 0

    def work(self, chance: random.Random) -> None:
        """Fetch from anywhere, leave some out, double others, shuffle them and deliver them in one go."""
        feed = feed_of("customer", self.owner.address, self.listener.service.foundation.credentials)
        consumer: Consumer = self.listener.service.consumers[0]
        while not self.over.is_set():
            try:
                with self.listener.database.read() as tx:
                    positions = consumer.positions(tx)
                behind = {
                    partition: max(0, positions[partition] - chance.randrange(8)) for partition in range(PARTITIONS)
                }
                answer = feed.read_events(behind, 200)
                some = [each for each in answer.events if chance.random() > 0.1]
                some += [each for each in some if chance.random() < 0.3]
                chance.shuffle(some)
                consumer.deliver(some, answer.epoch)
                self.delivered += len(some)
            except Unavailable:
                # Too many got in each other's way; a transport comes again.
                continue


@contextmanager
def delivering(owner: Running, listener: Running, chance: random.Random) -> Iterator[Deliverers]:
    """Deliver wrongly beside the listener's own way, until the end."""
    deliverers = Deliverers(owner, listener, Event())
    with ThreadPoolExecutor(DELIVERERS) as pool:
        working = [pool.submit(deliverers.work, random.Random(chance.random())) for _ in range(DELIVERERS)]
        try:
            yield deliverers
        finally:
            deliverers.over.set()
        for each in working:
            each.result()


def trade(shop: Shop, customers: list[str], till: str, sales: int, chance: random.Random) -> None:
    """Sell, and some time after a sale take back a part of it, or void it."""
    names = []
    for number in range(sales):
        pence = chance.randrange(1_00, 100_00)
        purchase = sold(f"P-{till}-{number}", line(1, pence), customer=chance.choice(customers))
        names.append((shop.record(purchase).purchase.name, pence))
        what = chance.random()
        if what < 0.1:
            name, pence = names.pop(chance.randrange(len(names)))
            goods = line(1, chance.randrange(1, pence), original_line_no=1)
            shop.refund(given_back(f"R-{till}-{number}", goods, original_purchase=name, reason="DAMAGED"))
        elif what < 0.15:
            shop.void(names.pop(chance.randrange(len(names)))[0], settled=True)


def wait(true: Callable[[], bool]) -> None:
    """Wait for what the services bring about; the test's own limit ends it."""
    while not true():
        Event().wait(0.01)


@pytest.mark.requirement("T-14", "C-23")
@pytest.mark.parametrize(
    "sales", [pytest.param(20, id="short"), pytest.param(500, id="full", marks=[pytest.mark.whole])]
)
@pytest.mark.timeout(600)
def test_events(start_service: StartService, engine: str, tell: Tell, sales: int) -> None:
    """Nothing is skipped, nothing counts twice; what cannot be applied holds up its customer alone, until a replay."""
    chance = random.Random(20260301)
    port = free_port()
    customer = start_service(CUSTOMER, port=str(port))
    tiering = start_service(TIERING, customer_address=f"127.0.0.1:{port}")
    if engine == "postgresql":
        run(customer, LATE)
    shop = Shop(customer)
    customers = [shop.customer() for _ in range(30)]
    poisoned = {name.removeprefix("customers/") for name in chance.sample(customers, POISONED)}
    poison, cure = POISON[engine]
    run(tiering, *(each.format(poisoned=", ".join(f"'{one}'" for one in poisoned)) for each in poison))
    with capture_logs(), delivering(customer, tiering, chance) as deliverers, ThreadPoolExecutor(TILLS) as tills:
        for part in ("A", "B"):
            trading = [
                tills.submit(trade, shop, customers, f"{part}{till}", sales // 2, random.Random(chance.random()))
                for till in range(TILLS)
            ]
            for each in trading:
                each.result()
            expected = bought(customer)
            well = {each: sums for each, sums in expected.items() if each not in poisoned}
            wait(lambda well=well: heard(tiering) == well)  # type: ignore[misc]
            wait(lambda: parked(tiering) == poisoned)
            if part == "A":
                # What comes after the cure waits all the same, behind what could not be applied.
                run(tiering, *cure)
        waiting = rows(tiering, "SELECT COUNT(*) FROM parked_events")[0][0]
        for name in poisoned:
            tiering.service.consumers[0].replay(f"customers/{name}")
        wait(lambda: heard(tiering) == expected)
    assert parked(tiering) == set()
    dense = "SELECT partition, COUNT(*), MAX(position) FROM events GROUP BY partition HAVING COUNT(*) <> MAX(position)"
    assert rows(customer, dense) == []
    heads = rows(customer, "SELECT partition, position FROM event_heads WHERE position > 0 ORDER BY 1")
    cursors = "SELECT partition, position FROM cursors WHERE source = 'customer.shuke' AND position > 0 ORDER BY 1"
    wait(lambda: rows(tiering, cursors) == heads)
    events = rows(customer, "SELECT COUNT(*) FROM events")[0][0]
    tell(
        injected=f"{deliverers.delivered} events delivered wrongly, {POISONED} customers whose events fail",
        acknowledged=f"{TILLS * sales} sales, {events} events",
        found=f"each once; {waiting} waited for a replay, all others went on",
    )
