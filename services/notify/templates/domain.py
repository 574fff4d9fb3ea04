"""Templates: what a message says on each channel and in each language, and how its variables are filled.

A text is plain. `{name}` stands for a variable, `{{` and `}}` stand for braces, and nothing else has a meaning: there
are no expressions, so a text that staff write can neither reach nor repeat anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from chassis import wording
from chassis.errors import AlreadyExists, FailedPrecondition, Problems
from chassis.money import Currency

# The collection that versions of templates are kept in.
TEMPLATES = "templates"
LANGUAGES = ("zh-CN", "en")
# Known to templates for customers and for staff, and filled when a message is sent, since no name is kept here.
CUSTOMER_NAME, STAFF_NAME = "customer_name", "staff_name"
# How somebody is addressed whose name the chain does not know.
NAMELESS = {
    CUSTOMER_NAME: {"zh-CN": "顾客", "en": "customer"},
    STAFF_NAME: {"zh-CN": "同事", "en": "colleague"},
}

LONGEST_SUBJECT = 200
LONGEST_VALUE = 2_000
TOKEN = re.compile(r"\{\{|\}\}|\{([a-z][a-z0-9_]{0,31})\}|[{}]")
# A header ends at a line break, and what comes after it would be another header.
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class TemplateExists(AlreadyExists):
    """The code was used before. Metadata: template."""

    reason = "TEMPLATE_EXISTS"


class TemplateNotApproved(FailedPrecondition):
    """No version of the template is approved. Metadata: template."""

    reason = "TEMPLATE_NOT_APPROVED"


class ChannelMissing(FailedPrecondition):
    """The template has no body for a channel. Metadata: template, channel."""

    reason = "TEMPLATE_CHANNEL_MISSING"


class TemplateMisdirected(FailedPrecondition):
    """Staff are sent work and nothing else, and customers none. Metadata: template, purpose."""

    reason = "TEMPLATE_MISDIRECTED"


class Purpose(StrEnum):
    """What a message serves; a customer must have consented to this (N-07). The values are the contract's."""

    SERVICE = "SERVICE"
    FOLLOW_UP = "FOLLOW_UP"
    OFFERS = "OFFERS"
    VOUCHERS = "VOUCHERS"
    NEW_PRODUCTS = "NEW_PRODUCTS"
    SURVEY = "SURVEY"
    DISCLOSURE = "DISCLOSURE"
    WORK = "WORK"


class Channel(StrEnum):
    """How a message goes out (N-01)."""

    EMAIL = "EMAIL"
    SMS = "SMS"
    PHONE = "PHONE"


class Kind(StrEnum):
    """What a variable holds."""

    TEXT = "TEXT"
    LIST = "LIST"
    DATE = "DATE"
    TIME = "TIME"
    MONEY = "MONEY"
    NUMBER = "NUMBER"


# What a text may hold, as written and as sent. A telephone notice is read out by staff.
LONGEST_TEXT = {Channel.EMAIL: 20_000, Channel.SMS: 500, Channel.PHONE: 2_000}


@dataclass(frozen=True, slots=True)
class Words:
    """A text that differs by language; where one is missing, the other serves."""

    zh: str
    en: str

    def of(self, language: str) -> str:
        """Answer the words of a language."""
        return (self.en or self.zh) if language == "en" else (self.zh or self.en)


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount in minor units of a currency."""

    minor: int
    currency: Currency


# A text, a list, a day, an instant in the zone in which it is told, an amount or a number.
Value = str | Words | tuple[Words, ...] | date | datetime | Amount | Decimal
TYPES: Mapping[Kind, tuple[type, ...]] = {
    Kind.TEXT: (str, Words),
    Kind.LIST: (tuple,),
    Kind.DATE: (date,),
    Kind.TIME: (datetime,),
    Kind.MONEY: (Amount,),
    Kind.NUMBER: (Decimal,),
}


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that a template declares, with an example of what it holds."""

    name: str
    kind: Kind
    sample: Value
    required: bool = False

    def admits(self, value: Value) -> bool:
        """Tell whether a value is of the variable's kind; an instant is no day, although Python takes it for one."""
        return type(value) in TYPES[self.kind]


@dataclass(frozen=True, slots=True)
class Body:
    """The text for one channel in one language; only an e-mail has a subject."""

    channel: Channel
    language: str
    text: str
    subject: str = ""

    @property
    def texts(self) -> dict[str, str]:
        """Answer what is written, by field."""
        return {"subject": self.subject, "text": self.text}


@dataclass(frozen=True, slots=True)
class Rendered:
    """What the recipient reads, and in which language; the subject is empty on channels that have none."""

    subject: str
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Template:
    """One version of a template: `name` is `templates/{code}/versions/{n}`, empty for one that is not stored."""

    name: str
    display_name: str
    purpose: Purpose
    variables: tuple[Variable, ...]
    bodies: tuple[Body, ...]

    @property
    def for_staff(self) -> bool:
        """Whether staff are sent it, and nobody else."""
        return self.purpose is Purpose.WORK

    @property
    def name_variable(self) -> str:
        """The variable that the recipient's name fills."""
        return STAFF_NAME if self.for_staff else CUSTOMER_NAME

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels that the template has a body for, in its own order."""
        return tuple(dict.fromkeys(body.channel for body in self.bodies))

    @property
    def samples(self) -> dict[str, Value]:
        """What the author gave as an example of each variable."""
        return {variable.name: variable.sample for variable in self.variables}

    def undeclared(self, text: str) -> list[str]:
        """List the variables that a text uses and nobody declared."""
        known = {self.name_variable, *self.samples}
        return [name for name in dict.fromkeys(variables_of(text)) if name not in known]

    def require_for(self, *, staff: bool) -> None:
        """Raise `TemplateMisdirected` where staff would be sent what is for customers, or the other way round."""
        if self.for_staff != staff:
            raise TemplateMisdirected(template=self.name, purpose=self.purpose)

    def render(self, channel: str, language: str, values: Mapping[str, Value], *, recipient_name: str = "") -> Rendered:
        """Fill the body for a channel in a language, such as `en-GB`; without one, in the template's first language.

        Raises `ChannelMissing`, or `Invalid` with every value that is missing, unknown, of another kind, too long or
        not fit for where it stands; the fields are `values` and `values[name]`.
        """
        body = self._body(channel, language)
        problems = Problems()
        texts = self._written(problems, values, body.language)
        nameless = NAMELESS[self.name_variable][body.language]
        texts[self.name_variable] = " ".join(recipient_name.split()) or nameless
        for name in self.undeclared(body.subject + body.text):
            problems.add("values", "TEMPLATE_VARIABLE_UNDECLARED", variable=name)
        for name in dict.fromkeys(variables_of(body.subject)):
            if CONTROLS.search(texts.get(name, "")):
                problems.add(f"values[{name}]", "TEMPLATE_SUBJECT_WRONG")
        problems.refuse()
        rendered = Rendered(filled(body.subject, texts), filled(body.text, texts), body.language)
        note_too_long(problems, "values", rendered.subject, LONGEST_SUBJECT)
        note_too_long(problems, "values", rendered.text, LONGEST_TEXT[body.channel])
        problems.refuse()
        return rendered

    def _body(self, channel: str, language: str) -> Body:
        bodies = [body for body in self.bodies if body.channel == channel]
        if not bodies:
            raise ChannelMissing(template=self.name, channel=channel)
        spoken = language.partition("-")[0].lower()
        return next((body for body in bodies if body.language.partition("-")[0] == spoken), bodies[0])

    def _written(self, problems: Problems, values: Mapping[str, Value], language: str) -> dict[str, str]:
        """Write the value of each variable; an optional one without a value stands for nothing."""
        for name in values:
            if name not in self.samples:
                problems.add(f"values[{name}]", "TEMPLATE_VARIABLE_UNKNOWN", variable=name)
        texts = {}
        for variable in self.variables:
            field, value = f"values[{variable.name}]", values.get(variable.name, "")
            if value != "" and not variable.admits(value):
                problems.add(field, "TEMPLATE_VALUE_WRONG", variable=variable.name, kind=variable.kind)
                continue
            text = texts[variable.name] = written(value, language)
            note_too_long(problems, field, text, LONGEST_VALUE)
            if variable.required and not text.strip():
                problems.add(field, "TEMPLATE_VARIABLE_MISSING", variable=variable.name)
        return texts


def written(value: Value, language: str) -> str:  # noqa: PLR0911  (one line for each kind of value)
    """Write a value as people read it in a language."""
    match value:
        case Words():
            return value.of(language)
        case tuple():
            return wording.listing([item.of(language) for item in value], language)
        case datetime():
            return wording.moment(value, language)
        case date():
            return wording.day(value, language)
        case Amount():
            return wording.amount(value.minor, value.currency, language)
        case Decimal():
            return wording.number(value, language)
        case _:
            return value


def variables_of(text: str) -> Iterator[str]:
    """List the variables that a text uses, each as often as it stands there."""
    return (token[1] for token in TOKEN.finditer(text) if token[1])


def filled(text: str, texts: Mapping[str, str]) -> str:
    """Put texts in the place of variables; a text that is put in is not looked at again."""
    return TOKEN.sub(lambda token: texts[token[1]] if token[1] else token[0][0], text)


def check_draft(problems: Problems, template: Template, field: str = "template") -> None:
    """Note what may not stand in a template at all; `field` is the path of the template in its message."""
    for index, variable in enumerate(template.variables):
        path = f"{field}.variables[{index}]"
        if variable.name in (*NAMELESS, *(before.name for before in template.variables[:index])):
            problems.add(f"{path}.name", "TEMPLATE_VARIABLE_REPEATED", variable=variable.name)
        if not variable.admits(variable.sample):
            problems.add(f"{path}.sample", "TEMPLATE_VALUE_WRONG", variable=variable.name, kind=variable.kind)
        longest = max((written(variable.sample, language) for language in LANGUAGES), key=len)
        note_too_long(problems, f"{path}.sample", longest, LONGEST_VALUE)
    for index, body in enumerate(template.bodies):
        path = f"{field}.bodies[{index}]"
        if (body.channel, body.language) in [(other.channel, other.language) for other in template.bodies[:index]]:
            problems.add(path, "TEMPLATE_BODY_REPEATED", channel=body.channel, language=body.language)
        if bool(body.subject.strip()) != (body.channel is Channel.EMAIL) or CONTROLS.search(body.subject):
            problems.add(f"{path}.subject", "TEMPLATE_SUBJECT_WRONG")
        note_too_long(problems, f"{path}.text", body.text, LONGEST_TEXT[body.channel])
        for name, text in body.texts.items():
            alone = next((token for token in TOKEN.finditer(text) if token[0] in ("{", "}")), None)
            if alone:
                position = str(alone.start() + 1)
                problems.add(f"{path}.{name}", "TEMPLATE_TEXT_MALFORMED", brace=alone[0], position=position)


def check(problems: Problems, template: Template) -> None:
    """Note what keeps a template from being approved: a variable that is not declared, a language that is missing."""
    for index, body in enumerate(template.bodies):
        for name, text in body.texts.items():
            for variable in template.undeclared(text):
                problems.add(f"bodies[{index}].{name}", "TEMPLATE_VARIABLE_UNDECLARED", variable=variable)
    for channel in template.channels:
        spoken = {body.language for body in template.bodies if body.channel is channel}
        for language in LANGUAGES:
            if language not in spoken:
                problems.add("bodies", "TEMPLATE_LANGUAGE_MISSING", channel=channel, language=language)


def note_too_long(problems: Problems, field: str, text: str, limit: int) -> None:
    """Note a text of more characters than its place takes."""
    if len(text) > limit:
        problems.add(field, "TEMPLATE_TEXT_TOO_LONG", limit=str(limit))
