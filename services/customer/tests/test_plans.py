"""The queries that grow with the chain are served by an index, never by reading a whole table."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import pytest
import sqlalchemy as sa

from chassis.database import Database
from services.customer.consents.repository import latest
from services.customer.interactions.repository import entered
from services.customer.ledger.domain import Query, Record
from services.customer.ledger.repository import list_entries
from services.customer.policies.domain import Purpose
from services.customer.store_days import repository as store_days
from services.customer.tables import ACCESSES
from services.customer.tests.builders import LEEDS, Shop, at, by_phone, mobile, sale
from services.customer.tests.filing import TOLD, Files
from services.customer.tests.interacting import CommunicationLog

TABLES = ("customers", "customer_keys", "consent_records", "interactions", "accesses", "access_subjects")


def plans_of(database: Database, tables: Collection[str]) -> list[str]:
    """Keep, from here on, the plan of every query of these tables; answer the list that grows."""
    plans: list[str] = []

    def explain(connection: sa.Connection, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        if statement.startswith(("SELECT", "DELETE")) and any(table in statement for table in tables):
            plan = connection.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.extend(row[3] for row in plan)

    for connections in (database.reader, database.writer):
        sa.event.listen(connections, "before_cursor_execute", explain)
    return plans


@pytest.mark.parametrize("engine", ["sqlite"])
def test_records_are_found_by_an_index(shop: Shop) -> None:
    """Last words, contacts, accesses and the keys of one customer are read by primary keys and indexes."""
    database, files = shop.running.database, Files(shop)
    anna = files.create(**TOLD).name
    plans = plans_of(database, TABLES)
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


@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_sale_and_a_look_up_read_only_their_own(shop: Shop) -> None:
    """However many receipts a store has and customers the chain, rows are searched by their whole keys."""
    anna = shop.customer(contact_points=[mobile("+447700900123")])
    plans = plans_of(shop.running.database, ("receipts", "waiting_refunds", "customer_spend", "customer_keys"))
    shop.record(sale("R1", customer=anna))
    assert [match.customer for match in shop.look_up(by_phone("+447700900123"))] == [anna]
    searched = {plan.split()[1]: plan.rpartition(" (")[2] for plan in plans if plan.startswith("SEARCH")}
    receipt = "store=? AND business_date=? AND terminal=? AND receipt_no=?)"
    assert searched == {
        "receipts": f"record=? AND {receipt}",
        "waiting_refunds": receipt,
        "customer_spend": "customer_id=? AND scope=?)",
        "customer_keys": "kind=? AND digest=?)",
    }


@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_day_is_closed_by_indexes(shop: Shop) -> None:
    """The records of a store's day, the sums of its days, their closes and what was odd are each found by an index."""
    database = shop.running.database
    shop.record_all(*(sale(f"R{number}") for number in range(50)))
    shop.record(sale("R50", on="2026-03-09"), settled=True)
    # By now the planner knows that hardly any sale is odd.
    database.transact(lambda tx: tx.execute(sa.text("ANALYZE")))
    plans = plans_of(database, ("entries", "day_closes"))
    first, last = date(2026, 3, 1), date(2026, 3, 9)
    with database.read() as tx:
        store_days.held(tx, LEEDS, first)
        store_days.sums_by_day(tx, LEEDS, first, last)
        store_days.last_closes(tx, LEEDS, first, last)
        list_entries(tx, Record.SALE, Query("", LEEDS, first, last, None, 50, odd=True))
    found = [plan.split(" (")[0] for plan in plans if plan.startswith(("SEARCH", "SCAN"))]
    assert found == [
        "SEARCH entries USING INDEX ix_entries_store",
        "SEARCH entries USING INDEX ix_entries_store",
        "SEARCH day_closes USING INDEX sqlite_autoindex_day_closes_1",
        "SEARCH entries USING INDEX ix_entries_odd",
    ]
