"""Pages of lists (AIP-158): by keyset, never by offset, with tokens that only fit the query they were made for.

A token holds the key of the page's last row and is signed. It carries no authority: every page is authorized anew. It
stands in URLs, so a cursor must hold no personal data.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from google.protobuf.message import Message

from chassis.errors import Problems

T = TypeVar("T")
M = TypeVar("M", bound=Message)

USUAL_SIZE = 50
LARGEST_SIZE = 200
SIGNATURE_BYTES = 16
# What may differ between the requests for two pages of one query.
PAGING_FIELDS = ("page_size", "page_token")


def page_size(requested: int) -> int:
    """Answer how many rows a page has; the contract has refused a negative number."""
    return min(requested, LARGEST_SIZE) or USUAL_SIZE


class Pager:
    """Makes and reads the page tokens of one service."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def page(
        self, request: Message, rows: Sequence[T], size: int, cursor_of: Callable[[T], Sequence[str | int]]
    ) -> tuple[Sequence[T], str]:
        """Cut rows that were read with a limit of `size + 1` into a page and the token of the next one, if any."""
        if len(rows) <= size:
            return rows, ""
        return rows[:size], self.token(request, cursor_of(rows[size - 1]))

    def token(self, request: Message, cursor: Sequence[str | int]) -> str:
        """Write the token of the page that begins behind a cursor."""
        body = json.dumps(list(cursor), ensure_ascii=False, separators=(",", ":")).encode()
        return _encode(self._sign(request, body) + body)

    def cursor(self, request: Message, field: str = "page_token") -> list[str | int] | None:
        """Read where a request's page begins; None for the first page. Raises `Invalid` for a foreign token."""
        token: str = getattr(request, field)
        if not token:
            return None
        signed = _decode(token)
        signature, body = signed[:SIGNATURE_BYTES], signed[SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._sign(request, body)):
            problems = Problems()
            problems.add(field, "PAGE_TOKEN_INVALID")
            problems.refuse()
        cursor: list[str | int] = json.loads(body)
        return cursor

    def _sign(self, request: Message, body: bytes) -> bytes:
        """Sign a cursor together with the query: the request's type and all its fields but those of paging."""
        name = request.DESCRIPTOR.full_name.encode()
        query = hashlib.sha256(name + b"\0" + _query(request).SerializeToString(deterministic=True)).digest()
        return hmac.digest(self._key, query + body, "sha256")[:SIGNATURE_BYTES]


def _query(request: M) -> M:
    query = type(request)()
    query.CopyFrom(request)
    for name in PAGING_FIELDS:
        if name in request.DESCRIPTOR.fields_by_name:
            query.ClearField(name)
    return query


def _encode(signed: bytes) -> str:
    return base64.urlsafe_b64encode(signed).decode().rstrip("=")


def _decode(token: str) -> bytes:
    """Read base64 in its one proper form; anything else reads as nothing, which no signature fits."""
    try:
        signed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""
    return signed if _encode(signed) == token else b""
