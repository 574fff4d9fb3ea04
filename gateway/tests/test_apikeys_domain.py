"""The rules of API keys."""

from __future__ import annotations

import pytest

from chassis.principals import ALL_STORES, Principal
from gateway.apikeys.domain import Draft, GrantBeyondOwn, Kind, check_grant, issue, principal

ROLES = {"till": ("customer.purchases.*",), "clerk": ("customer.purchases.get",), "administrator": ("*",)}


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
