"""The description of the API over HTTP, for anybody, without a key: made once, answered from memory."""

from __future__ import annotations

import hashlib
import json
from functools import cache

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Page

from gateway.openapi.contracts import IMAGE, Contracts
from gateway.openapi.document import JSON, document
from gateway.openapi.markup import page_of
from gateway.routes import Route

# The page needs nothing but itself, and runs nothing.
ALONE = "default-src 'none'; style-src 'unsafe-inline'"


@cache
def pages(routes: tuple[Route, ...], currency: str) -> tuple[Page, ...]:
    """Make `/openapi.json` and `/docs` of the routes of the contracts."""
    described = document(routes, Contracts.read(IMAGE.read_bytes()), currency)
    text = json.dumps(described, ensure_ascii=False, separators=(",", ":"))
    return _page("/openapi.json", text, JSON), _page("/docs", page_of(described), "text/html")


def _page(path: str, text: str, media_type: str) -> Page:
    content = text.encode()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"etag": etag, "cache-control": "no-cache", "content-security-policy": ALONE}

    async def answer(request: Request) -> Response:
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    return Page(path, answer)
