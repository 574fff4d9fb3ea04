"""Requests in JSON over HTTP, from the ASGI application to a real gRPC server and back."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
import structlog
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route as Page

from chassis.errors import Unauthenticated
from chassis.metrics import Metrics
from chassis.status import Relayed
from chassis.texts import Texts
from gateway.http import BODY_LIMIT, Admit, Front, build_app
from gateway.routes import Route, RouteTable
from gateway.tests.stub import serve
from gateway.tests.test_upstream import token_for
from gateway.upstream import Caller, Metadata, Upstream
from shuke.customer.v1 import customer_pb2, purchases_pb2
from shuke.tiering.v1 import tiering_pb2

NOON = 1_763_800_000_000_000
Calls = list[tuple[Route, bytes, Metadata]]


class Stranger(Unauthenticated):
    """The caller showed nothing."""

    reason = "TOKEN_MISSING"


class Services:
    """Stands for all services: answers with bytes or raises, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answer: bytes | Exception = b""
        self.calls: Calls = []

    async def __call__(self, route: Route, request: bytes, metadata: Metadata) -> bytes:
        """Answer as the test wants it."""
        self.calls.append((route, request, metadata))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def services() -> Services:
    """Make the services of one test."""
    return Services()


async def admit_all(_route: Route, _metadata: Metadata) -> None:
    """Let everybody in."""


async def admit_nobody(_route: Route, _metadata: Metadata) -> None:
    """Let nobody in."""
    raise Stranger


def make_app(
    table: RouteTable,
    texts: Texts,
    call: Caller,
    *,
    admit: Admit = admit_all,
    is_ready: bool = True,
    receive_seconds: float = 30,
) -> Starlette:
    """Put an application together with one page beside the routes."""

    async def ready() -> bool:
        return is_ready

    async def page(_request: Request) -> Response:
        return PlainTextResponse("a page")

    front = Front(table, call, admit, texts, lambda: NOON, Metrics(), receive_seconds)
    return build_app(front, ready, [Page("/page", page)])


def send(app: Starlette, verb: str, path: str, **options: Any) -> httpx2.Response:  # noqa: ANN401 (as the client takes them)
    """Send one request to an application."""

    async def run() -> httpx2.Response:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway") as client:
            return await client.request(verb, path, **options)

    return asyncio.run(run())


@pytest.fixture
def app(table: RouteTable, texts: Texts, services: Services) -> Starlette:
    """Make the application of one test."""
    return make_app(table, texts, services)


def error_of(response: httpx2.Response) -> dict[str, Any]:
    """Answer the error of a response, with the reason beside it."""
    error: dict[str, Any] = response.json()["error"]
    assert error["code"] == response.status_code
    info = next(detail for detail in error["details"] if detail["@type"].endswith("ErrorInfo"))
    return {**error, "reason": info["reason"], "metadata": info.get("metadata", {})}


def test_a_sale_is_recorded_over_http(app: Starlette, services: Services) -> None:
    """A POST of JSON becomes a call, and its answer JSON."""
    services.answer = purchases_pb2.RecordPurchaseResponse(first_in_chain=True).SerializeToString()
    response = send(app, "POST", "/v1/purchases", json={"purchase": {"receipt": {"store": "S1"}}, "settled": True})
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert (response.json()["firstInChain"], response.json()["replayed"]) == (True, False)
    route, request, _ = services.calls[0]
    assert route.method == "/shuke.customer.v1.PurchaseService/RecordPurchase"
    message = purchases_pb2.RecordPurchaseRequest.FromString(request)
    assert (message.purchase.receipt.store, message.settled) == ("S1", True)


def test_only_these_headers_go_on(app: Starlette, services: Services) -> None:
    """A service sees the headers of the contract and no others."""
    known = {"authorization": "Bearer t", "accept-language": "en", "x-operator": "S1", "x-purpose": "SERVICE"}
    send(app, "GET", "/v1/customers/c1", headers={**known, "x-request-id": "r1", "x-other": "o", "cookie": "c"})
    assert services.calls[0][2] == {**known, "x-request-id": "r1"} | {"accept-language": "en"}


def test_a_header_that_grpc_cannot_carry_is_refused(app: Starlette, services: Services) -> None:
    """It is told by name, and its value is not repeated."""
    problem = "header x-purpose: given twice, or not up to 1000 characters of visible ASCII"
    for value in ("售后".encode(), b"P" * 1001):
        response = send(app, "GET", "/v1/customers/c1", headers={"x-purpose": value})
        assert error_of(response)["metadata"] == {"problem": problem}
    assert services.calls == []
    assert send(app, "GET", "/v1/customers/c1", headers={"x-purpose": "P" * 1000}).status_code == 200


def test_a_header_given_twice_is_refused(app: Starlette, services: Services) -> None:
    """Two operators are no operator."""
    response = send(app, "GET", "/v1/customers/c1", headers=[("x-operator", "a"), ("x-operator", "b")])
    assert error_of(response)["reason"] == "JSON_MALFORMED"
    assert services.calls == []


@pytest.mark.parametrize(("given", "kept"), [("r-1", True), ("r" * 64, True), ("r" * 65, False), ("r 1", False)])
def test_the_request_id_is_the_callers_or_a_new_one(app: Starlette, services: Services, given: str, kept: bool) -> None:  # noqa: FBT001
    """A request id of visible ASCII is kept; another is replaced, and services hear the one that is answered."""
    response = send(app, "GET", "/v1/customers/c1", headers={"x-request-id": given})
    answered = response.headers["x-request-id"]
    assert (answered == given) is kept
    assert services.calls[0][2]["x-request-id"] == answered


def test_every_answer_says_its_time(app: Starlette) -> None:
    """A till can see how far its clock is off, from refusals too."""
    for path in ("/v1/customers/c1", "/nothing"):
        assert send(app, "GET", path).headers["x-server-time"] == str(NOON // 1_000_000)


def test_answers_are_not_kept_by_caches(app: Starlette) -> None:
    """What may hold personal data is stored nowhere on its way."""
    assert send(app, "GET", "/v1/customers/c1").headers["cache-control"] == "no-store"


def test_the_idempotency_key_becomes_the_request_id(app: Starlette, services: Services) -> None:
    """The header of HTTP stands for the field of the contract."""
    send(app, "POST", "/v1/evaluations:run", json={}, headers={"idempotency-key": "k1"})
    assert tiering_pb2.RunEvaluationRequest.FromString(services.calls[0][1]).request_id == "k1"


def test_two_different_request_ids_are_refused(app: Starlette, services: Services) -> None:
    """The gateway does not choose between them."""
    response = send(app, "POST", "/v1/evaluations:run", json={"requestId": "k2"}, headers={"idempotency-key": "k1"})
    assert (response.status_code, error_of(response)["reason"]) == (400, "JSON_MALFORMED")
    assert services.calls == []


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"purchase": NaN}',
        b'{"settled": true, "settled": false}',
        b'{"nothing": 1}',
        b"[" * 100_000,
        b'{"purchase":' * 5000,
        b"9" * 10_000,
        b'{"purchase": {"lines": [1]}}' + b" " * 100_000,
    ],
)
def test_a_bad_body_is_the_callers_mistake(app: Starlette, services: Services, body: bytes) -> None:
    """Whatever is wrong with a body, the answer is 400 and says so."""
    response = send(app, "POST", "/v1/purchases", content=body)
    error = error_of(response)
    assert (response.status_code, error["status"]) == (400, "INVALID_ARGUMENT")
    assert (error["reason"], bool(error["metadata"]["problem"])) == ("JSON_MALFORMED", True)
    assert services.calls == []


def test_a_compressed_body_is_refused_as_what_it_is(app: Starlette, services: Services) -> None:
    """Whoever compresses a body hears that, and not that its first byte is no JSON."""
    response = send(app, "POST", "/v1/purchases", content=gzip.compress(b"{}"), headers={"content-encoding": "gzip"})
    assert error_of(response)["metadata"] == {"problem": "header content-encoding: a body is not compressed"}
    assert services.calls == []


def test_a_refusal_speaks_the_callers_language(app: Starlette) -> None:
    """The sentence for people comes in Chinese unless English is asked for."""
    chinese = send(app, "POST", "/v1/purchases", content=b"{").text
    english = send(app, "POST", "/v1/purchases", content=b"{", headers={"accept-language": "en-GB"}).text
    assert "请求格式不正确" in chinese
    assert "请求正文" not in english


def test_an_unknown_path_is_404(app: Starlette) -> None:
    """There is no such method."""
    error = error_of(send(app, "GET", "/v1/nothing"))
    assert (error["code"], error["reason"]) == (404, "METHOD_UNKNOWN")


def test_a_known_path_with_another_verb_is_405(app: Starlette) -> None:
    """The answer names the verbs that there are."""
    response = send(app, "DELETE", "/v1/customers/c1")
    assert error_of(response)["code"] == 405
    assert set(response.headers["allow"].split(", ")) == {"GET", "PATCH", "HEAD", "OPTIONS"}


def test_options_names_the_verbs(app: Starlette) -> None:
    """OPTIONS answers for a known path, and is unknown elsewhere."""
    response = send(app, "OPTIONS", "/v1/purchases")
    assert (response.status_code, response.content) == (204, b"")
    assert set(response.headers["allow"].split(", ")) == {"GET", "POST", "HEAD", "OPTIONS"}
    assert send(app, "OPTIONS", "/v1/nothing").status_code == 404


def test_head_is_a_get_without_its_body(app: Starlette, services: Services) -> None:
    """HEAD answers what GET would."""
    response = send(app, "HEAD", "/v1/customers/c1")
    assert (response.status_code, response.content) == (200, b"")
    assert services.calls[0][0].verb == "GET"


def test_a_stranger_is_refused_before_the_body_is_read(table: RouteTable, texts: Texts, services: Services) -> None:
    """Who is not known learns nothing, not even what is wrong with the body."""
    taken: list[bytes] = []

    async def body() -> AsyncIterator[bytes]:
        taken.append(b"")
        yield b"{"

    app = make_app(table, texts, services, admit=admit_nobody)
    response = send(app, "POST", "/v1/purchases", content=body())
    assert (response.status_code, error_of(response)["reason"]) == (401, "TOKEN_MISSING")
    assert response.headers["www-authenticate"] == "Bearer"
    assert taken == []


def test_the_refusal_of_a_service_comes_through(app: Starlette, services: Services) -> None:
    """Code, sentence, details and the time to wait reach the caller."""
    status = Status(code=Code.RESOURCE_EXHAUSTED, message="Too many.")
    status.details.add().Pack(ErrorInfo(reason="OVERLOADED", domain="shuke"))
    wait = RetryInfo()
    wait.retry_delay.seconds = 7
    status.details.add().Pack(wait)
    services.answer = Relayed(status)
    response = send(app, "GET", "/v1/customers/c1")
    assert (response.status_code, response.headers["retry-after"]) == (429, "7")
    assert (error_of(response)["message"], error_of(response)["reason"]) == ("Too many.", "OVERLOADED")


@pytest.mark.parametrize("fault", [RuntimeError("13800138000"), b"\xff\xff no message"])
def test_a_fault_is_500_and_tells_nothing(app: Starlette, services: Services, fault: bytes | Exception) -> None:
    """The caller gets the request id to tell, and nothing of what happened."""
    services.answer = fault
    response = send(app, "GET", "/v1/customers/c1", headers={"x-request-id": "r1"})
    assert error_of(response)["reason"] == "INTERNAL_FAULT"
    assert error_of(response)["metadata"] == {"request_id": "r1"}
    assert "13800138000" not in response.text


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_beyond_the_limit_is_413(app: Starlette, services: Services, announced: bool) -> None:  # noqa: FBT001
    """With or without an announced length, at most the limit is taken in."""
    taken = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(64):
            taken += 2**20
            yield bytes(2**20)

    headers = {"content-length": str(64 * 2**20)} if announced else {}
    response = send(app, "POST", "/v1/purchases", content=body(), headers=headers)
    error = error_of(response)
    assert (error["code"], error["reason"], error["metadata"]) == (413, "BODY_TOO_LARGE", {"limit_mib": "32"})
    assert taken <= (0 if announced else BODY_LIMIT + 2**20)
    assert services.calls == []


def test_bodies_that_would_fill_the_memory_together_are_refused(
    table: RouteTable, texts: Texts, services: Services
) -> None:
    """Without room a caller is asked to come again; room that was taken is given back."""
    front = Front(table, services, admit_all, texts, lambda: NOON, Metrics(), 30, room=100)
    app = Starlette()
    app.mount("/", front)
    response = send(app, "POST", "/v1/purchases", content=b"{" + b" " * 100 + b"}")
    assert (response.status_code, response.headers["retry-after"]) == (429, "1")
    assert send(app, "POST", "/v1/purchases", content=b"{").status_code == 400
    assert send(app, "POST", "/v1/purchases", content=b"{" + b" " * 90 + b"}").status_code == 200
    assert front.room == 100


def test_others_are_answered_while_a_large_body_is_read(app: Starlette, services: Services) -> None:
    """A health check does not wait for somebody's batch."""
    line = {"lineNo": 1, "sku": "S", "quantity": "1", "amount": {"currencyCode": "CNY", "units": "1"}}
    item = {"purchase": {"lines": [line] * 20}}
    body = json.dumps({"requests": [item] * 500}).encode()

    async def run() -> None:
        loop, turn = asyncio.get_running_loop(), threading.Event()
        loop.set_default_executor(ThreadPoolExecutor(1))
        # The one thread that may read bodies is kept busy: whoever does not need it is answered all the same.
        busy = loop.run_in_executor(None, turn.wait)
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway") as client:
            batch = asyncio.create_task(client.post("/v1/purchases:batchRecord", content=body))
            codes = []
            for _ in range(20):
                codes.append((await client.get("/healthz")).status_code)
                await asyncio.sleep(0)
            waits = not batch.done()
            turn.set()
            assert codes == [200] * 20
            assert waits
            assert await busy
            assert (await batch).status_code == 200

    asyncio.run(run())
    assert len(purchases_pb2.BatchRecordPurchasesRequest.FromString(services.calls[0][1]).requests) == 500


def test_health_and_readiness_are_told(table: RouteTable, texts: Texts, services: Services) -> None:
    """Alive is not the same as ready."""
    for is_ready, code in ((True, 200), (False, 503)):
        app = make_app(table, texts, services, is_ready=is_ready)
        assert send(app, "GET", "/healthz").status_code == 200
        assert send(app, "GET", "/readyz").status_code == code


def test_pages_stand_beside_the_routes(app: Starlette) -> None:
    """The description of the API and the metrics are served by the same application."""
    assert send(app, "GET", "/page").text == "a page"


def test_each_request_is_one_line_in_the_log_without_its_path(app: Starlette, services: Services) -> None:
    """The line tells method, code, reason and request id; a path might hold what must not be logged."""
    services.answer = Relayed(Status(code=Code.ABORTED))
    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as lines:
        send(app, "GET", "/v1/customers/13800138000?x=13800138000", headers={"x-request-id": "r1"})
        send(app, "GET", "/v1/customers/13800138000", headers={"x-request-id": "r2"})
    assert [(line["event"], line["request_id"], line["code"]) for line in lines] == [
        ("request", "r1", 400),
        ("request", "r2", 409),
    ]
    assert lines[0]["reason"] == "JSON_MALFORMED"
    assert lines[1]["method"] == "/shuke.customer.v1.CustomerService/GetCustomer"
    assert "13800138000" not in str(lines)


def test_the_whole_way_to_a_service_and_back(table: RouteTable, texts: Texts) -> None:
    """HTTP, JSON, gRPC and back, with a service that refuses one caller."""
    with serve() as stub:

        async def run() -> list[httpx2.Response]:
            upstream = Upstream({"customer": stub.address}, token_for)
            transport = httpx2.ASGITransport(make_app(table, texts, upstream))
            async with httpx2.AsyncClient(transport=transport, base_url="http://gateway") as client:
                answers = [await client.get("/v1/customers/c1"), await client.get("/v1/operations/nobody-1")]
            await upstream.close()
            return answers

        stub.behave = lambda _request, _context: customer_pb2.Customer(name="customers/c1").SerializeToString()
        found, missing = asyncio.run(run())
    assert (found.status_code, found.json()["name"]) == (200, "customers/c1")
    assert (missing.status_code, error_of(missing)["reason"]) == (404, "OPERATION_NOT_FOUND")
