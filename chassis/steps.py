"""The steps that every call passes, outermost first. They are composed once per method, at the start."""

from __future__ import annotations

import functools
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

import structlog
from google.protobuf.message import DecodeError, Message
from grpc_status import rpc_status

from chassis.calendar import SECOND
from chassis.call import UNKNOWN, Call, Inner, Method
from chassis.clock import Clock
from chassis.errors import BodyTooLarge, DeadlinePassed, Invalid, Problems, Refused, Violation
from chassis.metrics import GRPC, Metrics
from chassis.principals import Principal
from chassis.status import InternalFault
from chassis.texts import Texts, language_of
from chassis.validation import validate, warm
from shuke.options.v1 import options_pb2

log = structlog.get_logger("calls")

VISIBLE_ID = re.compile(r"[!-~]{1,64}")
PURPOSE = re.compile(r"[A-Z][A-Z0-9_]{0,31}")
MAX_MESSAGE = 16 * 2**20


class UnrecordedRead(Exception):
    """A method that reads personal data did not tell whose, or its service has nowhere to record it."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the steps need of the service."""

    texts: Texts
    clock: Clock
    authenticate: Callable[[Call], Principal]
    record: Callable[[Call], None] | None = None
    metrics: Metrics = field(default_factory=Metrics)


Step = Callable[[Method, Inner, Parts], Inner]


def context(_method: Method, inner: Inner, parts: Parts) -> Inner:
    """Read the headers, give the call an id and clear what the thread's last call left."""

    def run(request: bytes, call: Call) -> bytes:
        headers = dict(call.rpc.invocation_metadata())
        given = str(headers.get("x-request-id", ""))
        call.request_id = given if VISIBLE_ID.fullmatch(given) else secrets.token_hex(8)
        call.language = language_of(str(headers.get("accept-language", "")))
        call.token = str(headers.get("authorization", "")).removeprefix("Bearer ").strip()
        call.purpose = str(headers.get("x-purpose", ""))
        call.headers = (("x-request-id", call.request_id), ("x-server-time", str(parts.clock() // SECOND)))
        call.rpc.set_trailing_metadata(call.headers)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=call.request_id)
        answer: bytes = inner(request, call)
        return answer

    return run


def call_log(method: Method, inner: Inner, parts: Parts) -> Inner:
    """Write one line per call, whatever became of it, and count it under its method and code."""
    name = method.full_name if method.known else UNKNOWN.full_name
    took_with = functools.cache(lambda code: parts.metrics.calls.labels(GRPC, name, code))

    def run(request: bytes, call: Call) -> bytes:
        started = time.perf_counter()
        try:
            answer: bytes = inner(request, call)
        finally:
            took = time.perf_counter() - started
            took_with(call.code).observe(took)
            log.info(
                "call",
                method=method.full_name,
                code=call.code,
                reason=call.reason,
                ms=round(took * 1000, 1),
                caller=call.principal.name,
            )
        return answer

    return run


def errors(_method: Method, inner: Inner, _parts: Parts) -> Inner:
    """Turn a refusal into a status of the contract, and anything else into INTERNAL without its text."""

    def run(request: bytes, call: Call) -> bytes:
        try:
            answer: bytes = inner(request, call)
        except Refused as refused:
            refusal = refused
        except Exception:
            log.exception("fault")
            refusal = InternalFault(request_id=call.request_id)
        else:
            return answer
        return refuse(call, refusal)

    return run


def refuse(call: Call, refused: Refused) -> NoReturn:
    """End the call with a status and the headers that every answer carries."""
    wire = rpc_status.to_status(call.status(refused))
    call.code = refused.code.name
    call.reason = refused.reason
    call.rpc.set_trailing_metadata((*call.headers, *wire.trailing_metadata))
    call.rpc.abort(wire.code, wire.details)
    raise AssertionError("abort raises")


def admission(_method: Method, inner: Inner, _parts: Parts) -> Inner:
    """Do not start work that nobody waits for any more."""

    def run(request: bytes, call: Call) -> bytes:
        if call.rpc.time_remaining() <= 0:
            raise DeadlinePassed
        answer: bytes = inner(request, call)
        return answer

    return run


def authentication(_method: Method, inner: Inner, parts: Parts) -> Inner:
    """Learn who calls."""

    def run(request: bytes, call: Call) -> bytes:
        call.principal = parts.authenticate(call)
        call.purpose = call.purpose or call.principal.purpose
        answer: bytes = inner(request, call)
        return answer

    return run


def size(_method: Method, inner: Inner, _parts: Parts) -> Inner:
    """Refuse a request that is too large."""

    def run(request: bytes, call: Call) -> bytes:
        if len(request) > MAX_MESSAGE:
            raise BodyTooLarge(MAX_MESSAGE)
        answer: bytes = inner(request, call)
        return answer

    return run


def authorization(method: Method, inner: Inner, _parts: Parts) -> Inner:
    """Check the permission before the request is looked at, and then the store that it names."""
    permission = method.access.permission
    by_store = len(method.store_path) > 0 and not method.per_item

    def run(request: bytes, call: Call) -> bytes:
        call.principal.require(permission)
        message = parse(method, request)
        if by_store:
            call.principal.require_store(method.store_of(message))
        answer: bytes = inner(message, call)
        return answer

    return run


def parse(method: Method, request: bytes) -> Message:
    """Read the request; bytes that are no such message are the caller's fault."""
    try:
        return method.request.FromString(request)
    except DecodeError as error:
        raise Invalid([Violation("", "MESSAGE_MALFORMED", {"rule": "message"})]) from error


def validation(method: Method, inner: Inner, _parts: Parts) -> Inner:
    """Check the shape rules of the contract, and turn the answer into bytes."""
    warm(method.request())

    def run(message: Message, call: Call) -> bytes:
        if call.purpose and not PURPOSE.fullmatch(call.purpose):
            problems = Problems()
            problems.add("x-purpose", "PURPOSE_MALFORMED")
            problems.refuse()
        validate(message)
        answer: bytes = inner(message, call).SerializeToString()
        return answer

    return run


def access_log(method: Method, inner: Inner, parts: Parts) -> Inner:
    """Record who reads whose personal data before the answer leaves."""
    record, reads = parts.record, method.access.audit == options_pb2.AUDIT_PERSONAL_READ
    if record is None:
        if reads:
            raise UnrecordedRead(method.full_name)
        return inner

    def run(message: Message, call: Call) -> Message:
        answer: Message = inner(message, call)
        if reads and call.subjects is None:
            raise UnrecordedRead(method.full_name)
        record(call)
        return answer

    return run


STEPS: tuple[tuple[str, str, Step], ...] = (
    ("context", "everything behind it logs and answers under the call's id", context),
    ("call log", "sees the outcome of all that follows, refusals included", call_log),
    ("errors", "nothing behind it can leak an exception's text", errors),
    ("admission", "what nobody waits for must cost nothing more", admission),
    ("authentication", "a stranger learns nothing, not even what is wrong with a request", authentication),
    ("size", "the library's own refusal would not have the contract's form", size),
    ("authorization", "who may not call learns nothing of the rules either", authorization),
    ("validation", "handlers see only messages that keep the contract's shape", validation),
    ("access log", "no personal data leave before it is recorded who read them", access_log),
)


def compose(method: Method, handler: Inner, parts: Parts, *, through: str = STEPS[-1][0]) -> Inner:
    """Wrap a handler in all steps, or in those up to the one that is named, the first one outermost."""
    names = [name for name, _, _ in STEPS]
    for _, _, step in reversed(STEPS[: names.index(through) + 1]):
        handler = step(method, handler, parts)
    return handler
