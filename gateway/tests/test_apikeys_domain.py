"""The rules of API keys."""

from __future__ import annotations

import dataclasses

import pytest

from chassis.principals import ALL_STORES, Principal
from gateway.apikeys.domain import (
    YEAR,
    ApiKey,
    Draft,
    GrantBeyondOwn,
    Kind,
    LastKeyMaker,
    State,
    check_grant,
    issue,
    principal,
    revoke,
)

ROLES = {
    "till": ("customer.purchases.*",),
    "clerk": ("customer.purchases.get",),
    "administrator": ("*",),
    "locksmith": ("gateway.api_keys.*",),
}


def draft(*roles: str, stores: tuple[str, ...] = ("LEEDS",)) -> Draft:
    """Ask for a till's key."""
    return Draft(Kind.TILL, "", roles, stores, "", None)


@pytest.mark.requirement("G-15")
def test_a_grant_within_ones_own_is_allowed() -> None:
    """Whoever has a pattern may give it, and whatever it covers."""
    giver = Principal("apiKeys/1", ("customer.purchases.*",), ("LEEDS", "YORK"))
    check_grant(draft("till"), ROLES, giver)
    check_grant(draft("clerk"), ROLES, giver)
    check_grant(draft("administrator", stores=ALL_STORES), ROLES, Principal("apiKeys/2", ("*",), ALL_STORES))


@pytest.mark.requirement("G-15")
@pytest.mark.parametrize(
    "wanted", [draft("administrator"), draft("till", stores=("HULL",)), draft("till", stores=("*",))]
)
def test_a_grant_beyond_ones_own_is_refused(wanted: Draft) -> None:
    """Neither permissions nor stores can be given that the giver lacks."""
    with pytest.raises(GrantBeyondOwn):
        check_grant(wanted, ROLES, Principal("apiKeys/1", ("customer.purchases.*",), ("LEEDS", "YORK")))


def test_a_key_stands_for_its_roles_as_they_are_now() -> None:
    """A role that has left the policy gives nothing; the others give what the policy says today."""
    key = issue(draft("till", "gone"), "shk_x", now=0, new_id="1")
    assert principal(key, ROLES) == Principal("apiKeys/1", ("customer.purchases.*",), ("LEEDS",))
    assert principal(key, {}).permissions == ()


def issued(role: str, key_id: str = "1") -> ApiKey:
    """Issue a key of a role."""
    return issue(draft(role), f"shk_{key_id}", now=0, new_id=key_id)


@pytest.mark.requirement("G-15")
def test_a_key_is_active_until_it_ends() -> None:
    """A key's time is over at its expiry; whoever revokes it ends it for good, and asking again changes nothing."""
    key = issued("till")
    assert [key.state(now) for now in (0, YEAR - 1, YEAR)] == [State.ACTIVE, State.ACTIVE, State.EXPIRED]
    gone = revoke(key, [], ROLES, 7)
    assert gone == dataclasses.replace(key, revoke_time=7)
    assert gone.state(7) is gone.state(YEAR) is State.REVOKED
    assert revoke(gone, [], ROLES, 8) is gone


@pytest.mark.requirement("G-15")
def test_whoever_may_make_keys_counts_whatever_the_role_is_called() -> None:
    """Of the keys whose roles let them make keys the last one stays; a key that has expired makes none any more."""
    locksmith, administrator = issued("locksmith"), issued("administrator", "2")
    for others in ([], [locksmith], [locksmith, issued("till", "3")], [issued("gone", "4")]):
        with pytest.raises(LastKeyMaker):
            revoke(locksmith, others, ROLES, 7)
    assert revoke(locksmith, [locksmith, administrator], ROLES, 7).revoke_time == 7
    assert revoke(locksmith, [], ROLES, YEAR).revoke_time == YEAR
