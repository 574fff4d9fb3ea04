"""What stands in the databases of a suite, held against what its tills were told."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from chassis.database import Database
from tests.faults.tills import Books

# Those that tell events; the gateway has a database, too.
SERVICES = ("customer", "tiering", "ticketing", "notify")
PARTS = (*SERVICES, "gateway")
# Who must have heard of whom, once something was told.
HEARD = {("tiering", "customer"), ("ticketing", "customer"), ("notify", "customer")} | {
    (listener, "tiering") for listener in ("customer", "ticketing", "notify")
}


class Ledgers:
    """The databases of a suite's services, read beside the services."""

    def __init__(self, databases: Mapping[str, Database]) -> None:
        self.databases = databases

    def rows(self, service: str, query: str) -> list[sa.Row[Any]]:
        """Answer the rows of a query."""
        with self.databases[service].read() as tx:
            return list(tx.execute(sa.text(query)).all())

    def settle(self) -> None:
        """Wait until every event has its number, and everybody has heard of it."""
        while not self.heard():
            threading.Event().wait(0.02)

    def heard(self) -> bool:
        """Tell whether nothing waits in an outbox, and every cursor stands at its owner's head."""
        # Owners before listeners: what is told meanwhile is no lag.
        if any(self.rows(service, "SELECT 1 FROM outbox") for service in SERVICES):
            return False
        heads = {
            (owner, row.partition): row.position
            for owner in SERVICES
            for row in self.rows(owner, "SELECT partition, position FROM event_heads WHERE position > 0")
        }
        for listener, owner in HEARD:
            query = f"SELECT partition, position FROM cursors WHERE source = '{owner}.shuke'"  # noqa: S608  (our names)
            held = {row.partition: row.position for row in self.rows(listener, query)}
            if any(held.get(partition) != head for (of, partition), head in heads.items() if of == owner):
                return False
        return True

    def check(self, books: Books) -> str:
        """Hold all of it against what was acknowledged; answer in words what was found."""
        told, entries = books.acknowledged, self.rows("customer", "SELECT * FROM entries")
        found = Counter((row.store, row.receipt_no, row.total) for row in entries)
        assert found == Counter((each.store, each.number, each.pence) for each in told.values())
        assert self._spend() == self._days() == books.sums()
        sales, refunds = (sum(each.kind == kind for each in told.values()) for kind in ("purchase", "refund"))
        events = self._events("customer")
        assert events["shuke.customer.v1.PurchaseRecorded"] == sales
        assert events["shuke.customer.v1.PurchaseRefunded"] == refunds
        buyers = {each.customer for each in told.values() if each.kind == "purchase"}
        # A first sale gives the first class, once, and the customer service has heard of it.
        movements = self.rows("tiering", "SELECT customer_id FROM movements")
        assert Counter(f"customers/{row.customer_id}" for row in movements) == Counter(buyers)
        classes = self.rows("customer", "SELECT customer_id FROM customer_classes")
        assert Counter(f"customers/{row.customer_id}" for row in classes) == Counter(buyers)
        assert self._events("tiering")["shuke.tiering.v1.MembershipChanged"] == len(buyers)
        for service in SERVICES:
            self._events(service)
            assert self.rows(service, "SELECT * FROM parked_events") == []
        pence = sum(row.total if row.record == "SALE" else -row.total for row in entries)
        return f"each once, {pence / 100:,.2f} in both services, {sum(events.values())} events without a hole"

    def _spend(self) -> dict[str, tuple[int, int, int, int]]:
        rows = self.rows("customer", "SELECT * FROM customer_spend WHERE scope = ''")
        return {f"customers/{row.customer_id}": (row.gross, row.refunded, row.purchases, row.refunds) for row in rows}

    def _days(self) -> dict[str, tuple[int, int, int, int]]:
        refunds = Counter(
            row.customer_id
            for row in self.rows("customer", "SELECT customer_id FROM entries WHERE original_id IS NOT NULL")
        )
        query = "SELECT customer_id, SUM(sales) s, SUM(refunds) r, SUM(purchase_count) n FROM spend_days GROUP BY 1"
        return {
            f"customers/{row.customer_id}": (int(row.s), int(row.r), int(row.n), refunds[row.customer_id])
            for row in self.rows("tiering", query)
        }

    def _events(self, service: str) -> Counter[str]:
        """Count the events by type; their positions must be dense, and each must be there once."""
        events = self.rows(service, "SELECT partition, position, event_id, type FROM events ORDER BY 1, 2")
        heads = {row.partition: row.position for row in self.rows(service, "SELECT * FROM event_heads")}
        for partition, head in heads.items():
            assert [row.position for row in events if row.partition == partition] == list(range(1, head + 1))
        assert len({row.event_id for row in events}) == len(events)
        return Counter(row.type for row in events)


def settings(urls: Mapping[str, str]) -> dict[str, str]:
    """Write down for a suite which databases its parts take."""
    return {f"SHUKE_{part.upper()}_DATABASE_URL": url for part, url in urls.items()}


@contextmanager
def ledgers(urls: Mapping[str, str]) -> Iterator[Ledgers]:
    """Open the databases of a suite, by service."""
    databases = {service: Database(urls[service], pool_size=1) for service in SERVICES}
    try:
        yield Ledgers(databases)
    finally:
        for database in databases.values():
            database.close()
