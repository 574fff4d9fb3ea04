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
        # Whatever the client has not taken at once counts as an answer that it still has to take.
        transport.set_write_buffer_limits(high=0)
        if len(self.connections) > self.limits.connections:
            transport.abort()
        self._time()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        super().data_received(data)
        self._time()

    def pause_writing(self) -> None:
        """Wait until the client takes its answer."""
        super().pause_writing()
        self._time()

    def resume_writing(self) -> None:
        """Go on; the client has taken its answer."""
        super().resume_writing()
        self._time()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        super().connection_lost(exc)
        self._rest()

    def _time(self) -> None:
        """Let the time run while it is the client that is waited for, and not our own answer."""
        cycle: RequestResponseCycle | None = self.cycle
        working = cycle is not None and not cycle.response_complete
        if working and not self.flow.write_paused:
            self._rest()
        elif self._cut is None:
            self._cut = self.loop.call_later(self.limits.receive_seconds, self.transport.abort)

    def _rest(self) -> None:
        if self._cut is not None:
            self._cut.cancel()
            self._cut = None
