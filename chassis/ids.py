"""Ids of records: UUID version 7 (RFC 9562), so that new rows lie next to each other in an index."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from chassis.clock import Clock

NewId = Callable[[], str]


def uuid7(clock: Clock, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> NewId:
    """Make a source of UUIDv7 strings from a clock and a source of randomness."""

    def new_id() -> str:
        time, chance = f"{clock() // 1000:012x}", random_bytes(10).hex()
        # Two bits of the first digit of the fourth group say which layout this is.
        variant = "89ab"[int(chance[4], 16) % 4]
        return f"{time[:8]}-{time[8:]}-7{chance[1:4]}-{variant}{chance[5:8]}-{chance[8:]}"

    return new_id
