"""The rules of API keys: who may be given one, for what, whom it stands for, and how it ends (G-03, G-15)."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from chassis import names
from chassis.errors import FailedPrecondition, Forbidden, NotFound, Problems
from chassis.principals import ALL_STORES, Principal, covers

YEAR = 366 * 86_400 * 1_000_000
PREFIX = "shk_"
MAKE_KEYS = "gateway.api_keys.create"


class GrantBeyondOwn(Forbidden):
    """The caller would give what it does not have itself."""

    reason = "GRANT_BEYOND_OWN"


class ApiKeyNotFound(NotFound):
    """There is no such key."""

    reason = "API_KEY_NOT_FOUND"


class LastKeyMaker(FailedPrecondition):
    """Without the key nobody could make keys any more."""

    reason = "LAST_KEY_MAKER"


class Kind(StrEnum):
    """Kind of caller."""

    TILL = "TILL"
    SYSTEM = "SYSTEM"
    STAFF = "STAFF"


class State(StrEnum):
    """State of a key."""

    ACTIVE = "ACTIVE"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key: its token's digest, never the token."""

    id: str
    digest: bytes
    kind: Kind
    display_name: str
    roles: tuple[str, ...]
    stores: tuple[str, ...]
    staff: str
    expire_time: int
    create_time: int
    purpose: str = ""
    revoke_time: int | None = None

    @property
    def name(self) -> str:
        """Its resource name."""
        return names.name("apiKeys", self.id)

    def state(self, now: int) -> State:
        """Tell what the key is at a time."""
        if self.revoke_time is not None:
            return State.REVOKED
        return State.EXPIRED if self.expire_time <= now else State.ACTIVE


@dataclass(frozen=True, slots=True)
class Draft:
    """A key that is asked for; no expiry means a year."""

    kind: Kind
    display_name: str
    roles: tuple[str, ...]
    stores: tuple[str, ...]
    staff: str
    expire_time: int | None
    purpose: str = ""


def check(problems: Problems, draft: Draft, roles: Mapping[str, tuple[str, ...]], now: int) -> None:
    """Note what is wrong with a key that is asked for."""
    for index, role in enumerate(draft.roles):
        if role not in roles:
            problems.add(f"api_key.roles[{index}]", "ROLE_UNKNOWN", role=role)
    if draft.kind is Kind.STAFF and not draft.staff:
        problems.add("api_key.staff", "STAFF_MISSING")
    if draft.kind is not Kind.STAFF and draft.staff:
        problems.add("api_key.staff", "STAFF_NOT_ALLOWED")
    all_stores = "*" in draft.stores
    if (draft.kind is Kind.TILL and (all_stores or not draft.stores)) or (all_stores and draft.stores != ALL_STORES):
        problems.add("api_key.stores", "STORES_MISSING")
    if draft.expire_time is not None and draft.expire_time <= now:
        problems.add("api_key.expire_time", "EXPIRY_PAST")


def check_grant(draft: Draft, roles: Mapping[str, tuple[str, ...]], giver: Principal) -> None:
    """Refuse to give permissions or stores that the giver does not have."""
    for role in draft.roles:
        if not all(pattern in giver.permissions or covers(giver.permissions, pattern) for pattern in roles[role]):
            raise GrantBeyondOwn(grant=role)
    if giver.stores != ALL_STORES and not set(draft.stores) <= set(giver.stores):
        raise GrantBeyondOwn(grant=", ".join(sorted(set(draft.stores) - set(giver.stores))))


def issue(draft: Draft, token: str, *, now: int, new_id: str) -> ApiKey:
    """Issue a key for a token."""
    return ApiKey(
        id=new_id,
        digest=digest(token),
        kind=draft.kind,
        display_name=draft.display_name,
        roles=draft.roles,
        stores=draft.stores,
        staff=draft.staff,
        expire_time=now + YEAR if draft.expire_time is None else draft.expire_time,
        create_time=now,
        purpose=draft.purpose,
    )


def revoke(key: ApiKey, active: Iterable[ApiKey], roles: Mapping[str, tuple[str, ...]], now: int) -> ApiKey:
    """Take a key away; another of the active keys must still be able to make keys, or nobody could ever again."""
    if key.state(now) is State.REVOKED:
        return key
    if _makes_keys(key, roles, now) and not any(_makes_keys(one, roles, now) for one in active if one.id != key.id):
        raise LastKeyMaker(name=key.name)
    return dataclasses.replace(key, revoke_time=now)


def _makes_keys(key: ApiKey, roles: Mapping[str, tuple[str, ...]], now: int) -> bool:
    return key.state(now) is State.ACTIVE and principal(key, roles).may(MAKE_KEYS)


def digest(token: str) -> bytes:
    """Answer what is stored of a token: it is 256 random bits, so a plain hash keeps it."""
    return hashlib.sha256(token.encode()).digest()


def principal(key: ApiKey, roles: Mapping[str, tuple[str, ...]]) -> Principal:
    """Answer whom a key stands for; a role that is no longer in the policy gives nothing."""
    patterns = sorted({pattern for role in key.roles for pattern in roles.get(role, ())})
    return Principal(key.name, tuple(patterns), key.stores, key.staff, purpose=key.purpose)
