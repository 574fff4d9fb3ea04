"""What ticketing does when time passes: it warns of limits that will be passed soon, and tells of those that were.

Who does it holds a lease, but nothing rests on that: each ticket is locked, and what is fired then is what its clocks
still owe, so that two at once, or one that ended at any line, fire each alert once.
"""

from __future__ import annotations

from functools import partial

import structlog

from chassis.calls import Calls
from chassis.database import Tx
from chassis.errors import Unavailable
from chassis.events import EventLog
from chassis.ids import NewId
from services.ticketing.cases.convert import told
from services.ticketing.cases.repository import Cases
from services.ticketing.clocks import repository as clocks
from services.ticketing.steps.domain import fire
from services.ticketing.timeline.repository import Timeline

log = structlog.get_logger("clocks")

BATCH = 200


class Sweeper:
    """Fires the alerts of clocks whose time has come."""

    def __init__(self, calls: Calls, cases: Cases, timeline: Timeline, event_log: EventLog) -> None:
        self.calls = calls
        self.cases = cases
        self.timeline = timeline
        self.event_log = event_log

    def sweep(self) -> int:
        """Fire what is due, a ticket at a time, the longest due first; answer how many tickets had something due.

        One that cannot be handled keeps no other waiting.
        """
        faults = []
        with self.calls.database.read() as tx:
            due = clocks.due(tx, self.calls.clock(), BATCH)
        for ticket_id in due:
            try:
                self.calls.transact(partial(self._fire, ticket_id))
            except Unavailable:
                raise
            except Exception as fault:  # noqa: BLE001  (the first one is raised at the end)
                log.warning("alert failed", ticket=f"tickets/{ticket_id}", problem=type(fault).__name__)
                faults.append(fault)
        if faults:
            raise faults[0]
        return len(due)

    def _fire(self, ticket_id: str, tx: Tx, now: int, new_id: NewId) -> None:
        after = fire(self.cases.get(tx, ticket_id, lock=True), now)
        if after.clock_events:
            self.cases.save_alerts(tx, after)
            self.timeline.add(tx, after)
            self.event_log.add(tx, told(after), now, new_id)
