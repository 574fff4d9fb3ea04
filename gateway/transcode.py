"""HTTP requests into request messages, answers into JSON, and a service's status into an HTTP answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from gateway.errors import Malformed
from gateway.json_reader import Field, fields_of, fill, load, shown
from gateway.routes import WHOLE, Match, Route

MAX_PARAMETERS = 1000
REQUEST_ID = "request_id"

# As google/rpc/code.proto says; a code that is not here is a fault of ours.
HTTP_CODES: Mapping[int, int] = {
    Code.CANCELLED: 499,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.UNAUTHENTICATED: 401,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
}
# Reasons that HTTP has a code of its own for.
HTTP_CODES_OF_REASONS = {"BODY_TOO_LARGE": 413, "METHOD_UNKNOWN": 404, "REQUEST_LATE": 408}
FAULT = 500
STATUS_NAMES: Mapping[int, str] = {number: name for name, number in Code.items()}


def request_message(match: Match, query: str, body: bytes | bytearray, idempotency_key: str = "") -> Message:
    """Build the request message from a path's values, a query string and a body; raise `Malformed`."""
    route = match.route
    message = route.request()
    _read_body(message, route, body)
    _read_query(message, route, query)
    for path, value in zip(route.variables, match.values, strict=True):
        _set_text(message, path, value, f"{path}: not what the path says")
    if idempotency_key and REQUEST_ID in route.request.DESCRIPTOR.fields_by_name:
        _set_text(message, REQUEST_ID, idempotency_key, f"{REQUEST_ID}: not what the header idempotency-key says")
    return message


def answer_json(route: Route, answer: bytes) -> bytes:
    """Write an answer as proto3 JSON, with what is false, zero or empty, so that nobody need know the defaults."""
    message = route.answer.FromString(answer)
    return _text(json_format.MessageToDict(message, always_print_fields_with_no_presence=True))


def error_json(status: Status, http_code: int) -> bytes:
    """Write a status in the form of AIP-193."""
    error = {
        "code": http_code,
        "message": status.message,
        "status": STATUS_NAMES.get(status.code, "UNKNOWN"),
        "details": [_detail(detail) for detail in status.details],
    }
    return _text({"error": error})


def http_code_of(status: Status) -> int:
    """Choose the HTTP code of a status."""
    info = ErrorInfo()
    for detail in status.details:
        if detail.Unpack(info) and info.reason in HTTP_CODES_OF_REASONS:
            return HTTP_CODES_OF_REASONS[info.reason]
    return HTTP_CODES.get(status.code, FAULT)


def retry_after(status: Status) -> int | None:
    """Answer after how many whole seconds the caller may come again, where the status says so."""
    info = RetryInfo()
    for detail in status.details:
        if detail.Unpack(info):
            return max(1, info.retry_delay.seconds + (info.retry_delay.nanos > 0))
    return None


def _read_body(message: Message, route: Route, body: bytes | bytearray) -> None:
    if not route.body:
        if body:
            raise Malformed("the body: this method takes none")
    elif body:
        value = load(body)
        if route.body == WHOLE:
            fill(message, value)
        else:
            part = getattr(message, route.body)
            part.SetInParent()
            fill(part, value, route.body)


def _read_query(message: Message, route: Route, query: str) -> None:
    if not query:
        return
    if route.body == WHOLE:
        raise Malformed("query: this method takes all fields in its body")
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=MAX_PARAMETERS
        )
    except ValueError:
        raise Malformed("query: not pairs of name=value in UTF-8, or too many") from None
    tree = _tree(fields_of(message.DESCRIPTOR), pairs)
    if route.body in tree:
        raise Malformed(f"query.{route.body}: belongs into the body")
    fill(message, tree, "query")


def _tree(fields: Mapping[str, Field], pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Write query parameters as the JSON object that says the same, under the contract's own names."""
    tree: dict[str, Any] = {}
    for key, text in pairs:
        *parents, leaf = _fields_on(fields, key)
        node = tree
        for parent in parents:
            node = node.setdefault(parent.name, {})
        value = _json_of(leaf, text)
        if leaf.repeated:
            node.setdefault(leaf.name, []).append(value)
        elif leaf.name in node:
            raise Malformed(f"query: {shown(key)} is given twice")
        else:
            node[leaf.name] = value
    return tree


def _fields_on(fields: Mapping[str, Field], key: str) -> list[Field]:
    """Follow a dotted name through the messages of the contract."""
    way: list[Field] = []
    for name in key.split("."):
        field = fields.get(name)
        if field is None:
            raise Malformed(f"query: no parameter {shown(key)}")
        way.append(field)
        inside = None if field.repeated or field.by_library else field.descriptor.message_type
        fields = fields_of(inside) if inside is not None else {}
    if way[-1].is_map or (way[-1].scalar is None and not way[-1].by_library):
        raise Malformed(f"query: {shown(key)} is no single value; name a field of it")
    return way


def _json_of(field: Field, text: str) -> object:
    """Write a parameter's text as JSON: numbers may be strings there, but truth and the numbers of enums may not."""
    if field.descriptor.type == field.descriptor.TYPE_BOOL:
        return {"true": True, "false": False}.get(text, text)
    if field.descriptor.enum_type is not None and text.isascii() and text.isdigit():
        return int(text)
    return text


def _set_text(message: Message, path: str, value: str, problem: str) -> None:
    """Set a text field by its dotted path, unless the request gave it another value."""
    *parents, leaf = path.split(".")
    for parent in parents:
        message = getattr(message, parent)
    if getattr(message, leaf) not in ("", value):
        raise Malformed(problem)
    setattr(message, leaf, value)


def _detail(detail: Any) -> dict[str, Any]:  # noqa: ANN401 (the library's Any has no type of its own)
    try:
        return json_format.MessageToDict(detail)
    except TypeError:  # a detail that this release does not know
        return {"@type": detail.type_url}


def _text(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
