"""Wrong calls of tiering, answered in the caller's language: which field, what is wrong and what to do."""

from __future__ import annotations

from datetime import date
from functools import partial

import pytest

from chassis import wire
from services.tiering.tests.clients import EVALUATIONS, LOYALTY, POLICIES, Tiering, refused
from shuke.tiering.v1 import policies_pb2 as policies
from shuke.tiering.v1 import tiering_pb2 as pb

TOMORROW = date(2026, 3, 3)


@pytest.mark.parametrize(
    ("language", "late", "missing", "unordered"),
    [
        ("zh-CN", "必须早于今天", "没有默认值，须由连锁自行选择", "等级须由低到高排列"),
        ("en", "must be a day before today", "It has no default: the chain must choose", "from lowest to highest"),
    ],
)
def test_wrong_calls_are_answered_in_the_callers_language(
    tiering: Tiering, language: str, late: str, missing: str, unordered: str
) -> None:
    """A day that is not over, an incomplete and an unordered policy say what to do, in Chinese and in English."""
    run = pb.RunEvaluationRequest(scheme=LOYALTY, as_of=wire.to_date(TOMORROW))
    refusal = refused(lambda: tiering.running.call(EVALUATIONS, "RunEvaluation", run, language=language))
    assert late in refusal.localized
    policy = tiering.draft().ladder
    for wrong, words in ((incomplete(policy), missing), (reversed_steps(policy), unordered)):
        name = tiering.draft(policies.Policy(effective_date=wire.to_date(TOMORROW), ladder=wrong), staff="A-1").name
        submit = policies.SubmitPolicyRequest(name=name)
        call = partial(tiering.running.call, POLICIES, "SubmitPolicy", submit, staff="A-1", language=language)
        refusal = refused(call)
        assert words in refusal.localized
        assert refusal.code == "INVALID_ARGUMENT"
        assert refusal.fields


def incomplete(ladder: policies.LadderPolicy) -> policies.LadderPolicy:
    """Leave out what the chain must choose."""
    changed = policies.LadderPolicy()
    changed.CopyFrom(ladder)
    changed.ClearField("demotion")
    return changed


def reversed_steps(ladder: policies.LadderPolicy) -> policies.LadderPolicy:
    """Put the second class above the third."""
    changed = policies.LadderPolicy()
    changed.CopyFrom(ladder)
    steps = list(changed.classes)
    changed.ClearField("classes")
    changed.classes.extend([steps[0], steps[2], steps[1]])
    return changed
