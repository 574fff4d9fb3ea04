"""Explanations as the contract writes them."""

from __future__ import annotations

from datetime import date

from chassis import names, wire
from chassis.money import Currency
from services.tiering.explanations.domain import Assessment, Explanation, Step
from services.tiering.memberships.convert import display, member_name, movement_to_proto, progress_to_proto
from services.tiering.policies.domain import Metric, PolicyVersion, Rules, Score, window_start
from services.tiering.scoring.domain import Place, cuts
from shuke.event.v1 import event_pb2
from shuke.tiering.v1 import policies_pb2
from shuke.tiering.v1 import tiering_pb2 as pb


def explanation_to_proto(explanation: Explanation, currency: Currency, language: str) -> pb.MembershipExplanation:
    """Write why a customer holds its class."""
    today, effective = explanation.today, explanation.effective_class
    told = pb.MembershipExplanation(
        name=member_name(explanation.scheme, explanation.customer),
        customer=names.name("customers", explanation.customer),
        effective_class=effective or "",
        effective_display_name=display(today.policy.rules, effective, language),
        differs=explanation.differs,
        today=assessment_to_proto(today, currency, language),
        would_change=explanation.would_change,
    )
    if decision := explanation.decision:
        told.movement.CopyFrom(movement_to_proto(decision.movement))
        told.policy = policy_name(decision.policy) if decision.policy else ""
        for partition, position in sorted(decision.known_through.items()):
            told.known_through.append(event_pb2.Cursor(partition=partition, position=position))
        if decision.basis:
            told.basis.CopyFrom(assessment_to_proto(decision.basis, currency, language))
            told.recomputed = True
    return told


def assessment_to_proto(assessment: Assessment, currency: Currency, language: str) -> pb.Assessment:
    """Write what a policy makes of a customer's figures."""
    rules, metrics, as_of = assessment.policy.rules, assessment.metrics, assessment.as_of
    start = window_start(rules, as_of)
    return pb.Assessment(
        as_of=wire.to_date(as_of),
        policy=policy_name(assessment.policy),
        class_key=assessment.class_key or "",
        display_name=display(rules, assessment.class_key, language),
        window_start=wire.to_date(start) if start > date.min else None,
        net_spend=wire.to_money(metrics.net_spend, currency),
        profit=wire.to_money(metrics.profit, currency),
        purchase_count=metrics.purchase_count,
        active_days=metrics.active_days,
        tenure_days=metrics.value(Metric.TENURE_DAYS, as_of),
        steps=[step_to_proto(step, rules, currency, language) for step in assessment.steps],
        place=place_to_proto(assessment.place, rules) if assessment.place and isinstance(rules, Score) else None,
    )


def step_to_proto(step: Step, rules: Rules, currency: Currency, language: str) -> pb.AssessedStep:
    """Write what a customer has of what a class asks for."""
    return pb.AssessedStep(
        class_key=step.class_key,
        display_name=display(rules, step.class_key, language),
        entry=[progress_to_proto(one, currency) for one in step.entry],
        enters=step.enters,
        keep=[progress_to_proto(one, currency) for one in step.keep],
        keeps=step.keeps,
    )


def place_to_proto(place: Place, score: Score) -> pb.AssessedPlace:
    """Write a place in the order of a score, and where the classes end."""
    return pb.AssessedPlace(
        weights=policies_pb2.ScoreWeights(**score.weights._asdict()),
        rank_amount=place.ranks.amount,
        rank_profit=place.ranks.profit,
        rank_frequency=place.ranks.frequency,
        score=place.score,
        place=place.place,
        population=place.population,
        cuts=[pb.ClassCut(class_key=cut.class_key, last_place=cut.last_place) for cut in cuts(score, place.population)],
    )


def policy_name(policy: PolicyVersion) -> str:
    """Name a version."""
    return f"policies/{policy.scheme}/versions/{policy.version}"
