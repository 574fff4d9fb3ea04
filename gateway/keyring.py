"""Who calls from outside: API keys, read through a short cache, and the signed tokens that stand for them inside."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from zoneinfo import ZoneInfo

from chassis.calendar import SECOND, day_of
from chassis.call import Call
from chassis.client import REUSE_SECONDS, Headers
from chassis.clock import Clock
from chassis.database import Database
from chassis.principals import Principal
from chassis.tokens import Signer, TokenExpired, TokenInvalid, TokenMissing
from gateway.apikeys import repository
from gateway.apikeys.domain import ApiKey, digest, principal
from gateway.clients import StaffBook
from gateway.limits.buckets import Buckets
from gateway.roles.repository import roles_on
from gateway.routes import Route
from gateway.staff.domain import Member, acting, named
from gateway.upstream import Metadata

OWN_API = "gateway"
# A revoked key must stop within five seconds, and so must somebody who left.
FRESH_SECONDS = 4
CACHE_SIZE = 10_000
# Tokens that are not known share a bucket, so that whoever tries many wears neither the memory nor the database out.
STRANGERS = ""


class Keyring:
    """Turns a caller's key into a principal, and a principal into a token for a service."""

    def __init__(
        self, database: Database, staff: StaffBook, signer: Signer, zone: ZoneInfo, buckets: Buckets, clock: Clock
    ) -> None:
        self.database = database
        self.staff = staff
        self.signer = signer
        self.zone = zone
        self.buckets = buckets
        self.clock = clock
        # What was found, and when. What was not is not kept: there is no end of tokens that somebody may try.
        self._known: dict[bytes, tuple[int, ApiKey, Principal]] = {}
        self._tokens: dict[tuple[Principal, str], tuple[int, str]] = {}

    def principal(self, token: str, operator: str = "") -> Principal:
        """Answer whom a key stands for in a call of its own; it may wait for the database and the directory of staff.

        Raises `TokenMissing`, `TokenInvalid`, `TokenExpired` or `RateLimited`, and what `named` and `acting` raise.
        """
        caller = self._caller(token)
        self.buckets.take(caller.name)
        return acting(caller, operator, {code: self.staff.member(code).result() for code in named(caller, operator)})

    async def principal_of(self, metadata: Metadata) -> Principal:
        """Answer whom the headers of a request name, beside the event loop; nothing is counted.

        Raises what `principal` raises, but for `RateLimited` where the key is known.
        """
        return await self._acting(await self._caller_of(metadata), metadata)

    async def admit(self, route: Route, metadata: Metadata) -> None:
        """Refuse a caller that is not known, or whose calls come too fast, before its body is read."""
        caller = await self._caller_of(metadata)
        # What the gateway serves itself meets `principal` over gRPC, and must not count twice.
        if route.api != OWN_API:
            self.buckets.take(caller.name)
            await self._acting(caller, metadata)

    async def _caller_of(self, metadata: Metadata) -> Principal:
        token = metadata.get("authorization", "").removeprefix("Bearer ").strip()
        stale = token and self._fresh(digest(token)) is None
        return await asyncio.to_thread(self._caller, token) if stale else self._caller(token)

    async def _acting(self, caller: Principal, metadata: Metadata) -> Principal:
        operator = metadata.get("x-operator", "")
        members = {code: await _beside(self.staff.member(code)) for code in named(caller, operator)}
        return acting(caller, operator, members)

    async def token_for(self, metadata: Metadata, api: str) -> str:
        """Answer the token that stands for a caller at a service; the gateway's own API knows the keys themselves."""
        if api == OWN_API:
            return metadata.get("authorization", "").removeprefix("Bearer ").strip()
        return self.token(await self.principal_of(metadata), api)

    def token(self, caller: Principal, api: str) -> str:
        """Answer the signed token that stands for a caller at a service; one is used again for half of its life."""
        now = self.clock()
        made, token = self._tokens.get((caller, api), (0, ""))
        # A clock that was set back makes it one of the future, which services refuse.
        if not 0 <= now - made <= REUSE_SECONDS * SECOND:
            token = self.signer.sign(caller, api)
            if len(self._tokens) >= CACHE_SIZE:
                self._tokens.clear()
            self._tokens[(caller, api)] = (now, token)
        return token

    def headers(self, call: Call, api: str) -> Headers:
        """Answer the headers with which a handler of the gateway asks a service in its caller's name."""
        purpose = (("x-purpose", call.purpose),) if call.purpose else ()
        return (
            ("authorization", f"Bearer {self.token(call.principal, api)}"),
            ("accept-language", call.language),
            ("x-request-id", call.request_id),
            *purpose,
        )

    def _caller(self, token: str) -> Principal:
        if not token:
            raise TokenMissing
        hashed = digest(token)
        _, key, caller = self._fresh(hashed) or self._look_up(hashed)
        if key.revoke_time is not None:
            raise TokenInvalid
        if key.expire_time <= self.clock():
            raise TokenExpired
        return caller

    def _fresh(self, hashed: bytes) -> tuple[int, ApiKey, Principal] | None:
        known = self._known.get(hashed)
        # A clock that was set back must not keep a key that was revoked meanwhile.
        return known if known and 0 <= self.clock() - known[0] <= FRESH_SECONDS * SECOND else None

    def _look_up(self, hashed: bytes) -> tuple[int, ApiKey, Principal]:
        if hashed not in self._known:
            self.buckets.take(STRANGERS)
        now = self.clock()
        with self.database.read() as tx:
            key = repository.by_digest(tx, hashed)
            if key is None:
                raise TokenInvalid
            known = (now, key, principal(key, roles_on(tx, day_of(now, self.zone))))
        self._known[hashed] = known
        return known


async def _beside(answer: Future[Member | None]) -> Member | None:
    """Wait beside the event loop, where there is anything to wait for; whoever gives up leaves the answer to others."""
    if answer.done():
        return answer.result()
    return await asyncio.shield(asyncio.wrap_future(answer))
