"""Batches: each item is checked and answered on its own, so that a bad one costs the good ones nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from google.protobuf.message import Message

from chassis.call import Call
from chassis.errors import Refused
from chassis.validation import validate

M = TypeVar("M", bound=Message)
T = TypeVar("T")


def read_items(call: Call, items: Sequence[M], read: Callable[[M], T]) -> list[T | Refused]:
    """Check each item's store and shape and read it; answer the value or the refusal in its place."""

    def one(item: M) -> T | Refused:
        try:
            if call.method.store_path:
                call.principal.require_store(call.method.store_of(item))
            validate(item)
            return read(item)
        except Refused as refused:
            return refused

    return [one(item) for item in items]
