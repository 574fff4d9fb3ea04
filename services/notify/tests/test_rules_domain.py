"""A rule reaches everybody graded, whoever changed, or whoever rose; and it stands on a template that can serve it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.rules.domain import RuleTemplateMissing, TierNotice, When, applies, require_template
from services.notify.templates.domain import Channel, Template
from services.notify.tests.wordings import BODIES, NOTICE

RULE = TierNotice(
    "policies/loyalty/versions/1", "schemes/loyalty", When.ALL, "tier-notice", (Channel.EMAIL, Channel.SMS)
)
RANKS = st.integers(0, 6)


def told(when: When, from_rank: int, to_rank: int, *, confirmed: bool) -> bool:
    """Tell whether a rule with another choice applies."""
    return applies(replace(RULE, when=when), from_rank=from_rank, to_rank=to_rank, confirmed=confirmed)


@pytest.mark.requirement("N-09")
@given(RANKS, RANKS, st.booleans())
def test_everybody_graded_is_told(from_rank: int, to_rank: int, confirmed: bool) -> None:  # noqa: FBT001
    """With ALL each grade result is told, whatever it is."""
    assert told(When.ALL, from_rank, to_rank, confirmed=confirmed)


@pytest.mark.parametrize(
    ("from_rank", "to_rank", "confirmed", "reached"),
    [
        (0, 1, False, [When.ALL, When.CHANGED, When.UPGRADES]),
        (1, 3, False, [When.ALL, When.CHANGED, When.UPGRADES]),
        (3, 1, False, [When.ALL, When.CHANGED]),
        (1, 0, False, [When.ALL, When.CHANGED]),
        (2, 2, False, [When.ALL, When.CHANGED]),
        (2, 2, True, [When.ALL]),
        (0, 2, True, [When.ALL]),
    ],
)
def test_the_choice_says_who_is_told(from_rank: int, to_rank: int, confirmed: bool, reached: list[When]) -> None:  # noqa: FBT001
    """A class that was confirmed is no change; a fall is no upgrade; a first class is one."""
    assert [when for when in When if told(when, from_rank, to_rank, confirmed=confirmed)] == reached


@given(RANKS, RANKS, st.booleans())
def test_each_choice_is_part_of_the_one_before(from_rank: int, to_rank: int, confirmed: bool) -> None:  # noqa: FBT001
    """Whoever rose has changed, and whoever has changed was graded."""
    reach = [told(when, from_rank, to_rank, confirmed=confirmed) for when in (When.UPGRADES, When.CHANGED, When.ALL)]
    assert reach == sorted(reach)


@pytest.mark.parametrize(
    ("template", "lacking"),
    [
        (None, "EMAIL, SMS"),
        (replace(NOTICE, bodies=BODIES[:2]), "SMS"),
        (replace(NOTICE, bodies=BODIES[4:]), "EMAIL, SMS"),
    ],
)
def test_a_rule_needs_a_body_for_each_channel(template: Template | None, lacking: str) -> None:
    """Without an approved template, or with one that lacks a channel, a rule is refused and the channels are named."""
    require_template(RULE, NOTICE)
    with pytest.raises(RuleTemplateMissing) as refusal:
        require_template(RULE, template)
    assert refusal.value.metadata == {"template": "tier-notice", "channels": lacking}
