"""The queries that grow with the chain are served by an index, never by reading a whole table."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from services.customer.consents.repository import latest
from services.customer.interactions.repository import entered
from services.customer.policies.domain import Purpose
from services.customer.tables import ACCESSES
from services.customer.tests.builders import Shop, at, mobile
from services.customer.tests.filing import TOLD, Files
from services.customer.tests.interacting import CommunicationLog

TABLES = ("customers", "customer_keys", "consent_records", "interactions", "accesses", "access_subjects")


@pytest.mark.parametrize("engine", ["sqlite"])
def test_records_are_found_by_an_index(shop: Shop) -> None:
    """Last words, contacts, accesses and the keys of one customer are read by primary keys and indexes."""
    database = shop.running.database
    plans: list[str] = []

    def explain(connection: sa.Connection, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        if statement.startswith(("SELECT", "DELETE")) and any(table in statement for table in TABLES):
            plan = connection.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.extend(row[3] for row in plan)

    files = Files(shop)
    anna = files.create(**TOLD).name
    for connections in (database.reader, database.writer):
        sa.event.listen(connections, "before_cursor_execute", explain)
    files.update(anna, contact_points=[mobile("+447700900456")])
    with database.read() as tx:
        latest(tx, ["1", "2"], Purpose.OFFERS)
        ACCESSES.of(tx, anna, limit=2, before="z")
        entered(tx, ["1", "2"])
    talks = CommunicationLog(shop)
    talks.enter(anna)
    talks.enter(anna, occur_time=at("2026-03-01 10:00"))
    first = talks.page(anna, page_size=1)
    talks.page(anna, page_size=1, page_token=first.next_page_token)
    assert len(plans) >= 8
    scanned = {plan.split()[1] for plan in plans if plan.startswith("SCAN")}
    assert scanned & set(TABLES) == set()
