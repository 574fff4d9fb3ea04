"""Signed tokens that services of the suite show each other: Ed25519, one audience, sixty seconds."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from dataclasses import dataclass
from pathlib import Path

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from chassis.calendar import SECOND
from chassis.clock import Clock
from chassis.errors import Unauthenticated
from chassis.principals import Principal, covers

ALGORITHM = "Ed25519"
LIFETIME_SECONDS = 60
# How far the clocks of two machines may lie apart.
LEEWAY_SECONDS = 5
CACHE_SIZE = 10_000


class TokenMissing(Unauthenticated):
    """The call carries no token."""

    reason = "TOKEN_MISSING"


class TokenInvalid(Unauthenticated):
    """The token is malformed, forged, from an unknown issuer or for another service."""

    reason = "TOKEN_INVALID"


class TokenExpired(Unauthenticated):
    """The token's time is over."""

    reason = "TOKEN_EXPIRED"


@dataclass(frozen=True, slots=True)
class Issuer:
    """A part of the suite that signs tokens, and the permissions it may claim."""

    key: OKPKey
    may_claim: tuple[str, ...]


def generate_key() -> tuple[str, str]:
    """Make a key pair: the private key and the public key, each as a JSON Web Key."""
    key = OKPKey.generate_key("Ed25519")
    return json.dumps(key.as_dict(private=True)), json.dumps(key.as_dict(private=False))


def read_trust(path: Path) -> dict[str, Issuer]:
    """Read the file that maps each issuer to its public key and to what it may claim."""
    entries = json.loads(path.read_text())
    return {
        name: Issuer(OKPKey.import_key(entry["public_key"]), tuple(entry["may_claim"]))
        for name, entry in entries.items()
    }


class Signer:
    """Signs tokens in the name of one issuer."""

    def __init__(self, issuer: str, private_key: str, clock: Clock) -> None:
        self.issuer = issuer
        self.clock = clock
        self._key = OKPKey.import_key(json.loads(private_key))

    def sign(self, principal: Principal, audience: str) -> str:
        """Sign what is known of a caller, for one service and for a minute."""
        now = self.clock() // SECOND
        claims = {
            "iss": self.issuer,
            "aud": audience,
            "sub": principal.name,
            "iat": now,
            "exp": now + LIFETIME_SECONDS,
            "permissions": list(principal.permissions),
            "stores": list(principal.stores),
            "staff": principal.staff,
            "operator": principal.operator,
            "purpose": principal.purpose,
        }
        return jwt.encode({"alg": ALGORITHM}, claims, self._key, algorithms=[ALGORITHM])


class Verifier:
    """Verifies tokens for one audience and remembers a verified one until it expires."""

    def __init__(self, audience: str, trust: dict[str, Issuer], clock: Clock) -> None:
        self.audience = audience
        self.trust = trust
        self.clock = clock
        # By a token's hash, when it was issued and expires, and of whom it speaks.
        self._known: dict[bytes, tuple[int, int, Principal]] = {}
        self._lock = threading.Lock()

    def verify(self, token: str) -> Principal:
        """Answer who a token speaks of; raise `TokenMissing`, `TokenInvalid` or `TokenExpired`."""
        if not token:
            raise TokenMissing
        digest = hashlib.sha256(token.encode()).digest()
        now = self.clock() // SECOND
        known = self._known.get(digest)
        if known is None:
            known = self._check(token)
            with self._lock:
                if len(self._known) >= CACHE_SIZE:
                    self._known.clear()
                self._known[digest] = known
        issued, expires, principal = known
        # Each time, for a clock that is set back makes a known token one of the future.
        if issued > now + LEEWAY_SECONDS:
            raise TokenInvalid
        if now > expires + LEEWAY_SECONDS:
            self._known.pop(digest, None)
            raise TokenExpired
        return principal

    def _check(self, token: str) -> tuple[int, int, Principal]:
        try:
            issuer = self.trust[_claimed_issuer(token)]
            claims = jwt.decode(token, issuer.key, algorithms=[ALGORITHM]).claims
            expires, issued = int(claims["exp"]), int(claims["iat"])
            audience = str(claims["aud"])
            principal = Principal(
                name=str(claims["sub"]),
                permissions=tuple(map(str, claims["permissions"])),
                stores=tuple(map(str, claims["stores"])),
                staff=str(claims["staff"]),
                operator=str(claims["operator"]),
                # Issuers of the release before claim none.
                purpose=str(claims.get("purpose", "")),
            )
        except (JoseError, LookupError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            # Whatever a stranger makes up must not look like a fault of ours; deep nesting is one of their ways.
            raise TokenInvalid from error
        if audience != self.audience:
            raise TokenInvalid
        if not all(_within(pattern, issuer.may_claim) for pattern in principal.permissions):
            raise TokenInvalid
        return issued, expires, principal


def _claimed_issuer(token: str) -> str:
    """Read which issuer a token names; its signature is checked with that issuer's key afterwards."""
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return str(claims["iss"])


def _within(pattern: str, allowed: tuple[str, ...]) -> bool:
    """Tell whether all that a pattern covers is covered by the allowed patterns."""
    return pattern in allowed or covers(allowed, pattern)
