"""What `shuke.notify.v1.PolicyService` knows of its payloads; the handlers are the chassis's."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from chassis.database import Tx
from chassis.documents.rpc import Payloads
from chassis.errors import Problems
from services.notify.rules.convert import rule_from_proto
from services.notify.rules.domain import TicketRule, check_tickets, require_template
from services.notify.templates.repository import Templates
from shuke.notify.v1 import policies_pb2 as pb


def notice_rules(templates: Templates, ticket_filters: Mapping[str, Collection[str]]) -> Payloads:
    """Read the rules of notices, and put one in force only beside templates that can serve it.

    `ticket_filters` holds the values that each filter of tickets may name.
    """

    def read(problems: Problems, key: str, policy: pb.Policy) -> None:
        rule = rule_from_proto(policy)
        if key and key != rule.key:
            problems.add("policy.name" if policy.name else "parent", "POLICY_KIND_WRONG", kind=rule.key)
        if isinstance(rule, TicketRule):
            check_tickets(problems, rule, ticket_filters, "policy.ticket_notice_rule")

    def require(tx: Tx, policy: pb.Policy) -> None:
        rule = rule_from_proto(policy)
        for notice in rule.notices if isinstance(rule, TicketRule) else (rule,):
            require_template(notice, templates.find(tx, notice.template_code))

    return Payloads(read, require=require)
