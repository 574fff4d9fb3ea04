"""The example template and rule fit each other, say that they are examples, and are refused in production."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from chassis.service import Service
from chassis.settings import Chain, SettingError, Suite
from services.notify.config import NotifySettings
from services.notify.server import PROGRAM, build
from services.notify.tests.neighbours import Neighbours
from services.notify.tests.studio import (
    APPROVER,
    AUTHOR,
    FIRST,
    REVIEWER,
    Studio,
    example_rule,
    example_template,
    refused,
)
from services.notify.tests.ticketing import example_templates, example_ticket_rule
from shuke.notify.v1.templates_pb2 import Template
from tests.running import CHAIN, SECRETS, Clock, StartService


def test_they_say_that_they_are_examples() -> None:
    """Nobody takes their words for the chain's, and a customer who gets one can see it."""
    for description in (example_template().description, example_rule().description):
        assert description.startswith("示例")
        assert "An example" in description
    assert example_template().example
    assert example_rule().example
    assert all("示例" in body.text or "example" in body.text.lower() for body in example_template().bodies)


@pytest.mark.requirement("N-13", "N-14", "N-15")
def test_those_of_tickets_fit_each_other() -> None:
    """Each notice has a template with a body for each of its channels, and each template is used and says its part."""
    rule, templates = example_ticket_rule(), example_templates()
    assert rule.example
    assert rule.description.startswith("示例")
    assert {notice.template.partition("/")[2] for notice in rule.ticket_notice_rule.notices} == set(templates)
    for template in templates.values():
        assert template.example
        assert template.description.startswith("示例")
        texts = [body.subject + body.text for body in template.bodies]
        assert all("示例" in text or "example" in text.lower() for text in texts)
        assert all(f"{{{variable.name}}}" in "".join(texts) for variable in template.variables)


@pytest.mark.requirement("N-01", "N-09")
def test_the_notice_tells_class_and_benefits_on_each_channel(studio: Studio) -> None:
    """By e-mail, text message and telephone, in both languages, the result and the benefits of the class are told."""
    studio.create()
    studio.approve()
    studio.activate(example_rule())
    for channel in (Template.EMAIL, Template.SMS, Template.PHONE):
        for language, told in (("zh-CN", ("金卡客户", "生日礼包")), ("en", ("Gold", "birthday gift"))):
            preview = studio.preview(channel=channel, language=language)
            assert preview.language == language
            assert all(word in preview.text for word in told)


def test_production_sends_no_example(start_service: StartService, beside: Neighbours) -> None:
    """An example can be written and reviewed, and is refused at its approval; nobody is sent the text of an example."""

    def produced(config: NotifySettings, suite: Suite, chain: Chain, clock: Callable[[], int]) -> Service:
        return build(config, suite.model_copy(update={"env": "production"}), chain, clock)

    studio = Studio(start_service(replace(PROGRAM, build=produced), None, **beside.addresses))
    studio.create()
    refusal = refused(studio.approve)
    assert (refusal.code, refusal.reason, refusal.metadata) == (
        *("FAILED_PRECONDITION", "EXAMPLE_FORBIDDEN", {"name": FIRST}),
    )
    assert studio.get().state == Template.REVIEWED
    own = example_template()
    own.example = False
    studio.take("Approve", APPROVER, reject=True)
    studio.update(own)
    for verb, staff in (("Submit", AUTHOR), ("Review", REVIEWER)):
        studio.take(verb, staff)
    assert studio.take("Approve", APPROVER).state == Template.APPROVED


@pytest.mark.requirement("T-17")
def test_production_takes_three_people(tmp_path: Path) -> None:
    """With fewer people the service does not start in production."""
    given = {"database_url": f"sqlite:///{tmp_path}/x.sqlite", "signing_key": "{}", "approval_people": "2", **SECRETS}
    config = NotifySettings.read({f"SHUKE_NOTIFY_{name.upper()}": value for name, value in given.items()})
    with pytest.raises(SettingError, match="SHUKE_NOTIFY_APPROVAL_PEOPLE must be 3"):
        build(config, Suite.read({"SHUKE_ENV": "production"}), Chain.read(CHAIN), Clock())
