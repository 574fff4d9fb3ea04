"""Policies are read from the contract without loss; the examples give what the rules of the field ask for."""

from __future__ import annotations

import protovalidate
import pytest

from chassis.calendar import SECOND
from chassis.errors import Problems
from services.ticketing.clocks.domain import Kind
from services.ticketing.policies.convert import field_of, keys_of, kind_of, payload_from_proto, rules_of
from services.ticketing.policies.domain import (
    ClosingPolicy,
    FollowUpPolicy,
    Rules,
    check,
    needed,
    note_repeated,
)
from services.ticketing.priorities.domain import SEVERITIES, rank
from services.ticketing.queues.domain import Queue, QueueCatalogue, route
from services.ticketing.sla.domain import PauseReason, SlaPolicy, SlaRule, rule_for
from services.ticketing.tests.rulebook import KINDS, example
from shuke.ticketing.v1 import policies_pb2 as pb
from shuke.ticketing.v1.ticket_pb2 import Clock, Ticket

HOUR = 3_600 * SECOND
DAY = 24 * HOUR
TYPES = tuple(name for name in Ticket.Type.keys() if name != "TYPE_UNSPECIFIED")  # noqa: SIM118  (no dict)


# -------------------------------------------------------------------------------------------------------------- reading


def test_an_sla_policy_is_read_whole() -> None:
    """A limit of zero is kept apart from none; what covers all stays empty; spans are microseconds."""
    rule = pb.SlaPolicy.Rule(
        code="vip", types=[Ticket.REPAIR], severities=[Ticket.HIGH, Ticket.LOW], classes=["value:A", "loyalty:GOLD"]
    )
    rule.acknowledge.FromSeconds(0)
    rule.confirm.FromMilliseconds(1500)
    reason = pb.SlaPolicy.PauseReason(
        code="PARTS",
        display_name=pb.Words(zh="配件", en="Parts"),
        parties=[Ticket.PARTS, Ticket.SUPPLIER],
        clocks=[Clock.RESPOND, Clock.RESOLVE],
    )
    message = pb.SlaPolicy(rules=[rule, pb.SlaPolicy.Rule(code="b")], at_risk_percent=80, pause_reasons=[reason])
    message.commitment_reminder.FromSeconds(60)
    assert payload_from_proto(pb.Policy(sla=message)) == SlaPolicy(
        rules=(
            SlaRule(
                code="vip",
                types=frozenset({"REPAIR"}),
                severities=frozenset({"HIGH", "LOW"}),
                classes=frozenset({"value:A", "loyalty:GOLD"}),
                limits={Kind.ACKNOWLEDGE: 0, Kind.CONFIRM: 1_500_000},
            ),
            SlaRule("b", frozenset(), frozenset(), frozenset(), {}),
        ),
        at_risk_percent=80,
        commitment_reminder=60 * SECOND,
        pause_reasons=(
            PauseReason(
                "PARTS", "配件", "Parts", frozenset({"PARTS", "SUPPLIER"}), frozenset({Kind.RESPOND, Kind.RESOLVE})
            ),
        ),
    )


def test_a_queue_is_read_whole() -> None:
    """The lead stands bare inside, and is empty for nobody."""
    queue = pb.QueueCatalogue.Queue(
        code="leeds",
        display_name=pb.Words(zh="利兹", en="Leeds"),
        types=[Ticket.COMPLAINT],
        severities=[Ticket.HIGH],
        stores=["LEEDS"],
        classes=["value:A"],
        lead="staff/V-0001",
    )
    message = pb.QueueCatalogue(queues=[queue, pb.QueueCatalogue.Queue(code="desk")])
    empty: frozenset[str] = frozenset()
    assert payload_from_proto(pb.Policy(queues=message)) == QueueCatalogue(
        (
            Queue(
                code="leeds",
                zh="利兹",
                en="Leeds",
                types=frozenset({"COMPLAINT"}),
                severities=frozenset({"HIGH"}),
                stores=frozenset({"LEEDS"}),
                classes=frozenset({"value:A"}),
                lead="V-0001",
            ),
            Queue("desk", "", "", empty, empty, empty, empty, ""),
        )
    )


def test_calls_come_in_their_order() -> None:
    """Delays are written in any order; each type of a rule gets the same calls."""
    rule = pb.FollowUpPolicy.Rule(types=[Ticket.COMPLAINT, Ticket.DISPUTE])
    for hours in (168, 24):
        rule.delays.add().FromSeconds(hours * 3600)
    read = payload_from_proto(pb.Policy(follow_up=pb.FollowUpPolicy(rules=[rule])))
    assert read == FollowUpPolicy({"COMPLAINT": (DAY, 7 * DAY), "DISPUTE": (DAY, 7 * DAY)})


@pytest.mark.parametrize("kind", KINDS)
def test_an_unstarted_draft_can_be_read(kind: str) -> None:
    """A draft may hold nothing yet but the choice of what it will be."""
    field = kind.replace("-", "_")
    policy = pb.Policy()
    getattr(policy, field).SetInParent()
    assert (field_of(policy), kind_of(policy)) == (field, kind)
    payload_from_proto(policy)
    assert list(keys_of(policy)) == []


def test_keys_lead_to_their_entries() -> None:
    """Every entry that may stand once is found under the path at which a client wrote it."""
    named = {kind: [path for path, _ in keys_of(example(kind), "policy.")] for kind in KINDS}
    assert {kind: (len(paths), paths[-1] if paths else "") for kind, paths in named.items()} == {
        "sla": (9, "policy.sla.pause_reasons[2].code"),
        "priority": (4, "policy.priority.bonuses[3].class_key"),
        "queues": (5, "policy.queues.queues[4].code"),
        "closing": (0, ""),
        "follow-up": (2, "policy.follow_up.rules[1].types[0]"),
    }
    assert list(keys_of(example("follow-up"))) == [
        ("follow_up.rules[0].types[0]", "COMPLAINT"),
        ("follow_up.rules[1].types[0]", "REPAIR"),
    ]


# ------------------------------------------------------------------------------------------------------------- examples


@pytest.fixture(scope="module")
def rules() -> Rules:
    """Read all examples as they are in force."""
    return rules_of({f"policies/{kind}/versions/1": example(kind).SerializeToString() for kind in KINDS})


@pytest.mark.parametrize("kind", KINDS)
def test_an_example_says_so_and_is_complete(kind: str) -> None:
    """Nobody takes its numbers for the chain's; its shape keeps the contract, and nothing is missing or repeated."""
    policy, problems = example(kind), Problems()
    assert policy.example
    assert policy.description.startswith("示例政策")
    assert "An example" in policy.description
    assert "for the chain to choose" in policy.description
    day = policy.effective_date
    assert (day.year, day.month, day.day) == (2010, 12, 1)
    protovalidate.validate(policy)
    assert kind_of(policy) == kind
    note_repeated(problems, keys_of(policy))
    check(problems, payload_from_proto(policy), field_of(policy))
    assert problems.found == []


@pytest.mark.requirement("X-14", "K-28", "K-30", "K-74", "K-75")
@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("type_", TYPES)
def test_the_limits_are_the_defaults(rules: Rules, type_: str, severity: str) -> None:
    """Complaints are answered and solved in 24 hours, faults confirmed in 2 and solved in 24, all else solved in 24.

    An emergency allows no time until the customer knows that it is handled, and has the other limits of its type.
    """
    expected = {Kind.RESOLVE: DAY}
    if type_ in ("COMPLAINT", "DISPUTE"):
        expected[Kind.RESPOND] = DAY
    if type_ == "REPAIR":
        expected[Kind.CONFIRM] = 2 * HOUR
    if severity == "EMERGENCY":
        expected[Kind.ACKNOWLEDGE] = 0
    rule = rule_for(needed(rules.sla, "sla"), type_, severity, ())
    assert rule is not None
    assert rule.limits == expected


@pytest.mark.requirement("K-46", "K-52")
@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("type_", TYPES)
def test_every_ticket_has_its_department(rules: Rules, type_: str, severity: str) -> None:
    """Emergencies and major complaints go to the manager, other complaints and disputes to a centre of their own."""
    catalogue = needed(rules.queues, "queues")
    queue = route(catalogue, type_=type_, severity=severity, store="", classes=())
    if severity == "EMERGENCY":
        expected = "emergencies"
    elif type_ in ("COMPLAINT", "DISPUTE"):
        expected = "major-complaints" if severity == "HIGH" else "complaints"
    else:
        expected = "repairs" if type_ in ("REPAIR", "MAINTENANCE", "INSTALLATION") else "service-desk"
    assert queue is not None
    assert queue.code == expected
    assert queue.lead


@pytest.mark.requirement("K-50", "T-55", "T-57")
@pytest.mark.parametrize("held", ["value:A", "value:B", "loyalty:GOLD", "loyalty:DIAMOND"])
def test_key_customers_have_priority(rules: Rules, held: str) -> None:
    """Of two complaints due together that of a key or a loyal customer comes first, and never before an emergency."""

    def order(severity: str, *classes: str) -> tuple[int, int]:
        times = {"deadline": DAY, "report_time": 0}
        return rank(rules.priority, rules.priority_name, severity=severity, **times, classes=classes).order

    assert order("EMERGENCY", "value:D") < order("NORMAL", held) < order("NORMAL", "value:C", "loyalty:SILVER")


@pytest.mark.requirement("X-18", "K-39")
def test_complaints_are_followed_up_twice_and_repairs_once(rules: Rules) -> None:
    """The customer is called one day and a week after a complaint, and a day after a repair."""
    assert rules.follow_up == FollowUpPolicy({"COMPLAINT": (DAY, 7 * DAY), "REPAIR": (DAY,)})
    assert rules.closing == ClosingPolicy(3)
