"""Why a customer holds a class: the run or purchase that decided, each condition or rank, and what today would give."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from google.type.money_pb2 import Money

from chassis import wire
from services.tiering.policies.domain import Condition, Demotion, Metric, Window
from services.tiering.tests.clients import MEMBERSHIPS, Tiering, policy_of, refused
from services.tiering.tests.ladders import GOLD, LOYALTY
from services.tiering.tests.owner import ANNA, BERT, CARLA, at, refund, sale
from services.tiering.tests.scores import VALUE
from shuke.tiering.v1 import policies_pb2
from shuke.tiering.v1 import tiering_pb2 as pb

JANUARY, MAY = date(2011, 1, 5), date(2011, 5, 5)
Q1, Q2 = date(2011, 3, 31), date(2011, 6, 30)
TODAY = date(2026, 3, 2)


def gbp(pounds: int) -> Money:
    """Write an amount."""
    return Money(currency_code="GBP", units=pounds)


def explain(tiering: Tiering, who: str, scheme: str = "loyalty") -> pb.MembershipExplanation:
    """Ask why a customer holds its class."""
    request = pb.ExplainMembershipRequest(name=f"schemes/{scheme}/members/{who}")
    answer: pb.MembershipExplanation = tiering.running.call(MEMBERSHIPS, "ExplainMembership", request)
    return answer


def steps(assessment: pb.Assessment) -> dict[str, tuple[bool, bool]]:
    """Read of each class whether the customer enters and whether it keeps."""
    return {step.class_key: (step.enters, step.keeps) for step in assessment.steps}


@pytest.mark.requirement("T-01")
def test_a_first_purchase_explains_the_first_class(tiering: Tiering) -> None:
    """Before any run the purchase is what decided, by the policy of its day; today's figures are shown beside it."""
    policy = tiering.activate()
    tiering.tell(sale(ANNA, JANUARY, 600_00, profit=100_00))
    found = explain(tiering, ANNA)
    assert (found.effective_class, found.effective_display_name) == ("NEW", "New")
    assert (found.movement.cause, wire.instant(found.movement.effective_time)) == (
        *(pb.Movement.FIRST_PURCHASE, at(JANUARY)),
    )
    assert found.policy == policy.name
    assert [found.HasField("basis"), found.recomputed, found.differs] == [False, False, False]
    assert (found.today.class_key, found.would_change) == ("REGULAR", True)
    assert found.today.as_of == wire.to_date(TODAY)


@pytest.mark.requirement("T-02", "T-03", "T-04", "T-05", "T-13", "T-17", "X-05")
def test_a_run_is_explained_condition_by_condition(tiering: Tiering) -> None:
    """Figures, bounds and what held of each step, by the policy, the day and the events that the run knew."""
    policy = tiering.activate()
    tiering.tell(sale(ANNA, JANUARY, 25_000_00, profit=900_00), sale(ANNA, date(2011, 1, 6), 1_00))
    run = tiering.evaluate(Q1)
    found = explain(tiering, ANNA)
    basis = found.basis
    assert (found.movement.evaluation, found.policy, basis.policy) == (run.name, policy.name, policy.name)
    assert list(found.known_through) == list(run.known_through)
    assert (basis.as_of, basis.class_key, basis.display_name) == (wire.to_date(Q1), "GOLD", "Gold")
    assert not basis.HasField("window_start")
    assert (basis.net_spend, basis.profit) == (gbp(25_001), gbp(900))
    assert (basis.purchase_count, basis.active_days, basis.tenure_days) == (2, 2, 85)
    assert steps(basis) == {
        "NEW": (True, True),
        "REGULAR": (True, False),
        "SILVER": (True, False),
        "GOLD": (True, False),
        "DIAMOND": (False, False),
    }
    assert list(basis.steps[-1].entry) == [
        pb.Progress(
            metric=policies_pb2.METRIC_NET_SPEND,
            current_amount=gbp(25_001),
            required_amount=gbp(20_000),
            missing_amount=Money(currency_code="GBP"),
        ),
        pb.Progress(metric=policies_pb2.METRIC_TENURE_DAYS, current_count=85, required_count=90, missing_count=5),
    ]
    # By today the days of loyalty are reached.
    assert (found.recomputed, found.differs) == (True, False)
    assert (found.today.class_key, found.would_change) == ("DIAMOND", True)


@pytest.mark.requirement("X-05", "X-06")
def test_keeping_is_told_apart_from_entering(tiering: Tiering) -> None:
    """A Gold customer below the bound for entry is seen to keep the class, by conditions and a window of their own."""
    gentle = replace(GOLD, keep=(Condition(Metric.PURCHASE_COUNT, 1),))
    ladder = replace(
        LOYALTY,
        classes=tuple(gentle if step is GOLD else step for step in LOYALTY.classes),
        window=Window.CALENDAR_QUARTER,
        demotion=Demotion.AT_EVALUATION,
    )
    tiering.activate(policy_of(ladder))
    tiering.tell(sale(ANNA, JANUARY, 6_000_00), sale(ANNA, MAY, 600_00))
    tiering.evaluate(Q1)
    tiering.evaluate(Q2)
    found = explain(tiering, ANNA)
    # The second run moved nobody: the first one is what gave the class.
    assert found.basis.as_of == wire.to_date(Q1)
    assert found.basis.window_start == wire.to_date(date(2011, 1, 1))
    assert (found.today.class_key, found.would_change) == ("NEW", True)
    today = {step.class_key: step for step in found.today.steps}
    assert [one.required_count for one in today["GOLD"].keep] == [1]
    assert (today["GOLD"].keeps, today["GOLD"].enters) == (False, False)
    tiering.tell(sale(ANNA, TODAY, 1_00))
    kept = explain(tiering, ANNA)
    assert steps(kept.today)["GOLD"] == (False, True)
    assert (kept.today.class_key, kept.would_change) == ("GOLD", False)


@pytest.mark.requirement("T-22", "T-23", "T-28", "X-04")
def test_a_place_is_explained_by_ranks(tiering: Tiering) -> None:
    """Ranks, score, place, population and cuts are those of the run, by the rule as a person works it out."""
    tiering.activate(policy_of(VALUE), "value")
    tiering.tell(
        sale(ANNA, JANUARY, 100_00, profit=30_00),
        sale(ANNA, JANUARY, 1_00),
        sale(BERT, JANUARY, 90_00, profit=40_00),
        sale(CARLA, JANUARY, 90_00, profit=10_00),
        refund(CARLA, MAY, 5_00),
    )
    run = tiering.evaluate(Q1, "schemes/value")
    found = explain(tiering, BERT, "value")
    assert (found.effective_class, found.movement.evaluation, found.basis.class_key) == ("C", run.name, "C")
    assert found.basis.place == pb.AssessedPlace(
        weights=policies_pb2.ScoreWeights(amount=40, profit=40, frequency=20),
        rank_amount=1,
        rank_profit=3,
        rank_frequency=1,
        score=80,
        place=2,
        population=3,
        cuts=[
            pb.ClassCut(class_key=class_key, last_place=last)
            for class_key, last in (("A", 0), ("B", 1), ("C", 2), ("D", 3))
        ],
    )
    assert (found.recomputed, found.differs) == (True, False)
    # Carla has given something back since: Bert's amount is no longer among the smallest.
    assert (found.today.place.rank_amount, found.today.place.score, found.would_change) == (2, 120, False)


@pytest.mark.requirement("X-04", "X-29")
def test_what_arrives_late_shows(tiering: Tiering) -> None:
    """An entry of before the run's day that came after it gives another class now; the one that holds stays."""
    tiering.activate(policy_of(VALUE), "value")
    tiering.tell(sale(ANNA, JANUARY, 100_00), sale(BERT, JANUARY, 90_00))
    tiering.evaluate(Q1, "schemes/value")
    tiering.tell(sale(BERT, JANUARY, 50_00))
    for who, held, now in ((ANNA, "C", "D"), (BERT, "D", "C")):
        found = explain(tiering, who, "value")
        assert (found.effective_class, found.basis.class_key, found.differs) == (held, now, True)
        assert (found.today.class_key, found.would_change) == (now, True)


@pytest.mark.requirement("T-20")
def test_a_run_of_the_past_does_not_pass_for_the_one_that_decided(tiering: Tiering) -> None:
    """Where an earlier day is graded afterwards and the customer put back, the later day is what explains the class."""
    tiering.activate()
    tiering.tell(sale(BERT, JANUARY, 500_00), refund(BERT, MAY, 1_00))
    later = tiering.evaluate(Q2)
    tiering.running.clock.now += 1_000_000
    tiering.evaluate(Q1)
    found = explain(tiering, BERT)
    assert (found.effective_class, found.basis.as_of) == ("NEW", later.as_of)
    assert (found.basis.class_key, found.differs) == ("NEW", False)


@pytest.mark.requirement("X-04")
def test_who_never_bought_has_no_place_to_explain(tiering: Tiering) -> None:
    """A customer with a refund alone has figures, no movement, no class and no place."""
    tiering.activate(policy_of(VALUE), "value")
    tiering.tell(refund(ANNA, JANUARY, 5_00))
    tiering.evaluate(Q1, "schemes/value")
    found = explain(tiering, ANNA, "value")
    assert (found.effective_class, found.HasField("movement"), found.policy) == ("", False, "")
    assert (found.today.class_key, found.today.HasField("place"), found.would_change) == ("", False, False)
    assert found.today.net_spend == gbp(-5)


def test_what_is_not_there_cannot_be_explained(tiering: Tiering) -> None:
    """A scheme that never was and a customer without an entry are named."""
    refusal = refused(lambda: explain(tiering, ANNA))
    assert (refusal.code, refusal.reason, refusal.metadata) == (
        *("NOT_FOUND", "SCHEME_UNKNOWN", {"name": "schemes/loyalty"}),
    )
    tiering.activate()
    refusal = refused(lambda: explain(tiering, ANNA))
    assert (refusal.code, refusal.reason, refusal.metadata) == (
        *("NOT_FOUND", "MEMBERSHIP_NOT_FOUND", {"name": f"schemes/loyalty/members/{ANNA}"}),
    )
