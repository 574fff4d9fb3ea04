"""What ticketing tells, and the example rule and templates of its notices."""

# ruff: noqa: ANN401  (a keyword argument is whatever the field of the message takes)

from __future__ import annotations

import json
from typing import Any

from google.protobuf import json_format

from chassis import wire
from chassis.calendar import SECOND
from services.notify.consumers import OCCASIONS
from services.notify.tests.desk import Desk
from services.notify.tests.neighbours import ANNA
from services.notify.tests.studio import EXAMPLES
from shuke.customer.v1.events_pb2 import StaffChanged
from shuke.notify.v1.policies_pb2 import Policy, TicketNotice, TicketNoticeRule
from shuke.notify.v1.templates_pb2 import Template
from shuke.ticketing.v1 import events_pb2
from shuke.ticketing.v1.ticket_pb2 import Clock, Ticket
from tests.running import START

OWNER, ASSIGNEE, MANAGER, DIRECTOR = "staff/OWNER", "staff/ASSIGNEE", "staff/MANAGER", "staff/DIRECTOR"
TICKET = "tickets/0190a8f0-2222-7000-8000-000000000001"
HOUR = 3_600 * SECOND


def facts(**fields: Any) -> events_pb2.TicketFacts:
    """Write a customer's complaint as events tell it, with other fields where they are given."""
    told = {
        "name": TICKET,
        "number": "260302-0007",
        "type": Ticket.COMPLAINT,
        "severity": Ticket.NORMAL,
        "state": Ticket.IN_PROGRESS,
        "channel": Ticket.PHONE,
        "customer": ANNA,
        "store": "S01",
        "queue": "queues/complaints",
        "owner": OWNER,
        "assignee": ASSIGNEE,
        "report_time": wire.timestamp(START - HOUR),
    }
    return events_pb2.TicketFacts(**{**told, **fields})


def happened(kind: str, own: dict[str, Any] | None = None, **fields: Any) -> Any:
    """Write an event of a ticket; `own` is what it tells beside the ticket."""
    return getattr(events_pb2, kind)(ticket=facts(**fields), **(own or {}))


def clocked(kind: str, clock: Clock.Kind.ValueType, **fields: Any) -> Any:
    """Write that a clock is at risk or breached; its time is in an hour."""
    return happened(kind, {"clock": clock, "due_time": wire.timestamp(START + HOUR)}, **fields)


def promised(**fields: Any) -> Any:
    """Write that the customer was promised an answer in an hour."""
    return happened("CommitmentMade", {"number": 1, "promised_time": wire.timestamp(START + HOUR)}, **fields)


def every_kind() -> list[Any]:
    """Write one event of each kind that can be told."""
    return [happened(kind.DESCRIPTOR.name) for kind in OCCASIONS]


def member(staff: str, *roles: str, stores: tuple[str, ...] = (), **fields: Any) -> StaffChanged:
    """Write what the directory tells of a member of staff; without stores, of one who works for all."""
    told = {"active": True, "chain_wide": not stores, "stores": [f"stores/{store}" for store in stores]}
    return StaffChanged(staff=staff, roles=roles, **{**told, **fields})


def example_templates() -> dict[str, Template]:
    """Read the example templates, by code."""
    text = (EXAMPLES / "ticket_notice_templates.json").read_text(encoding="utf-8")
    return {code: json_format.ParseDict(content, Template()) for code, content in json.loads(text).items()}


def example_ticket_rule(*notices: TicketNotice) -> Policy:
    """Read the example rule, with other notices where they are given."""
    policy = json_format.Parse((EXAMPLES / "ticket_notice_rule.json").read_text(encoding="utf-8"), Policy())
    if notices:
        policy.ticket_notice_rule.CopyFrom(TicketNoticeRule(notices=notices))
    return policy


def notice(**fields: Any) -> TicketNotice:
    """Write a notice to the service managers that a ticket was opened, with other fields where they are given."""
    told = {
        "occasion": TicketNotice.OPENED,
        "recipient": TicketNotice.ROLE,
        "template": "templates/ticket-reported",
        "channels": [Template.EMAIL],
    }
    told |= {} if "recipient" in fields else {"role": "service_manager"}
    return TicketNotice(**{**told, **fields})


def prepare(desk: Desk, *notices: TicketNotice) -> None:
    """Put the example rule in force, or one of other notices where they are given, and the templates that it names."""
    policy, templates = example_ticket_rule(*notices), example_templates()
    for name in sorted({each.template for each in policy.ticket_notice_rule.notices}):
        code = name.partition("/")[2]
        desk.studio.approve(desk.studio.create(templates[code], code).name)
    desk.studio.activate(policy, "tickets")
