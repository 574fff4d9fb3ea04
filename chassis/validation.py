"""The contract's shape rules (`buf.validate`), behind one function."""

from __future__ import annotations

from google.protobuf.message import Message
from protovalidate import Validator, Violation

from chassis.errors import Invalid
from chassis.errors import Violation as Wrong

_VALIDATOR = Validator()


def warm(message: Message) -> None:
    """Compile the rules of a message type, so that a bad rule stops the start and no call waits for it."""
    _VALIDATOR.collect_violations(message)


def validate(message: Message, at: str = "") -> None:
    """Raise `Invalid` with every rule that a message breaks; `at` is the path of the message in the request."""
    violations = _VALIDATOR.collect_violations(message)
    if violations:
        raise Invalid([_wrong(violation, at) for violation in violations])


def _wrong(violation: Violation, at: str) -> Wrong:
    rule = violation.proto.rule_id
    path = ".".join(part for part in (at, _path(violation)) if part)
    metadata = {"field": path, "rule": rule}
    if isinstance(violation.rule_value, (int, str)) and not isinstance(violation.rule_value, bool):
        metadata["value"] = str(violation.rule_value)
    return Wrong(path, rule.upper().replace(".", "_"), metadata)


def _path(violation: Violation) -> str:
    parts = []
    for element in violation.proto.field.elements if violation.proto.field else ():
        subscript = element.subscript
        parts.append(element.field_name + ("" if subscript is None else f"[{subscript.value}]"))
    return ".".join(parts)
