"""Labels out of the contracts' own descriptors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FileDescriptor

from chassis.texts import label
from shuke.gateway.v1 import labels_pb2 as pb

OURS = "shuke/"


def labels_of(files: Iterable[FileDescriptor]) -> list[pb.EnumLabels]:
    """Write the labels of the enums of files, and of the files of ours that they import, in the order of the names."""
    found = {enum.full_name: enum for file in files for enum in _enums(file)}
    return [_labels(found[name]) for name in sorted(found)]


def _labels(enum: EnumDescriptor) -> pb.EnumLabels:
    values = [pb.ValueLabel(value=one.name, number=one.number, label=label(one)) for one in enum.values]
    return pb.EnumLabels(enum_type=enum.full_name, values=values)


def _enums(file: FileDescriptor) -> Iterator[EnumDescriptor]:
    yield from file.enum_types_by_name.values()
    for message in file.message_types_by_name.values():
        yield from _nested(message)
    for imported in file.dependencies:
        if imported.name.startswith(OURS):
            yield from _enums(imported)


def _nested(message: Descriptor) -> Iterator[EnumDescriptor]:
    yield from message.enum_types
    for inner in message.nested_types:
        yield from _nested(inner)
