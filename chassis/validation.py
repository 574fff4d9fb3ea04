"""The contract's shape rules (`buf.validate`), behind one function, and one rule that holds for every instant."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from protovalidate import Validator, Violation

from buf.validate import validate_pb2
from chassis.calendar import FIRST_YEAR, LAST_YEAR, SECOND, to_micros
from chassis.errors import Invalid
from chassis.errors import Violation as Wrong

_VALIDATOR = Validator()
FIRST_SECOND = to_micros(datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)) // SECOND
END_SECOND = to_micros(datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)) // SECOND
NANOS = 1_000_000_000
# Of a range the library tells one bound as the rule's value, and both only in its own words.
BOUND = re.compile(r"-?[0-9]+")


def warm(message: Message) -> None:
    """Compile the rules of a message type, so that a bad rule stops the start and no call waits for it."""
    _VALIDATOR.collect_violations(message)


def validate(message: Message, at: str = "") -> None:
    """Raise `Invalid` with every rule that a message breaks; `at` is the path of the message in the request."""
    found = [_wrong(violation, at) for violation in _VALIDATOR.collect_violations(message)]
    instants: list[Wrong] = []
    _find_wrong_instants(message, at, instants)
    if instants:
        named = {each.field for each in found}
        found += [each for each in instants if each.field not in named]
    if found:
        raise Invalid(found)


def _wrong(violation: Violation, at: str) -> Wrong:
    rule = violation.proto.rule_id
    path = ".".join(part for part in (at, _path(violation)) if part)
    metadata = {"field": path, "rule": rule}
    value = violation.rule_value
    if rule == "int32.gte_lte":
        metadata["value"] = "–".join(BOUND.findall(violation.proto.message))
    elif isinstance(value, (int, str)) and not isinstance(value, bool):
        metadata["value"] = str(value)
    elif rule == "string.in":
        metadata["value"] = ", ".join(filter(None, value))  # the empty text stands for a field that is left out
    return Wrong(path, rule.upper().replace(".", "_"), metadata)


def _path(violation: Violation) -> str:
    parts = []
    for element in violation.proto.field.elements if violation.proto.field else ():
        subscript = element.subscript
        parts.append(element.field_name + ("" if subscript is None else f"[{subscript.value}]"))
    return ".".join(parts)


def _find_wrong_instants(message: Message, at: str, found: list[Wrong]) -> None:
    """Find instants that no service can hold, since they lie outside of the years that callers may name."""
    if isinstance(message, Timestamp):
        if not (FIRST_SECOND <= message.seconds < END_SECOND and 0 <= message.nanos < NANOS):
            found.append(Wrong(at, "TIMESTAMP_GTE_LT", {"field": at, "rule": "timestamp.gte_lt"}))
        return
    for name, repeated in _ways_to_instants(message.DESCRIPTOR):
        path = f"{at}.{name}" if at else name
        if repeated:
            for index, item in enumerate(getattr(message, name)):
                _find_wrong_instants(item, f"{path}[{index}]", found)
        elif message.HasField(name):
            _find_wrong_instants(getattr(message, name), path, found)


@cache
def _ways_to_instants(descriptor: Descriptor) -> tuple[tuple[str, bool], ...]:
    """List the fields of a message that hold instants, or messages that do, and whether they are lists.

    Items of a batch are checked one by one.
    """
    return tuple(
        (field.name, field.is_repeated)
        for field in descriptor.fields
        if field.GetOptions().Extensions[validate_pb2.field].repeated.items.ignore != validate_pb2.IGNORE_ALWAYS
        and _holds_instants(field.message_type, ())
    )


def _holds_instants(message: Descriptor | None, above: tuple[Descriptor, ...]) -> bool:
    if message is None or message in above or message.GetOptions().map_entry:
        return False
    return message is Timestamp.DESCRIPTOR or any(
        _holds_instants(field.message_type, (*above, message)) for field in message.fields
    )
