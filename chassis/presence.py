"""Whether a database is there: what its failures and its pings tell, so that nobody waits for one that is away.

A server that is stopped refuses connections; one that hangs, or that the network has cut off, says nothing at all, and
the driver would wait for it without end. So the ping alone waits, for a short time, and all others wait as long as it
is answered.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
import structlog
from psycopg.abc import PQGen
from psycopg.waiting import Ready

from chassis.errors import Unavailable

log = structlog.get_logger("database")

R = TypeVar("R")
Gone = Callable[[], bool]


class Presence:
    """What is known of a database: `away` as the last ping found it, `full` since a write found no room."""

    def __init__(self) -> None:
        self.away = False
        self.full = False
        # How many outages are over, and how many failures there were in all.
        self.over = 0
        self.failures = 0
        self._told = False
        self._telling = threading.Lock()

    def require(self) -> None:
        """Raise `Unavailable` where there is nobody to ask."""
        if self.away:
            raise Unavailable

    def failed(self, problem: str, state: str, *, full: bool, since: int) -> None:
        """Note a failure. The first one is told; those behind it, until a ping finds all well, say nothing new.

        Nor does one of an attempt that began when fewer outages were over, `since`: it gives up late.
        """
        with self._telling:
            if since != self.over:
                return
            self.failures += 1
            told, self._told, self.full = self._told, True, self.full or full
        if not told:
            log.warning("database does not answer", problem=problem, state=state)

    def well(self, since: int) -> None:
        """Note that the database answers, and has room, by a ping that began after this many failures.

        Where another one came during the ping, it may tell of what came later: the next ping decides.
        """
        with self._telling:
            if since != self.failures:
                return
            told, self._told, self.full, self.away = self._told, False, False, False
            self.over += told
        if told:
            log.info("database answers again")


class _Connection(psycopg.Connection[Any]):
    """A connection that gives its server up as soon as that is gone."""

    gone: Gone

    def wait(self, gen: PQGen[R], interval: float = 0.1, timeout: float | None = None) -> R:
        """Wait for the server's answer; the driver looks up after each interval without one."""
        return super().wait(self._unless_gone(gen), interval, timeout)

    def _unless_gone(self, gen: PQGen[R]) -> PQGen[R]:
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready == Ready.NONE and self.gone():
                    self.close()
                    raise psycopg.OperationalError("the server does not answer")
                wanted = gen.send(ready)
        except StopIteration as end:
            answer: R = end.value
            return answer


def connect_unless(engine: sa.Engine, gone: Gone) -> None:
    """Let all connections of an engine end, and no new one begin, while its server is gone."""

    def connect(_dialect: object, _record: object, args: list[Any], options: dict[str, Any]) -> _Connection:
        if gone():
            raise psycopg.OperationalError("the server does not answer")
        connection = _Connection.connect(*args, **options)
        connection.gone = gone
        return connection

    sa.event.listen(engine, "do_connect", connect)
