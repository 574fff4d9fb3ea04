"""The rules of schemes between the contract and the domain."""

from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar

from google.type import money_pb2

from chassis.errors import Problems
from chassis.money import Currency
from services.tiering.policies.domain import (
    Condition,
    Demotion,
    Kind,
    Ladder,
    LadderClass,
    Metric,
    OnRefund,
    RefundCountsAt,
    Score,
    ScoreClass,
    Weights,
    Window,
)
from shuke.tiering.v1 import policies_pb2
from shuke.tiering.v1.policies_pb2 import LadderPolicy, Policy, WeightedScorePolicy

Choice = TypeVar("Choice", bound=StrEnum)
Conditions = Iterable[policies_pb2.Condition]


def rules_from_proto(problems: Problems, currency: Currency, policy: Policy, field: str = "") -> Ladder | Score:
    """Read a policy's payload; `field` is the path that leads to it, such as "policy."."""
    if policy.WhichOneof("payload") == "score":
        return score_from_proto(policy.score)
    return ladder_from_proto(problems, currency, policy.ladder, f"{field}ladder")


def rules_of(payload: bytes, currency: Currency) -> Ladder | Score:
    """Read rules that were read before, as they are stored: a policy with nothing but its payload."""
    return rules_from_proto(Problems(), currency, Policy.FromString(payload))


def ladder_from_proto(problems: Problems, currency: Currency, message: LadderPolicy, field: str = "ladder") -> Ladder:
    """Read a ladder whose shape the contract has checked; `field` is its path in the request.

    Bounds that cannot be read are noted and become 0, so refuse before `domain.check`. What is missing is left missing:
    a draft may be incomplete.
    """
    return Ladder(
        classes=tuple(
            class_from_proto(problems, currency, step, f"{field}.classes[{index}]")
            for index, step in enumerate(message.classes)
        ),
        window=choice(Window, LadderPolicy.Window.Name(message.window)),
        rolling_months=message.rolling_months,
        demotion=choice(Demotion, LadderPolicy.Demotion.Name(message.demotion)),
        refund_counts_at=choice(RefundCountsAt, LadderPolicy.RefundCountsAt.Name(message.refund_counts_at)),
        on_refund=choice(OnRefund, LadderPolicy.OnRefund.Name(message.on_refund)),
        grace_quarters=message.grace_quarters,
    )


def choice(kind: type[Choice], name: str) -> Choice | None:
    """Read an enum value by its name in the contract; None when it is not stated."""
    return None if name.endswith("_UNSPECIFIED") else kind(name)


def class_from_proto(
    problems: Problems, currency: Currency, message: policies_pb2.LadderClass, field: str
) -> LadderClass:
    """Read one step of a ladder."""
    return LadderClass(
        class_key=message.class_key,
        display_zh=message.display_name.zh,
        display_en=message.display_name.en,
        at_first_purchase=message.at_first_purchase,
        entry=conditions_from_proto(problems, currency, message.entry, f"{field}.entry"),
        keep=conditions_from_proto(problems, currency, message.keep, f"{field}.keep"),
    )


def conditions_from_proto(
    problems: Problems, currency: Currency, messages: Conditions, field: str
) -> tuple[Condition, ...]:
    """Read the conditions of a class."""
    return tuple(
        condition_from_proto(problems, currency, message, f"{field}[{index}]") for index, message in enumerate(messages)
    )


def condition_from_proto(
    problems: Problems, currency: Currency, message: policies_pb2.Condition, field: str
) -> Condition:
    """Read a condition; money metrics take an amount, the others a count, none takes both."""
    metric = Metric(policies_pb2.Metric.Name(message.metric))
    has_amount = message.HasField("at_least_amount")
    if has_amount != metric.is_money or (has_amount and message.at_least_count):
        problems.add(field, "CONDITION_UNIT_WRONG")
        return Condition(metric, 0)
    if metric.is_money:
        return Condition(metric, currency.read(problems, f"{field}.at_least_amount", message.at_least_amount))
    return Condition(metric, message.at_least_count)


def score_from_proto(message: WeightedScorePolicy) -> Score:
    """Read a score whose shape the contract has checked; one that names no kinds counts all."""
    weights = message.weights
    given = {name: getattr(weights, name) for name in ("amount", "profit", "frequency") if weights.HasField(name)}
    return Score(
        classes=tuple(
            ScoreClass(one.class_key, one.display_name.zh, one.display_name.en, one.share)
            for one in reversed(message.classes)
        ),
        window=choice(Window, LadderPolicy.Window.Name(message.window)),
        rolling_months=message.rolling_months,
        refund_counts_at=choice(RefundCountsAt, LadderPolicy.RefundCountsAt.Name(message.refund_counts_at)),
        weights=Weights(**given),
        kinds=tuple(Kind(WeightedScorePolicy.Kind.Name(kind)) for kind in message.kinds) or tuple(Kind),
    )


def ladder_to_proto(ladder: Ladder, currency: Currency) -> LadderPolicy:
    """Write a ladder, whole or still incomplete."""
    message = LadderPolicy(rolling_months=ladder.rolling_months, grace_quarters=ladder.grace_quarters)
    if ladder.window:
        message.window = LadderPolicy.Window.Value(ladder.window)
    if ladder.demotion:
        message.demotion = LadderPolicy.Demotion.Value(ladder.demotion)
    if ladder.refund_counts_at:
        message.refund_counts_at = LadderPolicy.RefundCountsAt.Value(ladder.refund_counts_at)
    if ladder.on_refund:
        message.on_refund = LadderPolicy.OnRefund.Value(ladder.on_refund)
    message.classes.extend(class_to_proto(step, currency) for step in ladder.classes)
    return message


def class_to_proto(step: LadderClass, currency: Currency) -> policies_pb2.LadderClass:
    """Write one step of a ladder."""
    message = policies_pb2.LadderClass(
        class_key=step.class_key,
        at_first_purchase=step.at_first_purchase,
        entry=[condition_to_proto(condition, currency) for condition in step.entry],
        keep=[condition_to_proto(condition, currency) for condition in step.keep],
    )
    message.display_name.zh = step.display_zh
    message.display_name.en = step.display_en
    return message


def condition_to_proto(condition: Condition, currency: Currency) -> policies_pb2.Condition:
    """Write a condition with its bound in the unit of its metric."""
    metric = policies_pb2.Metric.Value(condition.metric)
    if not condition.metric.is_money:
        return policies_pb2.Condition(metric=metric, at_least_count=condition.at_least)
    units, nanos = currency.split(condition.at_least)
    amount = money_pb2.Money(currency_code=currency.code, units=units, nanos=nanos)
    return policies_pb2.Condition(metric=metric, at_least_amount=amount)
