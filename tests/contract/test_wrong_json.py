"""Wrong requests over HTTP to every route of the front door, before the real services: each is answered in form."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import httpx2
import pytest
from google.protobuf import json_format
from google.rpc.code_pb2 import Code
from google.rpc.status_pb2 import Status

from gateway.routes import Route, RouteTable
from gateway.server import CONTRACTS
from gateway.tests.door import ADMIN, bearer
from gateway.transcode import HTTP_CODES
from tests.contract.answers import Wrong, read
from tests.contract.house import House

ROUTES = RouteTable.of([service for file in CONTRACTS for service in file.DESCRIPTOR.services_by_name.values()]).routes
VARIABLE = re.compile(r"\{[a-z0-9_.]+(?:=([^{}]+))?\}")
MALFORMED = (
    b"{",
    b"[]",
    b"null",
    b"1",
    b'"x"',
    b"\xff\xfe",
    b'{"\xf0\x28\x8c\x28": 1}',
    b'{"x": NaN}',
    b'{"requestId": "a", "requestId": "b"}',
    b'{"noSuchField": 1}',
    b"{} {}",
    b"{}garbage",
    b"[" * 10_000 + b"]" * 10_000,
    b'{"x":' * 10_000 + b"1" + b"}" * 10_000,
    b"9" * 10_000,
)
# No field takes these, whatever its kind.
NO_VALUES = ([[1]], {"noSuchField": 1}, -(10**30))
TOO_LARGE = 33 * 2**20


class Front:
    """One route of the front door."""

    def __init__(self, house: House, route: Route) -> None:
        self.house = house
        self.route = route
        api = route.api or "tiering"
        self.texts = house.services[api].service.foundation.texts
        self.path = VARIABLE.sub(lambda found: re.sub(r"\*+", "1", found[1] or "1"), route.template)

    def send(self, body: bytes = b"", *, query: str = "", verb: str = "", token: str = ADMIN) -> tuple[int, Wrong]:
        """Send a request that is refused; answer the HTTP code and what was told."""
        path = self.path + (f"?{query}" if query else "")
        headers = bearer(token) if token else {"accept-language": "en"}
        return self.told(self.house.door.http.request(verb or self.route.verb, path, content=body, headers=headers))

    def told(self, answer: httpx2.Response) -> tuple[int, Wrong]:
        """Hold a refusal to the contract's form."""
        assert answer.status_code >= 400, f"taken: {answer.text[:500]}"
        error = answer.json()["error"]
        assert answer.status_code == error["code"] < 500, error
        status = Status(code=Code.Value(error["status"]), message=error["message"])
        json_format.ParseDict({"details": error["details"]}, status)
        told = read(status, self.texts, "en")
        usual = {HTTP_CODES[status.code], *({404, 405} if told.reason == "METHOD_UNKNOWN" else ())}
        assert answer.status_code in usual | ({413} if told.reason == "BODY_TOO_LARGE" else set()), error
        return answer.status_code, told


@pytest.fixture
def front(house: House, request: pytest.FixtureRequest) -> Iterator[Front]:
    """Stand before one route, and see at the end that nothing was written."""
    made = Front(house, request.param)
    with house.watched(made.route.api or "tiering") as version:
        before = version()
        yield made
        assert version() == before, "refused, and yet something was written"


everywhere = pytest.mark.parametrize("front", ROUTES, indirect=True, ids=lambda route: f"{route.verb}-{route.method}")


@everywhere
def test_strangers_are_refused_before_anything_else(front: Front) -> None:
    """Without a key, or with a forged one, the answer is 401 whatever the body is."""
    for token, reason in (("", "TOKEN_MISSING"), ("shk_forged", "TOKEN_INVALID")):
        code, told = front.send(b"{", token=token)
        assert (code, told.reason) == (401, reason)


@everywhere
def test_a_malformed_body_or_query_is_refused(front: Front) -> None:
    """What is no JSON, or JSON of something else, is the caller's mistake, on every route."""
    for body in MALFORMED:
        code, told = front.send(body)
        assert (code, told.reason) == (400, "JSON_MALFORMED"), body[:40]
    for query in ("noSuchField=1", "%ff=1", "a=%ff", "x", "name.name=1&name=2", "&".join(["a=1"] * 2000)):
        code, told = front.send(query=query)
        assert (code, told.reason) == (400, "JSON_MALFORMED"), query[:40]


@everywhere
def test_a_field_of_another_kind_is_refused(front: Front) -> None:
    """Each field of a body is refused by name where something of another kind, or out of its range, stands there."""
    body = front.route.body
    whole = front.route.request.DESCRIPTOR
    part = whole if body in ("", "*") else whole.fields_by_name[body].message_type
    for field in part.fields if part is not None and body else ():
        for value in NO_VALUES:
            code, told = front.send(json.dumps({field.json_name: value}).encode())
            assert (code, told.reason) == (400, "JSON_MALFORMED"), field.full_name
            assert field.name in told.status.message


def test_a_body_of_33_mib_is_refused(house: House) -> None:
    """What is larger than the limit is refused with 413, whatever it is."""
    front = Front(house, next(route for route in ROUTES if route.template == "/v1/purchases"))
    code, told = front.send(b" " * TOO_LARGE)
    assert (code, told.reason) == (413, "BODY_TOO_LARGE")


@everywhere
def test_another_verb_is_refused(front: Front) -> None:
    """A path answers no verb but its own."""
    code, told = front.send(verb="TRACE")
    assert (code, told.reason) == (405, "METHOD_UNKNOWN")


@pytest.mark.parametrize(
    "path", ["/v1/none", "/v1/customers/%00/x", "/v1/../etc/passwd", "/v1/" + "a" * 4000, "/%F0%9F"]
)
def test_an_unknown_path_is_refused(house: House, path: str) -> None:
    """A path that no contract names is 404."""
    front = Front(house, ROUTES[0])
    front.path = path
    code, told = front.send(verb="POST")
    assert (code, told.reason) == (404, "METHOD_UNKNOWN")
