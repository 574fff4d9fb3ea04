"""Templates and the values of their variables between the contract and the domain."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from chassis import wire
from chassis.calendar import EPOCH
from chassis.errors import Problems
from chassis.money import Currency
from services.notify.templates.domain import Amount, Body, Channel, Kind, Purpose, Template, Value, Variable, Words
from shuke.notify.v1 import templates_pb2 as pb


def template_from_proto(
    problems: Problems, currency: Currency, zone: ZoneInfo, message: pb.Template, field: str = "template"
) -> Template:
    """Read a template whose shape the contract has checked; samples that cannot be read are noted."""
    return Template(
        name=message.name,
        display_name=message.display_name,
        purpose=Purpose(pb.Template.Purpose.Name(message.purpose)),
        variables=tuple(
            Variable(
                name=variable.name,
                kind=Kind(pb.TemplateVariable.Kind.Name(variable.kind)),
                sample=value_from_proto(
                    problems, currency, zone, variable.sample, f"{field}.variables[{index}].sample"
                ),
                required=variable.required,
            )
            for index, variable in enumerate(message.variables)
        ),
        bodies=tuple(
            Body(Channel(pb.Template.Channel.Name(body.channel)), body.language, body.text, body.subject)
            for body in message.bodies
        ),
    )


def template_of(name: str, payload: bytes, currency: Currency, zone: ZoneInfo) -> Template:
    """Read a template that was read before, as it is stored: without its name and what became of it."""
    message = pb.Template.FromString(payload)
    message.name = name
    return template_from_proto(Problems(), currency, zone, message)


def values_from_proto(
    problems: Problems, currency: Currency, zone: ZoneInfo, messages: Iterable[pb.NamedValue], field: str = "values"
) -> dict[str, Value]:
    """Read the values for a template's variables; note what cannot be read, and names that stand twice."""
    values: dict[str, Value] = {}
    for index, message in enumerate(messages):
        if message.name in values:
            problems.add(f"{field}[{index}].name", "TEMPLATE_VARIABLE_REPEATED", variable=message.name)
        values[message.name] = value_from_proto(problems, currency, zone, message.value, f"{field}[{index}].value")
    return values


def value_from_proto(  # noqa: PLR0911  (one line for each kind of value)
    problems: Problems, currency: Currency, zone: ZoneInfo, message: pb.Value, field: str
) -> Value:
    """Read a value; an instant is told in the zone, an amount is in the chain's currency."""
    match message.WhichOneof("kind"):
        case "words":
            return _words(message.words)
        case "list":
            return tuple(map(_words, message.list.items))
        case "date":
            return wire.read_date(problems, f"{field}.date", message.date)
        case "time":
            return (EPOCH + timedelta(microseconds=wire.instant(message.time))).astimezone(zone)
        case "money":
            return Amount(currency.read(problems, f"{field}.money", message.money), currency)
        case "number":
            return Decimal(message.number)
        case _:
            return message.text


def _words(message: pb.Words) -> Words:
    return Words(message.zh, message.en)
