"""The tier notice: what a grade result says, and what makes two of them one."""

from __future__ import annotations

import dataclasses
from datetime import date

import pytest

from services.notify.gradings.domain import NO_CLASS, Change, GradeResult, values
from services.notify.templates.domain import Words

GOLD = Words("金卡", "Gold")
RESULT = GradeResult(
    event_id="e1",
    customer="customers/c1",
    scheme="schemes/loyalty",
    evaluation="evaluations/r1",
    effective_time=0,
    class_key="GOLD",
    class_name=GOLD,
    benefits=(Words("礼包", "gift"),),
    from_rank=3,
    to_rank=4,
    confirmed=False,
)


@pytest.mark.requirement("N-09")
@pytest.mark.parametrize(
    ("from_rank", "to_rank", "confirmed", "change"),
    [
        (0, 1, False, Change.NEW),
        (3, 4, False, Change.UP),
        (4, 3, False, Change.DOWN),
        (4, 0, False, Change.DOWN),
        (4, 4, False, Change.SAME),
        (4, 4, True, Change.SAME),
    ],
)
def test_a_notice_tells_what_the_grading_did(from_rank: int, to_rank: int, confirmed: bool, change: Change) -> None:  # noqa: FBT001  (an example)
    """A first class is new, and the ranks tell up from down."""
    result = dataclasses.replace(RESULT, from_rank=from_rank, to_rank=to_rank, confirmed=confirmed)
    assert result.change is change


@pytest.mark.requirement("N-09", "T-14")
def test_a_notice_tells_the_class_and_its_benefits() -> None:
    """The grade result, its benefits, the day and the change are there to be told; no class is told as such."""
    told = values(RESULT, date(2011, 12, 9))
    assert told == {
        "class_name": GOLD,
        "benefits": (Words("礼包", "gift"),),
        "effective_date": date(2011, 12, 9),
        "change": Words("升级", "moved up"),
    }
    lost = dataclasses.replace(RESULT, to_rank=0, class_name=Words("", ""))
    assert values(lost, date(2011, 12, 9))["class_name"] == NO_CLASS


def test_one_result_is_one_notice() -> None:
    """The business key names scheme, evaluation, customer and class, and nothing personal."""
    assert RESULT.business_key == "tier/loyalty/r1/c1/GOLD"
