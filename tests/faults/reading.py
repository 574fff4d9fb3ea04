"""What the database of a service holds after faults: its event log, its leases, how far it listened."""

from __future__ import annotations

from collections import Counter

import sqlalchemy as sa

from chassis.database import Database
from chassis.events import PARTITIONS
from chassis.service import Program
from services.customer.server import PROGRAM as CUSTOMER
from services.tiering.server import PROGRAM as TIERING
from services.tiering.spend.tables import DAYS
from shuke.customer.v1.events_pb2 import PurchaseRecorded


def holders(database: Database, program: Program) -> dict[str, str]:
    """Read what is leased, and to whom."""
    table = program.metadata.tables["leases"]
    with database.read() as tx:
        return {row.name: row.holder for row in tx.execute(sa.select(table))}


def shares(database: Database, program: Program, work: str) -> list[int]:
    """Count how many partitions of a source each process listens to, by the name of that work."""
    held = holders(database, program)
    return sorted(Counter(held.get(f"{work} {part}") for part in range(PARTITIONS)).values())


def numbered(database: Database) -> Counter[str]:
    """Count the events of each sale in the customer service's log, whose positions must be dense; none may wait."""
    table = CUSTOMER.log.events
    query = sa.select(table.c.partition, table.c.position, table.c.type, table.c.subject)
    with database.read() as tx:
        assert CUSTOMER.log.unnumbered(tx) == 0
        rows = tx.execute(query.order_by(table.c.partition, table.c.position)).all()
    for partition in {row.partition for row in rows}:
        positions = [row.position for row in rows if row.partition == partition]
        assert positions == list(range(1, len(positions) + 1))
    return Counter(row.subject for row in rows if row.type == PurchaseRecorded.DESCRIPTOR.full_name)


def heard(customer: Database, tiering: Database) -> bool:
    """Tell whether tiering has dealt with all that the customer service has numbered, and nothing waits there."""
    cursors = TIERING.metadata.tables["cursors"]
    with customer.read() as tx:
        if CUSTOMER.log.unnumbered(tx):
            return False
        heads = {row.partition: row.position for row in tx.execute(sa.select(CUSTOMER.log.heads)) if row.position}
    with tiering.read() as tx:
        rows = tx.execute(sa.select(cursors).where(cursors.c.source == CUSTOMER.log.source)).all()
    return heads == {row.partition: row.position for row in rows}


def sold(tiering: Database) -> tuple[int, int]:
    """Add up the sales that tiering knows, and their amounts in the smallest unit of money."""
    total = sa.func.coalesce
    with tiering.read() as tx:
        row = tx.execute(sa.select(total(sa.func.sum(DAYS.c.purchase_count), 0), total(sa.func.sum(DAYS.c.sales), 0)))
        count, amount = row.one()
    return int(count), int(amount)
