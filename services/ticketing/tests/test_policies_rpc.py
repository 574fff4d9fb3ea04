"""The policies of tickets over the wire: kept under their kind, complete before review, in force by three people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from services.ticketing.policies.convert import rules_of
from services.ticketing.policies.repository import Policies
from services.ticketing.tests.rulebook import (
    APPROVER,
    AUTHOR,
    KINDS,
    MANAGER,
    POLICIES,
    REVIEWER,
    Rulebook,
    bare,
    example,
)
from shuke.ticketing.v1 import policies_pb2 as pb
from shuke.ticketing.v1.policies_pb2 import Policy
from shuke.ticketing.v1.ticket_pb2 import Clock, Ticket
from tests.running import Refusal, Running


@pytest.fixture
def rulebook(ticketing: Running) -> Rulebook:
    """Make a client for policies; none is in force."""
    return Rulebook(ticketing)


def refused(call: Callable[..., object], *arguments: object, **fields: object) -> Refusal:
    """Answer why a call is refused."""
    with pytest.raises(Refusal) as refusal:
        call(*arguments, **fields)
    return refusal.value


@pytest.mark.requirement("T-17", "G-30")
def test_the_examples_are_put_in_force_by_distinct_people(rulebook: Rulebook) -> None:
    """Each example is drafted, submitted, reviewed, approved and activated as it stands in its file, and then holds."""
    for kind in KINDS:
        policy, field = example(kind), kind.replace("-", "_")
        active = rulebook.activate(kind, policy)
        assert (active.name, active.state, active.example) == (f"policies/{kind}/versions/1", Policy.ACTIVE, True)
        assert (active.author, active.reviewer, active.approver) == (AUTHOR, REVIEWER, APPROVER)
        assert getattr(active, field) == getattr(policy, field)
    with rulebook.running.database.read() as tx:
        rules = Policies(rules_of).in_force(tx, date(2010, 12, 1))
    assert all((rules.sla, rules.priority, rules.queues, rules.closing, rules.follow_up))
    assert (rules.sla_name, rules.priority_name) == ("policies/sla/versions/1", "policies/priority/versions/1")


@pytest.mark.requirement("G-30")
def test_nobody_decides_on_an_own_policy(rulebook: Rulebook) -> None:
    """Whoever drafted a version is refused as its reviewer and its approver, and the reviewer as its approver."""
    name = rulebook.draft("closing", example("closing")).name
    rulebook.step("Submit", name, AUTHOR)
    assert refused(rulebook.step, "Review", name, AUTHOR).reason == "SAME_PERSON"
    rulebook.step("Review", name, REVIEWER)
    for staff in (AUTHOR, REVIEWER):
        assert refused(rulebook.step, "Approve", name, staff).reason == "SAME_PERSON"
    rulebook.step("Approve", name, APPROVER)
    assert rulebook.step("Activate", name, MANAGER).state == Policy.ACTIVE


def test_a_policy_is_kept_under_its_kind(rulebook: Rulebook) -> None:
    """A payload under another kind is refused and told its own, when it is drafted and when a draft is changed."""
    for kind in KINDS:
        other = KINDS[KINDS.index(kind) - 1]
        refusal = refused(rulebook.draft, other, bare(kind))
        assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", {"parent": "POLICY_KIND_WRONG"})
        assert f"policies/{kind}" in refusal.message
    changed = bare("queues")
    changed.name = rulebook.draft("sla", bare("sla")).name
    request = pb.UpdateDraftRequest(policy=changed)
    refusal = refused(rulebook.running.call, POLICIES, "UpdateDraft", request, staff=AUTHOR)
    assert refusal.fields == {"policy.name": "POLICY_KIND_WRONG"}


INCOMPLETE = {
    "sla": ("sla.rules", "sla.at_risk_percent", "sla.commitment_reminder"),
    "queues": ("queues.queues",),
    "closing": ("closing.contact_attempts",),
    "follow-up": ("follow_up.rules",),
}


@pytest.mark.requirement("K-28", "K-30", "K-39")
@pytest.mark.parametrize("kind", KINDS)
def test_an_incomplete_policy_is_drafted_and_not_submitted(rulebook: Rulebook, kind: str) -> None:
    """A draft may lack what the chain has yet to choose; submitting it hears of all of it at once, field by field."""
    name = rulebook.draft(kind, bare(kind)).name
    if kind not in INCOMPLETE:
        assert rulebook.step("Submit", name, AUTHOR).state == Policy.SUBMITTED
        return
    refusal = refused(rulebook.step, "Submit", name, AUTHOR)
    assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "POLICY_INCOMPLETE")
    assert refusal.fields == dict.fromkeys(INCOMPLETE[kind], "POLICY_INCOMPLETE")


def test_entries_that_stand_twice_are_told_together(rulebook: Rulebook) -> None:
    """Whatever is keyed stands once in a policy; the caller hears of every repetition where it stands."""
    sla = example("sla")
    sla.sla.rules.extend([sla.sla.rules[0], sla.sla.rules[1]])
    sla.sla.pause_reasons.append(sla.sla.pause_reasons[2])
    priority, queues, follow_up = example("priority"), example("queues"), example("follow-up")
    priority.priority.bonuses.append(priority.priority.bonuses[0])
    queues.queues.queues.append(queues.queues.queues[4])
    follow_up.follow_up.rules[1].types.append(Ticket.COMPLAINT)
    for kind, policy, fields in (
        ("sla", sla, ("sla.rules[6].code", "sla.rules[7].code", "sla.pause_reasons[3].code")),
        ("priority", priority, ("priority.bonuses[4].class_key",)),
        ("queues", queues, ("queues.queues[5].code",)),
        ("follow-up", follow_up, ("follow_up.rules[1].types[1]",)),
    ):
        refusal = refused(rulebook.draft, kind, policy)
        assert refusal.fields == {f"policy.{field}": "POLICY_ENTRY_REPEATED" for field in fields}


def test_everything_that_is_wrong_with_a_draft_is_told_at_once(rulebook: Rulebook) -> None:
    """The wrong kind, the day that no calendar has and an entry that stands twice come in one refusal."""
    policy = example("queues")
    policy.effective_date.month, policy.effective_date.day = 2, 31
    policy.queues.queues[1].code = policy.queues.queues[0].code
    assert refused(rulebook.draft, "sla", policy).fields == {
        "parent": "POLICY_KIND_WRONG",
        "policy.effective_date": "DATE_MALFORMED",
        "policy.queues.queues[1].code": "POLICY_ENTRY_REPEATED",
    }


def test_the_contract_keeps_the_shape_of_policies(rulebook: Rulebook) -> None:
    """A promise to a customer never waits, a lead is a member of staff, and a rule of calls says for what and when."""
    sla, queues, follow_up = example("sla"), example("queues"), example("follow-up")
    sla.sla.pause_reasons[0].clocks.append(Clock.COMMITMENT)
    sla.sla.rules[0].resolve.FromSeconds(-1)
    sla.sla.at_risk_percent = 100
    queues.queues.queues[0].lead = "V-0001"
    queues.queues.queues[1].classes.append("GOLD")
    follow_up.follow_up.rules.add()
    for kind, policy, wrong in (
        (
            "sla",
            sla,
            {
                "sla.rules[0].resolve": "DURATION_GTE_LTE",
                "sla.at_risk_percent": "INT32_GTE_LTE",
                "sla.pause_reasons[0].clocks[2]": "ENUM_IN",
            },
        ),
        (
            "queues",
            queues,
            {"queues.queues[0].lead": "STRING_PATTERN", "queues.queues[1].classes[0]": "STRING_PATTERN"},
        ),
        (
            "follow-up",
            follow_up,
            {"follow_up.rules[2].types": "REPEATED_MIN_ITEMS", "follow_up.rules[2].delays": "REPEATED_MIN_ITEMS"},
        ),
    ):
        refusal = refused(rulebook.draft, kind, policy)
        assert refusal.code == "INVALID_ARGUMENT"
        assert refusal.fields == {f"policy.{field}": reason for field, reason in wrong.items()}
