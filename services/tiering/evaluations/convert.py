"""Runs between the domain and the contract, and the event that tells of one."""

from __future__ import annotations

from chassis import names, wire
from chassis.events import Change
from chassis.money import Currency
from services.tiering.evaluations.domain import Evaluation, Run
from services.tiering.memberships.convert import Benefits, counts_to_proto, display, member_name
from services.tiering.policies.domain import Rules
from services.tiering.scoring.domain import ClassRange
from shuke.event.v1 import event_pb2
from shuke.tiering.v1 import events_pb2
from shuke.tiering.v1 import tiering_pb2 as pb


def evaluation_to_proto(evaluation: Evaluation, rules: Rules, currency: Currency, language: str) -> pb.Evaluation:
    """Write a run; `rules` are those that it graded by."""
    run, figures = evaluation.run, evaluation.figures
    return pb.Evaluation(
        name=evaluation.name,
        scheme=names.name("schemes", run.scheme),
        as_of=wire.to_date(run.as_of),
        policy=f"policies/{run.scheme}/versions/{run.policy_version}",
        applied=evaluation.apply_time is not None,
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
        apply_time=wire.timestamp(evaluation.apply_time),
        revert_time=wire.timestamp(evaluation.revert_time),
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


def membership_confirmed(run: Run, customer_id: str, class_key: str, rules: Rules, benefits: Benefits) -> Change:
    """Tell that a run graded a customer and left the class as it was."""
    customer = names.name("customers", customer_id)
    event = events_pb2.MembershipConfirmed(
        customer=customer,
        scheme=names.name("schemes", run.scheme),
        class_key=class_key,
        rank=rules.rank(class_key) + 1,
        evaluation=names.name("evaluations", run.id),
        effective_time=wire.timestamp(run.effective_time),
    )
    event.display_name.zh, event.display_name.en = rules.display(class_key)
    for zh, en in benefits.get(class_key, ()):
        event.benefits.add(zh=zh, en=en)
    return Change(member_name(run.scheme, customer_id), customer, event)


def evaluation_completed(evaluation: Evaluation) -> Change:
    """Tell that a run was applied."""
    run, figures = evaluation.run, evaluation.figures
    event = events_pb2.EvaluationCompleted(
        evaluation=evaluation.name,
        scheme=names.name("schemes", run.scheme),
        as_of=wire.to_date(run.as_of),
        denominator=figures.denominator,
        up_count=figures.up_count,
        down_count=figures.down_count,
    )
    return Change(evaluation.name, evaluation.name, event)
