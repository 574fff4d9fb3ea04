"""HTTP connections that come to an end: whoever is slow, idle or one too many keeps nobody else out."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a head may take to come, an answer to be taken, and a connection to lie idle; and how many there are."""

    receive_seconds: float
    idle_seconds: float
    connections: int


class Connection(H11Protocol):
    """A connection of uvicorn's that is cut off when its limits are passed; the body is up to the application.

    uvicorn itself only bounds how long a connection lies idle after an answer.
    """

    def __init__(self, *given: Any, limits: Limits, **named: Any) -> None:  # noqa: ANN401  (as uvicorn makes it)
        super().__init__(*given, **named)
        self.limits = limits
        self.timeout_keep_alive = limits.idle_seconds  # type: ignore[assignment]  # it takes parts of a second as well
        self._cut: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin, unless there are as many already as may be."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            transport.abort()
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request; what comes after an answer, and makes no new request, has an end, too."""
        super().data_received(data)
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            self._watch()
        elif not self.flow.write_paused:
            self._rest()

    def on_response_complete(self) -> None:
        """Take up the next request; where there is none to come, the client still has to take its answer."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch()

    def pause_writing(self) -> None:
        """Wait until the client takes its answer, but not for ever."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """Go on; the client takes its answer."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._rest()

    def timeout_keep_alive_handler(self) -> None:
        """End a connection that lies idle, whether or not all was taken that was sent to it."""
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        super().connection_lost(exc)
        self._rest()

    def _watch(self) -> None:
        if self._cut is None:
            self._cut = self.loop.call_later(self.limits.receive_seconds, self.transport.abort)

    def _rest(self) -> None:
        if self._cut is not None:
            self._cut.cancel()
            self._cut = None
