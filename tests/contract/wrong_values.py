"""Requests made from the contract alone: good ones by its rules, and each with one field at or beyond its limits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from buf.validate import validate_pb2

# No contract goes deeper; a message that holds its own kind ends here.
DEEPEST = 8
ABSENT = "00000000-0000-7000-8000-000000000000"
YEAR_1, LAST_OF_9999, FAR = -62_135_596_800, 253_402_300_799, 2**63 - 1
# What belongs to one call or one version; a full request with made-up ones would get no further.
OPAQUE = {"page_token", "etag", "request_id"}
# Texts for patterns, tried in this order.
TEXTS = ("1", "A", "a", "LEEDS", "300000-1234", "a:A", "TERM_1", "*", "")
NASTY = ("", "\x00\x01\x1b[2J\r\n", "🫖" * 40, "'; DROP TABLE x; --", "{NAME} %s {0}", "\u202e\ufeff熟客")
LONGEST_TRIED = 100_000
# Beyond this many a list costs more than it tells.
MOST_ITEMS = 2_000
OWN: Mapping[type[Message], Sequence[Message]] = {
    Timestamp: [
        *(Timestamp(seconds=seconds) for seconds in (0, YEAR_1, LAST_OF_9999, LAST_OF_9999 + 1, FAR, -FAR)),
        *(Timestamp(seconds=1, nanos=nanos) for nanos in (-1, 2_000_000_000)),
    ],
    Duration: [Duration(seconds=seconds) for seconds in (0, -1, 315_576_000_000, FAR)] + [Duration(nanos=2**31 - 1)],
    Date: [
        Date(year=year, month=month, day=day)
        for year, month, day in (
            *((0, 0, 0), (2026, 13, 1), (2026, 2, 30), (2026, 0, 0), (0, 2, 29), (-1, -1, -1)),
            *((1, 1, 1), (9999, 12, 31), (10_000, 1, 1), (2**31 - 1, 1, 1)),
        )
    ],
    Money: [
        Money(currency_code=code, units=units, nanos=nanos)
        for code, units, nanos in (
            *(("", 0, 0), ("EUR", 1, 0), ("GBP", -1, 0), ("GBP", 1, -1), ("GBP", 0, 1), ("GBP", 0, 2**31 - 1)),
            *(("GBP", FAR, 0), ("GBP", -FAR - 1, 0), ("GBP", 10**10 - 1, 0), ("🫖\x00", 1, 0)),
        )
    ],
    FieldMask: [FieldMask(paths=paths) for paths in ([], [""], ["*"], ["no.such.field"], ["name"], ["*"] * 1000)],
}
GOOD = {
    "google.protobuf.Timestamp": Timestamp(seconds=1_772_400_000),
    "google.protobuf.Duration": Duration(seconds=3600),
    "google.type.Date": Date(year=2026, month=3, day=1),
    "google.type.Money": Money(currency_code="GBP", units=1),
    "google.protobuf.FieldMask": FieldMask(paths=["*"]),
}
BAD = {kind.DESCRIPTOR.full_name: values for kind, values in OWN.items()}
NUMBERS: Mapping[int, Sequence[float]] = {
    FieldDescriptor.CPPTYPE_INT32: (0, -1, 2**31 - 1, -(2**31)),
    FieldDescriptor.CPPTYPE_INT64: (0, -1, FAR, -FAR - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_DOUBLE: (0.0, float("nan"), float("inf"), -1e308),
    FieldDescriptor.CPPTYPE_FLOAT: (0.0, float("nan"), float("inf"), -1e38),
    FieldDescriptor.CPPTYPE_BOOL: (True,),
}


@dataclass(frozen=True)
class Maker:
    """Makes requests that reach beyond the search for records.

    `names` are records that there are; `texts` are good texts of fields whose rules do not tell, by the fields' names.
    """

    names: tuple[str, ...]
    texts: Mapping[str, str]

    def good(self, descriptor: Descriptor, *, full: bool = False, depth: int = 0) -> Message:
        """Make a message that keeps the rules: what it must hold, or all that it may."""
        message: Message = GetMessageClass(descriptor)()
        taken = set()
        for field in descriptor.fields:
            choice = choice_of(field)
            wanted = needed(field) or (full and sent(field) and field.name not in OPAQUE)
            if not wanted or depth >= DEEPEST or (choice is not None and choice.full_name in taken):
                continue
            if choice is not None:
                taken.add(choice.full_name)
            self.put(message, field, full=full, depth=depth)
        return message

    def put(self, message: Message, field: FieldDescriptor, *, full: bool = False, depth: int = 0) -> None:
        """Give a field a good value."""
        value = self.value(field, full=full, depth=depth)
        if field.is_repeated:
            getattr(message, field.name).extend([value] * max(1, rules(field).repeated.min_items))
        elif field.message_type is not None:
            part = getattr(message, field.name)
            part.SetInParent()
            part.CopyFrom(value)
        else:
            setattr(message, field.name, value)

    def value(self, field: FieldDescriptor, *, full: bool = False, depth: int = 0) -> Any:
        """Make a good value, of one item where the field is a list."""
        if field.message_type is not None:
            known = GOOD.get(field.message_type.full_name)
            return known if known is not None else self.good(field.message_type, full=full, depth=depth + 1)
        rule = rules(field).repeated.items if field.is_repeated else rules(field)
        if field.enum_type is not None:
            allowed = list(getattr(rule.enum, "in")) or [value.number for value in field.enum_type.values]
            return next((number for number in allowed if number), 0)
        if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            return b"1" if field.type == FieldDescriptor.TYPE_BYTES else self.text(field, rule.string)
        return max(1, rule.int32.gte) if field.cpp_type == FieldDescriptor.CPPTYPE_INT32 else 1

    def text(self, field: FieldDescriptor, rule: validate_pb2.StringRules) -> str:
        """Find a text by its rules: the name of a record that there is before anything else."""
        if field.full_name in self.texts:
            return self.texts[field.full_name]
        allowed = list(getattr(rule, "in"))
        if allowed:
            return str(allowed[0])
        if not rule.pattern:
            return "A" * max(1, rule.min_len)
        kinds = re.findall(r"([a-z][A-Za-z]+)/", rule.pattern)
        parts = product((*TEXTS, ABSENT), repeat=len(kinds))
        made = ("/".join(f"{kind}/{part}" for kind, part in zip(kinds, chosen, strict=True)) for chosen in parts)
        return next(text for text in (*self.names, *made, *TEXTS) if re.fullmatch(rule.pattern, text))

    def wrong(self, descriptor: Descriptor, *, full: bool = False) -> Iterator[tuple[str, Message]]:
        """Make requests that differ from a good one in one field, told by its path and the number of its value."""
        good = self.good(descriptor, full=full)
        for way in ways(descriptor):
            changes = self.changes(way[-1])
            for number, change in enumerate(changes):
                message = type(good)()
                message.CopyFrom(good)
                change(self.reach(message, way[:-1]))
                yield f"{'.'.join(field.name for field in way)} ({number})", message

    def reach(self, message: Message, way: Sequence[FieldDescriptor]) -> Message:
        """Walk to a part of a message, and put what is missing on the way."""
        for field in way:
            if field.is_repeated:
                if not getattr(message, field.name):
                    self.put(message, field)
                message = getattr(message, field.name)[0]
            else:
                if not message.HasField(field.name):
                    self.put(message, field)
                message = getattr(message, field.name)
        return message

    def changes(self, field: FieldDescriptor) -> Iterator[Callable[[Message], None]]:
        """List what can be done to a field."""
        if field.is_repeated:
            most = rules(field).repeated.max_items
            for count in {0, 2, most + 1 if most < MOST_ITEMS else 2}:
                yield self._fill(field, [self.value(field)] * count)
            if field.message_type is None:
                for value in self.values(field):
                    yield self._fill(field, [value])
            return
        for value in self.values(field):
            yield _set(field, value)

    def values(self, field: FieldDescriptor) -> Iterator[Any]:
        """List values at a field's limits and beyond them."""
        if field.message_type is not None:
            yield from BAD.get(field.message_type.full_name, ())
        elif field.enum_type is not None:
            yield from (value.number for value in field.enum_type.values)
            yield 99
        elif field.type == FieldDescriptor.TYPE_BYTES:
            yield from (b"", b"\x00\xff" * 5_000)
        elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            rule = (rules(field).repeated.items if field.is_repeated else rules(field)).string
            yield from (*NASTY, "熟" * (rule.max_len or 64), "x" * min((rule.max_len or 1000) + 1, LONGEST_TRIED))
            if ABSENT not in (good := self.text(field, rule)) and "/" in good:
                yield re.sub(r"[0-9a-f-]{36}", ABSENT, good)
        else:
            yield from NUMBERS[field.cpp_type]

    @staticmethod
    def _fill(field: FieldDescriptor, items: list[Any]) -> Callable[[Message], None]:
        def change(message: Message) -> None:
            message.ClearField(field.name)
            getattr(message, field.name).extend(items)

        return change


def _set(field: FieldDescriptor, value: Any) -> Callable[[Message], None]:
    def change(message: Message) -> None:
        if field.message_type is None:
            setattr(message, field.name, value)
        else:
            getattr(message, field.name).SetInParent()
            getattr(message, field.name).CopyFrom(value)

    return change


def ways(descriptor: Descriptor, way: tuple[FieldDescriptor, ...] = ()) -> Iterator[tuple[FieldDescriptor, ...]]:
    """List the ways to every field that a client sends."""
    for field in descriptor.fields:
        if not sent(field) or len(way) >= DEEPEST or (field.message_type and field.message_type.GetOptions().map_entry):
            continue
        yield (*way, field)
        if field.message_type is not None and field.message_type.full_name not in BAD:
            yield from ways(field.message_type, (*way, field))


def rules(field: FieldDescriptor) -> validate_pb2.FieldRules:
    """Read the rules of a field."""
    found: validate_pb2.FieldRules = field.GetOptions().Extensions[validate_pb2.field]
    return found


def choice_of(field: FieldDescriptor) -> OneofDescriptor | None:
    """Find the oneof that a field is a choice of; what is merely optional stands in one that the compiler made."""
    oneof = field.containing_oneof
    return None if oneof is None or oneof.name == f"_{field.name}" else oneof


def sent(field: FieldDescriptor) -> bool:
    """Tell whether a client sends a field."""
    return field_behavior_pb2.OUTPUT_ONLY not in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]


def needed(field: FieldDescriptor) -> bool:
    """Tell whether a field must be given."""
    choice = choice_of(field)
    if choice is not None:
        must: bool = choice.GetOptions().Extensions[validate_pb2.oneof].required
        return must
    return (
        field_behavior_pb2.REQUIRED in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
        or rules(field).required
    )
