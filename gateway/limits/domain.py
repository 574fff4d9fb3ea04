"""How fast the calls of one key may come: a bucket that holds a burst of calls, and fills up at a steady rate."""

from __future__ import annotations

from dataclasses import dataclass

from chassis.calendar import SECOND
from gateway.errors import RateLimited


@dataclass(frozen=True, slots=True)
class Limit:
    """Calls a second, for any length of time, and how many may come at once after a rest."""

    rate: int
    burst: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """What is missing from a full bucket at an instant, in millionths of a call: these make the sums exact."""

    missing: int = 0
    time: int = 0


def take(bucket: Bucket, limit: Limit, now: int) -> Bucket:
    """Take a call out of a bucket at an instant; raise `RateLimited` when there is none in it.

    A clock that is set back fills nothing up, and the bucket goes on from there.
    """
    missing = max(0, bucket.missing - limit.rate * max(0, now - bucket.time)) + SECOND
    if missing > limit.burst * SECOND:
        raise RateLimited(rate=str(limit.rate))
    return Bucket(missing, now)
