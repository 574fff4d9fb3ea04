"""Runs between the domain and the contract, and the event that tells of one."""

from __future__ import annotations

from chassis import names, wire
from chassis.events import Change
from services.tiering.evaluations.domain import Evaluation, Run
from services.tiering.memberships.convert import Benefits, counts_to_proto, member_name
from services.tiering.policies.domain import Ladder
from shuke.event.v1 import event_pb2
from shuke.tiering.v1 import events_pb2
from shuke.tiering.v1 import tiering_pb2 as pb


def evaluation_to_proto(evaluation: Evaluation, ladder: Ladder, language: str) -> pb.Evaluation:
    """Write a run; `ladder` is the one that it graded by."""
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
        classes=counts_to_proto(ladder, figures.class_counts, language),
        none_count=figures.none_count,
        up_count=figures.up_count,
        down_count=figures.down_count,
        effective_time=wire.timestamp(run.effective_time),
        create_time=wire.timestamp(run.record_time),
        apply_time=wire.timestamp(evaluation.apply_time),
        revert_time=wire.timestamp(evaluation.revert_time),
    )


def membership_confirmed(run: Run, customer_id: str, class_key: str, ladder: Ladder, benefits: Benefits) -> Change:
    """Tell that a run graded a customer and left the class as it was."""
    customer = names.name("customers", customer_id)
    event = events_pb2.MembershipConfirmed(
        customer=customer,
        scheme=names.name("schemes", run.scheme),
        class_key=class_key,
        rank=ladder.rank(class_key) + 1,
        evaluation=names.name("evaluations", run.id),
        effective_time=wire.timestamp(run.effective_time),
    )
    event.display_name.zh, event.display_name.en = ladder.display(class_key)
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
