"""A rule comes into force beside a template that can serve it, and holds for grade results from its day on."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import partial

import pytest

from chassis import wire
from chassis.calendar import day_of, to_micros
from chassis.settings import Chain
from services.notify.rules.convert import rule_of
from services.notify.rules.domain import TierNotice, When, applies
from services.notify.rules.repository import Rules
from services.notify.tests.studio import (
    APPROVER,
    AUTHOR,
    CODE,
    FIRST,
    MANAGER,
    POLICIES,
    REVIEWER,
    RULE,
    Studio,
    example_rule,
    example_template,
    refused,
)
from shuke.notify.v1.policies_pb2 import NoticeRule, Policy, UpdateDraftRequest
from shuke.notify.v1.templates_pb2 import Template
from tests.running import CHAIN

LONDON = Chain.read(CHAIN).zone_info


def covering(studio: Studio, moment: datetime, scheme: str = "loyalty") -> TierNotice | None:
    """Find the rule for a grade result."""
    rules = Rules(rule_of, partial(day_of, zone=LONDON))
    with studio.running.database.read() as tx:
        rule = rules.covering(tx, scheme, to_micros(moment))
    assert rule is None or isinstance(rule, TierNotice)
    return rule


@pytest.mark.requirement("N-09")
def test_a_rule_tells_everybody_after_each_grading(studio: Studio) -> None:
    """Once approved and activated beside its template, the rule covers each grading of its scheme and reaches all."""
    studio.create()
    studio.approve()
    active = studio.activate(example_rule())
    assert (active.name, active.state, active.notice_rule) == (RULE, Policy.ACTIVE, example_rule().notice_rule)
    assert (active.author, active.reviewer, active.approver) == (AUTHOR, REVIEWER, APPROVER)
    rule = covering(studio, datetime(2011, 12, 9, 23, 59, tzinfo=UTC))
    assert rule is not None
    assert (rule.name, rule.when, rule.template_code, rule.channels) == (
        RULE,
        When.ALL,
        CODE,
        ("EMAIL", "SMS", "PHONE"),
    )
    assert applies(rule, from_rank=2, to_rank=2, confirmed=True)
    assert covering(studio, datetime(2011, 12, 9, tzinfo=UTC), "value") is None


def test_the_newest_rule_that_has_begun_counts(studio: Studio) -> None:
    """Each grading is told by the rule of its day in the chain's zone; before the first one nobody is told."""
    studio.create()
    studio.approve()
    for when, day in ((NoticeRule.ALL, date(2026, 4, 1)), (NoticeRule.UPGRADES, date(2026, 7, 1))):
        policy = example_rule(when=when)
        policy.effective_date.CopyFrom(wire.to_date(day) or Policy().effective_date)
        studio.activate(policy)

    def told(moment: datetime) -> When | None:
        rule = covering(studio, moment)
        return rule.when if rule else None

    # London is an hour ahead of UTC in summer.
    assert told(datetime(2026, 3, 31, 22, 59, tzinfo=UTC)) is None
    assert told(datetime(2026, 3, 31, 23, 0, tzinfo=UTC)) is When.ALL
    assert told(datetime(2026, 6, 30, 22, 59, tzinfo=UTC)) is When.ALL
    assert told(datetime(2026, 6, 30, 23, 0, tzinfo=UTC)) is When.UPGRADES
    studio.step("Retire", "policies/loyalty/versions/2", MANAGER)
    assert told(datetime(2026, 6, 30, 23, 0, tzinfo=UTC)) is When.ALL


def test_a_rule_without_an_approved_template_is_refused(studio: Studio) -> None:
    """Activation names the template and the channels that it lacks; with an approved one it goes through."""
    name = studio.draft(example_rule()).name
    for verb, staff in (("Submit", AUTHOR), ("Review", REVIEWER), ("Approve", APPROVER)):
        studio.step(verb, name, staff)

    def lacking() -> str:
        refusal = refused(studio.step, "Activate", name, MANAGER)
        assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "RULE_TEMPLATE_MISSING")
        assert refusal.metadata["template"] == CODE
        assert CODE in refusal.message
        return refusal.metadata["channels"]

    assert lacking() == "EMAIL, SMS, PHONE"
    short = example_template()
    del short.bodies[4:]
    studio.create(short)
    assert lacking() == "EMAIL, SMS, PHONE"
    studio.approve()
    assert lacking() == "PHONE"
    studio.update(example_template())
    studio.approve(f"templates/{CODE}/versions/2")
    assert studio.step("Activate", name, MANAGER).state == Policy.ACTIVE


def test_a_template_that_was_retired_serves_no_new_rule(studio: Studio) -> None:
    """What is no longer in force is no approved template."""
    studio.create()
    studio.approve()
    studio.take("Retire", MANAGER, FIRST)
    assert refused(studio.activate, example_rule()).reason == "RULE_TEMPLATE_MISSING"


def test_a_rule_is_kept_under_its_scheme(studio: Studio) -> None:
    """The rule of another scheme is refused, when it is drafted and when it is changed."""
    refusal = refused(studio.draft, example_rule(), "value")
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", {"parent": "POLICY_KIND_WRONG"})
    assert "must be of the kind loyalty" in refusal.message
    changed = example_rule(scheme="schemes/value")
    changed.name = studio.draft(example_rule()).name
    request = UpdateDraftRequest(policy=changed)
    refusal = refused(studio.call, POLICIES, "UpdateDraft", request, staff=AUTHOR)
    assert refusal.fields == {"policy.name": "POLICY_KIND_WRONG"}


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"channels": [Template.SMS, Template.SMS]}, {"channels": "REPEATED_UNIQUE"}),
        ({"channels": []}, {"channels": "REPEATED_MIN_ITEMS"}),
        ({"channels": [0]}, {"channels[0]": "ENUM_NOT_IN"}),
        ({"when": 0}, {"when": "ENUM_NOT_IN"}),
        ({"when": 9}, {"when": "ENUM_DEFINED_ONLY"}),
        ({"occasion": 0}, {"occasion": "ENUM_NOT_IN"}),
        ({"template": "tier-notice"}, {"template": "STRING_PATTERN"}),
    ],
)
def test_a_rule_says_whom_how_and_with_what(studio: Studio, fields: dict[str, object], wrong: dict[str, str]) -> None:
    """A rule that leaves something open, or names it twice, is not even drafted."""
    refusal = refused(studio.draft, example_rule(**fields))
    assert refusal.fields == {f"policy.notice_rule.{field}": reason for field, reason in wrong.items()}
