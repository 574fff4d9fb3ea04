"""The rules of staff at the door: whose name a key may carry, and whom it may name as its operator (G-03, G-30)."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass

from chassis.errors import Forbidden, Unavailable
from chassis.principals import ALL_STORES, Principal

ASSERT_OPERATOR = "operator.assert"
STAFF_CODE = re.compile(r"[!-.0-~]{1,32}")


class OperatorInvalid(Forbidden):
    """The key may name no operator, or what it names is no staff code."""

    reason = "OPERATOR_INVALID"


class OperatorUnknown(Forbidden):
    """The directory knows nobody under the operator's code."""

    reason = "OPERATOR_UNKNOWN"


class OperatorInactive(Forbidden):
    """The operator has left or must not act."""

    reason = "OPERATOR_INACTIVE"


class OperatorForeign(Forbidden):
    """The operator works for none of the key's stores."""

    reason = "OPERATOR_FOREIGN"


class StaffInactive(Forbidden):
    """The member of staff whom the key stands for has left or must not act."""

    reason = "STAFF_INACTIVE"


@dataclass(frozen=True, slots=True)
class Member:
    """What the directory tells of a staff code; the stores are codes."""

    known: bool
    active: bool = False
    chain_wide: bool = False
    stores: frozenset[str] = frozenset()

    def works_for(self, stores: tuple[str, ...]) -> bool:
        """Tell whether the member works for one of a key's stores; a key for all stores has everybody's."""
        return self.chain_wide or stores == ALL_STORES or not self.stores.isdisjoint(stores)


def named(caller: Principal, operator: str) -> tuple[str, ...]:
    """Answer the staff codes that a call names: the key's own and the operator's, each where there is one.

    Raises `OperatorInvalid` for an operator that the key may not name or that is no staff code.
    """
    if operator and not (STAFF_CODE.fullmatch(operator) and caller.may(ASSERT_OPERATOR)):
        raise OperatorInvalid(operator=operator[:32])
    return tuple(filter(None, (caller.staff, operator)))


def acting(caller: Principal, operator: str, members: Mapping[str, Member | None]) -> Principal:
    """Answer the caller with its operator, by what is known of all who are `named`; None: nobody could tell.

    Raises `StaffInactive`, `OperatorUnknown`, `OperatorInactive`, `OperatorForeign`, and `Unavailable` for an operator
    of whom nothing could be learnt. A staff key is refused only where its member is known and not active: the first
    administrator comes before the directory, and what such a key opens beside the customer service goes on without it.
    """
    own = members.get(caller.staff)
    if own and own.known and not own.active:
        raise StaffInactive(staff=caller.staff)
    if not operator:
        return caller
    member = members[operator]
    if member is None:
        raise Unavailable
    if not member.known:
        raise OperatorUnknown(operator=operator)
    if not member.active:
        raise OperatorInactive(operator=operator)
    if not member.works_for(caller.stores):
        raise OperatorForeign(operator=operator)
    return dataclasses.replace(caller, operator=operator)
