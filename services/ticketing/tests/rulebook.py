"""The example policies of ticketing, for tests."""

from __future__ import annotations

from pathlib import Path

from google.protobuf import json_format

from shuke.ticketing.v1.policies_pb2 import Policy

EXAMPLES = Path(__file__).parents[3] / "cli" / "example_policies"
# The kinds of policies, as they stand in "policies/{kind}".
KINDS = ("sla", "priority", "queues", "closing", "follow-up")


def example(kind: str) -> Policy:
    """Read the example of a kind."""
    text = (EXAMPLES / f"ticketing_{kind.replace('-', '_')}.json").read_text(encoding="utf-8")
    return json_format.Parse(text, Policy())
