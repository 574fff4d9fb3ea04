"""Metrics: what calls and backlogs look like to whoever reads them, and the port on which they are read."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event

import httpx2
import pytest

from chassis import rebuild
from chassis.calendar import SECOND
from chassis.call import Call
from chassis.consumer import Consumer, cursors_table
from chassis.database import Database, Tx, metadata
from chassis.errors import Unavailable
from chassis.ids import NewId
from chassis.metrics import Metrics, MetricsPort, Reading, backlog
from chassis.tests.events import LOG, at_once, begin, change, tell
from chassis.tests.events import read as read_log
from chassis.tests.serving import PACKAGE, Sent, do_request, serving
from chassis.workers import Worker
from shuke.event.v1 import event_pb2
from tests.running import Refusal

TABLES = metadata()
CURSORS = cursors_table(TABLES)
NOW = 7 * SECOND
DO = f"/{PACKAGE}.TinyService/Do"


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """Read a sample; None where there is none."""
    return metrics.registry.get_sample_value(name, labels)


def calls(metrics: Metrics, method: str, code: str) -> float | None:
    """Read how many calls there were."""
    return value(metrics, "shuke_call_seconds_count", door="grpc", method=method, code=code)


def test_each_call_is_counted_under_its_method_and_code() -> None:
    """Answers, refusals and faults count where they belong, and what another server counts is its own."""

    def fail(_request: Sent, _call: Call) -> str:
        raise ZeroDivisionError

    with serving() as running, serving() as other:
        metrics = running.server.parts.metrics
        running.call("Do", do_request())
        with pytest.raises(Refusal):
            running.call("Do", do_request(), ())
        running.tiny.work = fail
        with pytest.raises(Refusal):
            running.call("Do", do_request())
        counted = {code: calls(metrics, DO, code) for code in ("OK", "UNAUTHENTICATED", "INTERNAL", "NOT_FOUND")}
        assert counted == {"OK": 1, "UNAUTHENTICATED": 1, "INTERNAL": 1, "NOT_FOUND": None}
        assert calls(other.server.parts.metrics, DO, "OK") is None


def test_methods_that_there_are_not_count_as_one() -> None:
    """A caller cannot make labels by calling ever other names."""
    with serving() as running:
        for name in ("One", "Two"):
            with pytest.raises(Refusal):
                running.call(f"/{PACKAGE}.TinyService/{name}")
        metrics = running.server.parts.metrics
        assert calls(metrics, "UNKNOWN", "UNIMPLEMENTED") == 2
        assert calls(metrics, f"/{PACKAGE}.TinyService/One", "UNIMPLEMENTED") is None


def test_calls_in_flight_are_seen() -> None:
    """While a call is worked on, it is counted as under way."""
    with serving() as running:
        metrics = running.server.parts.metrics
        seen: list[float | None] = []

        def look(_request: Sent, _call: Call) -> str:
            seen.append(value(metrics, "shuke_calls_in_flight", door="grpc"))
            return ""

        running.tiny.work = look
        running.call("Do", do_request())
        assert seen == [1]


def test_background_work_tells_what_it_has_computed() -> None:
    """Each worker's processor time is counted under its name, without the time in which it waits."""
    done = Event()

    def step() -> int:
        began = time.thread_time()
        while time.thread_time() < began + 0.02:
            pass
        done.set()
        return 0

    busy, idle = Worker("busy", step, rest=1000), Worker("idle", lambda: 0, rest=1000)
    metrics = Metrics()
    metrics.follow([busy, idle])
    for worker in (busy, idle):
        worker.start()
    assert done.wait(10)
    for worker in (busy, idle):
        worker.stop()
    computed = {name: value(metrics, "shuke_worker_cpu_seconds_total", worker=name) for name in ("busy", "idle")}
    assert computed == {"busy": busy.cpu, "idle": idle.cpu}
    assert busy.cpu >= 0.02 > idle.cpu > 0


@dataclass
class Listener:
    """A consumer of the log's events whose effects fail for the keys that are poison."""

    database: Database
    poison: set[str] = field(default_factory=set)
    source: str = "owner.shuke"

    def __post_init__(self) -> None:
        """Make the consumer."""
        self.consumer = Consumer(
            self.database, CURSORS, self.source, self.effect, clock=lambda: NOW, new_id=lambda: "id"
        )

    def effect(self, _tx: Tx, events: Sequence[event_pb2.Event], _now: int, _new_id: NewId) -> None:
        """Fail at poison."""
        if any(each.partition_key in self.poison for each in events):
            raise ValueError

    def read_events(self, cursors: Mapping[int, int], limit: int) -> event_pb2.ReadEventsResponse:
        """Read the log as its owner's feed does."""
        with self.database.read() as tx:
            heads = LOG.positions(tx, list(cursors))
            return event_pb2.ReadEventsResponse(
                events=read_log(tx, dict(cursors), limit),
                heads=[event_pb2.Cursor(partition=partition, position=head) for partition, head in heads.items()],
                epoch=LOG.epoch(tx),
            )


def watched(database: Database, *listeners: Listener) -> Callable[..., float | None]:
    """Begin a log and watch it and its listeners; answer how a gauge is read."""
    begin(database)
    metrics = Metrics()
    metrics.watch(database, *backlog(LOG, [rebuild.Listener(listener.consumer, listener) for listener in listeners]))
    return lambda name, **labels: value(metrics, name, **labels)


def test_the_outbox_is_told_as_it_stands(database: Database) -> None:
    """Whenever somebody asks, what is committed and has no number yet is counted."""
    read = watched(database)
    assert read("shuke_outbox_events") == 0
    tell(database, change("a", 1), change("b", 2))
    assert read("shuke_outbox_events") == 2
    database.transact(LOG.number)
    assert read("shuke_outbox_events") == 0


def test_the_lag_is_what_the_last_fetch_left(database: Database) -> None:
    """A consumer that has not fetched says nothing; afterwards its lag is what lies before the heads that it saw."""
    mine, other = Listener(database), Listener(database, source="other.shuke")
    read = watched(database, mine, other)
    tell(database, *(change(f"key-{number}", number) for number in range(5)))
    database.transact(LOG.number)
    assert read("shuke_consumer_lag_events", source="owner.shuke") is None
    assert mine.consumer.poll(mine, limit=2) == 2
    assert read("shuke_consumer_lag_events", source="owner.shuke") == 3
    assert read("shuke_consumer_fetch_time_seconds", source="owner.shuke") == NOW / SECOND
    assert read("shuke_consumer_lag_events", source="other.shuke") is None


def test_another_process_may_have_gone_on(database: Database) -> None:
    """Whoever lost the lease tells what is left of what it saw, never less than nothing."""
    first, second = Listener(database), Listener(database)
    read = watched(database, first)
    tell(database, change("key", 1), change("key", 2))
    database.transact(LOG.number)
    assert first.consumer.poll(first, limit=1) == 1
    assert read("shuke_consumer_lag_events", source="owner.shuke") == 1
    tell(database, change("key", 3))
    database.transact(LOG.number)
    assert second.consumer.poll(second) == 2
    assert read("shuke_consumer_lag_events", source="owner.shuke") == 0


def test_parked_subjects_are_told(database: Database) -> None:
    """Subjects count once, however many events wait behind the first one."""
    listener = Listener(database, poison={"a", "b"})
    read = watched(database, listener)
    assert read("shuke_parked_subjects", source="owner.shuke") == 0
    tell(database, change("a", 1), change("a", 2), change("b", 3), change("c", 4))
    database.transact(LOG.number)
    listener.consumer.poll(listener)
    assert read("shuke_parked_subjects", source="owner.shuke") == 2


def test_a_database_that_does_not_answer_hides_nothing_else(database: Database) -> None:
    """What is read from it is missing, and the rest is told."""
    metrics = Metrics()

    def fail(_tx: Tx) -> float:
        raise Unavailable

    metrics.watch(database, Reading("shuke_broken", "Never told", fail))
    metrics.gauge("shuke_whole", "Told", lambda: 3)
    assert (value(metrics, "shuke_broken"), value(metrics, "shuke_whole")) == (None, 3)


def test_metrics_are_served_on_their_port_until_it_stops() -> None:
    """Whoever asks on the port reads the service's own metrics; a taken port fails the start, and a stop frees it."""
    metrics = Metrics()
    metrics.gauge("shuke_answer", "Told", lambda: 42)
    port = MetricsPort(metrics, "127.0.0.1", 0)
    port.start()
    answers = at_once(*[lambda: httpx2.get(f"http://127.0.0.1:{port.port}/metrics", timeout=10)] * 4)
    assert all("shuke_answer 42.0" in answer.text.splitlines() for answer in answers)
    with pytest.raises(OSError, match="in use"):
        MetricsPort(metrics, "127.0.0.1", port.port).start()
    port.stop()
    again = MetricsPort(metrics, "127.0.0.1", port.port)
    again.start()
    again.stop()
