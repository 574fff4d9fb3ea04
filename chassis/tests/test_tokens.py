"""Tokens: only what a trusted issuer signed, for this service, for now, within what it may claim."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from chassis.calendar import SECOND
from chassis.principals import ALL_STORES, PermissionMissing, Principal, StaffRequired, StoreForeign, covers
from chassis.tokens import Issuer, Signer, TokenExpired, TokenInvalid, TokenMissing, Verifier, generate_key, read_trust
from tests.running import Clock

PRIVATE, PUBLIC = generate_key()
OTHER_PRIVATE, OTHER_PUBLIC = generate_key()
TILL = Principal("apiKeys/7", ("customer.purchases.*", "tiering.members.get"), ("A", "B"), "", "S1", "CHECKOUT")
SEGMENT = st.text(alphabet="ab*.", max_size=6)
PATTERNS = st.one_of(SEGMENT, SEGMENT.map(lambda text: f"{text}.*"), st.just("*"))


@pytest.fixture
def clock() -> Clock:
    """Make a clock."""
    return Clock()


@pytest.fixture
def verifier(clock: Clock, tmp_path: Path) -> Verifier:
    """Trust a gateway with nearly all and a service with one permission."""
    trust = {
        "gateway": {"public_key": json.loads(PUBLIC), "may_claim": ["customer.*", "tiering.*"]},
        "notify": {"public_key": json.loads(OTHER_PUBLIC), "may_claim": ["events.read", "customer.contacts.*"]},
    }
    path = tmp_path / "trust.json"
    path.write_text(json.dumps(trust))
    return Verifier("customer", read_trust(path), clock)


def signed(clock: Clock, principal: Principal = TILL, audience: str = "customer", issuer: str = "gateway") -> str:
    """Sign a principal in."""
    key = OTHER_PRIVATE if issuer == "notify" else PRIVATE
    return Signer(issuer, key, clock).sign(principal, audience)


def claims(clock: Clock, **changed: object) -> dict[str, object]:
    """Write claims such as the gateway's."""
    now = clock() // SECOND
    usual = {"iss": "gateway", "aud": "customer", "sub": "apiKeys/7", "iat": now, "exp": now + 60}
    return {**usual, "permissions": ["customer.x"], "stores": [], "staff": "", "operator": "", **changed}


def written(clock: Clock, **changed: object) -> str:
    """Sign any claims with the gateway's key."""
    given = {name: value for name, value in claims(clock, **changed).items() if value is not None}
    key = OKPKey.import_key(json.loads(PRIVATE))
    return jwt.encode({"alg": "Ed25519"}, given, key, algorithms=["Ed25519"])


def test_a_token_says_who_calls(verifier: Verifier, clock: Clock) -> None:
    """What was signed comes out again: name, permissions, stores, staff, operator and purpose, which may be missing."""
    assert verifier.verify(signed(clock)) == TILL
    assert verifier.verify(signed(clock)) == TILL
    assert verifier.verify(written(clock)) == Principal("apiKeys/7", ("customer.x",))


def test_no_token_is_told_apart(verifier: Verifier) -> None:
    """A caller without a token is told so, and not that it is wrong."""
    with pytest.raises(TokenMissing):
        verifier.verify("")


def test_a_changed_token_is_refused(verifier: Verifier, clock: Clock) -> None:
    """Whichever part is changed, the signature does not fit."""
    header, payload, signature = signed(clock).split(".")
    more = base64.urlsafe_b64encode(json.dumps(claims(clock, permissions=["customer.*"])).encode()).decode().rstrip("=")
    other = signed(clock, Principal("apiKeys/8", ())).split(".")
    for token in (f"{header}.{more}.{signature}", f"{header}.{payload}.{other[2]}", f"{header}.{payload}."):
        with pytest.raises(TokenInvalid):
            verifier.verify(token)


def test_another_key_is_refused(verifier: Verifier, clock: Clock) -> None:
    """A token in the gateway's name that another key signed is refused, and so is an unknown issuer."""
    with pytest.raises(TokenInvalid):
        verifier.verify(Signer("gateway", OTHER_PRIVATE, clock).sign(TILL, "customer"))
    for issuer in ("tiering", "", "Gateway"):
        with pytest.raises(TokenInvalid):
            verifier.verify(Signer(issuer, PRIVATE, clock).sign(TILL, "customer"))


def test_a_token_for_another_service_is_refused(verifier: Verifier, clock: Clock) -> None:
    """A token speaks to one service; one that names none, or several, speaks to nobody."""
    for audience in ("tiering", "", "customer.shuke", "*"):
        with pytest.raises(TokenInvalid):
            verifier.verify(signed(clock, audience=audience))
    with pytest.raises(TokenInvalid):
        verifier.verify(written(clock, aud=["customer", "tiering"]))


def test_other_algorithms_are_refused(verifier: Verifier, clock: Clock) -> None:
    """No signature at all, or one made with the public key as a secret, does not pass."""
    header = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    payload = base64.urlsafe_b64encode(json.dumps(claims(clock)).encode()).decode().rstrip("=")
    with pytest.raises(TokenInvalid):
        verifier.verify(f"{header}.{payload}.")
    secret = OctKey.import_key(PUBLIC.encode().ljust(64, b" "))
    with pytest.raises(TokenInvalid):
        verifier.verify(jwt.encode({"alg": "HS256"}, claims(clock), secret))


@pytest.mark.parametrize("pattern", ["*", "gateway.keys.create", "customer", "tiering", "events.read", ".*"])
def test_an_issuer_claims_no_more_than_it_may(verifier: Verifier, clock: Clock, pattern: str) -> None:
    """One permission beyond what the issuer may claim spoils the token."""
    with pytest.raises(TokenInvalid):
        verifier.verify(signed(clock, Principal("x", ("customer.x", pattern))))


def test_a_service_claims_what_it_may(verifier: Verifier, clock: Clock) -> None:
    """Exactly what an issuer may claim passes, and what lies within it."""
    allowed = Principal("services/notify", ("events.read", "customer.contacts.*", "customer.contacts.get"))
    assert verifier.verify(signed(clock, allowed, issuer="notify")) == allowed
    with pytest.raises(TokenInvalid):
        verifier.verify(signed(clock, Principal("x", ("customer.*",)), issuer="notify"))


def test_a_token_expires(verifier: Verifier, clock: Clock) -> None:
    """After a minute, and a little for clocks that differ, a token is over: for the first time as well as cached."""
    token, unseen = signed(clock), signed(clock, Principal("apiKeys/8", ()))
    verifier.verify(token)
    clock.now += 65 * SECOND
    assert verifier.verify(token) == TILL
    clock.now += SECOND
    for late in (token, unseen, token):
        with pytest.raises(TokenExpired):
            verifier.verify(late)


def test_a_token_of_the_future_is_refused(verifier: Verifier, clock: Clock) -> None:
    """A token that was issued later than now, beyond what clocks differ, is refused."""
    ahead = Clock(clock.now + 5 * SECOND)
    assert verifier.verify(signed(ahead)) == TILL
    ahead.now += SECOND
    with pytest.raises(TokenInvalid):
        verifier.verify(signed(ahead, Principal("apiKeys/9", ())))


def test_a_clock_that_is_set_back_makes_a_known_token_one_of_the_future(verifier: Verifier, clock: Clock) -> None:
    """What was verified before the clock was set back is refused like any token of the future, or it would outlive."""
    token = signed(clock)
    assert verifier.verify(token) == TILL
    clock.now -= 3600 * SECOND
    with pytest.raises(TokenInvalid):
        verifier.verify(token)
    assert verifier.verify(signed(clock)) == TILL


@pytest.mark.parametrize("missing", ["aud", "sub", "iat", "exp", "permissions", "stores", "staff", "operator"])
def test_a_token_lacks_nothing(verifier: Verifier, clock: Clock, missing: str) -> None:
    """A token without one of its claims is refused, even well signed."""
    with pytest.raises(TokenInvalid):
        verifier.verify(written(clock, **{missing: None}))


@pytest.mark.parametrize(
    "wrong", [{"exp": "soon"}, {"exp": 1e400}, {"iat": None}, {"permissions": 7}, {"stores": None}]
)
def test_a_token_of_wrong_types_is_refused(verifier: Verifier, clock: Clock, wrong: dict[str, object]) -> None:
    """A claim of another type is no fault of ours."""
    with pytest.raises(TokenInvalid):
        verifier.verify(written(clock, **wrong))


@given(st.one_of(st.text(min_size=1), st.lists(st.text(alphabet="eyJhbGciOi._-", max_size=9)).map(".".join)))
def test_any_text_is_refused(token: str) -> None:
    """Whatever a stranger makes up is refused and never a fault of ours."""
    with pytest.raises((TokenInvalid, TokenMissing)):
        Verifier("customer", {}, Clock()).verify(token)


@pytest.mark.parametrize("payload", [b"[" * 4000, b"[]", b"7", b'{"iss":{}}', b'{"iss":["gateway"]}', b"\xff\xfe"])
def test_odd_payloads_are_refused(verifier: Verifier, payload: bytes) -> None:
    """JSON that is nested without end, or no object, is refused as any other forgery."""
    with pytest.raises(TokenInvalid):
        verifier.verify(f"e30.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}.x")


def test_the_memory_for_tokens_is_bounded(verifier: Verifier, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many callers come, no more tokens are remembered than there is room for, and all are let in."""
    monkeypatch.setattr("chassis.tokens.CACHE_SIZE", 3)
    for number in range(10):
        assert verifier.verify(signed(clock, Principal(f"apiKeys/{number}", ()))).name == f"apiKeys/{number}"
        assert len(verifier._known) <= 3


@pytest.mark.parametrize(
    ("pattern", "permission", "covered"),
    [
        ("*", "customer.purchases.record", True),
        ("customer.*", "customer.purchases.record", True),
        ("customer.purchases.*", "customer.purchases.record", True),
        ("customer.purchases.record", "customer.purchases.record", True),
        ("customer.purchases.*", "customer.purchases", False),
        ("customer.purchases.*", "customer.purchasesx.record", False),
        ("customer.purchases", "customer.purchases.record", False),
        ("customer.*", "customer", False),
        ("cust*", "customer.purchases.record", False),
        ("*.record", "customer.purchases.record", False),
        ("", "", True),
        ("", "customer.x", False),
    ],
)
def test_patterns_cover_what_lies_below(pattern: str, permission: str, covered: bool) -> None:  # noqa: FBT001
    """A pattern covers itself, or all below a point, or everything, and nothing else."""
    assert covers((pattern,), permission) is covered


@given(claimed=PATTERNS, allowed=st.lists(PATTERNS, max_size=3).map(tuple), permission=SEGMENT)
def test_nobody_gains_through_a_token(claimed: str, allowed: tuple[str, ...], permission: str) -> None:
    """Where an issuer may claim a pattern, it may claim everything that the pattern covers."""
    key = OKPKey.import_key(json.loads(PUBLIC))
    clock = Clock()
    verifier = Verifier("customer", {"gateway": Issuer(key, allowed)}, clock)
    try:
        verifier.verify(signed(clock, Principal("x", (claimed,))))
    except TokenInvalid:
        return
    if covers((claimed,), permission):
        assert covers(allowed, permission)


@given(st.lists(PATTERNS).map(tuple), st.lists(PATTERNS).map(tuple), SEGMENT)
def test_more_patterns_cover_more(some: tuple[str, ...], more: tuple[str, ...], permission: str) -> None:
    """Patterns add up: together they cover what each covers, and nothing beyond."""
    assert covers(some + more, permission) == (covers(some, permission) or covers(more, permission))


def test_a_principal_is_asked_for_what_it_may() -> None:
    """Permissions, stores and staff are required one by one, each with its own refusal."""
    TILL.require("customer.purchases.record")
    with pytest.raises(PermissionMissing) as missing:
        TILL.require("customer.refunds.record")
    assert missing.value.metadata == {"permission": "customer.refunds.record"}
    TILL.require_store("A")
    for store in ("C", "", "*", "a"):
        with pytest.raises(StoreForeign):
            TILL.require_store(store)
    Principal("x", (), ALL_STORES).require_store("C")
    with pytest.raises(StaffRequired):
        TILL.require_staff()
    assert Principal("x", (), staff="S9").require_staff() == "S9"
