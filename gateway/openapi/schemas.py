"""Messages of the contracts as JSON schemas of their proto3 JSON, with the rules of `buf.validate` as constraints."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from buf.validate import validate_pb2
from chassis.texts import label
from gateway.json_reader import LIBRARY_TYPES
from gateway.openapi.contracts import Contracts

Schema = dict[str, Any]

SCHEMAS = "#/components/schemas/"
SCALARS: Mapping[int, Schema] = {
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.CPPTYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.CPPTYPE_FLOAT: {"type": "number", "format": "float"},
    FieldDescriptor.CPPTYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.CPPTYPE_INT64: {"type": "string", "format": "int64", "pattern": "^-?[0-9]{1,19}$"},
    FieldDescriptor.CPPTYPE_STRING: {"type": "string"},
    FieldDescriptor.CPPTYPE_UINT32: {"type": "integer", "minimum": 0},
    FieldDescriptor.CPPTYPE_UINT64: {"type": "string", "format": "uint64", "pattern": "^[0-9]{1,20}$"},
}
BYTES = {"type": "string", "contentEncoding": "base64"}
# Those of the library's types that the contracts use.
WELL_KNOWN: Mapping[str, Schema] = {
    "google.protobuf.Any": {
        "type": "object",
        "properties": {"@type": {"type": "string", "description": "Type of the message that the other fields make."}},
        "required": ["@type"],
    },
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$", "examples": ["1.5s"]},
    "google.protobuf.FieldMask": {"type": "string", "examples": ["displayName,languageCode"]},
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
}
# Rules that JSON schema has a word for; those that it has none for are said in the description.
KEYWORDS: Mapping[str, str] = {
    "int32.gte": "minimum",
    "int32.lte": "maximum",
    "repeated.max_items": "maxItems",
    "repeated.min_items": "minItems",
    "repeated.unique": "uniqueItems",
    "string.in": "enum",
    "string.max_len": "maxLength",
    "string.min_len": "minLength",
    "string.pattern": "pattern",
}
WORDS: Mapping[str, str] = {
    "duration.gt": "More than {}.",
    "duration.gte": "At least {}.",
    "duration.lte": "At most {}.",
    "int64.gte": "At least {}.",
    "timestamp.gte": "Not before {}.",
    "timestamp.lt": "Before {}.",
}
# Told otherwise: an enum's values by its schema, those that a field takes by `_enum`, items by themselves.
ELSEWHERE = {"enum.defined_only", "enum.in", "enum.not_in", "repeated.items"}
BEHAVIOUR = {field_behavior_pb2.OUTPUT_ONLY: "readOnly", field_behavior_pb2.INPUT_ONLY: "writeOnly"}


class Schemas:
    """The schemas that a document needs: each message and enum that was asked for, and what they are made of."""

    def __init__(self, contracts: Contracts) -> None:
        self.contracts = contracts
        self.components: dict[str, Schema] = {}

    def of(self, kind: Descriptor | EnumDescriptor) -> Schema:
        """Answer the schema of a type: a reference, or the schema itself where JSON has a form of its own for it."""
        name = kind.full_name
        if name in LIBRARY_TYPES:
            return dict(WELL_KNOWN[name])
        if name not in self.components:
            self.components[name] = {}  # a message may hold itself
            self.components[name] = self._enum(kind) if isinstance(kind, EnumDescriptor) else self.message(kind)
        return {"$ref": SCHEMAS + name}

    def message(self, message: Descriptor, without: Collection[str] = ()) -> Schema:
        """Describe a message as an object, except the fields that are given elsewhere."""
        fields = [field for field in message.fields if field.name not in without]
        schema: Schema = {"type": "object", "properties": {field.json_name: self.field(field) for field in fields}}
        if comment := self.contracts.comment(message.full_name):
            schema["description"] = comment
        if required := [field.json_name for field in fields if is_required(field)]:
            schema["required"] = required
        if choices := list(_choices(message)):
            schema["allOf"] = choices
        return schema

    def field(self, field: FieldDescriptor) -> Schema:
        """Describe a field with its comment, its rules and whether it is only read or only written."""
        rules = field.GetOptions().Extensions[validate_pb2.field]
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            schema: Schema = {"type": "object", "additionalProperties": self.field(entry.fields_by_name["value"])}
        elif field.is_repeated:
            items = self._value(field, rules.repeated.items)
            schema = {"type": "array", "items": items, **_constraints(rules)}
        else:
            schema = self._value(field, rules)
        said = (self.contracts.comment(field.full_name), schema.pop("description", ""))
        if description := " ".join(filter(None, said)):
            schema["description"] = description
        return schema | {word: True for one, word in BEHAVIOUR.items() if one in _behaviour(field)}

    def _value(self, field: FieldDescriptor, rules: validate_pb2.FieldRules) -> Schema:
        """Describe one value of a field."""
        if field.enum_type is not None:
            return self.of(field.enum_type) | _taken(field.enum_type, rules.enum)
        if field.message_type is not None:
            schema = self.of(field.message_type)
        else:
            schema = dict(BYTES if field.type == FieldDescriptor.TYPE_BYTES else SCALARS[field.cpp_type])
        return schema | _constraints(rules)

    def _enum(self, enum: EnumDescriptor) -> Schema:
        lines = [self.contracts.comment(enum.full_name), ""]
        for value in enum.values:
            comment, text = self.contracts.comment(f"{enum.full_name}.{value.name}"), label(value)
            labels = f" ({text.zh} / {text.en})" if text.zh else ""
            lines.append(f"- `{value.name}`{labels}: {comment}")
        return {
            "type": "string",
            "description": "\n".join(lines),
            "enum": [value.name for value in enum.values],
        }


def is_required(field: FieldDescriptor) -> bool:
    """Tell whether a field must be given."""
    return field_behavior_pb2.REQUIRED in _behaviour(field)


def rules_of(rules: validate_pb2.FieldRules) -> dict[str, Any]:
    """List the rules of a type that hold for a value, by their ids, such as "string.max_len"."""
    kind = rules.WhichOneof("type")
    return {f"{kind}.{rule.name}": value for rule, value in getattr(rules, kind).ListFields()} if kind else {}


def _behaviour(field: FieldDescriptor) -> Collection[int]:
    said: Collection[int] = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    return said


def _constraints(rules: validate_pb2.FieldRules) -> Schema:
    found = rules_of(rules)
    constraints: Schema = {
        KEYWORDS[rule]: list(value) if rule == "string.in" else value
        for rule, value in found.items()
        if rule in KEYWORDS
    }
    said = [WORDS[rule].format(_written(value)) for rule, value in found.items() if rule in WORDS]
    return constraints | ({"description": " ".join(said)} if said else {})


def _written(value: Any) -> str:  # noqa: ANN401 (a number, a Duration or a Timestamp)
    return str(value if isinstance(value, int) else value.ToJsonString())


def _taken(enum: EnumDescriptor, rules: validate_pb2.EnumRules) -> Schema:
    """Name the values that a field takes, where it does not take all."""
    only, never = getattr(rules, "in"), rules.not_in
    if not only and not never:
        return {}
    return {
        "enum": [
            value.name for value in enum.values if (not only or value.number in only) and value.number not in never
        ]
    }


def _choices(message: Descriptor) -> Iterator[Schema]:
    """Say of each oneof that one of its fields may be given, or must."""
    for oneof in message.oneofs:
        given: list[Schema] = [{"required": [field.json_name]} for field in oneof.fields]
        if len(given) == 1:  # how proto3 writes `optional`
            continue
        must = oneof.GetOptions().Extensions[validate_pb2.oneof].required
        yield {"oneOf": given if must else [*given, {"not": {"anyOf": given}}]}
