"""The values of notices, as the contract writes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from chassis import wire
from chassis.calendar import to_micros
from services.notify.messages.convert import content_to_bytes
from services.notify.templates.domain import Value, Words
from shuke.notify.v1 import templates_pb2 as pb


def content_of(values: Mapping[str, Value]) -> bytes:
    """Write what a notice can say, as it is stored."""
    return content_to_bytes(pb.NamedValue(name=name, value=_value(value)) for name, value in values.items())


def _value(value: Value) -> pb.Value:
    match value:
        case str():
            return pb.Value(text=value)
        case Words():
            return pb.Value(words=_words(value))
        case tuple():
            return pb.Value(list=pb.WordsList(items=map(_words, value)))
        case datetime():
            return pb.Value(time=wire.timestamp(to_micros(value)))
        case date():
            return pb.Value(date=wire.to_date(value))
        case _:
            raise TypeError(f"no notice has a {type(value).__name__}")


def _words(words: Words) -> pb.Words:
    return pb.Words(zh=words.zh, en=words.en)
