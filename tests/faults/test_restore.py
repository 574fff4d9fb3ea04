"""An owner that is restored to an earlier copy of its database while others listen: what was lost comes again, once."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from chassis import names
from chassis.database import Database
from services.customer.server import PROGRAM as CUSTOMER
from services.customer.tables import LOG
from services.customer.tests.builders import Shop, alone, line, sale
from services.tiering.server import PROGRAM as TIERING
from services.tiering.spend.tables import DAYS
from services.tiering.tests.clients import Tiering, wait_for
from services.tiering.tests.owner import Owner
from services.tiering.tests.test_beside_customer import free_port
from shuke.tiering.v1.events_pb2 import MembershipChanged
from tests.faults.telling import Tell
from tests.running import StartService

Rows = dict[str, list[dict[str, Any]]]
PEOPLE = 12


def copy_of(database: Database) -> Rows:
    """Copy all rows as they stand at one moment."""
    tables = CUSTOMER.metadata.sorted_tables
    with database.write() as tx:
        if not database.sqlite:
            tx.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        return {table.name: [dict(row) for row in tx.execute(sa.select(table)).mappings()] for table in tables}


def put_back(database: Database, rows: Rows) -> None:
    """Put a copy in the place of all rows."""
    with database.write() as tx:
        for table in reversed(CUSTOMER.metadata.sorted_tables):
            tx.execute(sa.delete(table))
        for table in CUSTOMER.metadata.sorted_tables:
            if rows[table.name]:
                tx.execute(sa.insert(table), rows[table.name])


def sums(database: Database) -> dict[str, int]:
    """Read what tiering says each customer has spent, in pence."""
    net = sa.func.sum(DAYS.c.sales - DAYS.c.refunds).label("net")
    with database.read() as tx:
        found = tx.execute(sa.select(DAYS.c.customer_id, net).group_by(DAYS.c.customer_id))
        return {names.name("customers", row.customer_id): row.net for row in found}


@pytest.mark.requirement("C-23", "T-01", "T-20")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("receipts", [60, pytest.param(1_500, marks=pytest.mark.whole)])
def test_an_owner_is_restored(start_service: StartService, tell: Tell, receipts: int) -> None:
    """Tiering builds its sums anew; when tills have sent again, all agree to the penny and nobody is told twice."""
    chance = random.Random(receipts)
    port, beside = str(free_port()), str(free_port())
    shop = Shop(start_service(CUSTOMER, port=port, tiering_address=f"127.0.0.1:{beside}"))
    database = shop.running.database
    running = start_service(TIERING, port=beside, customer_address=f"127.0.0.1:{port}")
    tiering = Tiering(running, Owner())
    tiering.activate()
    people = [shop.customer() for _ in range(PEOPLE)]
    expected: defaultdict[str, int] = defaultdict(int)

    def till(number: int, regulars: list[str]) -> Callable[[], object]:
        """Make a receipt that may be sent any number of times."""
        who, pence = chance.choice(regulars), chance.randint(1, 200_00)
        if number % 10:
            expected[who] += pence
            sold = sale(f"R{number}", line(1, pence), customer=who)
            return lambda: shop.record(sold, settled=True)
        expected[who] -= pence
        given = alone(f"R{number}", line(1, pence), customer=who)
        return lambda: shop.refund(given, settled=True)

    # Some buy for the first time after the copy was made.
    before = [till(number, people[: PEOPLE // 2]) for number in range(receipts // 2)]
    after = [till(number, people) for number in range(receipts // 2, receipts)]
    for send in before:
        send()
    copy = copy_of(database)
    for send in after:
        send()
    wait_for(lambda: sums(running.database) == expected)

    shop.running.service.stop()
    put_back(database, copy)
    with capture_logs() as logs:
        with database.write() as tx:
            LOG.restored(tx, shop.running.service.foundation.new_id)
        url = database.url.render_as_string(hide_password=False)
        shop = Shop(start_service(CUSTOMER, port=port, tiering_address=f"127.0.0.1:{beside}", database_url=url))
        wait_for(lambda: [each for each in logs if each["event"] == "projection rebuilt"])
    lost = {who: net for who, net in expected.items() if sums(running.database).get(who) != net}
    assert lost
    for send in (*before, *after):
        send()
    wait_for(lambda: sums(running.database) == expected)

    assert {who: shop_net(shop, who) for who in expected} == expected
    told = Counter(one.customer for one in tiering.told() if isinstance(one, MembershipChanged))
    assert told == Counter(expected.keys())
    tell(
        injected="customer restored to a copy of half its receipts",
        acknowledged=f"{receipts} receipts of {len(expected)} customers, sent again",
        found=f"sums of {len(lost)} customers gone back and all equal again, {told.total()} first classes told once",
    )


def shop_net(shop: Shop, who: str) -> int:
    """Ask the ledger what a customer has spent, in pence."""
    net = shop.spend(who).net
    return int(net.units * 100 + net.nanos // 10_000_000)
