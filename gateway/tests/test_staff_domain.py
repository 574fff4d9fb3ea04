"""The rules of staff at the door."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Forbidden, Unavailable
from chassis.principals import ALL_STORES, Principal
from gateway.staff.domain import (
    Member,
    OperatorForeign,
    OperatorInactive,
    OperatorInvalid,
    OperatorUnknown,
    StaffInactive,
    acting,
    named,
)

TILL = Principal("apiKeys/1", ("operator.assert",), ("LEEDS",))
MANAGER = Principal("apiKeys/2", ("customer.*",), ALL_STORES, "S-1")
NOBODY = Member(known=False)
LEFT = Member(known=True, active=False, stores=frozenset({"LEEDS"}))

codes = st.sampled_from(["LEEDS", "YORK", "HULL"])
members = st.builds(Member, st.booleans(), st.booleans(), st.booleans(), st.frozensets(codes))
keys = st.one_of(st.just(ALL_STORES), st.lists(codes, unique=True).map(tuple))


@pytest.mark.requirement("G-03", "G-30")
@given(members, keys)
def test_an_operator_is_an_active_member_of_one_of_the_keys_stores(member: Member, stores: tuple[str, ...]) -> None:
    """Whoever is named without being that is refused, and whoever is that acts, whatever else holds."""
    till = Principal("apiKeys/1", ("operator.assert",), stores)
    shared = stores == ALL_STORES or bool(set(stores) & member.stores)
    if member.known and member.active and (member.chain_wide or shared):
        assert acting(till, "E-7", {"E-7": member}) == Principal(till.name, till.permissions, stores, operator="E-7")
    else:
        with pytest.raises(Forbidden):
            acting(till, "E-7", {"E-7": member})


@pytest.mark.requirement("G-03")
@pytest.mark.parametrize(
    ("member", "refusal"),
    [
        (NOBODY, OperatorUnknown),
        (LEFT, OperatorInactive),
        (Member(known=True, active=True, stores=frozenset({"YORK"})), OperatorForeign),
        (Member(known=True, active=True), OperatorForeign),
        (None, Unavailable),
    ],
)
def test_each_refusal_has_its_reason(member: Member | None, refusal: type[Exception]) -> None:
    """Nobody, somebody who left, somebody of another store or of none, and somebody of whom nothing can be learnt."""
    with pytest.raises(refusal):
        acting(TILL, "E-7", {"E-7": member})


@pytest.mark.requirement("G-03")
def test_a_staff_key_ends_with_its_member() -> None:
    """Who is known and not active is refused, as its operator too; unknown, or nothing learnt, the key opens."""
    with pytest.raises(StaffInactive):
        acting(MANAGER, "", {"S-1": LEFT})
    with pytest.raises(StaffInactive):
        acting(MANAGER, "E-7", {"S-1": LEFT, "E-7": Member(known=True, active=True)})
    for member in (NOBODY, None, Member(known=True, active=True)):
        assert acting(MANAGER, "", {"S-1": member}) is MANAGER


def test_a_call_names_its_key_s_member_and_its_operator() -> None:
    """A till without operator names nobody, and is asked about nobody."""
    assert named(TILL, "") == ()
    assert named(TILL, "E-7") == ("E-7",)
    assert named(MANAGER, "") == ("S-1",)
    assert named(Principal("apiKeys/3", ("*",), ALL_STORES, "S-1"), "E-7") == ("S-1", "E-7")


@pytest.mark.parametrize("operator", ["no code", "E/7", "E" * 33, "员工", "E-7\n"])
def test_only_a_code_is_an_operator(operator: str) -> None:
    """What cannot be a staff code is refused, and told back in part at most."""
    with pytest.raises(OperatorInvalid) as refused:
        named(TILL, operator)
    assert refused.value.metadata == {"operator": operator[:32]}


@pytest.mark.requirement("G-03")
def test_only_a_key_that_may_names_an_operator() -> None:
    """Without the permission no code is as much as looked at."""
    with pytest.raises(OperatorInvalid):
        named(MANAGER, "E-7")
