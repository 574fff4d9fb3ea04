"""All services of the suite, found by walking the generated code."""

from __future__ import annotations

import importlib
from pathlib import Path

from google.longrunning import operations_pb2
from google.protobuf.descriptor import ServiceDescriptor

GENERATED = Path(__file__).resolve().parents[2] / "protos" / "gen"


def services() -> list[ServiceDescriptor]:
    """List every service of every API, and the foreign one that has routes."""
    found = [operations_pb2.DESCRIPTOR.services_by_name["Operations"]]
    for path in sorted((GENERATED / "shuke").rglob("*_pb2.py")):
        module = importlib.import_module(".".join(path.relative_to(GENERATED).with_suffix("").parts))
        found += module.DESCRIPTOR.services_by_name.values()
    return found
