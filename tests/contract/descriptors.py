"""A walk through the contracts: every service, method, message, field and enum of ours."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    FileDescriptor,
    MethodDescriptor,
    ServiceDescriptor,
)
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

from shuke.options.v1 import options_pb2

GENERATED = Path(__file__).parents[2] / "protos" / "gen"
APIS = ("customer", "tiering", "ticketing", "notify", "gateway")


def files() -> list[FileDescriptor]:
    """Load every file of ours."""
    modules = sorted((GENERATED / "shuke").rglob("*_pb2.py"))
    names = [".".join(path.relative_to(GENERATED).with_suffix("").parts) for path in modules]
    return [importlib.import_module(name).DESCRIPTOR for name in names]


def services() -> list[ServiceDescriptor]:
    """List the services of ours."""
    return [service for file in files() for service in file.services_by_name.values()]


def methods() -> list[MethodDescriptor]:
    """List the methods of ours."""
    return [method for service in services() for method in service.methods]


def access(method: MethodDescriptor) -> options_pb2.Access:
    """Read the access rule of a method."""
    return method.GetOptions().Extensions[options_pb2.access]


def messages() -> list[Descriptor]:
    """List the messages of ours, nested ones too."""
    return [message for file in files() for top in file.message_types_by_name.values() for message in _within(top)]


def _within(message: Descriptor) -> Iterator[Descriptor]:
    if not message.GetOptions().map_entry:
        yield message
    for nested in message.nested_types:
        yield from _within(nested)


def fields() -> list[FieldDescriptor]:
    """List the fields of ours."""
    return [field for message in messages() for field in message.fields]


def enums() -> list[EnumDescriptor]:
    """List the enums of ours, nested ones too."""
    top = [enum for file in files() for enum in file.enum_types_by_name.values()]
    return top + [enum for message in messages() for enum in message.enum_types]


def inputs() -> list[Descriptor]:
    """List the messages that a client can send: requests and all of ours that they are made of."""
    found: dict[str, Descriptor] = {}
    waiting = [method.input_type for method in methods()]
    while waiting:
        message = waiting.pop()
        if message.full_name.startswith("shuke.") and message.full_name not in found:
            found[message.full_name] = message
            waiting += [field.message_type for field in message.fields if field.message_type is not None]
    return list(found.values())


def leaf(message: Descriptor, path: str) -> FieldDescriptor | None:
    """Follow a path of fields; None where it leads nowhere."""
    field: FieldDescriptor | None = None
    at: Descriptor | None = message
    for part in path.split("."):
        field = at.fields_by_name.get(part) if at is not None else None
        if field is None:
            return None
        at = field.message_type
    return field


def image() -> list[FileDescriptorProto]:
    """Read our files out of the image that `make gen` writes, with their comments."""
    everything = FileDescriptorSet.FromString((GENERATED / "shuke.binpb").read_bytes())
    return [file for file in everything.file if file.name.startswith("shuke/")]


def elements(file: FileDescriptorProto) -> Iterator[tuple[tuple[int, ...], str]]:
    """Name what must have a comment, each with its path in the file's source information."""
    for number, message in enumerate(file.message_type):
        yield from _message((4, number), message, file.package)
    for number, enum in enumerate(file.enum_type):
        yield from _listed((5, number), f"{file.package}.{enum.name}", enum.value)
    for number, service in enumerate(file.service):
        yield from _listed((6, number), f"{file.package}.{service.name}", service.method)
    for number, extension in enumerate(file.extension):
        yield (7, number), f"{file.package}.{extension.name}"


def _message(path: tuple[int, ...], message: DescriptorProto, scope: str) -> Iterator[tuple[tuple[int, ...], str]]:
    name = f"{scope}.{message.name}"
    yield from _listed(path, name, message.field)
    for number, nested in enumerate(message.nested_type):
        if not nested.options.map_entry:
            yield from _message((*path, 3, number), nested, name)
    for number, enum in enumerate(message.enum_type):
        yield from _listed((*path, 4, number), f"{name}.{enum.name}", enum.value)


class Named(Protocol):
    """Anything with a name."""

    name: str


def _listed(path: tuple[int, ...], name: str, parts: Iterable[Named]) -> Iterator[tuple[tuple[int, ...], str]]:
    # Fields, values and methods all have the tag 2 in what they belong to.
    yield path, name
    for number, part in enumerate(parts):
        yield (*path, 2, number), f"{name}.{part.name}"


def uncommented(file: FileDescriptorProto) -> list[str]:
    """Name what has no comment."""
    places = file.source_code_info.location
    said = {tuple(place.path) for place in places if place.leading_comments.strip()}
    return [name for path, name in elements(file) if path not in said]
