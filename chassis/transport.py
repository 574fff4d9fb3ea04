"""The way of events out of a service and into it: over feeds alone, or over NATS, with feeds for what is missing there.

Which of the two it is, is decided here and nowhere else.
"""

from __future__ import annotations

import sqlalchemy as sa

from chassis.consumer import LIMIT, REST
from chassis.events import PARTITIONS, EventLog
from chassis.feed import EventFeed, sequence
from chassis.inbox import Inbox
from chassis.jetstream import JetStream
from chassis.leases import Leases
from chassis.metrics import Reading
from chassis.rebuild import Listener
from chassis.relay import BATCH, Relay
from chassis.service import Background, Foundation
from chassis.settings import Suite
from chassis.workers import Worker

# Seconds between two looks of the sequencer. Whoever asks a feed wakes it; where nobody need ask, it looks more often.
UNASKED_PAUSE = 0.05


class Transport:
    """Makes what numbers a service's events and tells of them (`feed`, `workers`), and what listens to other services.

    `relayed` was declared by `relay_table`. Listeners come behind `workers` among the workers of the service.
    """

    def __init__(self, base: Foundation, suite: Suite, leases: Leases, log: EventLog, relayed: sa.Table) -> None:
        self.leases = leases
        self.stream: JetStream | None = None
        if not suite.nats_servers:
            sequencer = leases.worker("sequencer", lambda: sequence(base.database, log))
            self.feed = EventFeed(base.database, log, sequencer.wake)
            self.workers: tuple[Background, ...] = (sequencer,)
            return
        stream = self.stream = JetStream(suite.nats_servers, suite.nats_prefix, f"{base.api}-{leases.holder}")
        relay = Relay(base.database, log, relayed, stream)
        relaying = leases.worker("relay", relay.step, BATCH)

        def number() -> int:
            numbered = sequence(base.database, log)
            if numbered:
                relaying.wake()
            return numbered

        sequencer = leases.worker("sequencer", number, most=UNASKED_PAUSE)
        self.feed = EventFeed(base.database, log, sequencer.wake)
        self.workers = (stream, relaying, sequencer)
        base.metrics.gauge("shuke_nats_connected", "Whether a NATS server answers", lambda: stream.connected)
        waiting = Reading("shuke_relay_backlog_events", "Numbered events that the stream lacks", relay.backlog)
        base.metrics.watch(base.database, waiting)

    def listening(self, listener: Listener) -> Worker:
        """Make the worker that applies the events of a source; replicas share the partitions, by leases of each."""
        name = f"{listener.consumer.source.partition('.')[0]} events"
        if self.stream is None:
            # A look costs both sides the same for one event as for many.
            return self.leases.sharer(name, PARTITIONS, listener.step, LIMIT, REST)

        def wake() -> None:
            worker.wake()

        inbox = Inbox(self.stream, listener, wake)
        worker = self.leases.sharer(name, PARTITIONS, inbox.step, LIMIT)
        return worker
