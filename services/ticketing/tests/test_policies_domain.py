"""A policy is put in force only when all is there that the chain must choose."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chassis.calendar import SECOND
from chassis.errors import Problems
from services.ticketing.clocks.domain import Kind
from services.ticketing.policies.domain import (
    ClosingPolicy,
    FollowUpPolicy,
    Payload,
    PolicyMissing,
    check,
    needed,
    note_repeated,
)
from services.ticketing.priorities.domain import PriorityPolicy
from services.ticketing.queues.domain import Queue, QueueCatalogue
from services.ticketing.sla.domain import PauseReason, SlaPolicy, SlaRule

ALL: frozenset[str] = frozenset()
DAY = 86_400 * SECOND
RULE = SlaRule("other", ALL, ALL, ALL, {Kind.RESOLVE: DAY})
AT_ONCE = SlaRule("emergency", ALL, ALL, ALL, {Kind.ACKNOWLEDGE: 0})
REASON = PauseReason("AWAITING_PARTS", "等待配件", "Waiting for parts", frozenset({"PARTS"}), frozenset({Kind.RESOLVE}))
SLA = SlaPolicy((AT_ONCE, RULE), 75, DAY, (REASON,))
QUEUE = Queue("desk", "服务台", "Service desk", ALL, ALL, ALL, ALL, "")

COMPLETE: dict[str, Payload] = {
    "sla": SLA,
    "sla without pause reasons": replace(SLA, pause_reasons=()),
    "priority": PriorityPolicy({"value:A": DAY}),
    "priority without bonuses": PriorityPolicy({}),
    "queues": QueueCatalogue((QUEUE,)),
    "closing": ClosingPolicy(3),
    "follow_up": FollowUpPolicy({"COMPLAINT": (0,)}),
}
INCOMPLETE: dict[str, tuple[Payload, tuple[str, ...]]] = {
    "sla": (
        SlaPolicy((), 0, 0, ()),
        ("sla.rules", "sla.at_risk_percent", "sla.commitment_reminder"),
    ),
    "sla with a rule that limits nothing": (
        replace(SLA, rules=(RULE, replace(RULE, code="suggestion", limits={}))),
        ("sla.rules[1]",),
    ),
    "sla with a bare pause reason": (
        replace(SLA, pause_reasons=(REASON, PauseReason("OTHER", "", "", ALL, frozenset()))),
        tuple(f"sla.pause_reasons[1].{field}" for field in ("display_name.zh", "display_name.en", "parties", "clocks")),
    ),
    "queues": (QueueCatalogue(()), ("queues.queues",)),
    "queues with one that has no name": (
        QueueCatalogue((QUEUE, replace(QUEUE, code="b", zh="", en=""))),
        ("queues.queues[1].display_name.zh", "queues.queues[1].display_name.en"),
    ),
    "closing": (ClosingPolicy(0), ("closing.contact_attempts",)),
}


def lacking(field: str, payload: Payload) -> list[tuple[str, str]]:
    """Check a policy and list the fields and reasons."""
    problems = Problems()
    check(problems, payload, field)
    return [(violation.field, violation.reason) for violation in problems.found]


@pytest.mark.parametrize("name", COMPLETE)
def test_a_complete_policy_passes(name: str) -> None:
    """No pause reason, which is X-14's default, no bonus and no lead are choices too; a limit of zero is a limit."""
    assert lacking(name.partition(" ")[0], COMPLETE[name]) == []


@pytest.mark.requirement("K-28", "K-30")
@pytest.mark.parametrize("name", INCOMPLETE)
def test_everything_that_is_missing_is_told_at_once(name: str) -> None:
    """Each thing that the chain has not chosen is named by the path of its field."""
    payload, fields = INCOMPLETE[name]
    assert lacking(name.partition(" ")[0], payload) == [(field, "POLICY_INCOMPLETE") for field in fields]


@pytest.mark.requirement("K-39", "X-18")
@pytest.mark.parametrize("delays", [{}, {"REPAIR": (DAY,)}, {"COMPLAINT": ()}])
def test_a_complaint_is_followed_up_once_at_least(delays: dict[str, tuple[int, ...]]) -> None:
    """Without a call after a complaint the rules are incomplete, whatever they say of other types."""
    assert lacking("follow_up", FollowUpPolicy(delays)) == [("follow_up.rules", "POLICY_INCOMPLETE")]


def test_an_entry_that_stands_twice_is_told_where_it_does() -> None:
    """Every entry but the first of its key is noted, with the key."""
    problems = Problems()
    note_repeated(problems, [("a", "X"), ("b", "Y"), ("c", "X"), ("d", "X")])
    assert [(one.field, one.reason, one.metadata["key"]) for one in problems.found] == [
        ("c", "POLICY_ENTRY_REPEATED", "X"),
        ("d", "POLICY_ENTRY_REPEATED", "X"),
    ]


def test_a_policy_that_is_needed_is_there_or_refused() -> None:
    """Whoever needs a policy that is not in force hears which one."""
    assert needed(SLA, "sla") is SLA
    with pytest.raises(PolicyMissing) as refusal:
        needed(None, "follow-up")
    assert refusal.value.metadata == {"policy": "policies/follow-up"}
