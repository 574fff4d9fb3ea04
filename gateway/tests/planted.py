"""Contracts that only tests know: made from descriptors in text form."""

from __future__ import annotations

from itertools import count

from google.protobuf import descriptor_pb2, descriptor_pool, text_format
from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor

_numbers = count()

# A message with every kind of field that the suite's own requests lack so far.
EVERYTHING = """
    message_type {
      name: "Everything"
      field { name: "flag" number: 1 type: TYPE_BOOL label: LABEL_OPTIONAL }
      field { name: "flags" number: 2 type: TYPE_BOOL label: LABEL_REPEATED }
      field { name: "color" number: 3 type: TYPE_ENUM type_name: ".PACKAGE.Color" label: LABEL_OPTIONAL }
      field { name: "small" number: 4 type: TYPE_INT32 label: LABEL_OPTIONAL }
      field { name: "big" number: 5 type: TYPE_UINT64 label: LABEL_OPTIONAL }
      field { name: "rate" number: 6 type: TYPE_DOUBLE label: LABEL_OPTIONAL }
      field { name: "raw" number: 7 type: TYPE_BYTES label: LABEL_OPTIONAL }
      field { name: "names" number: 8 type: TYPE_STRING label: LABEL_REPEATED }
      field { name: "this_one" number: 9 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0 }
      field { name: "that_one" number: 10 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0 }
      field { name: "inner" number: 11 type: TYPE_MESSAGE
              type_name: ".PACKAGE.Everything" label: LABEL_OPTIONAL }
      field { name: "inners" number: 12 type: TYPE_MESSAGE
              type_name: ".PACKAGE.Everything" label: LABEL_REPEATED }
      field { name: "at_time" number: 13 type: TYPE_MESSAGE
              type_name: ".google.protobuf.Timestamp" label: LABEL_OPTIONAL }
      field { name: "mask" number: 14 type: TYPE_MESSAGE
              type_name: ".google.protobuf.FieldMask" label: LABEL_OPTIONAL }
      field { name: "labels" number: 15 type: TYPE_MESSAGE
              type_name: ".PACKAGE.Everything.LabelsEntry" label: LABEL_REPEATED }
      field { name: "any" number: 16 type: TYPE_MESSAGE
              type_name: ".google.protobuf.Any" label: LABEL_OPTIONAL }
      field { name: "request_id" number: 17 type: TYPE_STRING label: LABEL_OPTIONAL }
      oneof_decl { name: "choice" }
      nested_type {
        name: "LabelsEntry"
        field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
        field { name: "value" number: 2 type: TYPE_INT32 label: LABEL_OPTIONAL }
        options { map_entry: true }
      }
    }
    enum_type {
      name: "Color"
      value { name: "COLOR_UNSPECIFIED" number: 0 }
      value { name: "RED" number: 1 }
    }
"""


def plant_file(text: str) -> FileDescriptor:
    """Add a file of contracts under a package that no other test uses; PACKAGE in the text stands for its name."""
    package = f"shuke.planted{next(_numbers)}.v1"
    proto = text_format.Parse(text.replace("PACKAGE", package), descriptor_pb2.FileDescriptorProto())
    proto.name, proto.package, proto.syntax = f"{package}.proto", package, "proto3"
    proto.dependency.extend(
        [
            "google/api/annotations.proto",
            "google/protobuf/any.proto",
            "google/protobuf/field_mask.proto",
            "google/protobuf/timestamp.proto",
            "shuke/options/v1/options.proto",
        ]
    )
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(proto.SerializeToString())
    return pool.FindFileByName(proto.name)


def plant_service(*rules: str, exposure: str = "EXPOSURE_PUBLIC", more: str = "") -> ServiceDescriptor:
    """Add a service with a method per google.api.http rule; an empty rule stands for none."""
    methods = "".join(
        f"""method {{
              name: "Method{number}" input_type: ".PACKAGE.Everything" output_type: ".PACKAGE.Everything" {more}
              options {{
                {f"[google.api.http] {{ {rule} }}" if rule else ""}
                [shuke.options.v1.access] {{ permission: "a.b.c" exposure: {exposure} audit: AUDIT_NONE }}
              }}
            }}"""
        for number, rule in enumerate(rules)
    )
    file = plant_file(f'{EVERYTHING} service {{ name: "PlantedService" {methods} }}')
    return file.services_by_name["PlantedService"]
