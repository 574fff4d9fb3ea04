"""After each grading the customers are told: tiering's events become tier notices, one for each result."""

from __future__ import annotations

from datetime import date

import pytest

from chassis import wire
from services.notify.tests.desk import ADDRESS, MOBILE, Desk
from services.notify.tests.neighbours import ANNA, BERT, CARLA, EVALUATION, changed, confirmed, customer
from services.notify.tests.studio import APPROVER, AUTHOR, FIRST, RULE, example_rule, example_template
from shuke.notify.v1.messages_pb2 import Message
from shuke.notify.v1.policies_pb2 import NoticeRule
from shuke.notify.v1.templates_pb2 import Template
from shuke.tiering.v1.events_pb2 import EvaluationCompleted

SECOND_RUN = "evaluations/0190a8f0-1111-7000-8000-000000000002"


@pytest.mark.requirement("N-01", "N-09", "T-14")
def test_everybody_graded_is_told_the_grade_and_its_benefits(desk: Desk) -> None:
    """After a grading each customer gets the result and the benefits, in the own language, over the own channel."""
    desk.rule()
    desk.person(ANNA, points={"EMAIL": ADDRESS})
    desk.person(BERT, name="李贝", language="zh-CN", points={"SMS": MOBILE})
    desk.person(CARLA, name="Carla", points={"PHONE": MOBILE})
    desk.beside.tell(confirmed(ANNA), changed(BERT, 3, 4), changed(CARLA, 4, 0), EvaluationCompleted())
    desk.settle()
    [letter] = desk.mail.taken
    assert letter["Subject"] == "[Example] Your class: Gold"
    text = letter.get_content()
    assert "Dear Anna Ashford," in text
    assert "From December 9, 2011 on, your class is Gold (unchanged)." in text
    assert "birthday gift and free delivery" in text
    call, message = desk.lines()
    assert (message["channel"], call["channel"]) == ("SMS", "PHONE")
    assert message["text"] == "【示例】李贝：自2011年12月9日起，您的会员等级为金卡（升级）。权益：生日礼包"
    assert "your class is no class (moved down)" in call["text"]
    notices = {each.customer: each for each in desk.messages().messages}
    assert {each.state for each in notices.values()} == {Message.SENT}
    assert notices[ANNA].business_key == f"tier/loyalty/{EVALUATION.partition('/')[2]}/{ANNA.partition('/')[2]}/GOLD"
    assert (notices[ANNA].source.rule, notices[ANNA].template_version) == (RULE, FIRST)
    assert notices[ANNA].source.event_id


@pytest.mark.requirement("N-09")
def test_a_result_is_told_once(desk: Desk) -> None:
    """However often a result comes, one notice goes out; the next grading is told anew, a first purchase is not."""
    desk.rule()
    desk.person()
    desk.beside.tell(confirmed(ANNA), confirmed(ANNA), changed(ANNA, 0, 4, evaluation=""))
    desk.settle()
    desk.beside.tell(confirmed(ANNA))
    desk.settle()
    assert len(desk.mail.taken) == 1
    desk.beside.tell(confirmed(ANNA, evaluation=SECOND_RUN))
    desk.settle()
    assert len(desk.mail.taken) == len(set(desk.mail.ids())) == 2


@pytest.mark.requirement("N-09")
@pytest.mark.parametrize(
    ("when", "told"),
    [
        (NoticeRule.ALL, {ANNA, BERT, CARLA}),
        (NoticeRule.CHANGED, {BERT, CARLA}),
        (NoticeRule.UPGRADES, {BERT}),
    ],
)
def test_the_rule_says_who_is_told(desk: Desk, when: NoticeRule.When.ValueType, told: set[str]) -> None:
    """A rule for all, for changes or for upgrades reaches just those, and a day before its first one reaches nobody."""
    desk.rule(when=when)
    for who in (ANNA, BERT, CARLA):
        desk.person(who)
    early = confirmed(ANNA, evaluation=SECOND_RUN)
    early.effective_time.FromSeconds(0)
    other = confirmed(ANNA)
    other.scheme = "schemes/value"
    desk.beside.tell(early, other, confirmed(ANNA), changed(BERT, 3, 4), changed(CARLA, 5, 4))
    desk.settle()
    assert {message.customer for message in desk.messages().messages} == told


@pytest.mark.requirement("N-07", "N-09")
def test_a_notice_keeps_the_customers_word(desk: Desk) -> None:
    """Who did not allow service notices, or has no contact point, stands as suppressed with the reason."""
    desk.rule()
    desk.person(ANNA, purposes=set())
    desk.person(BERT, points={})
    desk.beside.tell(confirmed(ANNA), confirmed(BERT))
    desk.settle()
    reasons = {message.customer: message.reason for message in desk.messages(state=Message.SUPPRESSED).messages}
    assert reasons == {ANNA: Message.NO_CONSENT, BERT: Message.NO_CONTACT}
    assert (desk.mail.taken, desk.lines()) == ([], [])


def test_a_template_that_is_gone_leaves_something_to_retry(desk: Desk) -> None:
    """When no version is approved any more, the notice is dead and says so; retried with a new version, it goes out."""
    desk.rule()
    desk.person()
    desk.studio.take("Retire", APPROVER)
    desk.beside.tell(confirmed(ANNA))
    desk.settle()
    [dead] = desk.messages().messages
    assert (dead.state, dead.reason) == (Message.DEAD, Message.TEMPLATE_UNFIT)
    assert (dead.template_version, dead.purpose) == ("templates/tier-notice", Template.PURPOSE_UNSPECIFIED)
    assert [told.message for told in desk.told()] == [dead.name]
    assert "No version of templates/tier-notice was approved." in desk.explain(dead.name).findings
    renewed = example_template()
    del renewed.variables[1:3]
    for body in renewed.bodies:
        body.text = "{class_name} {effective_date}"
    desk.studio.approve(desk.studio.update(renewed).name)
    sent = desk.settled(desk.retry(dead.name).name)
    assert (sent.state, sent.source.caller, sent.source.rule) == (Message.SENT, "apiKeys/test", "")
    assert desk.mail.taken[0].get_content() == "Gold December 9, 2011\r\n"


def test_a_template_that_asks_for_more_than_a_notice_tells_is_unfit(desk: Desk) -> None:
    """A required variable that nobody fills ends the notice as dead; the events behind it are told all the same."""
    template = example_template()
    template.variables.add(
        name="points", kind=template.variables[0].kind, sample=template.variables[0].sample, required=True
    )
    template.bodies[1].text += "{points}"
    desk.studio.create(template)
    desk.studio.approve()
    desk.studio.activate(example_rule())
    desk.person()
    desk.beside.tell(confirmed(ANNA))
    desk.settle()
    [dead] = desk.messages().messages
    assert (dead.state, dead.reason, dead.template_version) == (Message.DEAD, Message.TEMPLATE_UNFIT, FIRST)
    assert desk.mail.taken == []


def test_the_newest_rule_that_covers_the_day_counts(desk: Desk) -> None:
    """A later rule holds for results from its own first day on."""
    desk.rule()
    later = example_rule(channels=[Template.SMS])
    later.effective_date.CopyFrom(wire.to_date(date(2011, 12, 9)) or later.effective_date)
    desk.studio.activate(later)
    desk.person()
    desk.beside.tell(confirmed(ANNA))
    before = confirmed(ANNA, evaluation=SECOND_RUN)
    before.effective_time.FromSeconds(before.effective_time.seconds - 86_400)
    desk.beside.tell(before)
    desk.settle()
    rules = {message.source.rule: list(message.channels) for message in desk.messages().messages}
    assert rules[RULE.replace("/1", "/2")] == [Template.SMS]
    assert rules[RULE] == [Template.EMAIL, Template.SMS, Template.PHONE]


def test_a_whole_grading_is_told_in_batches(desk: Desk) -> None:
    """Many results are taken in and told, each to its own customer."""
    desk.rule()
    people = [customer(number) for number in range(1, 121)]
    for who in people:
        desk.person(who, points={"EMAIL": f"{who[-4:]}@home.example"})
    desk.beside.tell(*map(confirmed, people))
    desk.settle()
    assert sorted(str(letter["To"]) for letter in desk.mail.taken) == sorted(
        f"{who[-4:]}@home.example" for who in people
    )


def test_authors_are_needed(desk: Desk) -> None:
    """Nothing is told while the rule is a draft."""
    desk.studio.create()
    desk.studio.approve()
    name = desk.studio.draft(example_rule()).name
    desk.studio.step("Submit", name, AUTHOR)
    desk.person()
    desk.beside.tell(confirmed(ANNA))
    desk.settle()
    assert desk.messages().messages == []
