"""A rule reaches everybody graded, whoever changed, or whoever rose; and it stands on a template that can serve it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Problems
from services.notify.rules.domain import (
    CLOCKED,
    Occasion,
    Recipient,
    RuleTemplateMissing,
    TicketNotice,
    TicketRule,
    TierNotice,
    When,
    applies,
    check_tickets,
    require_template,
)
from services.notify.templates.domain import Channel, Purpose, Template, TemplateMisdirected
from services.notify.tests.wordings import BODIES, NOTICE

RULE = TierNotice(
    "policies/loyalty/versions/1", "schemes/loyalty", When.ALL, "tier-notice", (Channel.EMAIL, Channel.SMS)
)
RANKS = st.integers(0, 6)
KNOWN = {"types": ("COMPLAINT",), "severities": ("EMERGENCY",), "clocks": ("COMMITMENT",)}
TO_STAFF = TicketNotice(
    Occasion.CLOCK_BREACHED, (), (), (), Recipient.ROLE, "service_manager", "tier-notice", (Channel.EMAIL,)
)
TO_CUSTOMER = replace(TO_STAFF, recipient=Recipient.CUSTOMER, role="", channels=(Channel.SMS, Channel.EMAIL))


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


def wrong(*notices: TicketNotice) -> list[tuple[str, str]]:
    """Check a rule of tickets; list the fields and reasons."""
    problems = Problems()
    check_tickets(problems, TicketRule("policies/tickets/versions/1", notices), KNOWN, "rule")
    return [(violation.field, violation.reason) for violation in problems.found]


@pytest.mark.requirement("N-13", "N-14", "N-15")
def test_a_rule_of_tickets_says_nothing_that_cannot_be() -> None:
    """All that is wrong is noted at once: values that ticketing lacks, clocks of none, roles, channels of staff."""
    assert wrong(TO_STAFF, TO_CUSTOMER) == []
    assert wrong(
        replace(TO_STAFF, types=("COMPLAINT", "COMPLAINTS"), severities=("URGENT",), clocks=("SLEEP",), role=""),
        replace(TO_CUSTOMER, role="service_manager", clocks=("COMMITMENT",), occasion=Occasion.OPENED),
        replace(TO_STAFF, channels=(Channel.EMAIL, Channel.SMS)),
    ) == [
        ("rule.notices[0].types[1]", "NOTICE_FILTER_WRONG"),
        ("rule.notices[0].severities[0]", "NOTICE_FILTER_WRONG"),
        ("rule.notices[0].clocks[0]", "NOTICE_FILTER_WRONG"),
        ("rule.notices[0].role", "NOTICE_ROLE_WRONG"),
        ("rule.notices[1].clocks[0]", "NOTICE_FILTER_WRONG"),
        ("rule.notices[1].role", "NOTICE_ROLE_WRONG"),
        ("rule.notices[2].channels", "NOTICE_CHANNEL_WRONG"),
    ]


@given(st.sampled_from(Occasion))
def test_only_what_is_about_clocks_names_one(occasion: Occasion) -> None:
    """A clock stands beside an occasion that has one, and beside no other."""
    assert bool(wrong(replace(TO_STAFF, occasion=occasion, clocks=("COMMITMENT",)))) == (occasion not in CLOCKED)


@pytest.mark.parametrize("rule", [RULE, TO_CUSTOMER, TO_STAFF])
def test_a_rule_needs_a_template_for_its_recipient(rule: TierNotice | TicketNotice) -> None:
    """Customers are told with no template of staff, and staff with no other."""
    work = replace(NOTICE, purpose=Purpose.WORK)
    fitting, other = (work, NOTICE) if rule is TO_STAFF else (NOTICE, work)
    require_template(rule, fitting)
    with pytest.raises(TemplateMisdirected) as refusal:
        require_template(rule, other)
    assert refusal.value.metadata == {"template": NOTICE.name, "purpose": other.purpose}
