"""Errors that a rule may raise, in terms of the contract but free of gRPC and protobuf.

The server's `errors` step turns them into a `google.rpc.Status`. A reason is a string here, because rules may not
import the contracts; a test holds these strings and the `ErrorReason` enums equal both ways.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import Enum

# How many wrong fields the sentence about a request names.
MOST_FIELDS = 5


class Code(Enum):
    """The gRPC codes that the suite uses, by their gRPC numbers."""

    CANCELLED = 1
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


class Refused(Exception):
    """A call that is refused: a code, a reason of the contract, and every variable part of the message as metadata."""

    code: Code
    reason: str

    def __init__(self, **metadata: str) -> None:
        self.metadata = metadata
        super().__init__(f"{self.reason} {metadata}" if metadata else self.reason)


@dataclass(frozen=True, slots=True)
class Violation:
    """One field that is wrong: its path in the request, a reason, and the variable parts of the message."""

    field: str
    reason: str
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)


class Invalid(Refused):
    """INVALID_ARGUMENT: all that is wrong with the fields of a request, at once."""

    code = Code.INVALID_ARGUMENT
    reason = "FIELDS_INVALID"

    def __init__(self, violations: list[Violation]) -> None:
        self.violations = violations
        # A rule about a message as a whole has no field.
        fields = list(dict.fromkeys(violation.field or "(request)" for violation in violations))
        super().__init__(fields=listed(fields, MOST_FIELDS))


def wrong(field_path: str, reason: str, **metadata: str) -> Invalid:
    """Make the refusal of one wrong field, for a rule that can look at no other one any more."""
    return Invalid([Violation(field_path, reason, {"field": field_path, **metadata})])


def listed(words: list[str], most: int) -> str:
    """Name the first of many, and tell how many more there are."""
    more = [f"and {len(words) - most} more"] if len(words) > most else []
    return ", ".join(words[:most] + more)


class Problems:
    """Collects violations while a request is read, so that the caller hears of all of them at once."""

    def __init__(self) -> None:
        self.found: list[Violation] = []

    def add(self, field_path: str, reason: str, **metadata: str) -> None:
        """Note that a field is wrong."""
        self.found.append(Violation(field_path, reason, {"field": field_path, **metadata}))

    def refuse(self) -> None:
        """Raise `Invalid` with everything noted, if anything was."""
        if self.found:
            raise Invalid(self.found)


class NotFound(Refused):
    """The record does not exist."""

    code = Code.NOT_FOUND


class AlreadyExists(Refused):
    """The key was used before, with other content."""

    code = Code.ALREADY_EXISTS


class Forbidden(Refused):
    """The caller may not do this."""

    code = Code.PERMISSION_DENIED


class Unauthenticated(Refused):
    """The caller is not known."""

    code = Code.UNAUTHENTICATED


class FailedPrecondition(Refused):
    """The state of a record forbids it."""

    code = Code.FAILED_PRECONDITION


class Aborted(Refused):
    """Somebody else was faster; read again and repeat."""

    code = Code.ABORTED


class Unavailable(Refused):
    """A part that is needed does not answer at present; the caller may try again."""

    code = Code.UNAVAILABLE
    reason = "TEMPORARILY_UNAVAILABLE"


class EtagMismatch(Aborted):
    """The record changed since the caller read it."""

    reason = "ETAG_MISMATCH"


class MethodUnknown(Refused):
    """There is no such method."""

    code = Code.UNIMPLEMENTED
    reason = "METHOD_UNKNOWN"


class Overloaded(Refused):
    """More calls than the service takes on at once."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "OVERLOADED"


class BodyTooLarge(Refused):
    """The body is larger than is taken at once."""

    code = Code.INVALID_ARGUMENT
    reason = "BODY_TOO_LARGE"

    def __init__(self, limit: int) -> None:
        super().__init__(limit_mib=str(limit // 2**20))


class DeadlinePassed(Refused):
    """The caller no longer waits for the answer."""

    code = Code.DEADLINE_EXCEEDED
    reason = "DEADLINE_PASSED"
