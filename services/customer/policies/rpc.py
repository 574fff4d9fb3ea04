"""What `shuke.customer.v1.PolicyService` knows of its payloads; the handlers are the chassis's."""

from __future__ import annotations

from chassis.documents.rpc import Payloads
from chassis.errors import Problems
from services.customer.policies.convert import notice_from_proto
from services.customer.policies.domain import NOTICE, check
from shuke.customer.v1 import policies_pb2 as pb


def read(problems: Problems, key: str, policy: pb.Policy) -> None:
    """Hold a draft to the one kind that its payload is of."""
    if key and key != NOTICE:
        problems.add("policy.name" if policy.name else "parent", "POLICY_KIND_WRONG", kind=NOTICE)


def fit(problems: Problems, policy: pb.Policy) -> None:
    """Note what a notice lacks before it is reviewed."""
    check(problems, notice_from_proto(policy.notice), "notice")


NOTICES = Payloads(read, fit)
