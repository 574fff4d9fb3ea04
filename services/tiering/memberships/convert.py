"""Memberships and movements between the domain and the contract."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from chassis import names, wire
from chassis.events import Change
from chassis.money import Currency
from services.tiering.grading.domain import Progress
from services.tiering.memberships.domain import Membership, Movement, Standing
from services.tiering.policies.domain import PolicyVersion, Rules
from shuke.tiering.v1 import events_pb2, policies_pb2
from shuke.tiering.v1 import tiering_pb2 as pb

# What the classes of a scheme are entitled to, in Chinese and English.
Benefits = Mapping[str, Sequence[tuple[str, str]]]


def member_name(scheme: str, customer: str) -> str:
    """Name a member."""
    return f"schemes/{scheme}/members/{customer}"


def display(rules: Rules, class_key: str | None, language: str) -> str:
    """Tell what a class is called in a language."""
    zh, en = rules.display(class_key)
    return en if language == "en" else zh


def membership_to_proto(member: Membership, policy: PolicyVersion, currency: Currency, language: str) -> pb.Membership:
    """Write a customer's place in a scheme."""
    return pb.Membership(
        name=member_name(member.scheme, member.customer),
        customer=names.name("customers", member.customer),
        effective_class=member.effective_class or "",
        effective_display_name=display(policy.rules, member.effective_class, language),
        since_time=wire.timestamp(member.since_time),
        earned_class=member.earned_class or "",
        next_class=member.next_class or "",
        progress=[progress_to_proto(one, currency) for one in member.progress],
        policy=f"policies/{policy.scheme}/versions/{policy.version}",
    )


def member_to_proto(scheme: str, customer: str, standing: Standing, rules: Rules, language: str) -> pb.Membership:
    """Write who holds which class, without figures."""
    return pb.Membership(
        name=member_name(scheme, customer),
        customer=names.name("customers", customer),
        effective_class=standing.class_key or "",
        effective_display_name=display(rules, standing.class_key, language),
        since_time=wire.timestamp(standing.since_time),
    )


def progress_to_proto(progress: Progress, currency: Currency) -> pb.Progress:
    """Write how far a customer is on one condition, in the unit of its metric."""
    metric = policies_pb2.Metric.Value(progress.metric)
    if not progress.metric.is_money:
        return pb.Progress(
            metric=metric,
            current_count=progress.current,
            required_count=progress.required,
            missing_count=progress.missing,
        )
    return pb.Progress(
        metric=metric,
        current_amount=wire.to_money(progress.current, currency),
        required_amount=wire.to_money(progress.required, currency),
        missing_amount=wire.to_money(progress.missing, currency),
    )


def movement_to_proto(movement: Movement) -> pb.Movement:
    """Write a movement."""
    return pb.Movement(
        customer=names.name("customers", movement.customer),
        scheme=names.name("schemes", movement.scheme),
        from_class=movement.from_class or "",
        to_class=movement.to_class or "",
        cause=pb.Movement.Cause.Value(movement.cause),
        evaluation=names.name("evaluations", movement.evaluation),
        effective_time=wire.timestamp(movement.effective_time),
        record_time=wire.timestamp(movement.record_time),
    )


def counts_to_proto(rules: Rules, counts: Iterable[tuple[str, int]], language: str) -> list[pb.ClassCount]:
    """Write how many customers there are in each class."""
    return [
        pb.ClassCount(class_key=class_key, display_name=display(rules, class_key, language), count=count)
        for class_key, count in counts
    ]


def membership_changed(movement: Movement, rules: Rules, benefits: Benefits) -> Change:
    """Tell that the class that a customer holds changed, or since when."""
    customer = names.name("customers", movement.customer)
    event = events_pb2.MembershipChanged(
        customer=customer,
        scheme=names.name("schemes", movement.scheme),
        from_class=movement.from_class or "",
        to_class=movement.to_class or "",
        cause=pb.Movement.Cause.Value(movement.cause),
        evaluation=names.name("evaluations", movement.evaluation),
        effective_time=wire.timestamp(movement.effective_time),
        from_rank=rules.rank(movement.from_class) + 1,
        to_rank=rules.rank(movement.to_class) + 1,
    )
    if movement.to_class:
        event.to_display_name.zh, event.to_display_name.en = rules.display(movement.to_class)
        for zh, en in benefits.get(movement.to_class, ()):
            event.to_benefits.add(zh=zh, en=en)
    return Change(member_name(movement.scheme, movement.customer), customer, event)
