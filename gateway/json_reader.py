"""proto3 JSON into messages: strict, and silent about what the caller wrote.

`json_format` takes `[]` and `""` for an empty message, puts the caller's values into its errors, and is half as fast.
Here a problem names a field by its path and says what the contract wants there, nothing else. Well-known types and maps
are still the library's work.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NoReturn

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from gateway.errors import Malformed

MAX_DEPTH = 100
# 32 MiB of receipts hold two million values; 32 MiB of `[],[],` would become a gigabyte of lists.
MAX_VALUES = 3_000_000
INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,19})")
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,63}")

# Types whose JSON is not the object of their fields.
LIBRARY_TYPES = frozenset(
    f"google.protobuf.{name}"
    for name in (
        *("Any", "Duration", "FieldMask", "ListValue", "Struct", "Timestamp", "Value"),
        *("BoolValue", "BytesValue", "DoubleValue", "FloatValue", "StringValue"),
        *("Int32Value", "Int64Value", "UInt32Value", "UInt64Value"),
    )
)
# How common types are written, for whoever wrote them otherwise.
WRITTEN = {
    "google.protobuf.Duration": '"90s"',
    "google.protobuf.FieldMask": '"displayName,address"',
    "google.protobuf.Timestamp": '"2026-03-01T10:00:00+08:00"',
    "google.type.Date": '{"year": 2026, "month": 3, "day": 1}',
    "google.type.Money": '{"currencyCode": "CNY", "units": "19", "nanos": 900000000}',
}
# Enums with more values are named, and not listed.
MOST_LISTED = 12


@dataclass(frozen=True, slots=True)
class Field:
    """What the reader knows of a field of a message."""

    name: str
    descriptor: FieldDescriptor
    # Its name, or its oneof's: of each slot one field may be given.
    slot: str
    # What the contract wants, for a problem: "an int64".
    wanted: str
    # What turns JSON into a scalar's value; None for messages.
    scalar: Callable[[Any], Any] | None
    repeated: bool
    is_map: bool
    # Whether the library reads it.
    by_library: bool


def load(body: bytes | bytearray) -> object:
    """Read JSON text: UTF-8, no key twice in an object, no NaN or Infinity."""
    if sum(map(body.count, b"[{,")) > MAX_VALUES:
        raise Malformed("too many values")
    try:
        return json.loads(body.decode(), object_pairs_hook=_without_doubles, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise Malformed(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise Malformed(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except ValueError:
        raise Malformed("a number has too many digits") from None
    except RecursionError:
        raise Malformed("nested too deeply") from None


def fill(message: Message, value: object, path: str = "", depth: int = 1) -> None:
    """Set the fields of a message from a JSON object; `path` is where it stands in the request."""
    if not isinstance(value, dict):
        raise Malformed(f"{path or 'the body'}: not an object{such_as(message.DESCRIPTOR.full_name)}")
    if depth > MAX_DEPTH:
        raise Malformed("nested too deeply")
    fields = fields_of(message.DESCRIPTOR)
    given = set()
    for key, item in value.items():
        field = fields.get(key)
        if field is None:
            raise Malformed(f"{path or 'the body'}: no field {shown(key)}")
        if item is None:  # JSON's way of not giving a field
            continue
        where = f"{path}.{field.name}" if path else field.name
        if field.slot in given:
            raise Malformed(f"{where}: {field.slot} is given twice")
        given.add(field.slot)
        if field.scalar is None or field.repeated:
            _fill_parts(message, field, item, where, depth)
            continue
        try:
            setattr(message, field.name, field.scalar(item))
        except (ValueError, OverflowError):
            raise _unwanted(where, field.wanted) from None


@cache
def fields_of(descriptor: Descriptor) -> Mapping[str, Field]:
    """Answer the fields of a message by both of their names, as in the contract and in camel case."""
    fields = {}
    for one in descriptor.fields:
        fields[one.json_name] = fields[one.name] = _field(one)
    return fields


def shown(key: str) -> str:
    """Write a key that the caller sent, unless it is no possible name: then it may be anything, a phone number too."""
    return f'"{key}"' if KEY.fullmatch(key) else "of that name"


def such_as(type_name: str) -> str:
    """Show how a common type is written."""
    example = WRITTEN.get(type_name)
    return f" such as {example}" if example else ""


def _fill_parts(message: Message, field: Field, item: object, where: str, depth: int) -> None:
    part = getattr(message, field.name)
    if field.is_map:
        _by_library(message, {field.name: item}, where, field.wanted)
    elif field.repeated:
        _fill_repeated(part, field, item, where, depth)
    else:
        part.SetInParent()
        _fill_part(part, field, item, where, depth)


def _fill_repeated(values: Any, field: Field, item: object, where: str, depth: int) -> None:  # noqa: ANN401 (no public type)
    if not isinstance(item, list):
        raise Malformed(f"{where}: not an array")
    for index, element in enumerate(item):
        if field.scalar is None:
            _fill_part(values.add(), field, element, f"{where}[{index}]", depth)
            continue
        try:
            values.append(field.scalar(element))
        except (ValueError, OverflowError):
            raise _unwanted(f"{where}[{index}]", field.wanted) from None


def _fill_part(part: Message, field: Field, item: object, where: str, depth: int) -> None:
    if field.by_library:
        _by_library(part, item, where, field.wanted)
    else:
        fill(part, item, where, depth + 1)


def _by_library(message: Message, item: object, where: str, wanted: str) -> None:
    try:
        json_format.ParseDict(item, message)  # type: ignore[arg-type]  # well-known types are also read from other JSON
    except (json_format.ParseError, ValueError, TypeError, LookupError, AttributeError, OverflowError):
        raise _unwanted(where, wanted) from None


def _unwanted(where: str, wanted: str) -> Malformed:
    return Malformed(f"{where}: not {wanted}")


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen = set()
        for key, _ in pairs:
            if key in seen:
                raise Malformed(f"a key {shown(key)} is given twice in one object")
            seen.add(key)
    return found


def _no_constant(_name: str) -> NoReturn:
    raise Malformed("NaN and Infinity are not JSON")


def _integer(value: object) -> int:
    if type(value) is int:
        return value
    if isinstance(value, float) and value.is_integer():  # 1e3 and 1.0 are whole numbers too
        return int(value)
    if isinstance(value, str) and INTEGER.fullmatch(value):
        return int(value)
    raise ValueError


def _number(value: object) -> float:
    if type(value) in (int, float) or (isinstance(value, str) and NUMBER.fullmatch(value)):
        number = float(value)  # type: ignore[arg-type]  # it is one of the three
        if math.isfinite(number):
            return number
    raise ValueError


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError


def _string(value: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError


def _bytes(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError  # noqa: TRY004 (all readers say the same)
    standard = value.rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)


def _enum(enum: EnumDescriptor, value: object) -> int:
    if type(value) is int:  # an enum of proto3 is open; the rules of the contract say which values are good
        return value
    if isinstance(value, str) and value in enum.values_by_name:
        return enum.values_by_name[value].number
    raise ValueError


SCALARS: Mapping[int, tuple[str, Callable[[Any], Any]]] = {
    FieldDescriptor.TYPE_BOOL: ("true or false", _boolean),
    FieldDescriptor.TYPE_BYTES: ("base64", _bytes),
    FieldDescriptor.TYPE_DOUBLE: ("a double", _number),
    FieldDescriptor.TYPE_FIXED32: ("a uint32", _integer),
    FieldDescriptor.TYPE_FIXED64: ("a uint64", _integer),
    FieldDescriptor.TYPE_FLOAT: ("a float", _number),
    FieldDescriptor.TYPE_INT32: ("an int32", _integer),
    FieldDescriptor.TYPE_INT64: ("an int64", _integer),
    FieldDescriptor.TYPE_SFIXED32: ("an int32", _integer),
    FieldDescriptor.TYPE_SFIXED64: ("an int64", _integer),
    FieldDescriptor.TYPE_SINT32: ("an int32", _integer),
    FieldDescriptor.TYPE_SINT64: ("an int64", _integer),
    FieldDescriptor.TYPE_STRING: ("a string", _string),
    FieldDescriptor.TYPE_UINT32: ("a uint32", _integer),
    FieldDescriptor.TYPE_UINT64: ("a uint64", _integer),
}


def _values(enum: EnumDescriptor) -> str:
    names = [value.name for value in enum.values if value.number]
    return f"one of {', '.join(names)}" if len(names) <= MOST_LISTED else f"a value of {enum.full_name}"


def _field(one: FieldDescriptor) -> Field:
    scalar: Callable[[Any], Any] | None = None
    message = one.message_type
    is_map = message is not None and message.GetOptions().map_entry
    if is_map:
        wanted = "a map of the contract's types"
    elif message is not None:
        wanted = f"a {message.full_name}{such_as(message.full_name)}"
    elif one.enum_type is not None:
        wanted, scalar = _values(one.enum_type), partial(_enum, one.enum_type)
    else:
        wanted, scalar = SCALARS[one.type]
    return Field(
        name=one.name,
        descriptor=one,
        slot=one.containing_oneof.name if one.containing_oneof is not None else one.name,
        wanted=wanted,
        scalar=scalar,
        repeated=one.is_repeated,
        is_map=is_map,
        by_library=message is not None and message.full_name in LIBRARY_TYPES,
    )
