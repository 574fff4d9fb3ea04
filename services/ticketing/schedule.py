"""What ticketing does when time passes: it warns of limits that will be passed soon, and tells of those that were.

Who does it holds a lease, but nothing rests on that: each ticket is locked, and what is fired then is what its clocks
still owe, so that two at once, or one that ended at any line, fire each alert once.
"""

from __future__ import annotations

from functools import partial

from chassis.database import Tx
from chassis.ids import NewId
from services.ticketing.cases.domain import fire
from services.ticketing.cases.rpc import Desk
from services.ticketing.clocks import repository as clocks

BATCH = 200


class Sweeper:
    """Fires the alerts of clocks whose time has come."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def sweep(self) -> int:
        """Fire what is due, a ticket at a time, the longest due first; answer how many tickets had something due."""
        desk = self.desk
        with desk.database.read() as tx:
            due = clocks.due(tx, desk.calls.clock(), BATCH)
        for ticket_id in due:
            desk.calls.transact(partial(self._fire, ticket_id))
        return len(due)

    def _fire(self, ticket_id: str, tx: Tx, now: int, new_id: NewId) -> None:
        before = self.desk.cases.get(tx, ticket_id, lock=True)
        after = fire(before, now)
        if after.clock_events:
            self.desk.cases.save_alerts(tx, after)
            self.desk.follow(tx, after, now, new_id)
