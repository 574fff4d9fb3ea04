"""What the chain may expect: for each figure that has a target, the most that it may be."""

from __future__ import annotations

from enum import StrEnum

MOST = {
    "record_purchase.sqlite": 2.0,
    "record_purchase.postgresql": 1.5,
    "lookup_customer.sqlite": 1.5,
    "lookup_customer.postgresql": 1.5,
    "batch_record_purchases.sqlite": 0.13,
    "batch_record_purchases.postgresql": 0.13,
    "freshness.feed": 1.0,
    "freshness.nats": 1.0,
    "evaluation.postgresql": 1.5,
    "evaluation.growth.postgresql": 12.0,
    "evaluation.memory.postgresql": 300.0,
}
# A machine that is busy with other things must not turn a run red: only what lies further beyond fails.
SLACK = 1.25


class Verdict(StrEnum):
    """What a figure is against its target."""

    NONE = ""
    MET = "met"
    CLOSE = "close"
    MISSED = "missed"


def verdict(value: float, most: float | None) -> Verdict:
    """Hold a value against the most that it may be; beyond by up to a quarter is close."""
    if most is None:
        return Verdict.NONE
    if value <= most:
        return Verdict.MET
    return Verdict.CLOSE if value <= most * SLACK else Verdict.MISSED
