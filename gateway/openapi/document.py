"""The OpenAPI 3.1 document of all routes, made from the contracts when the gateway starts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.rpc import error_details_pb2

from buf.validate import validate_pb2
from chassis.steps import PURPOSE, VISIBLE_ID
from gateway.json_reader import LIBRARY_TYPES
from gateway.openapi.contracts import Contracts, Reason
from gateway.openapi.schemas import SCHEMAS, Schema, Schemas, is_required
from gateway.routes import PART, WHOLE, Route, field_of
from gateway.staff.domain import ASSERT_OPERATOR, STAFF_CODE
from gateway.transcode import REQUEST_ID, STATUS_NAMES
from shuke.options.v1 import options_pb2

Part = dict[str, Any]

# Bodies to start from, by the full names of methods, in the currency that stands for the chain's.
EXAMPLES: Mapping[str, Any] = json.loads((Path(__file__).parent / "examples.json").read_text(encoding="utf-8"))
EXAMPLES_CURRENCY = "GBP"
DETAILS = ("ErrorInfo", "LocalizedMessage", "BadRequest", "ResourceInfo", "PreconditionFailure", "RetryInfo")
ERROR = "Error"
JSON = "application/json"
SENTENCE = re.compile(r".*?[.:](?= |$)", re.DOTALL)

INTRODUCTION = """The HTTP/JSON side of the Shuke suite, made from its gRPC contracts.

- Bodies and answers are proto3 JSON. Fields are named in camel case; the names of the contracts (`business_date`) are \
read too. 64-bit integers are strings. Answers hold fields that are false, zero or empty.
- Constraints hold for what is sent. Fields that are only read need not be sent.
- A parameter of a path is one segment, a slash or colon in it percent-encoded. What follows a colon is the verb.
- A mutation may carry a request id, in its body or as the header `idempotency-key`: the same again answers the first \
result.
- Whatever is refused is answered with an `Error`. Programs go by the reason in its ErrorInfo; people read its \
LocalizedMessage, in Chinese, or in English with `accept-language: en`.
"""

HEADERS: Mapping[str, Part] = {
    "accept-language": {
        "description": "Language of the sentences in errors: English where it is asked for first, Chinese otherwise.",
        "schema": {"type": "string"},
        "example": "en",
    },
    "idempotency-key": {
        "description": "Request id, where the body holds none: the same again answers the first result.",
        "schema": {"type": "string", "pattern": f"^{VISIBLE_ID.pattern}$"},
    },
    "x-operator": {
        "description": f"Staff code of who works at the till, for a key with the permission `{ASSERT_OPERATOR}`.",
        "schema": {"type": "string", "pattern": f"^{STAFF_CODE.pattern}$"},
    },
    "x-purpose": {
        "description": "Why personal data are read, as a code such as `COMPLAINT`; it is recorded with the access.",
        "schema": {"type": "string", "pattern": f"^{PURPOSE.pattern}$"},
    },
    "x-request-id": {
        "description": "Id that the call is logged under; one is made where none is given. Every answer carries it.",
        "schema": {"type": "string", "pattern": f"^{VISIBLE_ID.pattern}$"},
    },
}
ANSWERED: Mapping[str, Part] = {
    "x-request-id": {"description": "Id that the call is logged under.", "schema": {"type": "string"}},
    "x-server-time": {"description": "Seconds since 1970, by the gateway's clock.", "schema": {"type": "string"}},
}
REFUSED: Mapping[str, Part] = {
    **ANSWERED,
    "retry-after": {
        "description": "After how many seconds to come again, where the same call may do better then.",
        "schema": {"type": "string"},
    },
}


def document(routes: Iterable[Route], contracts: Contracts, currency: str) -> Part:
    """Describe routes to callers in a currency: an operation for each, and the schemas that they lead to."""
    schemas = Schemas(contracts)
    paths: dict[str, Part] = {}
    tags: dict[str, Part] = {}
    for route in routes:
        method = method_of(route)
        service = method.containing_service.full_name
        tags[service] = {"name": service, "description": contracts.comment(service)}
        paths.setdefault(path_of(route), {})[route.verb.lower()] = _operation(route, method, schemas, currency)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Shuke", "version": "v1", "description": INTRODUCTION},
        "servers": [{"url": "/"}],
        "security": [{"apiKey": []}],
        "tags": list(tags.values()),
        "paths": paths,
        "components": {
            "securitySchemes": {
                "apiKey": {"type": "http", "scheme": "bearer", "description": "An API key, `Bearer shk_...`."}
            },
            "parameters": {name: {"name": name, "in": "header", **header} for name, header in HEADERS.items()},
            "headers": dict(REFUSED),
            "responses": {ERROR: _response(contracts.common_reasons())},
            "schemas": {ERROR: _error(schemas), **dict(sorted(schemas.components.items()))},
        },
    }


def path_of(route: Route) -> str:
    """Write a route's path with a parameter per segment that varies: "/v1/tickets/{ticket}:solve"."""
    segments = (f"{{{text}}}" if varies else text for text, varies, _ in _segments(route))
    return f"/{'/'.join(segments)}{_verb(route)}"


def _segments(route: Route) -> Iterator[tuple[str, bool, Schema]]:
    """Split a path into segments: the text, or the parameter's name where the segment varies, with its schema."""
    collection = ""
    for part in PART.finditer(route.template.removesuffix(_verb(route))):
        pieces = (part["literal"] or part["pattern"] or "*").strip("/").split("/")
        patterns = _patterns(field_of(method_of(route), part["field"]), pieces) if part["field"] else {}
        for number, piece in enumerate(pieces):
            # Operations are named by two stars, and have one segment all the same.
            varies = piece in ("*", "**")
            text = (_singular(collection) or part["field"]) if varies else piece
            yield text, varies, {"type": "string", **patterns.get(number, {})}
            collection = "" if varies else piece


def _verb(route: Route) -> str:
    """Answer the custom verb of a path with its colon, if it has one."""
    return route.segments[-1]


def _singular(collection: str) -> str:
    """Name one of a collection: a customer of customers, a policy of policies."""
    return f"{collection[:-3]}y" if collection.endswith("ies") else collection.removesuffix("s")


def _patterns(field: FieldDescriptor, pieces: list[str]) -> dict[int, Schema]:
    """Split the pattern of a resource name into those of its segments."""
    whole = field.GetOptions().Extensions[validate_pb2.field].string.pattern
    written = whole.removeprefix("^").removesuffix("$").split("/")
    if not all(piece in ("*", text) for piece, text in zip_longest(pieces, written)):
        return {}
    return {number: {"pattern": f"^{text}$"} for number, text in enumerate(written)}


def method_of(route: Route) -> MethodDescriptor:
    """Find the contract of the method that a route leads to."""
    name = route.method.removeprefix("/").replace("/", ".")
    return route.request.DESCRIPTOR.file.pool.FindMethodByName(name)  # type: ignore[return-value]  # one of two equals


def in_currency(example: Any, currency: str) -> Any:  # noqa: ANN401  (JSON)
    """Write an example's amounts in a chain's currency."""
    return json.loads(json.dumps(example).replace(f'"{EXAMPLES_CURRENCY}"', f'"{currency}"'))


def _operation(route: Route, method: MethodDescriptor, schemas: Schemas, currency: str) -> Part:
    contracts, comment = schemas.contracts, schemas.contracts.comment(method.full_name)
    permission = method.GetOptions().Extensions[options_pb2.access].permission
    operation: Part = {
        "operationId": f"{route.api or 'operations'}_{method.name}",
        "tags": [method.containing_service.full_name],
        "summary": _summary(method.name, comment),
        "description": comment,
        "parameters": [*_parameters(route, method, schemas)],
    }
    if permission:
        operation["description"] += f"\n\nPermission: `{permission}`."
    if route.body:
        media: Part = {"schema": _body(route, method, schemas)}
        if method.full_name in EXAMPLES:
            media["example"] = in_currency(EXAMPLES[method.full_name], currency)
        operation["requestBody"] = {"required": True, "content": {JSON: media}}
    answer = {"schema": schemas.of(method.output_type)}
    operation["responses"] = {
        "200": {"description": "Done", "headers": _headers(ANSWERED), "content": {JSON: answer}},
        **_refusals(contracts.reasons_named(route.api, comment)),
        "default": {"$ref": f"#/components/responses/{ERROR}"},
    }
    return operation


def _summary(name: str, comment: str) -> str:
    """Answer the first sentence of a method's comment."""
    first = SENTENCE.match(comment)
    return first[0].rstrip(".:") if first else name


def _parameters(route: Route, method: MethodDescriptor, schemas: Schemas) -> Iterator[Part]:
    for text, varies, schema in _segments(route):
        if varies:
            yield {"name": text, "in": "path", "required": True, "schema": schema}
    request = method.input_type
    if route.body != WHOLE:
        given = {route.body, *route.variables}
        for field in request.fields:
            if field.name not in given:
                yield from _query(field, "", "", is_required(field), schemas)
    headers = ["x-request-id", "accept-language", "x-operator"]
    if method.GetOptions().Extensions[options_pb2.access].audit == options_pb2.AUDIT_PERSONAL_READ:
        headers.append("x-purpose")
    if REQUEST_ID in request.fields_by_name:
        headers.append("idempotency-key")
    yield from ({"$ref": f"#/components/parameters/{name}"} for name in headers)


def _query(field: FieldDescriptor, prefix: str, said: str, required: bool, schemas: Schemas) -> Iterator[Part]:  # noqa: FBT001 (private)
    """Write a field as parameters of a query: a message as one per field of it, by dotted names."""
    schema = schemas.field(field)
    description = f"{said} {schema.pop('description', '')}".strip()
    name = prefix + field.json_name
    inside = field.message_type
    if inside is None or inside.full_name in LIBRARY_TYPES:
        yield {"name": name, "in": "query", "description": description, "required": required, "schema": schema}
    elif not field.is_repeated:
        for part in inside.fields:
            yield from _query(part, f"{name}.", description, required and is_required(part), schemas)


def _body(route: Route, method: MethodDescriptor, schemas: Schemas) -> Schema:
    """Describe the body: the request without what the path gives, or the one field of it that the body is."""
    request = method.input_type
    if route.body != WHOLE:
        return schemas.field(field_of(method, route.body))
    if not route.variables:
        return schemas.of(request)
    name = f"{request.full_name}.Body"
    schemas.components[name] = schemas.message(request, without=route.variables)
    return {"$ref": SCHEMAS + name}


def _refusals(reasons: list[Reason]) -> Part:
    codes = sorted({reason.http_code for reason in reasons})
    return {str(code): _response([reason for reason in reasons if reason.http_code == code]) for code in codes}


def _response(reasons: list[Reason]) -> Part:
    """Describe a refusal with its possible reasons."""
    listed = [
        f"- `{reason.name}` ({reason.http_code}), {reason.comment} {reason.zh} / {reason.en}" for reason in reasons
    ]
    return {
        "description": "\n".join(["Refused:", "", *listed]),
        "headers": _headers(REFUSED),
        "content": {JSON: {"schema": {"$ref": SCHEMAS + ERROR}}},
    }


def _headers(names: Iterable[str]) -> Part:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _error(schemas: Schemas) -> Schema:
    """Describe what is answered instead of a result, as `transcode.error_json` writes it."""
    kinds = [error_details_pb2.DESCRIPTOR.message_types_by_name[name] for name in DETAILS]
    named = [
        {"allOf": [schemas.of(kind)], "properties": {"@type": {"const": f"type.googleapis.com/{kind.full_name}"}}}
        for kind in kinds
    ]
    error = {
        "code": {"type": "integer", "description": "HTTP code."},
        "message": {"type": "string", "description": "What was wrong, in English."},
        "status": {"enum": sorted(STATUS_NAMES.values()), "description": "Code of gRPC, by its name."},
        "details": {
            "type": "array",
            "description": "ErrorInfo: the reason. LocalizedMessage: its sentence. BadRequest: each wrong field.",
            "items": {"type": "object", "required": ["@type"], "anyOf": named},
        },
    }
    body = {"type": "object", "properties": error, "required": list(error)}
    return {
        "type": "object",
        "description": "A refusal, in the form of AIP-193.",
        "properties": {"error": body},
        "required": ["error"],
    }
