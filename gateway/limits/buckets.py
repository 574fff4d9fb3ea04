"""The buckets of the keys that call this process."""

from __future__ import annotations

import threading

from prometheus_client import Counter

from chassis.clock import Clock
from chassis.metrics import Metrics
from gateway.errors import RateLimited
from gateway.limits.domain import Bucket, Limit, take

FULL = Bucket()


class Buckets:
    """A bucket for each name that ever took a call: names are those of keys, of which there is an end."""

    def __init__(self, limit: Limit, clock: Clock, metrics: Metrics) -> None:
        self.limit = limit
        self.clock = clock
        self.refused = Counter(
            "shuke_rate_limited_calls", "Calls that were refused because they came too fast", registry=metrics.registry
        )
        self._buckets: dict[str, Bucket] = {}
        # Both doors take calls, over gRPC in many threads.
        self._lock = threading.Lock()

    def take(self, name: str) -> None:
        """Take a call out of a bucket; raise `RateLimited` when there is none in it."""
        with self._lock:
            try:
                self._buckets[name] = take(self._buckets.get(name, FULL), self.limit, self.clock())
            except RateLimited:
                self.refused.inc()
                raise
