"""A template says the same on each channel in each language, and its texts know nothing but variables and braces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Invalid, Problems
from chassis.money import Currency
from services.notify.templates.domain import (
    LANGUAGES,
    Amount,
    Body,
    Channel,
    ChannelMissing,
    Kind,
    Purpose,
    Template,
    Value,
    Variable,
    Words,
    check,
    check_draft,
    filled,
    variables_of,
)
from services.notify.tests.wordings import BENEFITS, BODIES, CLASS, DAY, GOLD, NOTICE
from shuke.notify.v1 import errors_pb2

VALUES: dict[str, Value] = {"class_name": GOLD, "effective_date": date(2011, 12, 9)}
TEXTS = {"a": "1", "b_2": "two"}


def found(note: Callable[..., None], template: Template) -> list[tuple[str, str]]:
    """Check a template and list the fields and reasons."""
    problems = Problems()
    note(problems, template)
    return [(violation.field, violation.reason) for violation in problems.found]


def refused(template: Template, values: dict[str, Any], channel: str = "EMAIL", language: str = "en") -> dict[str, str]:
    """Render what must be refused, and answer the reasons by field."""
    with pytest.raises(Invalid) as refusal:
        template.render(channel, language, values)
    return {violation.field: violation.reason for violation in refusal.value.violations}


def saying(text: str, *variables: Variable) -> Template:
    """Make a template that is one text message."""
    return replace(NOTICE, variables=variables, bodies=(Body(Channel.SMS, "en", text),))


# ----------------------------------------------------------------------------------------------------------- rendering


@pytest.mark.requirement("N-01")
def test_each_channel_has_its_own_body() -> None:
    """An e-mail has a subject and a text, a text message is short, a telephone notice is what staff read out."""
    values = {**VALUES, "benefits": BENEFITS.sample}
    mail = NOTICE.render("EMAIL", "en", values, recipient_name="Li Mei")
    assert (mail.subject, mail.text) == ("Class: Gold", "Li Mei: Gold from December 9, 2011. gift and delivery")
    sms = NOTICE.render("SMS", "zh-CN", VALUES)
    assert (sms.subject, sms.text) == ("", "金卡，2011年12月9日")
    assert NOTICE.render("PHONE", "zh-CN", VALUES, recipient_name="李梅").text == "您好，李梅"
    assert NOTICE.channels == (Channel.EMAIL, Channel.SMS, Channel.PHONE)


@pytest.mark.parametrize(
    ("purpose", "text", "nameless"),
    [(Purpose.SERVICE, "{customer_name}", "customer"), (Purpose.WORK, "{staff_name}", "colleague")],
)
def test_staff_and_customers_are_addressed_each_by_their_name(purpose: Purpose, text: str, nameless: str) -> None:
    """Customers and staff have a variable each for the name, which no template may declare and the other one lacks."""
    template = replace(saying(text), purpose=purpose)
    assert template.render("SMS", "en", {}, recipient_name=" Mia\nManager ").text == "Mia Manager"
    assert template.render("SMS", "en", {}).text == nameless
    other = replace(template, purpose=Purpose.SERVICE if purpose is Purpose.WORK else Purpose.WORK)
    assert ("bodies[0].text", "TEMPLATE_VARIABLE_UNDECLARED") in found(check, other)
    declared = replace(other, variables=(Variable(text.strip("{}"), Kind.TEXT, "x"),))
    assert ("template.variables[0].name", "TEMPLATE_VARIABLE_REPEATED") in found(check_draft, declared)


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [
        ("en", "en"),
        ("en-GB", "en"),
        ("EN", "en"),
        ("zh-CN", "zh-CN"),
        ("zh-TW", "zh-CN"),
        ("fr", "zh-CN"),
        ("", "zh-CN"),
    ],
)
def test_a_customer_is_told_in_the_own_language(asked: str, spoken: str) -> None:
    """Any form of a language that is there is met; for others the template's first language serves."""
    assert NOTICE.render("SMS", asked, VALUES).language == spoken


def test_a_channel_without_a_body_is_refused() -> None:
    """Nothing is made up for a channel that nobody wrote for."""
    with pytest.raises(ChannelMissing) as refusal:
        replace(NOTICE, bodies=BODIES[:2]).render("SMS", "en", VALUES)
    assert refusal.value.metadata == {"template": NOTICE.name, "channel": "SMS"}


KINDS: dict[Kind, tuple[Value, str, str]] = {
    Kind.TEXT: ("A-1", "A-1", "A-1"),
    Kind.LIST: ((Words("甲", "a"), Words("乙", "b")), "甲和乙", "a and b"),
    Kind.DATE: (date(2026, 3, 2), "2026年3月2日", "March 2, 2026"),
    Kind.TIME: (datetime(2026, 3, 2, 14, 5, tzinfo=UTC), "2026年3月2日 14:05", "March 2, 2026 2:05 PM"),
    Kind.MONEY: (Amount(123450, Currency.of("GBP")), "£1,234.50", "£1,234.50"),
    Kind.NUMBER: (Decimal("1234.5"), "1,234.5", "1,234.5"),
}


@pytest.mark.parametrize("kind", Kind)
def test_values_are_written_as_the_language_does(kind: Kind) -> None:
    """Each kind of value is written in both languages, and a value of any other kind is refused."""
    value, zh, en = KINDS[kind]
    variable = Variable("it", kind, value, required=True)
    template = replace(NOTICE, variables=(variable,), bodies=tuple(Body(Channel.SMS, at, "{it}") for at in LANGUAGES))
    assert [template.render("SMS", language, {"it": value}).text for language in LANGUAGES] == [zh, en]
    for other, (wrong, _, _) in KINDS.items():
        if other is not kind:
            assert refused(template, {"it": wrong}, "SMS") == {"values[it]": "TEMPLATE_VALUE_WRONG"}


def test_words_serve_where_a_language_is_missing() -> None:
    """What is told in one language alone is told so to everybody."""
    template = saying("{it}", Variable("it", Kind.TEXT, "", required=True))
    assert [template.render("SMS", "en", {"it": Words(*words)}).text for words in [("甲", ""), ("", "a")]] == [
        "甲",
        "a",
    ]
    assert refused(template, {"it": Words("", "")}, "SMS") == {"values[it]": "TEMPLATE_VARIABLE_MISSING"}


def test_every_wrong_value_is_told_at_once() -> None:
    """A required value that is missing or blank, an unknown one, and one of another kind, each by its name."""
    assert refused(NOTICE, {"class_name": " ", "benefits": "gift", "colour": "red"}) == {
        "values[class_name]": "TEMPLATE_VARIABLE_MISSING",
        "values[effective_date]": "TEMPLATE_VARIABLE_MISSING",
        "values[benefits]": "TEMPLATE_VALUE_WRONG",
        "values[colour]": "TEMPLATE_VARIABLE_UNKNOWN",
    }


def test_a_value_that_a_body_does_not_use_is_still_required() -> None:
    """Whether a message is refused does not depend on the channel that is chosen later."""
    assert refused(NOTICE, {}, "PHONE").keys() == {"values[class_name]", "values[effective_date]"}


def test_an_optional_value_may_be_missing() -> None:
    """Without benefits nothing stands in their place."""
    assert NOTICE.render("EMAIL", "en", VALUES, recipient_name="Li").text == "Li: Gold from December 9, 2011. "


@pytest.mark.parametrize(("name", "said"), [("", "customer"), (" \n", "customer"), ("Li\r\nBcc: x", "Li Bcc: x")])
def test_a_name_stands_on_one_line(name: str, said: str) -> None:
    """Whoever the chain knows no name of is a customer, and no name breaks a line."""
    template = replace(NOTICE, variables=(), bodies=(Body(Channel.EMAIL, "en", "x", "{customer_name}"),))
    assert template.render("EMAIL", "en", {}, recipient_name=name).subject == said


def test_no_caller_gives_the_name_of_a_customer() -> None:
    """The name is filled from the record when a message is sent, so that none is kept with its values."""
    assert refused(NOTICE, {**VALUES, "customer_name": "Li"}) == {"values[customer_name]": "TEMPLATE_VARIABLE_UNKNOWN"}


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\x0b", "\x0c", "\x1e", "\x85", "\u2028", "\u2029"])
def test_no_value_breaks_a_subject(end: str) -> None:
    """A value that would add a header to an e-mail is refused; on a channel without a subject it may stand."""
    values = {**VALUES, "class_name": f"Gold{end}Bcc: all@example.com"}
    assert refused(NOTICE, values) == {"values[class_name]": "TEMPLATE_SUBJECT_WRONG"}
    assert "Bcc" in NOTICE.render("SMS", "en", values).text


def test_what_is_filled_in_is_bounded() -> None:
    """A value has at most 2,000 characters as it is read, a text message 500 and a subject 200 when they are filled."""
    assert refused(NOTICE, {**VALUES, "class_name": "x" * 2001}) == {"values[class_name]": "TEMPLATE_TEXT_TOO_LONG"}
    assert refused(NOTICE, {**VALUES, "class_name": "x" * 194}) == {"values": "TEMPLATE_TEXT_TOO_LONG"}
    assert len(NOTICE.render("EMAIL", "en", {**VALUES, "class_name": "x" * 193}).subject) == 200
    assert refused(NOTICE, {**VALUES, "class_name": "x" * 500}, "SMS") == {"values": "TEMPLATE_TEXT_TOO_LONG"}


# -------------------------------------------------------------------------------------------------------------- syntax

MALFORMED = {
    "an open brace": ("a { b", 3),
    "a closing brace": ("a } b", 3),
    "no name": ("{}", 1),
    "a space": ("{a }", 1),
    "a capital": ("{A}", 1),
    "an attribute": ("hello {a.__class__}", 7),
    "a conversion": ("{a!r}", 1),
    "a format": ("{a:>100000}", 1),
    "a number": ("{0}", 1),
    "an index": ("{a[0]}", 1),
    "a variable in a variable": ("{a{b}}", 1),
    "one closing brace too many": ("{a}}", 4),
    "a long name": ("{" + "a" * 33 + "}", 1),
    "10,000 open braces and one": ("{" * 10_001, 10_001),
    "nested braces": ("{" * 9_999 + "a." + "}" * 9_999, 9_999),
}


@pytest.mark.parametrize(("text", "position"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_brace_alone_is_refused_where_it_stands(text: str, position: int) -> None:
    """Whatever is neither a variable nor a doubled brace is an error that names its position, counted from 1."""
    problems = Problems()
    check_draft(problems, replace(NOTICE, bodies=(Body(Channel.EMAIL, "en", text, "x"),)))
    (violation,) = problems.found
    assert (violation.field, violation.reason) == ("template.bodies[0].text", "TEMPLATE_TEXT_MALFORMED")
    assert violation.metadata["position"] == str(position)
    assert violation.metadata["brace"] == text[position - 1]


def test_nested_braces_are_read_from_the_left() -> None:
    """Thousands of doubled braces around a variable are what they are: braces around its value."""
    text = "{" * 9_999 + "a" + "}" * 9_999
    assert found(check_draft, replace(NOTICE, bodies=(Body(Channel.EMAIL, "en", text, "x"),))) == []
    assert filled(text, TEXTS) == "{" * 4_999 + "1" + "}" * 4_999


@given(st.text())
def test_doubled_braces_stand_for_themselves(text: str) -> None:
    """Any text can be said: with its braces doubled it has no variable and reads as it is."""
    doubled = text.replace("{", "{{").replace("}", "}}")
    assert list(variables_of(doubled)) == []
    assert filled(doubled, {}) == text


@given(st.text())
def test_what_is_filled_in_is_not_read_again(value: str) -> None:
    """A value with braces is a value with braces."""
    template = saying("<{it}>", Variable("it", Kind.TEXT, ""))
    if len(value) <= 490:
        assert template.render("SMS", "en", {"it": value}).text == f"<{value}>"


def slowly(text: str) -> str | int:
    """Read a text letter by letter: answer it filled, or the position of the first brace that means nothing."""
    said, at = "", 0
    while at < len(text):
        name, end, _ = text[at + 1 :].partition("}")
        if text[at] not in "{}":
            said, at = said + text[at], at + 1
        elif text[at : at + 2] in ("{{", "}}"):
            said, at = said + text[at], at + 2
        elif text[at] == "{" and end and name in TEXTS:
            said, at = said + TEXTS[name], at + len(name) + 2
        else:
            return at + 1
    return said


@given(st.lists(st.sampled_from(["{", "}", "{{", "}}", "{a}", "{b_2}", "a", ".", "b_2", "!"])).map("".join))
def test_texts_are_read_as_a_slow_reader_does(text: str) -> None:
    """Whatever the braces, a text is refused where the slow reader stops, and filled as it fills otherwise."""
    problems = Problems()
    check_draft(problems, replace(NOTICE, bodies=(Body(Channel.PHONE, "en", text),)))
    expected = slowly(text)
    if problems.found:
        assert problems.found[0].metadata["position"] == str(expected)
    else:
        assert filled(text, TEXTS) == expected


# -------------------------------------------------------------------------------------------------------------- checks


def test_the_template_of_the_tests_passes() -> None:
    """A template with declared variables and both languages on each channel has no problem."""
    assert found(check_draft, NOTICE) == []
    assert found(check, NOTICE) == []


def bodies(*changed: Body) -> Template:
    """Give the template other bodies."""
    return replace(NOTICE, bodies=changed)


DRAFTS = {
    "a subject with a line break": (
        bodies(replace(BODIES[0], subject="a\r\nBcc: b")),
        [("bodies[0].subject", "TEMPLATE_SUBJECT_WRONG")],
    ),
    "an e-mail without a subject": (
        bodies(replace(BODIES[0], subject=" ")),
        [("bodies[0].subject", "TEMPLATE_SUBJECT_WRONG")],
    ),
    "a text message with a subject": (
        bodies(replace(BODIES[2], subject="a")),
        [("bodies[0].subject", "TEMPLATE_SUBJECT_WRONG")],
    ),
    "a subject with a brace alone": (
        bodies(replace(BODIES[0], subject="a}")),
        [("bodies[0].subject", "TEMPLATE_TEXT_MALFORMED")],
    ),
    "a long text message": (
        bodies(replace(BODIES[2], text="x" * 501)),
        [("bodies[0].text", "TEMPLATE_TEXT_TOO_LONG")],
    ),
    "a long call": (bodies(replace(BODIES[4], text="x" * 2001)), [("bodies[0].text", "TEMPLATE_TEXT_TOO_LONG")]),
    "two bodies for one place": (bodies(*BODIES, BODIES[2]), [("bodies[6]", "TEMPLATE_BODY_REPEATED")]),
    "a variable that stands twice": (
        replace(NOTICE, variables=(CLASS, DAY, CLASS)),
        [("variables[2].name", "TEMPLATE_VARIABLE_REPEATED")],
    ),
    "a variable that the suite fills": (
        replace(NOTICE, variables=(replace(CLASS, name="customer_name"),)),
        [("variables[0].name", "TEMPLATE_VARIABLE_REPEATED")],
    ),
    "a long sample": (
        replace(NOTICE, variables=(replace(BENEFITS, sample=(Words("", "x" * 500),) * 4),)),
        [("variables[0].sample", "TEMPLATE_TEXT_TOO_LONG")],
    ),
    "a sample of another kind": (
        replace(NOTICE, variables=(replace(DAY, sample=datetime(2026, 3, 2, tzinfo=UTC)),)),
        [("variables[0].sample", "TEMPLATE_VALUE_WRONG")],
    ),
}


@pytest.mark.parametrize(("template", "expected"), DRAFTS.values(), ids=DRAFTS.keys())
def test_a_planted_mistake_is_found_where_it_stands(template: Template, expected: list[tuple[str, str]]) -> None:
    """Each mistake is told once, by the path of the field that is wrong and with a reason of the contract."""
    assert found(check_draft, template) == [(f"template.{field}", reason) for field, reason in expected]
    assert {reason for _, reason in expected} <= set(errors_pb2.ErrorReason.keys())


def test_an_undeclared_variable_is_found_once_per_text() -> None:
    """What a text uses and the template does not declare is named with the text's place."""
    undeclared = bodies(replace(BODIES[0], subject="{x}", text="{y} {y} {x} {customer_name}"), BODIES[1])
    assert found(check, undeclared) == [
        ("bodies[0].subject", "TEMPLATE_VARIABLE_UNDECLARED"),
        ("bodies[0].text", "TEMPLATE_VARIABLE_UNDECLARED"),
        ("bodies[0].text", "TEMPLATE_VARIABLE_UNDECLARED"),
    ]
    assert refused(undeclared, VALUES, language="zh-CN") == {"values": "TEMPLATE_VARIABLE_UNDECLARED"}


@pytest.mark.requirement("N-01")
def test_each_channel_speaks_both_languages() -> None:
    """A channel with one language alone is found, for each such channel and language."""
    problems = Problems()
    check(problems, bodies(BODIES[0], BODIES[1], BODIES[2], BODIES[5]))
    assert [(one.field, one.metadata["channel"], one.metadata["language"]) for one in problems.found] == [
        ("bodies", "SMS", "en"),
        ("bodies", "PHONE", "zh-CN"),
    ]
    assert {one.reason for one in problems.found} == {"TEMPLATE_LANGUAGE_MISSING"}
