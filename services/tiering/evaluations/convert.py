"""Runs between the domain and the contract, and the event that tells of one."""

from __future__ import annotations

from chassis import names, wire
from chassis.events import Change
from chassis.money import Currency
from services.tiering.evaluations.domain import Evaluation
from services.tiering.memberships.convert import counts_to_proto, display
from services.tiering.policies.domain import Rules
from services.tiering.scoring.domain import ClassRange
from shuke.event.v1 import event_pb2
from shuke.tiering.v1 import events_pb2
from shuke.tiering.v1 import tiering_pb2 as pb


def evaluation_to_proto(evaluation: Evaluation, rules: Rules, currency: Currency, language: str) -> pb.Evaluation:
    """Write a run; `rules` are those that it graded by."""
    run, figures = evaluation.run, evaluation.figures
    return pb.Evaluation(
        name=names.name("evaluations", run.id),
        scheme=names.name("schemes", run.scheme),
        as_of=wire.to_date(run.as_of),
        policy=f"policies/{run.scheme}/versions/{run.policy_version}",
        applied=evaluation.applied,
        known_through=[
            event_pb2.Cursor(partition=partition, position=position)
            for partition, position in sorted(evaluation.known_through.items())
        ],
        denominator=figures.denominator,
        classes=counts_to_proto(rules, figures.class_counts, language),
        none_count=figures.none_count,
        up_count=figures.up_count,
        down_count=figures.down_count,
        effective_time=wire.timestamp(run.effective_time),
        create_time=wire.timestamp(run.record_time),
        class_ranges=[
            range_to_proto(one, rules, currency, language)
            for one in sorted(evaluation.class_ranges, key=lambda one: rules.rank(one.class_key))
        ],
    )


def range_to_proto(reached: ClassRange, rules: Rules, currency: Currency, language: str) -> pb.ClassRange:
    """Write how far a class of a score reached."""
    return pb.ClassRange(
        class_key=reached.class_key,
        display_name=display(rules, reached.class_key, language),
        least_amount=wire.to_money(reached.least_amount, currency),
        greatest_amount=wire.to_money(reached.greatest_amount, currency),
        least_score=reached.least_score,
        greatest_score=reached.greatest_score,
    )


def evaluation_completed(evaluation: Evaluation) -> Change:
    """Tell that a run was applied."""
    run, figures = evaluation.run, evaluation.figures
    name = names.name("evaluations", run.id)
    event = events_pb2.EvaluationCompleted(
        evaluation=name,
        scheme=names.name("schemes", run.scheme),
        as_of=wire.to_date(run.as_of),
        denominator=figures.denominator,
        up_count=figures.up_count,
        down_count=figures.down_count,
    )
    return Change(name, name, event)
