"""The HTTP side of the gateway: one request in JSON, one call of an RPC, one answer in JSON."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import structlog
from google.rpc.status_pb2 import Status
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.routing import Route as Page
from starlette.types import Receive, Scope, Send

from chassis.calendar import SECOND
from chassis.call import UNKNOWN
from chassis.clock import Clock
from chassis.errors import BodyTooLarge, Overloaded, Refused
from chassis.metrics import Metrics
from chassis.status import InternalFault, reason_of, status_of
from chassis.steps import VISIBLE_ID
from chassis.texts import Texts, language_of
from gateway.errors import Malformed, RequestLate, VerbUnknown
from gateway.routes import Match, Route, RouteTable
from gateway.transcode import answer_json, error_json, http_code_of, request_message, retry_after
from gateway.upstream import AUTHORIZATION, FORWARDED, Caller, Metadata

log = structlog.get_logger("http")
T = TypeVar("T")

# Whoever refuses, before its body is read, the request of somebody who may not call.
Admit = Callable[[Route, Metadata], Awaitable[None]]

BODY_LIMIT = 32 * 2**20
# What all bodies that are being received and read may take together.
ROOM = 8 * BODY_LIMIT
# What is larger is read and written beside the event loop: 32 KiB of JSON take some three milliseconds.
LARGE_BODY = 32 * 2**10
LARGE_ANSWER = 8 * 2**10
# A body of 32 MiB grows to hundreds of MiB while it is read, so few are read at once.
LARGE_AT_ONCE = 2

HTTP = "http"
# All that go on together stay below the 8 KiB that services take.
VISIBLE = re.compile(r"[ -~]{0,1000}")
CLIENT_GONE = 499
UNAUTHENTICATED = 401


def build_app(front: Front, ready: Callable[[], Awaitable[bool]], pages: Sequence[BaseRoute] = ()) -> Starlette:
    """Put the application together; `pages` are served beside the routes of the contracts."""

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(_request: Request) -> Response:
        good = await ready()
        return JSONResponse({"status": "ready" if good else "not ready"}, status_code=200 if good else 503)

    def measured(_request: Request) -> Response:
        return Response(generate_latest(front.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    own = [Page("/healthz", healthz), Page("/readyz", readyz), Page("/metrics", measured)]
    return Starlette(routes=[*own, *pages, Mount("/", app=front)])


@dataclass(slots=True)
class Front:
    """The ASGI application of all routes of the contracts. A body must have arrived within `receive_seconds`."""

    table: RouteTable
    call: Caller
    admit: Admit
    texts: Texts
    clock: Clock
    metrics: Metrics
    receive_seconds: float
    room: int = ROOM
    large: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LARGE_AT_ONCE))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens, and log it in one line without its path."""
        started = time.perf_counter()
        request = Request(scope, receive)
        given = request.headers.get("x-request-id", "")
        request_id = given if VISIBLE_ID.fullmatch(given) else secrets.token_hex(8)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        with self.metrics.in_flight.labels(HTTP).track_inprogress():
            response = await self._answer(request, request_id)
            response.headers["x-request-id"] = request_id
            response.headers["x-server-time"] = str(self.clock() // SECOND)
            response.headers["cache-control"] = "no-store"
            await response(scope, receive, send)
        took = time.perf_counter() - started
        method = structlog.contextvars.get_contextvars().get("method", UNKNOWN.full_name)
        self.metrics.calls.labels(HTTP, method, response.status_code).observe(took)
        log.info("request", code=response.status_code, ms=round(took * 1000, 1))

    async def _answer(self, request: Request, request_id: str) -> Response:
        language = language_of(request.headers.get("accept-language", ""))
        try:
            return await self._transcode(request, request_id)
        except VerbUnknown as unknown:
            allowed = ", ".join(unknown.allowed)
            return _refusal(status_of(unknown, self.texts, language), 405, {"allow": allowed})
        except RequestLate as late:
            # What is left of the body is not waited for.
            return _refusal(status_of(late, self.texts, language), headers={"connection": "close"})
        except Refused as refused:
            return _refusal(status_of(refused, self.texts, language))
        except ClientDisconnect:
            return Response(status_code=CLIENT_GONE)
        except Exception:
            log.exception("fault")
            return _refusal(status_of(InternalFault(request_id=request_id), self.texts, language))

    async def _transcode(self, request: Request, request_id: str) -> Response:
        path = request.scope["raw_path"].decode("ascii", "backslashreplace")
        if request.method == "OPTIONS" and (allowed := self.table.allowed(path)):
            return Response(status_code=204, headers={"allow": ", ".join(allowed)})
        match = self.table.find(request.method, path)
        route = match.route
        structlog.contextvars.bind_contextvars(method=route.method)
        metadata = {"x-request-id": request_id, **_forwarded(request)}
        await self.admit(route, metadata)
        answer = await self.call(route, await self._message(request, match), metadata)
        text = await self._apart(len(answer) > LARGE_ANSWER, lambda: answer_json(route, answer))
        return Response(text, media_type="application/json")

    async def _message(self, request: Request, match: Match) -> bytes:
        """Receive the body and read it; its room is given back as soon as the message is made."""
        body = bytearray()
        try:
            await self._receive_in_time(request, body)
            return await self._apart(len(body) > LARGE_BODY, lambda: _request_bytes(match, request, body))
        finally:
            self.room += len(body)

    async def _receive_in_time(self, request: Request, body: bytearray) -> None:
        try:
            async with asyncio.timeout(self.receive_seconds):
                await self._receive(request, body)
        except TimeoutError:
            raise RequestLate(self.receive_seconds) from None

    async def _receive(self, request: Request, body: bytearray) -> None:
        """Receive the body, and never more than the limit or than there is room for."""
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > BODY_LIMIT:
            raise BodyTooLarge(BODY_LIMIT)
        async for chunk in request.stream():
            if len(body) + len(chunk) > BODY_LIMIT:
                raise BodyTooLarge(BODY_LIMIT)
            if len(chunk) > self.room:
                raise Overloaded
            self.room -= len(chunk)
            body += chunk

    async def _apart(self, large: bool, work: Callable[[], T]) -> T:  # noqa: FBT001 (private)
        """Run work at once when it is small, else in a thread, so that others are answered meanwhile."""
        if not large:
            return work()
        async with self.large:
            return await asyncio.to_thread(work)


def _request_bytes(match: Match, request: Request, body: bytearray) -> bytes:
    query = request.scope["query_string"].decode("ascii", "replace")
    key = _header(request, "idempotency-key") or ""
    return request_message(match, query, body, key).SerializeToString()


def _forwarded(request: Request) -> dict[str, str]:
    found = ((name, _header(request, name)) for name in (AUTHORIZATION, *FORWARDED))
    return {name: value for name, value in found if value is not None}


def _header(request: Request, name: str) -> str | None:
    """Answer a header that may be given once, in characters that gRPC can carry."""
    values = request.headers.getlist(name)
    if len(values) > 1 or not all(map(VISIBLE.fullmatch, values)):
        raise Malformed(f"header {name}: given twice, or not up to 1000 characters of visible ASCII")
    return values[0] if values else None


def _refusal(status: Status, http_code: int | None = None, headers: dict[str, str] | None = None) -> Response:
    code = http_code or http_code_of(status)
    structlog.contextvars.bind_contextvars(reason=reason_of(status))
    response = Response(error_json(status, code), code, headers, media_type="application/json")
    seconds = retry_after(status)
    if seconds is not None:
        response.headers["retry-after"] = str(seconds)
    if code == UNAUTHENTICATED:
        response.headers["www-authenticate"] = "Bearer"
    return response
