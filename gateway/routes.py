"""Which HTTP verb and path stand for which RPC, read from the contracts' `google.api.http` rules.

A variable part of a path, `*`, is one segment without a colon: what follows a colon is the path's custom verb.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from urllib.parse import unquote

from google.api import annotations_pb2
from google.api.http_pb2 import HttpRule
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from chassis.errors import MethodUnknown
from gateway.errors import Malformed, VerbUnknown
from shuke.options.v1 import options_pb2

OPERATIONS = "google.longrunning.Operations"
# Its descriptor carries the other rules. An operation's name tells which service runs it; a list would have to ask all.
WAIT = HttpRule(post="/v1/{name=operations/**}:wait", body="*")
NOT_OFFERED = (f"{OPERATIONS}.ListOperations",)

WHOLE = "*"
SEGMENT = "[^/:]+"
REST = f"{SEGMENT}(?:/{SEGMENT})*"
TEMPLATE = re.compile(r"(?P<path>/[^:]*)(?P<verb>:[A-Za-z]+)?")
PART = re.compile(r"\{(?P<field>[a-z0-9_.]+)(?:=(?P<pattern>[^{}]+))?\}|(?P<literal>[^{}]+)")
PATH_SHOWN = 200


class RouteError(Exception):
    """The contracts ask for routes that cannot be served; the gateway does not start."""


@dataclass(frozen=True, slots=True)
class Route:
    """One way to call an RPC over HTTP."""

    verb: str
    template: str
    # As gRPC names it: "/shuke.customer.v1.CustomerService/GetCustomer".
    method: str
    # The service that serves it; empty where the name in the request tells, as for operations.
    api: str
    request: type[Message]
    answer: type[Message]
    # Fields that the path gives, such as "policy.name".
    variables: tuple[str, ...]
    # The field that the body gives, "*" for the whole message, empty for none.
    body: str
    # The template in terms of literals, "*" and "**", and as a regular expression with a group per variable.
    segments: tuple[str, ...]
    pattern: str


@dataclass(frozen=True, slots=True)
class Match:
    """A route with what the path gave for its variables."""

    route: Route
    values: tuple[str, ...]


class RouteTable:
    """All routes, found by verb and path. It is made once and never changes."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        _refuse_overlaps(self.routes)
        self._by_verb: dict[str, tuple[re.Pattern[str], dict[str, Route]]] = {}
        for verb in sorted({route.verb for route in self.routes}):
            named = {f"r{number}": route for number, route in enumerate(self.routes) if route.verb == verb}
            # One expression per verb: each alternative is a named group, so that the match tells the route.
            either = "|".join(f"(?P<{name}>{route.pattern})" for name, route in named.items())
            self._by_verb[verb] = (re.compile(either), named)

    @classmethod
    def of(cls, services: Iterable[ServiceDescriptor]) -> RouteTable:
        """Read the routes of all public methods; raise `RouteError` where a rule cannot be served."""
        return cls(route for service in services for method in service.methods for route in _routes_of(method))

    def find(self, verb: str, path: str) -> Match:
        """Find the route of a path as it stood in the request; raise when there is none."""
        asked = "GET" if verb == "HEAD" else verb
        found = self._match(asked, path) if asked in self._by_verb else None
        if found:
            return found
        said = f"{verb} {path[:PATH_SHOWN]}"
        if allowed := self.allowed(path):
            raise VerbUnknown(said, allowed)
        raise MethodUnknown(method=said)

    def allowed(self, path: str) -> tuple[str, ...]:
        """List the verbs that a path may be called with; none for an unknown path."""
        verbs = [verb for verb in self._by_verb if self._match(verb, path)]
        if "GET" in verbs:
            verbs.append("HEAD")
        return (*verbs, "OPTIONS") if verbs else ()

    def _match(self, verb: str, path: str) -> Match | None:
        expression, named = self._by_verb[verb]
        match = expression.fullmatch(path)
        if match is None or match.lastgroup is None:
            return None
        route = named[match.lastgroup]
        first = expression.groupindex[match.lastgroup] + 1
        raw = (match[first + offset] for offset in range(len(route.variables)))
        try:
            return Match(route, tuple(unquote(value, errors="strict") for value in raw))
        except UnicodeDecodeError:
            raise Malformed("path: not UTF-8") from None


def _routes_of(method: MethodDescriptor) -> Iterator[Route]:
    rule = _rule_of(method)
    if rule is None:
        return
    if method.client_streaming or method.server_streaming:
        raise RouteError(f"{method.full_name} streams, which HTTP/JSON cannot")
    for binding in (rule, *rule.additional_bindings):
        yield _route(method, binding)


def _rule_of(method: MethodDescriptor) -> HttpRule | None:
    """Answer how a method is offered over HTTP, or None when it is not for clients."""
    options = method.GetOptions()
    rule = options.Extensions[annotations_pb2.http] if options.HasExtension(annotations_pb2.http) else None
    if method.containing_service.full_name == OPERATIONS:
        return None if method.full_name in NOT_OFFERED else rule or WAIT
    if options.Extensions[options_pb2.access].exposure != options_pb2.EXPOSURE_PUBLIC:
        return None
    if rule is None:
        raise RouteError(f"{method.full_name} is public and has no google.api.http rule")
    return rule


def _route(method: MethodDescriptor, rule: HttpRule) -> Route:
    kind = rule.WhichOneof("pattern")
    if kind in (None, "custom") or rule.response_body:
        raise RouteError(f"{method.full_name}: a custom verb or response_body is not served")
    template = getattr(rule, kind)
    segments, pattern, variables = _read_template(method, template)
    for variable in variables:
        field = field_of(method, variable)
        if field.cpp_type != FieldDescriptor.CPPTYPE_STRING or field.is_repeated:
            raise RouteError(f"{method.full_name}: {variable} stands in a path and must be one string")
    if rule.body not in ("", WHOLE):
        body = field_of(method, rule.body)
        if body.message_type is None or body.is_repeated:
            raise RouteError(f"{method.full_name}: the body {rule.body} must be one message")
    service = method.containing_service
    return Route(
        verb=kind.upper(),
        template=template,
        method=f"/{service.full_name}/{method.name}",
        api="" if service.full_name == OPERATIONS else service.file.package.split(".")[1],
        request=GetMessageClass(method.input_type),
        answer=GetMessageClass(method.output_type),
        variables=variables,
        body=rule.body,
        segments=segments,
        pattern=pattern,
    )


def _read_template(method: MethodDescriptor, template: str) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    """Split a template into its segments, and write it as a regular expression with a group per variable."""
    whole = TEMPLATE.fullmatch(template)
    parts = list(PART.finditer(whole["path"])) if whole else []
    if whole is None or "".join(part[0] for part in parts) != whole["path"]:
        raise RouteError(f"{method.full_name}: {template} is no path template")
    pattern = flat = ""
    for part in parts:
        inner = part["literal"] or part["pattern"] or "*"
        written = "/".join({"*": SEGMENT, "**": REST}.get(piece, re.escape(piece)) for piece in inner.split("/"))
        flat += inner
        pattern += f"({written})" if part["field"] else written
    verb = whole["verb"] or ""
    segments = flat.split("/")[1:]
    if "**" in segments[:-1] or not all(re.fullmatch(r"\*{1,2}|[^*]+", segment) for segment in segments):
        raise RouteError(f"{method.full_name}: {template} is no path template")
    variables = tuple(part["field"] for part in parts if part["field"])
    return (*segments, verb), pattern + re.escape(verb), variables


def field_of(method: MethodDescriptor, path: str) -> FieldDescriptor:
    """Find a field of a method's request by its dotted path; raise `RouteError` when there is none."""
    message: Descriptor | None = method.input_type
    field: FieldDescriptor | None = None
    for name in path.split("."):
        field = message.fields_by_name.get(name) if message else None
        if field is None:
            raise RouteError(f"{method.full_name}: its request has no field {path}")
        message = None if field.is_repeated else field.message_type
    if field is None:
        raise AssertionError("split answers at least one name")
    return field


def _refuse_overlaps(routes: tuple[Route, ...]) -> None:
    for one, other in combinations(routes, 2):
        if one.verb == other.verb and _overlap(one.segments, other.segments):
            raise RouteError(f"{one.method} and {other.method} overlap: {one.verb} {one.template}, {other.template}")


def _overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Tell whether a path could match both; the last segment of each is its custom verb."""
    if one[-1] != other[-1]:
        return False
    for left, right in zip(one[:-1], other[:-1], strict=False):
        if "**" in (left, right):
            return True
        if left != right and "*" not in (left, right):
            return False
    return len(one) == len(other)
