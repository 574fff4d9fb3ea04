"""Ids of records: UUID version 7 (RFC 9562), so that new rows lie next to each other in an index."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable

from chassis.clock import Clock

NewId = Callable[[], str]


def uuid7(clock: Clock, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> NewId:
    """Make a source of UUIDv7 strings from a clock and a source of randomness."""

    def new_id() -> str:
        milliseconds = clock() // 1000
        value = (milliseconds << 80) | int.from_bytes(random_bytes(10), "big")
        value = value & ~(0xF << 76) | (0x7 << 76)
        value = value & ~(0x3 << 62) | (0x2 << 62)
        return str(uuid.UUID(int=value))

    return new_id
