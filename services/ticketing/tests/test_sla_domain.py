"""Time limits come from the first rule that covers a ticket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.calendar import SECOND
from services.ticketing.clocks.domain import Kind
from services.ticketing.sla.domain import SlaPolicy, SlaRule, rule_for

HOUR = 3_600 * SECOND
TYPES, SEVERITIES = ("COMPLAINT", "REPAIR", "INQUIRY"), ("EMERGENCY", "HIGH", "NORMAL")
CLASSES = ("loyalty:GOLD", "value:A", "value:B")


def rule(
    code: str = "any",
    *,
    types: frozenset[str] = frozenset(),
    severities: frozenset[str] = frozenset(),
    classes: frozenset[str] = frozenset(),
) -> SlaRule:
    """Write a rule that covers all tickets but for what is given."""
    return SlaRule(code, types, severities, classes, {Kind.RESOLVE: 24 * HOUR})


def policy(*rules: SlaRule) -> SlaPolicy:
    """Write a policy."""
    return SlaPolicy(rules, at_risk_percent=75, commitment_reminder=HOUR, pause_reasons=())


def some(values: tuple[str, ...]) -> st.SearchStrategy[frozenset[str]]:
    """Draw some values, or none, which means all."""
    return st.frozensets(st.sampled_from(values))


RULES = st.builds(rule, types=some(TYPES), severities=some(SEVERITIES), classes=some(CLASSES))


@pytest.mark.requirement("X-14")
def test_type_severity_and_class_choose_the_rule() -> None:
    """A rule covers a ticket whose type, severity and one of whose classes it names; what it leaves open is any."""
    key = frozenset({"value:A", "value:B"})
    vip = rule("vip", types=frozenset({"COMPLAINT"}), severities=frozenset({"HIGH"}), classes=key)
    found = policy(vip, rule("complaint", types=frozenset({"COMPLAINT"})), rule("other"))

    def code(type_: str, severity: str, *classes: str) -> str:
        covering = rule_for(found, type_, severity, classes)
        return covering.code if covering else ""

    assert code("COMPLAINT", "HIGH", "loyalty:GOLD", "value:A") == "vip"
    assert code("COMPLAINT", "HIGH", "loyalty:GOLD") == "complaint"
    assert code("COMPLAINT", "HIGH") == "complaint"
    assert code("COMPLAINT", "NORMAL", "value:A") == "complaint"
    assert code("REPAIR", "HIGH", "value:A") == "other"


@pytest.mark.requirement("X-14")
@given(
    rules=st.lists(RULES, max_size=5),
    later=st.lists(RULES, max_size=3),
    type_=st.sampled_from(TYPES),
    severity=st.sampled_from(SEVERITIES),
    classes=some(CLASSES),
)
def test_the_first_rule_that_covers_a_ticket_counts(
    rules: list[SlaRule], later: list[SlaRule], type_: str, severity: str, classes: frozenset[str]
) -> None:
    """No rule before the one that is found covers the ticket by itself, and none that stands later changes anything."""

    def find(*among: SlaRule) -> SlaRule | None:
        return rule_for(policy(*among), type_, severity, classes)

    alone = [one for one in rules if find(one) is not None]
    found = find(*rules)
    assert found is (alone[0] if alone else None)
    if found:
        assert find(*rules, *later) is found
    assert find(*rules, rule("any")) is not None
