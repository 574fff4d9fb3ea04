"""The connection to NATS JetStream: one event loop on a thread of its own, to which synchronous code gives work."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, Header, StorageType, StreamConfig
from nats.js.client import JetStreamContext
from nats.js.errors import NoStreamResponseError, NotFoundError

from chassis.errors import Unavailable
from shuke.event.v1 import event_pb2

log = structlog.get_logger("nats")

T = TypeVar("T")

# Seconds between two attempts to connect, and for which a server may be silent before it counts as gone.
RETRY_SECONDS = 0.5
PING_SECONDS = 5
ANSWER_SECONDS = 5.0
# How long events are kept for listeners that are away, and how long the server knows an event again by its id. The
# owner's log keeps all events; a listener that has been away for longer reads them there.
KEPT_SECONDS = 24 * 3600.0
DUPLICATE_SECONDS = 120.0
# How many events are asked for at once, and after how many seconds without any the stream is looked for again.
LIMIT = 500
QUIET_SECONDS = 5.0
# How long the server remembers a process that asks for nothing any more.
FORGOTTEN_SECONDS = 60.0


class JetStream:
    """A process's connection to NATS, which comes back by itself for as long as the process runs.

    Each source has a stream, `<prefix>-<source>` with dashes for dots, and in it a subject per partition,
    `<prefix>.<source>.<partition>`. `listener` names the process: each hears all of a stream, and passes over what is
    not its share.
    """

    def __init__(self, servers: Sequence[str], prefix: str, listener: str) -> None:
        self.servers = list(servers)
        self.prefix = prefix
        self.listener = listener
        self._renew()
        self._answers: bool | None = None
        self._ending = False

    def _renew(self) -> None:
        self._client = Client()
        self._stream = self._client.jetstream()
        self._subscriptions: dict[str, JetStreamContext.PullSubscription] = {}
        self._closed = asyncio.Event()

    def start(self) -> None:
        """Begin to connect, and wait for nothing."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="nats", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._keep_connected(), self._loop)

    def stop(self) -> None:
        """Close the connection, once; nobody may give work any more."""
        if self._ending:
            return
        self._ending = True
        ending = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        # A server that does not read must not keep the process.
        with suppress(TimeoutError):
            ending.result(ANSWER_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def connected(self) -> bool:
        """Whether a server answers at present."""
        return self._client.is_connected

    def delivers(self, source: str) -> bool:
        """Tell whether this process hears of a source's new events."""
        return self.connected and source in self._subscriptions

    def stream_of(self, source: str) -> str:
        """Name the stream of a source."""
        return f"{self.prefix}-{source}".replace(".", "-")

    def publish(self, source: str, events: Sequence[event_pb2.Event]) -> None:
        """Publish events, and wait until all are stored. Makes the stream where there is none.

        Raises `Unavailable` when it is not known of all of them; they may be published again.
        """
        self._give(self._publish(source, events)).result()

    def fetch(self, source: str, wake: Callable[[], None]) -> Future[list[event_pb2.Event]]:
        """Ask for a source's next events, up to `LIMIT` and as soon as there are any; `wake` is called then.

        Each is delivered once at most. The future raises `Unavailable` when the stream does not deliver.
        """
        fetching = self._give(self._fetch(source))

        def tell(fetched: Future[list[event_pb2.Event]]) -> None:
            if not fetched.cancelled() and fetched.exception() is None:
                wake()

        fetching.add_done_callback(tell)
        return fetching

    def _give(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        async def translated() -> T:
            try:
                return await work
            except (nats.errors.Error, OSError) as error:
                raise Unavailable from error

        return asyncio.run_coroutine_threadsafe(translated(), self._loop)

    async def _publish(self, source: str, events: Sequence[event_pb2.Event]) -> None:
        try:
            await self._send(source, events)
        except NoStreamResponseError:
            await self._make(source)
            await self._send(source, events)

    async def _send(self, source: str, events: Sequence[event_pb2.Event]) -> None:
        await asyncio.gather(
            *(
                self._stream.publish(
                    f"{self.prefix}.{source}.{event.partition}",
                    event.SerializeToString(),
                    timeout=ANSWER_SECONDS,
                    headers={Header.MSG_ID: event.id},
                )
                for event in events
            )
        )

    async def _make(self, source: str) -> None:
        """Make the stream of a source unless it is there; one that an operator has made stays as it is."""
        name = self.stream_of(source)
        try:
            await self._stream.stream_info(name)
        except NotFoundError:
            config = StreamConfig(
                name,
                subjects=[f"{self.prefix}.{source}.*"],
                storage=StorageType.FILE,
                max_age=KEPT_SECONDS,
                duplicate_window=DUPLICATE_SECONDS,
            )
            await self._stream.add_stream(config)
            log.info("stream made", stream=name)

    async def _fetch(self, source: str) -> list[event_pb2.Event]:
        while True:
            subscription = self._subscriptions.get(source) or await self._subscribe(source)
            messages: list[Msg] = []
            try:
                with suppress(TimeoutError):
                    messages = await subscription.fetch(LIMIT, QUIET_SECONDS)
            finally:
                # Where nothing comes the stream may be gone, which older servers do not say. After a lost connection
                # nobody waits at the server for what comes next.
                if not messages or self._subscriptions.get(source) is not subscription:
                    self._subscriptions.pop(source, None)
                    await subscription.unsubscribe()
            if messages:
                return [event_pb2.Event.FromString(message.data) for message in messages]

    async def _subscribe(self, source: str) -> JetStreamContext.PullSubscription:
        await self._make(source)
        # The cursor says what took effect, so that nothing is acknowledged; where the server goes on is only a hint.
        subscription = await self._stream.pull_subscribe(
            f"{self.prefix}.{source}.*",
            durable=self.listener,
            stream=self.stream_of(source),
            config=ConsumerConfig(
                ack_policy=AckPolicy.NONE, deliver_policy=DeliverPolicy.NEW, inactive_threshold=FORGOTTEN_SECONDS
            ),
        )
        self._subscriptions[source] = subscription
        return subscription

    async def _keep_connected(self) -> None:
        """Connect, and connect anew where the library gives up, as it does after some errors that a server tells."""
        while True:
            try:
                await self._client.connect(
                    self.servers,
                    name=self.listener,
                    error_cb=self._failed,
                    disconnected_cb=self._lost,
                    reconnected_cb=self._found,
                    closed_cb=self._gone,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=RETRY_SECONDS,  # type: ignore[arg-type]  # it takes fractions
                    ping_interval=PING_SECONDS,
                )
                await self._found()
                await self._closed.wait()
            except Exception as error:  # noqa: BLE001  (whatever it was, the next attempt may succeed)
                await self._failed(error)
            await asyncio.sleep(RETRY_SECONDS)
            self._renew()

    async def _found(self) -> None:
        self._note(answers=True)

    async def _lost(self) -> None:
        self._subscriptions.clear()
        self._note(answers=False, problem="the connection was lost")

    async def _gone(self) -> None:
        self._closed.set()

    async def _failed(self, error: Exception) -> None:
        if not self.connected:
            self._note(answers=False, problem=type(error).__name__)

    def _note(self, *, answers: bool, problem: str = "") -> None:
        """Log what has changed, for the library tries every half second."""
        if answers == self._answers or self._ending:
            return
        self._answers = answers
        if answers:
            log.info("nats answers")
        else:
            log.warning("nats does not answer", problem=problem)

    async def _end(self) -> None:
        with suppress(nats.errors.Error, OSError):
            await self._client.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
