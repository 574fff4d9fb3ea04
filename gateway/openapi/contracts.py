"""What the image of the contracts tells beyond the descriptors of the generated code: comments, and error reasons."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet

from gateway.transcode import FAULT, HTTP_CODES, HTTP_CODES_OF_REASONS, STATUS_NAMES
from shuke.options.v1 import options_pb2

# `make gen` writes it beside the generated code.
IMAGE = Path(options_pb2.__file__).parents[3] / "shuke.binpb"
# Any service may give the suite's reasons, and the gateway stands before all of them.
COMMON = ("options", "gateway")
REASON = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")
CODES = {name: number for number, name in STATUS_NAMES.items()}


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason that an error may give: its HTTP code, the comment that explains it, and what people are told."""

    name: str
    http_code: int
    comment: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Contracts:
    """Comments by the full names of what they stand at, and reasons by API and name."""

    comments: Mapping[str, str]
    reasons: Mapping[str, Mapping[str, Reason]]

    @classmethod
    def read(cls, image: bytes) -> Contracts:
        """Read the image that `make gen` writes."""
        files = FileDescriptorSet.FromString(image).file
        comments = {name: comment for file in files for name, comment in _comments(file)}
        reasons = {
            file.package.split(".")[1]: {reason.name: reason for reason in _reasons(file.package, enum, comments)}
            for file in files
            for enum in file.enum_type
            if enum.name == "ErrorReason"
        }
        return cls(comments, reasons)

    def comment(self, name: str) -> str:
        """Answer what stands at an element; nothing for one of a library without comments."""
        return self.comments.get(name, "")

    def common_reasons(self) -> list[Reason]:
        """List the reasons that any call may be refused for."""
        return [reason for api in COMMON for reason in self.reasons[api].values()]

    def reasons_named(self, api: str, comment: str) -> list[Reason]:
        """List the reasons that the comment of a method of an API names, in its order."""
        known = {reason.name: reason for reason in self.common_reasons()} | dict(self.reasons.get(api, {}))
        return [known[word] for word in dict.fromkeys(REASON.findall(comment)) if word in known]


def _comments(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    for place in file.source_code_info.location:
        if place.leading_comments and (name := _name(file, place.path)):
            yield name, _flowing(place.leading_comments)


def _name(file: FileDescriptorProto, path: Sequence[int]) -> str:
    """Follow a path of source information; answer the full name of what stands there, or nothing for what has none."""
    at: Any = file
    name = file.package
    # What has a name stands in a list, so that its path is pairs of a field's number and an index.
    for number, index in zip_longest(path[::2], path[1::2]):
        part = at.DESCRIPTOR.fields_by_number[number]
        if index is None or not part.is_repeated:
            return ""
        at = getattr(at, part.name)[index]
        name += f".{at.name}"
    return name


def _flowing(comment: str) -> str:
    """Join the lines of each paragraph."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", comment.strip()))


def _reasons(package: str, enum: EnumDescriptorProto, comments: Mapping[str, str]) -> Iterator[Reason]:
    for value in enum.value[1:]:  # the first says that there is none
        comment = comments[f"{package}.{enum.name}.{value.name}"]
        code = HTTP_CODES.get(CODES[REASON.match(comment)[0]], FAULT)  # type: ignore[index]  # each begins with its code
        text = value.options.Extensions[options_pb2.text]
        yield Reason(value.name, HTTP_CODES_OF_REASONS.get(value.name, code), comment, text.zh, text.en)
