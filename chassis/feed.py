"""The event feed: how other services read this service's log, and the sequencer that numbers it."""

from __future__ import annotations

import time
from collections.abc import Callable

from chassis.call import Call
from chassis.database import Database
from chassis.errors import Unavailable
from chassis.events import AnotherSequencer, EventLog
from shuke.event.v1 import event_pb2

DEFAULT_LIMIT = 500
LONGEST_WAIT = 5.0
PAUSE = 0.005


def sequence(database: Database, log: EventLog) -> int:
    """Number what has been committed; answer how many events. The loser of a race does nothing."""
    try:
        with database.read() as tx:
            if log.waiting(tx) == 0:
                return 0
        return database.transact(log.number)
    except AnotherSequencer:
        return 0


class EventFeed:
    """Implements `shuke.event.v1.EventFeedService`."""

    def __init__(self, database: Database, log: EventLog, wake: Callable[[], None]) -> None:
        self.database = database
        self.log = log
        self.wake = wake
        # Both change only while the service does not run.
        self._past: dict[str, list[event_pb2.PastEpoch]] = {}

    def ReadEvents(self, request: event_pb2.ReadEventsRequest, call: Call) -> event_pb2.ReadEventsResponse:
        """Answer events behind the cursors, and heads that cover all that had committed when the call began."""
        self._settle(call.rpc.time_remaining())
        cursors = {cursor.partition: cursor.position for cursor in request.cursors}
        with self.database.read() as tx:
            # The heads come first: an event behind them is welcome, one that they promise must be there.
            heads = self.log.positions(tx, list(cursors))
            found = self.log.read(tx, cursors, heads, request.limit or DEFAULT_LIMIT)
            epoch = found[0].epoch if found else self.log.epoch(tx)
            if epoch not in self._past:
                self._past = {epoch: self.log.past(tx)}
        return event_pb2.ReadEventsResponse(
            events=found,
            heads=[event_pb2.Cursor(partition=partition, position=position) for partition, position in heads.items()],
            epoch=epoch,
            past=self._past[epoch],
        )

    def _settle(self, remaining: float) -> None:
        """Wait until every row that is visible now has been numbered."""
        with self.database.read() as tx:
            last = self.log.waiting(tx)
        if last == 0:
            return
        until = time.monotonic() + min(LONGEST_WAIT, remaining)
        while True:
            self.wake()
            with self.database.read() as tx:
                if self.log.numbered(tx, last):
                    return
            if time.monotonic() >= until:
                raise Unavailable
            time.sleep(PAUSE)
