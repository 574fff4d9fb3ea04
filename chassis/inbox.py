"""The inbox: how a listener takes events from another service's stream, and from its feed what is missing there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from itertools import groupby
from operator import attrgetter

import structlog

from chassis.calendar import SECOND
from chassis.clock import Clock, elapsed
from chassis.consumer import ALL, LIMIT, REST, EpochChanged
from chassis.errors import Unavailable
from chassis.jetstream import JetStream
from chassis.rebuild import Listener
from shuke.event.v1 import event_pb2

log = structlog.get_logger("inbox")

# Microseconds between two looks at the feed while the stream delivers, which is how long an event is missed that it
# never brings; and while it does not.
LOOK = 2 * SECOND
LOOK_INSTEAD = int(REST * SECOND)


class Inbox:
    """Hands a listener what the stream of its source delivers, and lets it look at the owner's feed.

    It looks when an event lies beyond the next one, every `LOOK` microseconds, as often as without a stream while that
    does not deliver, and with each step during a rebuild. At most `LIMIT` events of the stream are under way. `wake` is
    called when some have come.
    """

    def __init__(
        self,
        stream: JetStream,
        listener: Listener,
        wake: Callable[[], None],
        elapsed: Clock = elapsed,
    ) -> None:
        self.stream = stream
        self.listener = listener
        self.consumer = listener.consumer
        self.wake = wake
        self.elapsed = elapsed
        self._partitions = frozenset[int]()
        self._asked: Future[list[event_pb2.Event]] | None = None
        self._look_at = 0
        self._failing = False

    def step(self, partitions: frozenset[int] = ALL) -> int:
        """Apply what came in some partitions, and what the feed has where it is asked; answer how many events came."""
        now = self.elapsed()
        came = self._delivered()
        ours = frozenset[int]() if self.listener.rests(partitions) else partitions
        behind = self._apply([event for event in came if event.partition in ours])
        # What came in a partition while it was another process's was passed over.
        behind |= not partitions <= self._partitions
        self._partitions = partitions
        if not behind and now < self._look_at:
            return len(came)
        self._look_at = now + (LOOK if self.stream.delivers(self.consumer.source) else LOOK_INSTEAD)
        fetched = self.listener.step(partitions)
        # More waits there: what came before the stream was heard, or what a rebuild is still to read.
        if fetched >= LIMIT or self.listener.rebuilds:
            self._look_at = now
        return len(came) + fetched

    def _delivered(self) -> list[event_pb2.Event]:
        """Answer what has come, and ask for more as soon as that is dealt with."""
        events = list[event_pb2.Event]()
        if self._asked is not None and self._asked.done():
            events = self._read(self._asked)
            self._asked = None
        # Under load what comes while a step works is taken in one batch by the next.
        if self._asked is None and not events and self.stream.connected:
            self._asked = self.stream.fetch(self.consumer.source, self.wake)
        return events

    def _read(self, asked: Future[list[event_pb2.Event]]) -> list[event_pb2.Event]:
        try:
            events = asked.result()
        except Unavailable as error:
            if not self._failing:
                log.warning("stream does not deliver", source=self.consumer.source, problem=str(error.__cause__))
            self._failing = True
            return []
        self._failing = False
        return events

    def _apply(self, events: Sequence[event_pb2.Event]) -> bool:
        """Apply events; tell whether the owner must be asked for what comes before some of them."""
        behind = False
        for epoch, same in groupby(events, attrgetter("epoch")):
            batch = list(same)
            try:
                done = self.consumer.deliver(batch, epoch)
            except EpochChanged:
                # The stream may still hold events of an earlier epoch; only the owner knows which one holds.
                behind = True
                continue
            if done < len(batch):
                with self.consumer.database.read() as tx:
                    positions = self.consumer.positions(tx)
                behind |= any(event.position > positions[event.partition] for event in batch)
        return behind
