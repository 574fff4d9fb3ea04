"""What `shuke.ticketing.v1.PolicyService` knows of its payloads; the handlers are the chassis's."""

from __future__ import annotations

from chassis.documents.rpc import Payloads
from chassis.errors import Problems
from services.ticketing.policies import convert
from services.ticketing.policies.domain import check, note_repeated
from shuke.ticketing.v1 import policies_pb2 as pb


def read(problems: Problems, key: str, policy: pb.Policy) -> None:
    """Hold a draft to the one kind that its payload is of, and each of its entries to one place."""
    kind = convert.kind_of(policy)
    if key and key != kind:
        problems.add("policy.name" if policy.name else "parent", "POLICY_KIND_WRONG", kind=kind)
    note_repeated(problems, convert.keys_of(policy, "policy."))


def fit(problems: Problems, policy: pb.Policy) -> None:
    """Note what a policy lacks before it is reviewed."""
    check(problems, convert.payload_from_proto(policy), convert.field_of(policy))


PAYLOADS = Payloads(read, fit)
