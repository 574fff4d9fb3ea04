"""The SLA policy: time limits by type, severity and class of the customer, and why clocks may pause (X-14).

Types, severities, parties and classes are the contract's words; a class is "scheme:CLASS". Spans are microseconds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from services.ticketing.clocks.domain import Kind


@dataclass(frozen=True, slots=True)
class SlaRule:
    """The limits of the tickets that it covers; an empty set covers all, one class of a customer is enough.

    A kind without a limit has no clock. A limit of zero is breached with the registration (K-75).
    """

    code: str
    types: frozenset[str]
    severities: frozenset[str]
    classes: frozenset[str]
    limits: Mapping[Kind, int]


@dataclass(frozen=True, slots=True)
class PauseReason:
    """Why the clocks of some kinds may stand still, while the ticket waits for one of some parties."""

    code: str
    zh: str
    en: str
    parties: frozenset[str]
    clocks: frozenset[Kind]


@dataclass(frozen=True, slots=True)
class SlaPolicy:
    """Rules in the order in which they are tried, and what holds for all of them.

    A clock is at risk at a percentage of its limit; a commitment is reminded of so long before the promised time.
    """

    rules: tuple[SlaRule, ...]
    at_risk_percent: int
    commitment_reminder: int
    pause_reasons: tuple[PauseReason, ...]


def rule_for(policy: SlaPolicy, type_: str, severity: str, classes: Collection[str]) -> SlaRule | None:
    """Find the first rule that covers a ticket; without one it has no clocks."""
    return next(
        (
            rule
            for rule in policy.rules
            if (not rule.types or type_ in rule.types)
            and (not rule.severities or severity in rule.severities)
            and (not rule.classes or not rule.classes.isdisjoint(classes))
        ),
        None,
    )
