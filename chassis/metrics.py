"""What a process measures of itself, for Prometheus: its calls as they end, and its backlog whenever it is asked.

No label takes its values from a caller: whoever calls in many ways fills no memory, and nothing is told of anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from chassis.calendar import SECOND
from chassis.database import Database, Tx
from chassis.errors import Unavailable
from chassis.events import EventLog
from chassis.rebuild import Listener
from chassis.workers import Worker

# Seconds, from an empty call to the longest one.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
GRPC = "grpc"


class Metrics:
    """The metrics of one service, in a registry of its own: several services may run in one process.

    `calls` holds how many seconds calls took, by the door that they came through, the method and the code. `in_flight`
    holds how many are under way, by door.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.calls = Histogram(
            "shuke_call_seconds",
            "How long calls took, and how many there were",
            ("door", "method", "code"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "shuke_calls_in_flight", "Calls that are worked on or wait", ("door",), registry=self.registry
        )
        ProcessCollector(registry=self.registry)

    def gauge(self, name: str, told: str, read: Callable[[], float]) -> None:
        """Add a gauge that is read when somebody asks."""
        Gauge(name, told, registry=self.registry).set_function(read)

    def follow(self, workers: Iterable[Worker]) -> None:
        """Add a counter of how long background work has computed, by worker."""
        self.registry.register(_Computing(list(workers)))

    def watch(self, database: Database, *readings: Reading) -> None:
        """Add gauges that are read from the database when somebody asks."""
        self.registry.register(_Readings(database, readings))


@dataclass(frozen=True, slots=True)
class Reading:
    """A gauge that is read from the database: a number, or one for each value of a label."""

    name: str
    told: str
    read: Callable[[Tx], float | Mapping[str, float]]
    label: str = ""


def backlog(log: EventLog, listeners: Sequence[Listener]) -> Iterator[Reading]:
    """Tell what waits in a service: events without a number, events of other services, subjects that are parked."""
    yield Reading("shuke_outbox_events", "Events that wait for their number", log.unnumbered)
    if not listeners:
        return
    consumers = [each.consumer for each in listeners]
    yield Reading(
        "shuke_consumer_lag_events",
        "Events of another service that have taken no effect yet, as of the last fetch",
        lambda tx: {each.source: each.lag(tx) for each in consumers if each.fetched},
        "source",
    )
    yield Reading(
        "shuke_consumer_fetch_time_seconds",
        "When this process last fetched events of another service, as a Unix time",
        lambda _tx: {each.source: each.fetched / SECOND for each in consumers if each.fetched},
        "source",
    )
    yield Reading(
        "shuke_parked_subjects",
        "Subjects whose events wait, because the effect of the first one failed",
        lambda tx: {each.source: each.parked.subjects(tx) for each in consumers},
        "source",
    )
    yield Reading(
        "shuke_rebuild_left_events",
        "Events that a rebuild of what another service told has still to read; 0 while there is none",
        lambda tx: {each.consumer.source: found.left if (found := each.find(tx)) else 0 for each in listeners},
        "source",
    )


class _Computing(Collector):
    """Reads how long workers have computed."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self.workers = workers

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Read it of each."""
        told = "Processor time that background work has taken, as of the end of its last step"
        family = CounterMetricFamily("shuke_worker_cpu_seconds", told, labels=["worker"])
        for worker in self.workers:
            family.add_metric([worker.name], worker.cpu)
        yield family


class _Readings(Collector):
    """Reads gauges from a database; while that does not answer, they are missing and the others are told."""

    def __init__(self, database: Database, readings: Sequence[Reading]) -> None:
        self.database = database
        self.readings = readings

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read them all."""
        try:
            with self.database.read() as tx:
                found = [(reading, reading.read(tx)) for reading in self.readings]
        except Unavailable:
            return
        for reading, value in found:
            if isinstance(value, Mapping):
                family = GaugeMetricFamily(reading.name, reading.told, labels=[reading.label])
                for label, number in value.items():
                    family.add_metric([label], number)
            else:
                family = GaugeMetricFamily(reading.name, reading.told, value)
            yield family


class MetricsPort:
    """Serves a service's metrics over HTTP on a port of their own."""

    def __init__(self, metrics: Metrics, host: str, port: int) -> None:
        self.metrics = metrics
        self.host = host
        self.port = port

    def start(self) -> None:
        """Take the port and serve; raise OSError when it is taken."""
        self._server, self._thread = start_http_server(self.port, self.host, self.metrics.registry)
        self.port = self._server.server_port

    def stop(self) -> None:
        """Give the port back."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
