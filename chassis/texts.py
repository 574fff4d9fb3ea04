"""What people read: sentences for reasons, read from the contract's own options and filled with an error's metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf.descriptor import EnumDescriptor, EnumValueDescriptor

from shuke.options.v1 import errors_pb2, options_pb2

LANGUAGES = ("zh-CN", "en")
SUITE = "shuke"

# Sentences for the rules of buf.validate, by rule id; {value} is what the rule asks for.
RULES: Mapping[str, tuple[str, str]] = {
    "message": ("请求内容不是该方法的有效消息。", "The request is no message of this method."),
    "required": ("必填。", "is required."),
    "string.min_len": ("至少 {value} 个字符。", "must have at least {value} characters."),
    "string.max_len": ("最多 {value} 个字符。", "must have at most {value} characters."),
    "string.pattern": ("格式须符合 {value}。", "must match {value}."),
    "string.in": ("取值须为其中之一：{value}。", "must be one of {value}."),
    "duration.gt_lte": ("超出允许的范围，须大于零。", "is out of range; it must be above zero."),
    "duration.gte_lte": ("超出允许的范围，不得为负。", "is out of range; it must not be negative."),
    "enum.defined_only": ("不是已定义的取值。", "is not a value that the contract defines."),
    "enum.in": ("不是此处可用的取值。", "is not a value that is taken here."),
    "enum.not_in": ("必须选择一个取值。", "must be chosen."),
    "int32.gte": ("不得小于 {value}。", "must be at least {value}."),
    "int32.lte": ("不得大于 {value}。", "must be at most {value}."),
    "int32.gte_lte": ("须在 {value} 之间。", "must lie within {value}."),
    "int64.gte": ("不得小于 {value}。", "must be at least {value}."),
    "timestamp.gte_lt": ("超出允许的范围。", "is out of range."),
    "repeated.min_items": ("至少 {value} 项。", "must have at least {value} items."),
    "repeated.max_items": ("最多 {value} 项。", "must have at most {value} items."),
    "repeated.unique": ("不得有重复项。", "must not hold anything twice."),
    "list_purchases.scope": ("请指定客户或门店。", "Name a customer or a store."),
    "list_refunds.scope": ("请指定客户或门店。", "Name a customer or a store."),
    "reconcile_store_day.journal": (
        "terminals 与 receipts 只能填写一项。",
        "Name either terminals or receipts, not both.",
    ),
}


@dataclass(frozen=True, slots=True)
class Sentence:
    """A reason's domain and its sentence in both languages, with {placeholders}."""

    domain: str
    zh: str
    en: str

    def say(self, language: str, metadata: Mapping[str, str]) -> str:
        """Fill the sentence in a language."""
        return (self.en if language == "en" else self.zh).format_map(_Blank(metadata))


class _Blank(dict[str, str]):
    """A missing part of a message must not hide the message."""

    def __missing__(self, key: str) -> str:
        return f"({key})"


class Texts:
    """The sentences of one API and of the chassis."""

    def __init__(self, api: str, reasons: EnumDescriptor | None = None) -> None:
        self.sentences = _sentences(errors_pb2.ErrorReason.DESCRIPTOR, SUITE)
        if reasons is not None:
            self.sentences |= _sentences(reasons, f"{api}.{SUITE}")

    def of(self, reason: str) -> Sentence | None:
        """Find the sentence of a reason of the contract."""
        return self.sentences.get(reason)

    def violation(self, language: str, reason: str, metadata: Mapping[str, str]) -> str:
        """Say what is wrong with a field."""
        sentence = self.of(reason)
        if sentence is not None:
            return sentence.say(language, metadata)
        rule = RULES[metadata["rule"]] if metadata.get("rule") in RULES else RULES["enum.defined_only"]
        said = rule[1 if language == "en" else 0].format_map(_Blank(metadata))
        return f"{metadata['field']} {said}" if metadata.get("field") else said


def label(value: EnumValueDescriptor) -> options_pb2.Text:
    """Read what people are told for a value of a contract's enum, in both languages."""
    text: options_pb2.Text = value.GetOptions().Extensions[options_pb2.text]
    return text


def _sentences(reasons: EnumDescriptor, domain: str) -> dict[str, Sentence]:
    found = {}
    for value in reasons.values:
        text = label(value)
        found[value.name] = Sentence(domain, text.zh, text.en)
    return found


def language_of(accept_language: str) -> str:
    """Choose the language from an accept-language header: English where it is asked for first, Chinese otherwise."""
    first = accept_language.partition(",")[0].strip().lower()
    return "en" if first.startswith("en") else "zh-CN"
