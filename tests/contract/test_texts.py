"""Texts of the contracts: whatever people may read stands there in Chinese and in English."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor, EnumValueDescriptor
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from buf.validate import validate_pb2
from chassis.errors import Invalid
from chassis.texts import LANGUAGES, RULES, Texts, language_of
from chassis.validation import validate
from shuke.customer.v1 import customer_pb2, purchases_pb2
from shuke.event.v1 import event_pb2
from shuke.options.v1 import options_pb2
from tests.contract.descriptors import enums, messages

CHINESE = re.compile(r"[\u4e00-\u9fff]")
# A name that is the same in every language.
SAME = {"QQ"}
# These say how a rule is applied, not what it asks for.
NO_RULES = {"ignore"}


def text(value: EnumValueDescriptor) -> options_pb2.Text:
    """Read the label of an enum value."""
    return value.GetOptions().Extensions[options_pb2.text]


def placeholders(sentence: str) -> set[str]:
    """List the parts of a sentence that are filled in."""
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


@pytest.mark.parametrize("enum", enums(), ids=lambda enum: enum.full_name)
def test_every_value_has_both_labels(enum: EnumDescriptor) -> None:
    """Each value of each enum is told in both languages, with the same parts to fill in."""
    for value in enum.values:
        label = text(value)
        assert CHINESE.search(label.zh) or label.zh in SAME, value.name
        assert label.en, value.name
        assert not CHINESE.search(label.en), value.name
        assert placeholders(label.zh) == placeholders(label.en), value.name


@pytest.mark.parametrize("enum", enums(), ids=lambda enum: enum.full_name)
def test_labels_can_be_told_apart(enum: EnumDescriptor) -> None:
    """No two values of an enum are told in the same words."""
    for language in ("zh", "en"):
        labels = [getattr(text(value), language) for value in enum.values]
        assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("enum", enums(), ids=lambda enum: enum.full_name)
def test_the_first_value_says_nothing(enum: EnumDescriptor) -> None:
    """Zero is the value of a sender that said nothing."""
    assert enum.values[0].number == 0
    assert enum.values[0].name.endswith("_UNSPECIFIED")


def rule_ids(rules: Message, prefix: str = "") -> Iterator[str]:
    """List the ids that the rules of a field report; two bounds of a range report one id."""
    stated = {field.name: value for field, value in rules.ListFields()}
    lower, upper = stated.keys() & {"gt", "gte"}, stated.keys() & {"lt", "lte"}
    if lower and upper:
        yield f"{prefix}{lower.pop()}_{upper.pop()}"
        stated = {name: value for name, value in stated.items() if name not in {"gt", "gte", "lt", "lte"}}
    for name, value in stated.items():
        if name == "cel":
            yield from (rule.id for rule in value)
        elif name in {"items", "keys", "values"}:
            yield from rule_ids(value)
        elif isinstance(value, Message) and value.DESCRIPTOR.name.endswith("Rules"):
            yield from rule_ids(value, f"{name}.")
        elif name not in NO_RULES:
            yield prefix + name


def rules_of(message: Descriptor) -> Iterator[str]:
    """List the ids that a message may report."""
    yield from rule_ids(message.GetOptions().Extensions[validate_pb2.message])
    for choice in message.oneofs:
        yield from rule_ids(choice.GetOptions().Extensions[validate_pb2.oneof])
    for field in message.fields:
        yield from rule_ids(field.GetOptions().Extensions[validate_pb2.field])


@pytest.mark.parametrize("message", messages(), ids=lambda message: message.full_name)
def test_every_rule_has_its_sentences(message: Descriptor) -> None:
    """Whatever shape rule a request breaks, the caller is told in words."""
    assert set(rules_of(message)) - RULES.keys() == set()


def test_rules_are_told_in_both_languages() -> None:
    """Each shape rule has its two sentences, with the same parts to fill in, of which there is only the value."""
    for rule, (chinese, english) in RULES.items():
        assert CHINESE.search(chinese), rule
        assert not CHINESE.search(english), rule
        assert placeholders(chinese) == placeholders(english) <= {"value"}, rule


@pytest.mark.parametrize(
    ("message", "rule", "field", "words"),
    [
        (event_pb2.ReadEventsRequest(), "repeated.min_items", "cursors", "cursors must have at least 1 items."),
        (
            event_pb2.ReadEventsRequest(cursors=[event_pb2.Cursor(partition=16)]),
            "int32.gte_lte",
            "cursors[0].partition",
            "cursors[0].partition must lie within 0–15.",
        ),
        (
            event_pb2.ReadEventsRequest(cursors=[event_pb2.Cursor(position=-1)]),
            "int64.gte",
            "cursors[0].position",
            "cursors[0].position must be at least 0.",
        ),
        (purchases_pb2.ListPurchasesRequest(), "list_purchases.scope", "", "Name a customer or a store."),
        (customer_pb2.LookupCustomerRequest(), "required", "lookup", "lookup is required."),
        (
            customer_pb2.EnrolCustomerRequest(language_code="fr"),
            "string.in",
            "language_code",
            "language_code must be one of zh-CN, en.",
        ),
    ],
)
def test_rules_report_the_ids_of_the_table(message: Message, rule: str, field: str, words: str) -> None:
    """The ids in the table are those that broken requests report, and the words name the field and the bound."""
    with pytest.raises(Invalid) as refused:
        validate(message)
    found = {violation.metadata["rule"]: violation for violation in refused.value.violations}
    assert found[rule].field == field
    assert Texts("customer").violation("en", found[rule].reason, found[rule].metadata) == words


def test_the_language_is_what_is_asked_for_first() -> None:
    """English where it is asked for first, Chinese otherwise."""
    assert [language_of(wish) for wish in ("en", "en-GB,zh", "EN;q=0.9", " en")] == ["en"] * 4
    assert [language_of(wish) for wish in ("", "zh-CN", "zh,en", "fr", "*")] == ["zh-CN"] * 5


@given(st.text())
def test_any_header_chooses_a_language(header: str) -> None:
    """Whatever a caller sends, one of the two languages is spoken."""
    assert language_of(header) in LANGUAGES


@given(st.dictionaries(st.sampled_from(["field", "currency", "digits"]), st.text()))
def test_a_missing_part_does_not_hide_the_message(metadata: dict[str, str]) -> None:
    """A sentence is told also when a part of it is missing or looks like a placeholder."""
    sentence = Texts("customer").of("MONEY_TOO_FINE")
    assert sentence is not None
    for language in LANGUAGES:
        said = sentence.say(language, metadata)
        for name in ("field", "currency", "digits"):
            assert metadata.get(name, f"({name})") in said
