"""Work that calls share: what is asked for while one piece of it is under way is done together, as the next piece."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import structlog

from chassis.call import Call
from chassis.errors import DeadlinePassed, Refused, Unavailable

log = structlog.get_logger("gathering")

# A thread keeps the interpreter for some milliseconds, in which a short piece of work is done before another call could
# join it. This long, in seconds, it is left to calls that have arrived, and again as long as more of them come, which
# ends with the threads that there are for calls; one that is alone hardly waits longer.
PAUSE = 0.0001

T = TypeVar("T")
R = TypeVar("R")


class _Waiting(Generic[T, R]):
    """A call that waits for its turn: to lead a piece of work, or to see what became of its own part of one."""

    __slots__ = ("call", "item", "leads", "outcomes", "turn")

    def __init__(self, call: Call, item: T) -> None:
        self.call = call
        self.item = item
        self.turn = threading.Lock()
        self.turn.acquire()
        self.leads = False
        # One, once there is one.
        self.outcomes: Sequence[R | Exception] = ()


class Gathering(Generic[T, R]):
    """Does the work of calls together where they come at the same time, one piece of it at a time.

    The first call works in its own thread. Those that come meanwhile wait, and then the first of them works for all.
    `work` takes what they ask for and answers an outcome for each in its place, of which a refusal is raised in that
    call alone.
    """

    def __init__(self, work: Callable[[Sequence[T]], Sequence[R | Refused]]) -> None:
        self._work = work
        self._guard = threading.Lock()
        self._queue: list[_Waiting[T, R]] = []
        self._busy = False

    def run(self, call: Call, item: T) -> R:
        """Answer what became of an item; raise its refusal, or the fault that it meets when it is tried alone.

        Raises `Unavailable` where the whole piece of work does, and `DeadlinePassed` where nobody waits any more.
        """
        mine: _Waiting[T, R] = _Waiting(call, item)
        with self._guard:
            waits, self._busy = self._busy, True
            if waits:
                self._queue.append(mine)
        if waits:
            mine.turn.acquire()
        if mine.leads or not waits:
            self._lead(mine)
        [outcome] = mine.outcomes or self._work([item])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _lead(self, first: _Waiting[T, R]) -> None:
        """Work for all that wait by now, then let the next one lead."""
        known = -1
        while len(self._queue) > known:
            known = len(self._queue)
            time.sleep(PAUSE)
        with self._guard:
            group, self._queue = [first, *self._queue], []
        try:
            self._work_for(group)
        finally:
            with self._guard:
                following = self._queue.pop(0) if self._queue else None
                self._busy = following is not None
            if following is not None:
                following.leads = True
                following.turn.release()
            for waiting in group[1:]:
                waiting.turn.release()

    def _work_for(self, group: Sequence[_Waiting[T, R]]) -> None:
        """Give each its outcome; after a fault none, so that each tries by itself and harms no other."""
        due = []
        for waiting in group:
            if waiting.call.rpc.time_remaining() > 0:
                due.append(waiting)
            else:
                waiting.outcomes = (DeadlinePassed(),)
        if not due:
            return
        outcomes: Sequence[R | Exception]
        try:
            outcomes = self._work([waiting.item for waiting in due])
        except Unavailable as error:
            outcomes = [error] * len(due)
        except Exception as error:  # noqa: BLE001  (whatever it was, it is raised in the call that it belongs to)
            if len(due) > 1:
                log.warning("work is done one by one", count=len(due), problem=type(error).__name__)
                return
            outcomes = [error]
        for waiting, outcome in zip(due, outcomes, strict=True):
            waiting.outcomes = (outcome,)
