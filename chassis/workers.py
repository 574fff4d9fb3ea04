"""Background work of a process: threads that do a step, rest, and stop at a safe point."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from chassis.errors import Refused

log = structlog.get_logger("workers")

LEAST_PAUSE = 0.02
MOST_PAUSE = 0.25
FAULT_PAUSE = 1.0


class Worker:
    """A thread that calls `step` again and again: at once while there is work, ever more seldom while there is none.

    `step` answers how much it did. As much as `batch` means that more waits; after less, the next step comes when
    `rest` seconds are over, so that what trickles in is taken in batches; without any, after `most` seconds at the
    latest. An exception is logged and does not end the thread; a refusal, such as a peer that is away, is logged when
    it begins and when it has passed.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], int],
        batch: int = 1,
        rest: float = LEAST_PAUSE,
        most: float = MOST_PAUSE,
    ) -> None:
        self.name = name
        self.step = step
        self.batch = batch
        self.rest = rest
        self.most = most
        # How many seconds its thread has computed, as of the end of the last step.
        self.cpu = 0.0
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Look for work now."""
        self._wake.set()

    def stop(self) -> None:
        """End after the current step."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        pause, refused = self.rest, ""
        while not self._stop.is_set():
            self._wake.clear()
            done = 0
            try:
                done = self.step()
            except Refused as error:
                if refused != (refused := type(error).__name__):
                    log.warning("step failed", worker=self.name, problem=refused)
                pause = FAULT_PAUSE
            except Exception as error:
                log.warning("step failed", worker=self.name, problem=type(error).__name__, exc_info=True)
                pause = FAULT_PAUSE
            else:
                if refused:
                    log.info("step works again", worker=self.name)
                    refused = ""
                pause = self.rest if done else min(pause * 2, self.most)
            self.cpu = time.thread_time()
            if done < self.batch:
                self._wake.wait(pause)
