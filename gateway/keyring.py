"""Who calls from outside: API keys, read through a short cache, and the signed tokens that stand for them inside."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from zoneinfo import ZoneInfo

from chassis.calendar import SECOND, day_of
from chassis.client import REUSE_SECONDS
from chassis.clock import Clock
from chassis.database import Database
from chassis.principals import Principal, covers
from chassis.tokens import Signer, TokenExpired, TokenInvalid, TokenMissing
from gateway.apikeys import repository
from gateway.apikeys.domain import ApiKey, OperatorInvalid, digest, principal
from gateway.roles.repository import roles_on
from gateway.routes import Route
from gateway.upstream import Metadata

OWN_API = "gateway"
# A revoked key must stop within five seconds.
FRESH_SECONDS = 4
CACHE_SIZE = 10_000
ASSERT_OPERATOR = "operator.assert"
STAFF_CODE = re.compile(r"[!-~]{1,32}")


class Keyring:
    """Turns a caller's key into a principal, and a principal into a token for a service."""

    def __init__(self, database: Database, signer: Signer, zone: ZoneInfo, clock: Clock) -> None:
        self.database = database
        self.signer = signer
        self.zone = zone
        self.clock = clock
        self._known: dict[bytes, tuple[int, ApiKey | None, Principal | None]] = {}
        self._tokens: dict[tuple[Principal, str], tuple[int, str]] = {}

    def principal(self, token: str, operator: str = "") -> Principal:
        """Answer whom a key stands for; raise `TokenMissing`, `TokenInvalid`, `TokenExpired` or `OperatorInvalid`."""
        if not token:
            raise TokenMissing
        hashed = digest(token)
        known = self._fresh(hashed) or self._look_up(hashed)
        return self._admitted(known, operator)

    async def principal_of(self, metadata: Metadata) -> Principal:
        """Answer whom the headers of a request name; the database is asked beside the event loop."""
        token = metadata.get("authorization", "").removeprefix("Bearer ").strip()
        operator = metadata.get("x-operator", "")
        if token and self._fresh(digest(token)) is None:
            return await asyncio.to_thread(self.principal, token, operator)
        return self.principal(token, operator)

    async def admit(self, _route: Route, metadata: Metadata) -> None:
        """Refuse a caller that is not known before its body is read."""
        await self.principal_of(metadata)

    async def token_for(self, metadata: Metadata, api: str) -> str:
        """Answer the token that stands for a caller at a service; the gateway's own API knows the keys themselves."""
        if api == OWN_API:
            return metadata.get("authorization", "").removeprefix("Bearer ").strip()
        caller = await self.principal_of(metadata)
        now = self.clock()
        made, token = self._tokens.get((caller, api), (0, ""))
        if now - made > REUSE_SECONDS * SECOND:
            token = self.signer.sign(caller, api)
            if len(self._tokens) >= CACHE_SIZE:
                self._tokens.clear()
            self._tokens[(caller, api)] = (now, token)
        return token

    def _fresh(self, hashed: bytes) -> tuple[int, ApiKey | None, Principal | None] | None:
        known = self._known.get(hashed)
        return known if known and self.clock() - known[0] <= FRESH_SECONDS * SECOND else None

    def _look_up(self, hashed: bytes) -> tuple[int, ApiKey | None, Principal | None]:
        now = self.clock()
        with self.database.read() as tx:
            key = repository.by_digest(tx, hashed)
            known = (now, key, principal(key, roles_on(tx, day_of(now, self.zone))) if key else None)
        if len(self._known) >= CACHE_SIZE:
            self._known.clear()
        self._known[hashed] = known
        return known

    def _admitted(self, known: tuple[int, ApiKey | None, Principal | None], operator: str) -> Principal:
        _, key, caller = known
        if key is None or caller is None:
            raise TokenInvalid
        if key.expire_time <= self.clock():
            raise TokenExpired
        if not operator:
            return caller
        if not STAFF_CODE.fullmatch(operator) or not covers(caller.permissions, ASSERT_OPERATOR):
            raise OperatorInvalid(operator=operator[:32])
        return dataclasses.replace(caller, operator=operator)
