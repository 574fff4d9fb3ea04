"""The connection to NATS: it comes and goes with the servers, and its streams hold each event once."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from google.protobuf.any_pb2 import Any
from nats.js.api import StreamConfig
from nats.js.client import JetStreamContext
from structlog.testing import capture_logs

from chassis import jetstream
from chassis.errors import Unavailable
from chassis.jetstream import DUPLICATE_SECONDS, KEPT_SECONDS, JetStream
from chassis.tests.events import until
from shuke.event.v1 import event_pb2
from tests.streams import NatsServer, Streams

T = TypeVar("T")

SOURCE = "owner.shuke"
OTHER = "other.shuke"


def event(position: int, partition: int = 3) -> event_pb2.Event:
    """Make an event."""
    return event_pb2.Event(id=f"{partition}-{position}", epoch="epoch-1", partition=partition, position=position)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    """Run a server that the test may end."""
    made = NatsServer(tmp_path / "nats")
    made.start()
    yield made
    made.kill()


@pytest.fixture
def connect() -> Iterator[Callable[[JetStream], JetStream]]:
    """Start connections, and stop them after the test."""
    started = list[JetStream]()

    def start(stream: JetStream) -> JetStream:
        stream.start()
        started.append(stream)
        return stream

    yield start
    for each in started:
        each.stop()


def fetched(stream: JetStream, source: str = SOURCE) -> list[str]:
    """Fetch what comes next, and name it."""
    return [each.id for each in stream.fetch(source, lambda: None).result(30)]


def test_it_comes_back_whatever_happens(server: NatsServer, connect: Callable[[JetStream], JetStream]) -> None:
    """It waits for a server that is not there, loses it, finds it again, and says each once."""
    server.kill()
    with capture_logs() as lines:
        stream = connect(Streams(server.url, "test").connect())
        until(lambda: len(lines) == 1)
        assert not stream.connected
        for _ in range(2):
            server.start()
            until(lambda: stream.connected)
            stream.publish(SOURCE, [event(1)])
            server.kill()
            until(lambda: lines[-1]["event"] == "nats does not answer")
            assert not stream.connected
    said = [line["event"] for line in lines if line["event"] != "stream made"]
    assert said == ["nats does not answer", *["nats answers", "nats does not answer"] * 2]


def hang(server: NatsServer) -> JetStream:
    """Connect, and let the server hang when much is on its way there."""
    stream = Streams(server.url, "test").connect()
    stream.start()
    until(lambda: stream.connected)
    stream.publish(SOURCE, [event(1)])
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    heavy = Any(value=bytes(900_000))
    with pytest.raises(Unavailable):
        stream.publish(SOURCE, [event_pb2.Event(id=str(number), data=heavy) for number in range(30)])
    return stream


# The library's connection, which cannot be ended while there is something to write, is left to the end of the process.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_it_stops_whatever_a_server_does(server: NatsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process whose NATS hangs while much is on its way there stops all the same."""
    monkeypatch.setattr(jetstream, "ANSWER_SECONDS", 1.0)
    hang(server).stop()
    gc.collect()


def test_it_stops_without_a_server(server: NatsServer) -> None:
    """A process whose NATS is away, from the start or since, stops all the same."""
    server.kill()
    never = Streams(server.url, "test").connect()
    never.start()
    never.stop()
    server.start()
    lost = Streams(server.url, "test").connect()
    lost.start()
    until(lambda: lost.connected)
    asked = lost.fetch(SOURCE, lambda: None)
    server.kill()
    until(lambda: not lost.connected)
    lost.stop()
    assert asked.cancelled()


def test_a_connection_that_the_library_gives_up_is_made_anew(
    streams: Streams, connect: Callable[[JetStream], JetStream]
) -> None:
    """Where the library closes for good, as after some errors that a server tells, another connection follows."""
    stream = connect(streams.connect())
    until(lambda: stream.connected)
    stream.publish(SOURCE, [event(1)])
    asyncio.run_coroutine_threadsafe(stream._client.close(), stream._loop).result(10)
    until(lambda: stream.connected)
    stream.publish(SOURCE, [event(2)])
    assert [each.position for each in streams.events(SOURCE)] == [1, 2]


def test_publishing_without_a_server_is_unavailable(
    server: NatsServer, connect: Callable[[JetStream], JetStream], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever publishes is told when nothing says that it is stored."""
    stream = connect(Streams(server.url, "test").connect())
    until(lambda: stream.connected)
    server.kill()
    monkeypatch.setattr("chassis.jetstream.ANSWER_SECONDS", 0.1)
    with pytest.raises(Unavailable):
        stream.publish(SOURCE, [event(1)])


def test_a_stream_has_limits(streams: Streams, connect: Callable[[JetStream], JetStream]) -> None:
    """A stream that is made lies on disk, forgets what is a day old, and knows events again for two minutes."""
    stream = connect(streams.connect())
    until(lambda: stream.connected)
    stream.publish(SOURCE, [event(1)])
    info = streams.ask(lambda operator: operator.stream_info(stream.stream_of(SOURCE)))
    assert info.config.subjects == [f"{streams.prefix}.{SOURCE}.*"]
    assert (info.config.storage, info.config.max_age) == ("file", KEPT_SECONDS)
    assert info.config.duplicate_window == DUPLICATE_SECONDS


def test_an_operators_stream_stays_as_it_is(streams: Streams, connect: Callable[[JetStream], JetStream]) -> None:
    """Whoever wants other limits makes the stream before the suite does."""
    stream = connect(streams.connect())
    until(lambda: stream.connected)
    made = StreamConfig(stream.stream_of(SOURCE), subjects=[f"{streams.prefix}.{SOURCE}.*"], max_msgs=7)

    async def work(operator: JetStreamContext) -> None:
        await operator.add_stream(made)

    streams.ask(work)
    asked = stream.fetch(SOURCE, lambda: None)
    until(lambda: stream.delivers(SOURCE))
    stream.publish(SOURCE, [event(1)])
    assert len(asked.result(10)) == 1
    assert streams.ask(lambda operator: operator.stream_info(str(made.name))).config.max_msgs == 7


def test_what_is_published_again_is_stored_once(streams: Streams, connect: Callable[[JetStream], JetStream]) -> None:
    """Within the window the server knows an event by its id."""
    stream = connect(streams.connect())
    until(lambda: stream.connected)
    for _ in range(2):
        stream.publish(SOURCE, [event(1), event(2), event(1, 4)])
    assert [each.id for each in streams.events(SOURCE)] == ["3-1", "3-2", "4-1"]


def test_sources_and_listeners_are_apart(streams: Streams, connect: Callable[[JetStream], JetStream]) -> None:
    """Each process hears all of the source that it asks for, and nothing of another one."""
    first, other = (connect(streams.connect(name)) for name in ("listener-1", "listener-2"))
    until(lambda: first.connected and other.connected)
    asked = [each.fetch(SOURCE, lambda: None) for each in (first, other)]
    until(lambda: first.delivers(SOURCE) and other.delivers(SOURCE))
    first.publish(OTHER, [event(9)])
    first.publish(SOURCE, [event(1)])
    assert [[each.id for each in one.result(10)] for one in asked] == [["3-1"], ["3-1"]]
    first.publish(SOURCE, [event(2), event(3)])
    assert [fetched(each) for each in (first, other)] == [["3-2", "3-3"]] * 2


def test_a_server_forgets_processes_that_are_gone(
    streams: Streams, connect: Callable[[JetStream], JetStream], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks for nothing any more leaves nothing at the server; who is quiet, but asks, stays known."""
    monkeypatch.setattr(jetstream, "FORGOTTEN_SECONDS", 0.5)
    staying = connect(streams.connect("listener-1"))
    leaving = streams.connect("listener-2")
    leaving.start()
    until(lambda: staying.connected and leaving.connected)
    asked = [each.fetch(SOURCE, lambda: None) for each in (staying, leaving)]
    until(lambda: streams.listeners(SOURCE) == 2)
    leaving.stop()
    until(lambda: streams.listeners(SOURCE) == 1)
    staying.publish(SOURCE, [event(1)])
    assert [each.id for each in asked[0].result(10)] == ["3-1"]


def test_who_asks_is_woken(streams: Streams, connect: Callable[[JetStream], JetStream]) -> None:
    """Whoever waits for events need not look for them."""
    stream = connect(streams.connect())
    until(lambda: stream.connected)
    woken = list[bool]()
    asked = stream.fetch(SOURCE, lambda: woken.append(True))
    until(lambda: stream.delivers(SOURCE))
    assert not woken
    stream.publish(SOURCE, [event(1)])
    until(lambda: bool(woken))
    assert asked.done()


def test_a_stream_that_is_deleted_is_made_anew(
    streams: Streams, connect: Callable[[JetStream], JetStream], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever publishes makes it, and whoever listens hears of what comes after that."""
    monkeypatch.setattr("chassis.jetstream.QUIET_SECONDS", 0.2)
    stream = connect(streams.connect())
    until(lambda: stream.connected)
    asked = stream.fetch(SOURCE, lambda: None)
    until(lambda: stream.delivers(SOURCE))
    streams.delete()
    stream.publish(SOURCE, [event(1)])
    number = 1
    while not asked.done():
        number += 1
        stream.publish(SOURCE, [event(number)])
    heard = [each.position for each in asked.result()]
    assert heard == list(range(heard[0], heard[-1] + 1))
    assert heard[0] <= number
