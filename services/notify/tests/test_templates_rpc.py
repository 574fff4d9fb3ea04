"""A template's life over the wire: nothing is in force but what can be sent, approved by distinct people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from chassis import documents, wire
from chassis.calendar import to_micros
from chassis.documents import Document
from chassis.settings import Chain
from services.notify.templates.convert import template_of
from services.notify.templates.domain import TEMPLATES, TemplateNotApproved
from services.notify.templates.repository import Templates
from services.notify.tests.studio import (
    APPROVER,
    AUTHOR,
    CODE,
    FIRST,
    MANAGER,
    REVIEWER,
    SECOND,
    Studio,
    example_template,
    named,
    refused,
)
from shuke.notify.v1.templates_pb2 import Template, TemplateBody, TemplateVariable, Value, Words, WordsList
from tests.running import CHAIN


def saying(text: str, *variables: TemplateVariable, channel: Template.Channel.ValueType = Template.SMS) -> Template:
    """Write a template that says the same in both languages."""
    subject = text if channel == Template.EMAIL else ""
    return Template(
        display_name="A template",
        purpose=Template.SERVICE,
        variables=variables,
        bodies=[
            TemplateBody(channel=channel, language=language, subject=subject, text=text) for language in ("zh-CN", "en")
        ],
    )


def text_of(name: str, *, required: bool = True) -> TemplateVariable:
    """Declare a variable that holds a text."""
    return TemplateVariable(name=name, kind=TemplateVariable.TEXT, sample=Value(text="sample"), required=required)


# ----------------------------------------------------------------------------------------------------------- life cycle


@pytest.mark.requirement("T-17")
def test_three_people_bring_a_template_into_force(studio: Studio) -> None:
    """A version in force names its author, reviewer and approver, and the day of its approval in the chain's zone."""
    draft = studio.create()
    assert (draft.name, draft.state, draft.author) == (FIRST, Template.DRAFT, AUTHOR)
    assert studio.take("Submit", AUTHOR).state == Template.SUBMITTED
    assert studio.take("Review", REVIEWER).state == Template.REVIEWED
    assert not studio.get().HasField("effective_date")
    # In London it is summer, and the next day already.
    studio.running.clock.now = to_micros(datetime(2026, 7, 1, 23, 30, tzinfo=UTC))
    approved = studio.take("Approve", APPROVER)
    assert (approved.state, approved.author, approved.reviewer, approved.approver) == (
        *(Template.APPROVED, AUTHOR, REVIEWER, APPROVER),
    )
    assert approved.effective_date == wire.to_date(date(2026, 7, 2))
    assert studio.get() == approved
    example = example_template()
    assert (list(approved.bodies), list(approved.variables)) == (list(example.bodies), list(example.variables))
    assert (approved.display_name, approved.description, approved.example, approved.purpose) == (
        *(example.display_name, example.description, example.example, example.purpose),
    )


@pytest.mark.requirement("T-17")
@pytest.mark.parametrize(
    ("reviewer", "approver", "same"),
    [(AUTHOR, APPROVER, AUTHOR), (REVIEWER, AUTHOR, AUTHOR), (REVIEWER, REVIEWER, REVIEWER)],
)
def test_nobody_decides_on_an_own_draft(studio: Studio, reviewer: str, approver: str, same: str) -> None:
    """Whoever wrote a version, or took the step before, is refused by name, and it does not come into force."""
    studio.create()
    studio.take("Submit", AUTHOR)

    def decide() -> None:
        studio.take("Review", reviewer)
        studio.take("Approve", approver)

    refusal = refused(decide)
    assert (refusal.code, refusal.reason, refusal.metadata) == ("PERMISSION_DENIED", "SAME_PERSON", {"staff": same})
    assert studio.get().state != Template.APPROVED


def test_a_rejected_version_goes_back_to_draft(studio: Studio) -> None:
    """Whoever rejects leaves no name and no date on the version, which can be changed again."""
    studio.create()
    studio.take("Submit", AUTHOR)
    studio.take("Review", REVIEWER)
    back = studio.take("Approve", APPROVER, reject=True)
    assert (back.state, back.reviewer, back.approver, back.HasField("effective_date")) == (
        Template.DRAFT,
        "",
        "",
        False,
    )
    assert studio.update(saying("again")).bodies[0].text == "again"


def test_steps_are_taken_by_staff(studio: Studio) -> None:
    """A key that names no member of staff writes and decides nothing."""
    studio.create()
    for call in (
        lambda: studio.create(code="other", staff=""),
        lambda: studio.update(example_template(), staff=""),
        lambda: studio.take("Submit", ""),
    ):
        assert refused(call).reason == "STAFF_REQUIRED"


def test_a_version_in_force_is_never_changed(studio: Studio) -> None:
    """An update opens the next version; the approved one stays in force until that is approved, and again after it."""
    studio.create(saying("one"))
    with pytest.raises(TemplateNotApproved, match=CODE):
        in_force(studio)
    studio.approve()
    draft = studio.update(saying("two"))
    assert (draft.name, draft.state, draft.bodies[0].text) == (SECOND, Template.DRAFT, "two")
    assert studio.update(saying("three"), SECOND, draft.etag).name == SECOND
    assert in_force(studio) == "one"
    studio.approve(SECOND)
    assert in_force(studio) == "three"
    studio.take("Retire", MANAGER, SECOND)
    assert in_force(studio) == "one"
    studio.take("Retire", MANAGER)
    with pytest.raises(TemplateNotApproved, match=CODE):
        in_force(studio)
    assert studio.update(saying("four")).name == f"templates/{CODE}/versions/3"


def in_force(studio: Studio) -> str:
    """Render the version in force, as whoever sends a message does."""
    chain = Chain.read(CHAIN)
    templates = Templates(partial(template_of, currency=chain.money, zone=chain.zone_info))
    with studio.running.database.read() as tx:
        template = templates.in_force(tx, CODE)
        assert templates.version(tx, template.name) == template
    return template.render("SMS", "en", {}).text


def test_updates_are_held_to_what_was_read(studio: Studio) -> None:
    """A stale etag is aborted, of a draft and of a version in force; an update needs a name; others are decided on."""
    draft = studio.create(saying("one"))
    studio.update(saying("two"), etag=draft.etag)
    assert refused(studio.update, saying("three"), etag=draft.etag).reason == "ETAG_MISMATCH"
    assert refused(studio.update, saying("three"), "").fields == {"template.name": "NAME_MALFORMED"}
    studio.take("Submit", AUTHOR)
    refusal = refused(studio.update, saying("three"))
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "DOCUMENT_STATE_FORBIDS")
    studio.take("Review", REVIEWER)
    studio.take("Approve", APPROVER)
    refusal = refused(studio.update, saying("three"), etag=draft.etag)
    assert (refusal.code, refusal.reason, refusal.metadata) == ("ABORTED", "ETAG_MISMATCH", {"name": FIRST})
    assert studio.names() == [FIRST]


def test_a_code_is_taken_once(studio: Studio) -> None:
    """A second template of a code is refused; the same request is answered with the first one."""
    first = studio.create(request_id="r-1")
    assert studio.create(request_id="r-1") == first
    refusal = refused(studio.create)
    assert (refusal.code, refusal.reason, refusal.metadata) == ("ALREADY_EXISTS", "TEMPLATE_EXISTS", {"template": CODE})
    assert refused(studio.create, saying("other"), request_id="r-1").reason == "REQUEST_ID_REUSED"


def test_templates_are_listed_by_code_and_number(studio: Studio) -> None:
    """All versions of all templates, or of one, come page after page; a version that is not there is named."""
    studio.create(code="b")
    studio.create(code="a-b")
    studio.create()
    studio.approve()
    studio.update(example_template())
    everything = ["templates/a-b/versions/1", "templates/b/versions/1", FIRST, SECOND]
    assert studio.names() == studio.names(size=4) == everything
    assert studio.names(size=1, code=CODE) == [FIRST, SECOND]
    refusal = refused(studio.get, f"templates/{CODE}/versions/3")
    assert (refusal.code, refusal.reason) == ("NOT_FOUND", "DOCUMENT_NOT_FOUND")


# ------------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.requirement("N-07")
def test_a_template_states_a_known_purpose(studio: Studio) -> None:
    """A template without a purpose, or for one that no customer can be asked about, is not even drafted."""
    for purpose, reason in ((0, "ENUM_NOT_IN"), (99, "ENUM_DEFINED_ONLY")):
        template = saying("Buy!")
        template.purpose = purpose  # type: ignore[assignment]
        assert refused(studio.create, template).fields == {"template.purpose": reason}
    for index, purpose in enumerate((Template.OFFERS, Template.VOUCHERS, Template.NEW_PRODUCTS)):
        template = saying("Buy!")
        template.purpose = purpose
        assert studio.create(template, f"marketing-{index}").purpose == purpose


def test_a_mistake_in_a_draft_is_told_where_it_stands(studio: Studio) -> None:
    """What cannot stand in a template is refused when it is written, each by its field, a brace by its position."""
    template = saying("{a.__class__}", text_of("a"), text_of("a"), channel=Template.EMAIL)
    template.bodies[0].subject = "a\r\nBcc: all@example.com"
    template.bodies[0].text = "{" * 10_001
    template.bodies.add(channel=Template.SMS, language="en", text="{")
    refusal = refused(studio.create, template)
    assert refusal.code == "INVALID_ARGUMENT"
    assert refusal.fields == {
        "template.variables[1].name": "TEMPLATE_VARIABLE_REPEATED",
        "template.bodies[0].subject": "TEMPLATE_SUBJECT_WRONG",
        "template.bodies[0].text": "TEMPLATE_TEXT_MALFORMED",
        "template.bodies[1].subject": "TEMPLATE_TEXT_MALFORMED",
        "template.bodies[1].text": "TEMPLATE_TEXT_MALFORMED",
        "template.bodies[2].text": "TEMPLATE_TEXT_MALFORMED",
    }
    alone = refused(studio.create, saying("all {0} is well"))
    assert "the { at character 5 stands alone" in alone.message
    assert studio.names() == []


def test_a_missing_variable_is_not_approved(studio: Studio) -> None:
    """A text with a variable that nobody declared stays a draft, and so does a channel with one language alone."""
    template = saying("{a} {b}", text_of("a"))
    template.bodies.add(channel=Template.PHONE, language="en", text="Hello")
    studio.create(template)
    refusal = refused(studio.take, "Submit", AUTHOR)
    assert (refusal.code, refusal.fields) == (
        "INVALID_ARGUMENT",
        {
            "bodies[0].text": "TEMPLATE_VARIABLE_UNDECLARED",
            "bodies[1].text": "TEMPLATE_VARIABLE_UNDECLARED",
            "bodies": "TEMPLATE_LANGUAGE_MISSING",
        },
    )
    assert studio.get().state == Template.DRAFT
    assert refused(studio.take, "Approve", APPROVER).reason == "DOCUMENT_STATE_FORBIDS"


def test_what_was_submitted_is_checked_again_at_approval(studio: Studio) -> None:
    """A version that came to its approval past the check is refused there, and can still be rejected."""
    studio.create(saying("{a}"))
    with studio.running.database.write() as tx:
        documents.save(tx, reviewed(documents.get(tx, TEMPLATES, CODE, 1)))
    assert set(refused(studio.take, "Approve", APPROVER).fields.values()) == {"TEMPLATE_VARIABLE_UNDECLARED"}
    assert studio.take("Approve", APPROVER, reject=True).state == Template.DRAFT


def reviewed(document: Document) -> Document:
    """Lead a draft to its approval without looking at it."""
    submitted = documents.submit(document, AUTHOR, 1)
    return replace(documents.review(submitted, REVIEWER, 2, 3), row_version=document.row_version + 1)


# ------------------------------------------------------------------------------------------------------------- previews


def test_a_preview_shows_what_a_customer_would_read(studio: Studio) -> None:
    """Samples stand where no value is given, in the language that is asked for; nothing is stored."""
    before = studio.create()
    mail = studio.preview(named("class_name", words=Words(zh="钻石", en="Diamond")))
    assert (mail.subject, mail.language) == ("[Example] Your class: Diamond", "en")
    assert "Dear customer,\n\nFrom December 9, 2011 on, your class is Diamond (moved up).\n" in mail.text
    assert "member price, birthday gift, and free delivery" in mail.text
    sms = studio.preview(channel=Template.SMS, language="zh-CN")
    assert sms.text == (
        "【示例】顾客：自2011年12月9日起，您的会员等级为金卡客户（升级）。权益：会员价、生日礼包和免费送货"
    )
    assert (studio.names(), studio.get()) == ([FIRST], before)


def test_a_template_that_is_not_stored_is_tried_out(studio: Studio) -> None:
    """An author sees the text before anything is kept, with values of every kind, and hears of mistakes in it."""
    kinds: Iterable[tuple[str, dict[str, object], str]] = [
        ("TEXT", {"text": "{{A}}"}, "{{A}}"),
        ("TEXT", {"words": Words(zh="甲")}, "甲"),
        ("LIST", {"list": WordsList(items=[Words(en="a"), Words(en="b")])}, "a and b"),
        ("DATE", {"date": Date(year=2026, month=3, day=2)}, "March 2, 2026"),
        # The hands of the chain's clocks, which show summer time.
        ("TIME", {"time": Timestamp(seconds=1_782_950_700)}, "July 2, 2026 1:05 AM"),
        ("MONEY", {"money": Money(currency_code="GBP", units=-1234, nanos=-500_000_000)}, "-£1,234.50"),
        ("NUMBER", {"number": "1234567.5"}, "1,234,567.5"),
    ]
    for kind, value, said in kinds:
        variable = TemplateVariable(name="it", kind=kind, sample=Value(**value))  # type: ignore[arg-type]
        preview = studio.preview(template=saying("<{it}>", variable), channel=Template.SMS)
        assert preview.text == f"<{said}>"
    assert refused(studio.preview, template=saying("{")).fields == dict.fromkeys(
        ("template.bodies[0].text", "template.bodies[1].text"), "TEMPLATE_TEXT_MALFORMED"
    )
    undeclared = refused(studio.preview, template=saying("{it}"), channel=Template.SMS)
    assert undeclared.fields == {"values": "TEMPLATE_VARIABLE_UNDECLARED"}
    assert studio.names() == []


def test_values_that_do_not_fit_are_told_at_once(studio: Studio) -> None:
    """A value that is missing, unknown, given twice or of another kind is named, and so is a channel without a body."""
    studio.create()
    refusal = refused(
        studio.preview, named("class_name", text=""), named("benefits", text="gift"), named("colour", text="red")
    )
    assert (refusal.code, refusal.fields) == (
        "INVALID_ARGUMENT",
        {
            "values[class_name]": "TEMPLATE_VARIABLE_MISSING",
            "values[benefits]": "TEMPLATE_VALUE_WRONG",
            "values[colour]": "TEMPLATE_VARIABLE_UNKNOWN",
        },
    )
    twice = refused(studio.preview, named("a", text="x"), named("a", text="y"))
    assert twice.fields == {"values[1].name": "TEMPLATE_VARIABLE_REPEATED"}
    refusal = refused(studio.preview, template=saying("x"))
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "TEMPLATE_CHANNEL_MISSING")
    assert refused(studio.preview, name=SECOND).reason == "DOCUMENT_NOT_FOUND"


def test_values_that_cannot_be_read_are_named(studio: Studio) -> None:
    """No day of the calendar, a foreign currency, a number that is none: each is refused by its field."""
    studio.create()
    refusal = refused(
        studio.preview,
        named("a", date=Date(year=2026, month=2, day=30)),
        named("b", money=Money(currency_code="CNY", units=1)),
    )
    assert refusal.fields == {"values[0].value.date": "DATE_MALFORMED", "values[1].value.money": "CURRENCY_FOREIGN"}
    for number in ("NaN", "1e9", "１", "", "1" * 16, "--1"):
        assert refused(studio.preview, named("a", number=number)).fields == {"values[0].value.number": "STRING_PATTERN"}
    assert refused(studio.preview, named("a")).fields == {"values[0].value.kind": "REQUIRED"}
