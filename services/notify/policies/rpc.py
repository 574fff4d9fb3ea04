"""What `shuke.notify.v1.PolicyService` knows of its payloads; the handlers are the chassis's."""

from __future__ import annotations

from chassis.database import Tx
from chassis.documents.rpc import Payloads
from chassis.errors import Problems
from chassis.names import identity
from services.notify.rules.convert import rule_from_proto
from services.notify.rules.domain import require_template
from services.notify.templates.repository import Templates
from shuke.notify.v1 import policies_pb2 as pb


def notice_rules(templates: Templates) -> Payloads:
    """Read the rules of notices, and put one in force only beside a template that can serve it."""

    def read(problems: Problems, key: str, policy: pb.Policy) -> None:
        scheme = identity(policy.notice_rule.scheme)
        if key and key != scheme:
            problems.add("policy.name" if policy.name else "parent", "POLICY_KIND_WRONG", kind=scheme)

    def require(tx: Tx, policy: pb.Policy) -> None:
        rule = rule_from_proto(policy.notice_rule)
        require_template(rule, templates.find(tx, rule.template_code))

    return Payloads(read, require=require)
