"""With on_refund REVERSE_UPGRADE a class is lost as soon as what is left does not carry it, and by nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
from google.protobuf.message import Message

from chassis import wire
from services.tiering.memberships.domain import Cause
from services.tiering.policies.domain import Condition, Demotion, Ladder, Metric, OnRefund, Window
from services.tiering.tests.clients import EVALUATIONS, Tiering, example, policy_of
from services.tiering.tests.ladders import GOLD, LOYALTY
from services.tiering.tests.owner import ANNA, BERT, CARLA, GBP, beginning, refund, sale, voided
from services.tiering.tests.test_consumers import deliver
from services.tiering.tests.test_explanations_rpc import explain
from shuke.customer.v1 import events_pb2 as customer_events
from shuke.options.v1 import options_pb2
from shuke.tiering.v1 import events_pb2
from shuke.tiering.v1 import tiering_pb2 as pb

JANUARY, MAY, JULY = date(2011, 1, 5), date(2011, 5, 5), date(2011, 7, 5)
Q1, Q2 = date(2011, 3, 31), date(2011, 6, 30)
YESTERDAY, TODAY = date(2026, 3, 1), date(2026, 3, 2)
DAY = 86_400_000_000

# Gold is kept down to 4,000.00.
GENTLE = replace(GOLD, keep=(Condition(Metric.NET_SPEND, 4_000_00),))
AT_ONCE = replace(
    LOYALTY,
    classes=tuple(GENTLE if step is GOLD else step for step in LOYALTY.classes),
    on_refund=OnRefund.REVERSE_UPGRADE,
)


def upgraded(tiering: Tiering, ladder: Ladder = AT_ONCE) -> pb.Evaluation:
    """Let a run of the first quarter make Anna Gold, by two sales of 3,000.00; answer it."""
    tiering.activate(policy_of(ladder))
    tiering.tell(sale(ANNA, JANUARY, 3_000_00), sale(ANNA, MAY, 3_000_00))
    run = tiering.evaluate(Q2)
    assert tiering.member(ANNA).effective_class == "GOLD"
    tiering.told()
    tiering.running.clock.now += 1_000_000
    return run


def moved(tiering: Tiering) -> list[tuple[str, str, str]]:
    """Read which changes were told since the last time, as from, to and cause."""
    return [
        (one.from_class, one.to_class, pb.Movement.Cause.Name(one.cause))
        for one in tiering.told()
        if isinstance(one, events_pb2.MembershipChanged)
    ]


@pytest.mark.requirement("X-29")
def test_a_refund_takes_a_class_back_at_once(tiering: Tiering) -> None:
    """The class that the rest still gives holds from now on, and is told; only the next run raises it again."""
    tiering.activate(example("benefits"), "benefits")
    upgraded(tiering)
    now = tiering.running.clock.now
    tiering.tell(refund(ANNA, JULY, 2_500_00))
    member = tiering.member(ANNA)
    assert (member.effective_class, wire.instant(member.since_time)) == ("SILVER", now)
    [told] = tiering.told()
    assert isinstance(told, events_pb2.MembershipChanged)
    assert [one.en for one in told.to_benefits][:1] == ["Birthday gift pack"]
    del told.to_benefits[:]
    assert told == events_pb2.MembershipChanged(
        customer=f"customers/{ANNA}",
        scheme="schemes/loyalty",
        from_class="GOLD",
        to_class="SILVER",
        to_display_name=options_pb2.Text(zh="银卡客户", en="Silver"),
        cause=pb.Movement.REFUND,
        effective_time=wire.timestamp(now),
        from_rank=4,
        to_rank=3,
    )
    latest = tiering.history(ANNA)[0]
    assert (latest.cause, latest.evaluation, wire.instant(latest.record_time)) == (pb.Movement.REFUND, "", now)
    tiering.tell(sale(ANNA, JULY, 2_000_00))
    assert (tiering.member(ANNA).effective_class, tiering.told()) == ("SILVER", [])
    tiering.running.clock.now += DAY
    tiering.evaluate(TODAY)
    assert moved(tiering) == [("SILVER", "GOLD", "EVALUATION")]
    assert tiering.member(ANNA).effective_class == "GOLD"


@pytest.mark.requirement("X-29")
@pytest.mark.parametrize(
    ("ladder", "pence"),
    [
        (AT_ONCE, 2_000_00),
        (replace(AT_ONCE, on_refund=OnRefund.AT_EVALUATION), 2_500_00),
        (replace(AT_ONCE, demotion=Demotion.NONE), 2_500_00),
    ],
    ids=["what is left keeps the class", "the choice is to wait", "no class is ever lost"],
)
def test_a_refund_may_leave_the_class(tiering: Tiering, ladder: Ladder, pence: int) -> None:
    """Nothing moves and nothing is told where the class is still kept, or the policy lets it wait."""
    upgraded(tiering, ladder)
    tiering.tell(refund(ANNA, JULY, pence))
    assert (tiering.member(ANNA).effective_class, tiering.told()) == ("GOLD", [])


def attached(lost: customer_events.PurchaseRecorded, side: customer_events.Side.ValueType) -> Message:
    """Write that a sale of Anna's came or went; what remains is the sale in May."""
    event = customer_events.PurchaseAttached(side=side, remaining=beginning(MAY, MAY))
    for name in ("customer", "kind", "store"):
        setattr(event, name, getattr(lost, name))
    for name in ("business_date", "business_time", "total", "profit"):
        getattr(event, name).CopyFrom(getattr(lost, name))
    return event


def linked(side: customer_events.Side.ValueType) -> Message:
    """Write that a refund of 2,500.00 turned out to be Anna's, or not to be."""
    told = refund(ANNA, JULY, 2_500_00, sale_date=MAY)
    event = customer_events.RefundLinked(side=side, remaining=beginning(JANUARY, JANUARY))
    for name in ("customer", "kind", "store"):
        setattr(event, name, getattr(told, name))
    for name in ("business_date", "business_time", "total", "profit", "original_business_date"):
        getattr(event, name).CopyFrom(getattr(told, name))
    return event


@pytest.mark.requirement("X-29")
@pytest.mark.parametrize(
    "lose",
    [
        lambda: voided(sale(ANNA, JANUARY, 3_000_00), beginning(MAY, MAY)),
        lambda: attached(sale(ANNA, JANUARY, 3_000_00), customer_events.LOST),
        lambda: linked(customer_events.GAINED),
    ],
    ids=["voided", "moved away", "linked"],
)
def test_whatever_takes_spend_away_counts(tiering: Tiering, lose: Callable[[], Message]) -> None:
    """A sale voided, a sale that moves to another customer and a refund linked do as a refund does."""
    upgraded(tiering)
    tiering.tell(lose())
    assert moved(tiering) == [("GOLD", "SILVER", "REFUND")]


@pytest.mark.requirement("C-24", "X-29")
def test_a_lower_profit_waits_for_the_run(tiering: Tiering) -> None:
    """A profit that turns out lower was not given back: the class that asks for it stays until somebody grades."""
    by_profit = replace(GOLD, entry=(*GOLD.entry, Condition(Metric.PROFIT, 1_00)))
    ladder = replace(AT_ONCE, classes=tuple(by_profit if one is GENTLE else one for one in AT_ONCE.classes[:-1]))
    tiering.activate(policy_of(ladder))
    sold = sale(ANNA, JANUARY, 6_000_00, profit=5_00)
    tiering.tell(sold)
    tiering.evaluate(Q2)
    tiering.told()
    tiering.running.clock.now += 1_000_000
    told = customer_events.ProfitSet(old_profit=wire.to_money(5_00, GBP), profit=wire.to_money(0, GBP))
    for name in ("customer", "kind", "store"):
        setattr(told, name, getattr(sold, name))
    told.business_date.CopyFrom(sold.business_date)
    tiering.tell(told)
    assert (tiering.member(ANNA).effective_class, tiering.told()) == ("GOLD", [])
    tiering.tell(refund(ANNA, JULY, 1))
    assert moved(tiering) == [("GOLD", "SILVER", "REFUND")]


@pytest.mark.requirement("X-29")
def test_what_gives_spend_waits_for_the_run(tiering: Tiering) -> None:
    """A sale, one that moves here, and a refund that goes elsewhere cost no class, not even one that time has cost."""
    upgraded(tiering, replace(AT_ONCE, window=Window.CALENDAR_YEAR))
    tiering.tell(refund(BERT, JANUARY, 1_00), sale(ANNA, JULY, 1_00))
    tiering.tell(attached(sale(ANNA, JULY, 1_00), customer_events.GAINED), linked(customer_events.LOST))
    assert (tiering.member(ANNA).effective_class, tiering.told()) == ("GOLD", [])


@pytest.mark.requirement("X-29")
def test_days_of_grace_hold_here_too(tiering: Tiering) -> None:
    """With demotion AFTER_GRACE a class earned by the last quarter's end stays, and goes when that is undone too."""
    grace = replace(
        AT_ONCE,
        demotion=Demotion.AFTER_GRACE,
        grace_quarters=1,
        classes=LOYALTY.classes,
        window=Window.CALENDAR_QUARTER,
    )
    bought = date(2025, 12, 5)
    tiering.activate(policy_of(grace))
    tiering.tell(sale(ANNA, bought, 6_000_00))
    tiering.evaluate(date(2025, 12, 31))
    tiering.told()
    tiering.tell(refund(ANNA, TODAY, 2_000_00))
    assert moved(tiering) == []
    tiering.tell(refund(ANNA, bought, 2_000_00))
    assert moved(tiering) == [("GOLD", "SILVER", "REFUND")]


@pytest.mark.requirement("X-29")
def test_refunds_at_one_instant_are_a_movement_each(tiering: Tiering) -> None:
    """While the clock stands still each refund takes the next class; of whom nothing is left, the last one, too."""
    upgraded(tiering)
    first, second = sale(ANNA, JANUARY, 3_000_00), sale(ANNA, MAY, 3_000_00)
    tiering.tell(voided(first, beginning(MAY, MAY)))
    tiering.tell(refund(ANNA, JULY, 2_000_00))
    tiering.tell(voided(second, beginning(JULY)))
    assert moved(tiering) == [("GOLD", "SILVER", "REFUND"), ("SILVER", "REGULAR", "REFUND"), ("REGULAR", "", "REFUND")]
    assert tiering.member(ANNA).effective_class == ""
    upgrade = [(one.from_class, one.to_class) for one in tiering.history(ANNA)][:3]
    assert upgrade == [("REGULAR", ""), ("SILVER", "REGULAR"), ("GOLD", "SILVER")]


@pytest.mark.requirement("X-29")
def test_a_customer_of_whom_nothing_is_left_loses_the_class_at_once(tiering: Tiering) -> None:
    """Without any entry no class is carried."""
    tiering.activate(policy_of(AT_ONCE))
    lost = sale(ANNA, JANUARY, 600_00)
    tiering.tell(lost)
    tiering.evaluate(Q1)
    tiering.told()
    tiering.tell(voided(lost, beginning()))
    assert moved(tiering) == [("REGULAR", "", "REFUND")]


@pytest.mark.requirement("X-29")
def test_whom_no_run_has_graded_is_left_alone(tiering: Tiering) -> None:
    """The first class stays with the first sale, whatever is refunded, and whatever day a till believes in."""
    tiering.activate(policy_of(AT_ONCE))
    tomorrow = sale(BERT, date(2026, 3, 3), 600_00, business_time=tiering.running.clock.now)
    tiering.tell(sale(ANNA, JANUARY, 600_00), tomorrow)
    tiering.told()
    tiering.tell(refund(ANNA, JULY, 600_00), refund(BERT, TODAY, 600_00))
    assert [tiering.member(who).effective_class for who in (ANNA, BERT)] == ["NEW", "NEW"]
    assert tiering.told() == []


@pytest.mark.requirement("X-29", "X-08")
def test_the_same_refund_twice_takes_one_class(tiering: Tiering) -> None:
    """Events of a batch are weighed together, and delivered again they do nothing."""
    upgraded(tiering)
    tiering.owner.open = False
    events = tiering.owner.tell(refund(ANNA, JULY, 5_900_00), sale(ANNA, JULY, 2_000_00), refund(CARLA, JULY, 1_00))
    assert [deliver(tiering, events, AT_ONCE) for _ in range(2)] == [3, 0]
    assert moved(tiering) == [("GOLD", "SILVER", "REFUND")]


@pytest.mark.requirement("X-29", "X-06")
@pytest.mark.parametrize(("more", "found"), [(1_00, "GOLD"), (20_000_00, "DIAMOND")], ids=["stayed", "rose"])
def test_a_run_of_an_earlier_day_does_not_outrank_a_refund(tiering: Tiering, more: int, found: str) -> None:
    """It grades the day before the refund, and tells neither a change nor a confirmation of what no longer holds."""
    upgraded(tiering)
    tiering.tell(sale(ANNA, JULY, more), refund(ANNA, TODAY, more + 2_500_00), sale(BERT, JANUARY, 6_000_00))
    assert tiering.member(ANNA).effective_class == "SILVER"
    tiering.told()
    run = tiering.evaluate(YESTERDAY)
    assert {one.class_key: one.count for one in run.classes if one.count} == Counter(["GOLD", found])
    completed, changed = sorted(tiering.told(), key=lambda one: type(one).__name__)
    assert isinstance(completed, events_pb2.EvaluationCompleted)
    assert isinstance(changed, events_pb2.MembershipChanged)
    assert (changed.customer, changed.to_class) == (f"customers/{BERT}", "GOLD")
    assert tiering.member(ANNA).effective_class == "SILVER"
    tiering.later("Revert", run.name)
    assert tiering.member(ANNA).effective_class == "SILVER"
    assert moved(tiering) == [("GOLD", "NEW", "REVERT")]


@pytest.mark.requirement("X-29", "X-06")
def test_a_refund_stands_when_the_run_before_it_is_reverted(tiering: Tiering) -> None:
    """Nobody is told of what does not change, and the class lost stays lost; without the refund the rest decides."""
    run = upgraded(tiering)
    tiering.tell(refund(ANNA, JULY, 2_500_00))
    tiering.told()
    tiering.later("Revert", run.name)
    assert (tiering.member(ANNA).effective_class, moved(tiering)) == ("SILVER", [])


@pytest.mark.requirement("X-29", "X-06")
def test_a_refund_decides_again_when_the_run_after_it_is_reverted(tiering: Tiering) -> None:
    """Whom that run had raised falls back to what the refund had left."""
    upgraded(tiering)
    tiering.tell(refund(ANNA, JULY, 2_500_00))
    tiering.tell(sale(ANNA, JULY, 9_000_00))
    tiering.running.clock.now += DAY
    run = tiering.evaluate(TODAY)
    assert tiering.member(ANNA).effective_class == "GOLD"
    tiering.told()
    tiering.later("Revert", run.name)
    assert moved(tiering) == [("GOLD", "SILVER", "REVERT")]
    assert tiering.history(ANNA)[-1].cause == pb.Movement.FIRST_PURCHASE


@pytest.mark.requirement("X-29", "X-06")
def test_a_late_run_of_a_day_before_leaves_refund_and_later_run_as_they_were(tiering: Tiering) -> None:
    """What it finds ends with the refund: the later run needs no movement to say again what the refund has said."""
    upgraded(tiering)
    tiering.tell(sale(ANNA, JULY, 20_000_00), refund(ANNA, TODAY, 22_500_00))
    since = tiering.member(ANNA).since_time
    tiering.running.clock.now += DAY
    tiering.evaluate(TODAY)
    tiering.running.clock.now += 1_000_000
    late = tiering.evaluate(date(2011, 9, 30))
    movements = tiering.running.call(EVALUATIONS, "ListMovements", pb.ListMovementsRequest(parent=late.name)).movements
    assert [(one.from_class, one.to_class) for one in movements] == [("GOLD", "DIAMOND")]
    member = tiering.member(ANNA)
    assert (member.effective_class, member.since_time) == ("SILVER", since)


@pytest.mark.requirement("X-29", "T-17")
def test_a_class_lost_by_a_refund_is_explained(tiering: Tiering) -> None:
    """By the refund, the policy of its day, and the figures that it left."""
    policy = tiering.activate(policy_of(AT_ONCE))
    tiering.tell(sale(ANNA, JANUARY, 6_000_00))
    tiering.evaluate(Q1)
    tiering.tell(refund(ANNA, JULY, 2_500_00))
    found = explain(tiering, ANNA)
    assert (found.effective_class, found.movement.cause) == ("SILVER", pb.Movement.Cause.Value(Cause.REFUND))
    assert (found.policy, list(found.known_through)) == (policy.name, [])
    assert (found.basis.as_of, found.basis.class_key) == (wire.to_date(TODAY), "SILVER")
    assert found.basis.net_spend.units == 3_500
    assert (found.recomputed, found.differs, found.would_change) == (True, False, False)
