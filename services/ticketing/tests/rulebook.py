"""A client for policies, with a method for what tests do again and again, and the examples that ship with the suite."""

from __future__ import annotations

from pathlib import Path

from google.protobuf import json_format

from shuke.ticketing.v1 import policies_pb2 as pb
from shuke.ticketing.v1 import policies_pb2_grpc
from shuke.ticketing.v1.policies_pb2 import Policy
from tests.running import Running

POLICIES = policies_pb2_grpc.PolicyServiceStub
AUTHOR, REVIEWER, APPROVER, MANAGER = "S-AUTHOR", "S-REVIEWER", "S-APPROVER", "S-MANAGER"
EXAMPLES = Path(__file__).parents[3] / "cli" / "example_policies"
# The kinds of policies, as they stand in "policies/{kind}".
KINDS = ("sla", "priority", "queues", "closing", "follow-up")


def example(kind: str) -> Policy:
    """Read the example of a kind."""
    text = (EXAMPLES / f"ticketing_{kind.replace('-', '_')}.json").read_text(encoding="utf-8")
    return json_format.Parse(text, Policy())


def bare(kind: str) -> Policy:
    """Write a policy of a kind that has nothing but its day."""
    policy = Policy(effective_date=example(kind).effective_date)
    getattr(policy, kind.replace("-", "_")).SetInParent()
    return policy


class Rulebook:
    """Writes the policies of a running ticketing service."""

    def __init__(self, running: Running) -> None:
        self.running = running

    def draft(self, kind: str, policy: Policy) -> Policy:
        """Draft a policy."""
        request = pb.DraftPolicyRequest(parent=f"policies/{kind}", policy=policy)
        answer: Policy = self.running.call(POLICIES, "DraftPolicy", request, staff=AUTHOR)
        return answer

    def step(self, verb: str, name: str, staff: str) -> Policy:
        """Take a step of a policy's life: Submit, Review, Approve, Activate or Retire."""
        request = getattr(pb, f"{verb}PolicyRequest")(name=name)
        answer: Policy = self.running.call(POLICIES, f"{verb}Policy", request, staff=staff)
        return answer

    def activate(self, kind: str, policy: Policy) -> Policy:
        """Lead a policy into force, each step by a person of its own."""
        name = self.draft(kind, policy).name
        for verb, staff in (("Submit", AUTHOR), ("Review", REVIEWER), ("Approve", APPROVER)):
            self.step(verb, name, staff)
        return self.step("Activate", name, MANAGER)
