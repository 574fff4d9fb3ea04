"""The OpenAPI document says what the gateway does: its routes, what they take and answer, and how they refuse."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor
from jsonschema_rs import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from buf.validate import validate_pb2
from chassis.errors import Invalid, Violation
from chassis.status import status_of
from chassis.texts import Texts
from chassis.validation import validate
from gateway.errors import Malformed
from gateway.openapi.contracts import IMAGE, Contracts
from gateway.openapi.document import EXAMPLES, EXAMPLES_CURRENCY, document, method_of, path_of
from gateway.openapi.markup import page_of
from gateway.openapi.schemas import ELSEWHERE, KEYWORDS, WELL_KNOWN, WORDS, Schemas, rules_of
from gateway.routes import Match, Route, RouteTable
from gateway.tests.door import ADMIN, Door, bearer, details_of
from gateway.tests.planted import plant_service
from gateway.transcode import error_json, request_message

RECORD = "shuke.customer.v1.PurchaseService.RecordPurchase"
ENROL = "shuke.customer.v1.CustomerService.EnrolCustomer"
LOOKUP = "shuke.customer.v1.CustomerService.LookupCustomer"
OPEN = "shuke.ticketing.v1.TicketService.OpenTicket"


@pytest.fixture(scope="module")
def api(table: RouteTable) -> dict[str, Any]:
    """Make the document of all contracts."""
    return document(table.routes, Contracts.read(IMAGE.read_bytes()), EXAMPLES_CURRENCY)


def test_examples_are_in_the_currency_of_the_chain(table: RouteTable) -> None:
    """What stands in the document can be sent to the chain that it describes, and in no other currency's name."""
    other = document(table.routes, Contracts.read(IMAGE.read_bytes()), "JPY")
    bodies = [part["requestBody"]["content"]["application/json"] for part in within(other) if "requestBody" in part]
    told = {part["currencyCode"] for body in bodies for part in within(body.get("example")) if "currencyCode" in part}
    assert told == {"JPY"}


def within(part: object) -> Iterator[dict[str, Any]]:
    """Walk through every object of a document."""
    if isinstance(part, dict):
        yield part
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from within(inner)


def route_of(table: RouteTable, method: str) -> Route:
    """Find the route of a method by its full name."""
    return next(route for route in table.routes if route.method[1:].replace("/", ".") == method)


def operation_of(api: dict[str, Any], route: Route) -> dict[str, Any]:
    """Find the operation of a route."""
    operation: dict[str, Any] = api["paths"][path_of(route)][route.verb.lower()]
    return operation


def fits(api: dict[str, Any], schema: dict[str, Any], value: object) -> bool:
    """Tell whether a value fits a schema of the document."""
    validator = Draft202012Validator({**schema, "components": api["components"]})
    return bool(validator.is_valid(value))


def fits_body(api: dict[str, Any], route: Route, body: object) -> bool:
    """Tell whether a body fits what an operation asks for."""
    return fits(api, operation_of(api, route)["requestBody"]["content"]["application/json"]["schema"], body)


def is_taken(route: Route, body: object) -> bool:
    """Tell whether the gateway can read a body, and the chassis's validator accepts it."""
    try:
        validate(request_message(Match(route, ()), "", json.dumps(body).encode()))
    except (Malformed, Invalid):
        return False
    return True


def test_the_document_is_openapi(api: dict[str, Any]) -> None:
    """Tools can read it: it keeps the rules of OpenAPI 3.1."""
    OpenAPIV31SpecValidator(api).validate()


@pytest.mark.requirement("G-01")
def test_every_route_has_its_operation(api: dict[str, Any], table: RouteTable) -> None:
    """Each route is described once, and nothing that is not served."""
    operations = [operation for verbs in api["paths"].values() for operation in verbs.values()]
    assert len(operations) == len(table.routes) == len({one["operationId"] for one in operations})
    for route in table.routes:
        assert operation_of(api, route)["description"], route.method


def test_a_path_of_the_document_leads_to_its_route(table: RouteTable) -> None:
    """A path whose parameters are filled is found again, with its custom verb behind the colon."""
    for route in table.routes:
        path = re.sub(r"\{\w+\}", "a", path_of(route))
        assert table.find(route.verb, path).route is route
    assert path_of(route_of(table, "shuke.ticketing.v1.TicketService.SolveTicket")) == "/v1/tickets/{ticket}:solve"
    update = route_of(table, "shuke.tiering.v1.PolicyService.UpdateDraft")
    assert path_of(update) == "/v1/tiering/policies/{policy}/versions/{version}"


def test_a_body_leaves_to_the_path_what_stands_there(api: dict[str, Any], table: RouteTable) -> None:
    """A body need not repeat the name that the path gives, and is the one field where the contract says so."""
    void = operation_of(api, route_of(table, "shuke.customer.v1.PurchaseService.VoidPurchase"))
    assert void["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/shuke.customer.v1.VoidPurchaseRequest.Body"
    }
    body = api["components"]["schemas"]["shuke.customer.v1.VoidPurchaseRequest.Body"]
    assert "name" not in (*body["properties"], *body["required"])
    change = operation_of(api, route_of(table, "shuke.customer.v1.CustomerService.UpdateCustomer"))
    whole = change["requestBody"]["content"]["application/json"]["schema"]
    assert whole["$ref"] == "#/components/schemas/shuke.customer.v1.Customer"
    assert "updateMask" in {one.get("name") for one in change["parameters"]}


def test_parameters_of_a_path_have_their_part_of_the_pattern(api: dict[str, Any]) -> None:
    """What the contract asks of a resource name is asked of each segment."""
    parameters = api["paths"]["/v1/schemes/{scheme}/members/{member}"]["get"]["parameters"]
    assert {one["name"]: one["schema"]["pattern"] for one in parameters if one.get("in") == "path"} == {
        "scheme": "^[a-z][a-z0-9-]{0,31}$",
        "member": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
    }


def text_for(api: dict[str, Any], schema: dict[str, Any]) -> str:
    """Write some value of a parameter."""
    if "$ref" in schema:
        return text_for(api, api["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "items" in schema:
        return text_for(api, schema["items"])
    by_form = {"date-time": "2026-03-01T10:00:00Z", "int32": "1", "boolean": "true"}
    return str(by_form.get(schema.get("format", schema["type"]), schema.get("enum", [""])[0]))


def test_every_parameter_of_a_query_is_read(api: dict[str, Any], table: RouteTable) -> None:
    """The gateway knows each parameter under the name that the document gives, one inside of another too."""
    asked = 0
    for route in table.routes:
        match = Match(route, ("",) * len(route.variables))
        for parameter in operation_of(api, route)["parameters"]:
            if parameter.get("in") == "query":
                request_message(match, f"{parameter['name']}={text_for(api, parameter['schema'])}", b"")
                asked += 1
    assert asked > 100


def test_every_reference_leads_somewhere(api: dict[str, Any]) -> None:
    """Each reference names something of the document."""
    for part in within(api):
        at: Any = api
        for name in part.get("$ref", "#")[1:].split("/")[1:]:
            at = at[name]
        assert at


def test_whatever_is_ours_is_explained(api: dict[str, Any]) -> None:
    """Each type of ours and each field of it carries the comment of the contract."""
    ours = {name: schema for name, schema in api["components"]["schemas"].items() if name.startswith("shuke.")}
    assert [name for name, schema in ours.items() if not schema.get("description")] == []
    fields = {f"{name}.{key}": part for name, one in ours.items() for key, part in one.get("properties", {}).items()}
    assert [name for name, part in fields.items() if not part.get("description")] == []


def test_enums_carry_their_labels(api: dict[str, Any]) -> None:
    """Each value of an enum is explained, with what people are shown in both languages."""
    kind = api["components"]["schemas"]["shuke.customer.v1.Line.Kind"]
    assert "- `GIFT_CARD` (礼品卡 / Gift card): A gift card." in kind["description"].splitlines()
    assert kind["enum"] == ["KIND_UNSPECIFIED", "GOODS", "SERVICE", "GIFT_CARD", "DEPOSIT", "FREIGHT"]


def test_json_of_every_kind_of_field() -> None:
    """Fields are described as proto3 JSON writes them."""
    planted = plant_service('get: "/v1/planted"').methods[0].input_type
    schemas = Schemas(Contracts({}, {}))
    described = schemas.message(planted)
    itself = schemas.of(planted)
    assert described["properties"] == {
        "flag": {"type": "boolean"},
        "flags": {"type": "array", "items": {"type": "boolean"}},
        "color": {"$ref": itself["$ref"].replace("Everything", "Color")},
        "small": {"type": "integer", "format": "int32"},
        "big": {"type": "string", "format": "uint64", "pattern": "^[0-9]{1,20}$"},
        "rate": {"type": "number", "format": "double"},
        "raw": {"type": "string", "contentEncoding": "base64"},
        "names": {"type": "array", "items": {"type": "string"}},
        "thisOne": {"type": "string"},
        "thatOne": {"type": "string"},
        "inner": itself,
        "inners": {"type": "array", "items": itself},
        "atTime": {"type": "string", "format": "date-time"},
        "mask": {"type": "string", "examples": ["displayName,languageCode"]},
        "labels": {"type": "object", "additionalProperties": {"type": "integer", "format": "int32"}},
        "any": WELL_KNOWN["google.protobuf.Any"],
        "requestId": {"type": "string"},
    }
    both = {"thisOne": "a", "thatOne": "b"}
    choice = Draft202012Validator({"allOf": described["allOf"]})
    assert choice.is_valid({})
    assert choice.is_valid({"thisOne": "a"})
    assert not choice.is_valid(both)


def rules(message: Descriptor, seen: set[str]) -> Iterator[str]:
    """List the rules of a message and of all that it is made of."""
    if message.full_name in seen:
        return
    seen.add(message.full_name)
    for field in message.fields:
        own = field.GetOptions().Extensions[validate_pb2.field]
        yield from rules_of(own)
        yield from rules_of(own.repeated.items)
        if field.message_type is not None:
            yield from rules(field.message_type, seen)


def test_every_rule_is_told(table: RouteTable) -> None:
    """No rule of the contracts is left out: each has a word of JSON schema, or is said in the description."""
    found = {rule for route in table.routes for rule in rules(method_of(route).input_type, set())}
    assert found == KEYWORDS.keys() | WORDS.keys() | ELSEWHERE


def test_rules_without_a_word_are_said(api: dict[str, Any]) -> None:
    """What JSON schema cannot ask of a duration stands in its description."""
    said = [part["description"] for part in within(api) if "At most 31536000s." in part.get("description", "")]
    assert len(said) == 7


@pytest.mark.parametrize("method", [RECORD, ENROL, LOOKUP, OPEN])
def test_examples_are_good_requests(api: dict[str, Any], table: RouteTable, method: str) -> None:
    """The example of a body fits the schema, and the gateway and the chassis take it."""
    route = route_of(table, method)
    example = operation_of(api, route)["requestBody"]["content"]["application/json"]["example"]
    assert fits_body(api, route, example)
    assert is_taken(route, example)


def test_every_example_belongs_to_a_method(table: RouteTable) -> None:
    """No example is left over."""
    assert {route_of(table, method).body for method in EXAMPLES} == {"*"}


BROKEN = {
    "a required text is missing": (ENROL, {"store": ""}),
    "a pattern is not kept": (ENROL, {"store": "leeds 1"}),
    "a text is too long": (ENROL, {"displayName": "a" * 101}),
    "a text is none of those that are taken": (ENROL, {"languageCode": "fr"}),
    "a list is empty": (ENROL, {"contactPoints": []}),
    "a list is too long": (ENROL, {"contactPoints": [{"kind": "EMAIL", "value": "a@example.com"}] * 11}),
    "a value of an enum that is not taken": (ENROL, {"contactPoints": [{"kind": "KIND_UNSPECIFIED", "value": "a"}]}),
    "a value that the enum does not have": (OPEN, {"severity": "TERRIBLE"}),
    "a field of the wrong type": (OPEN, {"subject": 1}),
    "two of which one may be given": (OPEN, {"staffReporter": "staff/E-1"}),
    "none of which one must be given": (OPEN, {"customerLookup": {}}),
    "a message that is required is missing": (LOOKUP, {"lookup": None}),
    "a number above its limit": (RECORD, {"purchase": {"lines": [{"lineNo": 10_000, "sku": "A"}]}}),
}


@pytest.mark.parametrize("name", BROKEN)
def test_schema_and_service_refuse_alike(api: dict[str, Any], table: RouteTable, name: str) -> None:
    """What breaks a rule does not fit the schema either."""
    method, change = BROKEN[name]
    route = route_of(table, method)
    body = {key: value for key, value in (EXAMPLES[method] | change).items() if value is not None}
    assert not is_taken(route, body)
    assert not fits_body(api, route, body)


def test_operations_name_their_reasons(api: dict[str, Any], table: RouteTable) -> None:
    """A reason that a method's comment names stands under its HTTP code, in both languages."""
    responses = operation_of(api, route_of(table, RECORD))["responses"]
    assert responses.keys() == {"200", "400", "409", "default"}
    assert "小票 {receipt} 已以不同内容记录为 {name}。" in responses["409"]["description"]
    assert "`CUSTOMER_BLOCKED` (400), FAILED_PRECONDITION: the customer is blocked." in responses["400"]["description"]
    everywhere = api["components"]["responses"]["Error"]["description"]
    assert all(
        f"`{reason}` ({code})" in everywhere for reason, code in {"TOKEN_MISSING": 401, "BODY_TOO_LARGE": 413}.items()
    )


def test_headers_stand_where_they_count(api: dict[str, Any], table: RouteTable) -> None:
    """A purpose is asked for where personal data are read, a request id where it makes a call safe to repeat."""

    def headers(method: str) -> set[str]:
        parameters = operation_of(api, route_of(table, method))["parameters"]
        return {one["$ref"].rpartition("/")[2] for one in parameters if "$ref" in one}

    always = {"accept-language", "x-operator", "x-request-id"}
    assert headers(RECORD) == always
    assert headers(OPEN) == always | {"idempotency-key"}
    assert headers("shuke.customer.v1.CustomerService.GetCustomer") == always | {"x-purpose"}


def test_refusals_fit_their_schema(api: dict[str, Any], texts: Texts) -> None:
    """What the gateway answers for a refusal is the Error of the document."""
    refused = Invalid(
        [Violation("store", "STRING_PATTERN", {"field": "store", "rule": "string.pattern", "value": "x"})]
    )
    body = json.loads(error_json(status_of(refused, texts, "en"), 400))
    assert fits(api, {"$ref": "#/components/schemas/Error"}, body)
    assert not fits(api, {"$ref": "#/components/schemas/Error"}, {"error": body["error"] | {"details": [{}]}})


class Links(HTMLParser):
    """What a page refers to, what can be referred to in it, and what would be fetched or run."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.foreign: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one element."""
        given = dict(attrs)
        self.links |= {given["href"] or ""} if "href" in given else set()
        self.anchors |= {given["id"] or ""} if "id" in given else set()
        if tag in {"script", "link", "img", "iframe"} or "src" in given:
            self.foreign.append(tag)


def test_the_page_needs_nothing_else(api: dict[str, Any], table: RouteTable) -> None:
    """It holds each operation, its links lead to what is on it, and nothing of it is fetched or run."""
    found = Links(page_of(api))
    assert found.foreign == []
    assert found.links - {f"#{anchor}" for anchor in found.anchors} == {"openapi.json"}
    assert {operation_of(api, route)["operationId"] for route in table.routes} <= found.anchors


def test_the_page_shows_what_a_body_must_hold(api: dict[str, Any]) -> None:
    """Fields stand with their types and constraints, choices are said, and what stands in comments runs nowhere."""
    page = page_of(api)
    assert "minItems: <code>1</code><br>maxItems: <code>10</code>" in page
    assert "<p>Exactly one of: <code>phone</code>, <code>email</code>" in page
    api["info"]["description"] = "<script>`a`"
    assert "<p>&lt;script&gt;<code>a</code></p>" in page_of(api)


def test_anybody_reads_the_description(door: Door) -> None:
    """Both pages come without a key, and who has them already is told so."""
    for path, kind in (("/openapi.json", "application/json"), ("/docs", "text/html; charset=utf-8")):
        answer = door.http.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
        again = door.http.get(path, headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_answers_of_a_running_suite_fit(door: Door) -> None:
    """The examples work as they stand, and what is answered is what the document says."""
    api = door.http.get("/openapi.json").json()
    door.store("LEEDS")
    for path in ("/v1/customers:enrol", "/v1/customers:lookup", "/v1/purchases"):
        operation = api["paths"][path]["post"]
        example = operation["requestBody"]["content"]["application/json"]["example"]
        answer = door.http.post(path, json=example, headers=bearer(ADMIN))
        assert answer.status_code == 200, details_of(answer)
        assert fits(api, operation["responses"]["200"]["content"]["application/json"]["schema"], answer.json())
