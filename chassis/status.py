"""Errors as clients see them: a `google.rpc.Status` with ErrorInfo, field violations and a sentence for people."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details
from google.rpc.status_pb2 import Status

from chassis.errors import Code, Invalid, Refused
from chassis.texts import SUITE, Texts

RETRY_AFTER = Duration(seconds=1)
# A status travels in trailers, for which clients take 8 KiB in all, and it may quote what a caller sent.
LONGEST_VALUE = 300
LONGEST_SENTENCE = 600
ROOM_FOR_VIOLATIONS = 3000


class InternalFault(Refused):
    """A fault of ours; nothing of it is told but the request id under which it was logged."""

    code = Code.INTERNAL
    reason = "INTERNAL_FAULT"


class Relayed(Refused):
    """What another service refused: it goes to the caller as it is. Raises ValueError for a code that is not ours."""

    def __init__(self, status: Status) -> None:
        self.status = status
        self.code = Code(status.code)
        self.reason = reason_of(status)
        super().__init__()


def reason_of(status: Status) -> str:
    """Answer the reason of the contract that a status gives, if any."""
    info = details.ErrorInfo()
    return next((info.reason for detail in status.details if detail.Unpack(info)), "")


def status_of(error: Refused, texts: Texts, language: str) -> Status:
    """Put a refusal into the contract's form."""
    if isinstance(error, Relayed):
        return error.status
    reason, found = _headline(error, texts)
    metadata = _short_values(found)
    sentence = texts.of(reason)
    domain = sentence.domain if sentence else SUITE
    message = _short(sentence.say("en", metadata), LONGEST_SENTENCE) if sentence else reason
    status = Status(code=error.code.value, message=message)
    _attach(status, details.ErrorInfo(reason=reason, domain=domain, metadata=metadata))
    if sentence:
        said = _short(sentence.say(language, metadata), LONGEST_SENTENCE)
        _attach(status, details.LocalizedMessage(locale=language, message=said))
    if isinstance(error, Invalid):
        _attach(status, _bad_request(error, texts, language))
    if error.code is Code.NOT_FOUND and "name" in metadata:
        name = metadata["name"]
        _attach(status, details.ResourceInfo(resource_type=name.partition("/")[0], resource_name=name))
    if error.code is Code.FAILED_PRECONDITION:
        subject = metadata.get("name") or metadata.get("field", "")
        violation = details.PreconditionFailure.Violation(type=reason, subject=subject, description=status.message)
        _attach(status, details.PreconditionFailure(violations=[violation]))
    if error.code in (Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED):
        _attach(status, details.RetryInfo(retry_delay=RETRY_AFTER))
    return status


def _headline(error: Refused, texts: Texts) -> tuple[str, dict[str, str]]:
    """Choose the reason of the whole: the one that all violations share, where it is one of the contract's."""
    if isinstance(error, Invalid):
        first = error.violations[0]
        if texts.of(first.reason) and all(violation.reason == first.reason for violation in error.violations):
            return first.reason, first.metadata
    return error.reason, error.metadata


def _bad_request(error: Invalid, texts: Texts, language: str) -> details.BadRequest:
    """Tell of each field, in order, as many as there is room for."""
    told = details.BadRequest()
    for violation in error.violations:
        metadata = _short_values(violation.metadata)
        told.field_violations.add(
            field=_short(violation.field, LONGEST_VALUE),
            reason=violation.reason,
            description=_short(texts.violation("en", violation.reason, metadata), LONGEST_SENTENCE),
            localized_message=details.LocalizedMessage(
                locale=language,
                message=_short(texts.violation(language, violation.reason, metadata), LONGEST_SENTENCE),
            ),
        )
        if told.ByteSize() > ROOM_FOR_VIOLATIONS:
            break
    return told


def _short_values(metadata: Mapping[str, str]) -> dict[str, str]:
    return {key: _short(value, LONGEST_VALUE) for key, value in metadata.items()}


def _short(text: str, longest: int) -> str:
    """Cut a text that is longer than so many bytes."""
    written = text.encode()
    return text if len(written) <= longest else written[: longest - 3].decode(errors="ignore") + "..."


def _attach(status: Status, detail: Message) -> None:
    packed = Any()
    packed.Pack(detail)
    status.details.append(packed)
