"""Policies between the contract and the domain, read only: versions are stored and shown as they were written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from chassis.names import identity
from services.ticketing.clocks.domain import Kind
from services.ticketing.policies.domain import ClosingPolicy, FollowUpPolicy, Payload, Rules
from services.ticketing.priorities.domain import PriorityPolicy
from services.ticketing.queues.domain import Queue, QueueCatalogue
from services.ticketing.sla.domain import PauseReason, SlaPolicy, SlaRule
from shuke.ticketing.v1 import policies_pb2 as pb
from shuke.ticketing.v1.ticket_pb2 import Clock, Ticket


def payload_from_proto(policy: pb.Policy) -> Payload:
    """Read the payload of a policy whose shape the contract has checked; a draft may be incomplete."""
    field = field_of(policy)
    return READERS[field](getattr(policy, field))


def rules_of(versions: Mapping[str, bytes]) -> Rules:
    """Read what is in force, by the names of the versions, as it is stored: policies with nothing but their payload."""
    payloads: dict[str, Any] = {}
    names: dict[str, str] = {}
    for name, stored in versions.items():
        policy = pb.Policy.FromString(stored)
        field = field_of(policy)
        payloads[field], names[field] = payload_from_proto(policy), name
    return Rules(**payloads, sla_name=names.get("sla", ""), priority_name=names.get("priority", ""))


def field_of(policy: pb.Policy) -> str:
    """Name the field that holds the payload."""
    return str(policy.WhichOneof("payload"))


def kind_of(policy: pb.Policy) -> str:
    """Name the kind under which a payload is kept, as it stands in "policies/{kind}"."""
    return field_of(policy).replace("_", "-")


def keys_of(policy: pb.Policy, field: str = "") -> Iterator[tuple[str, str]]:
    """Answer the path and the key of every entry that may stand in a policy once; `field` leads to the policy."""
    for index, rule in enumerate(policy.sla.rules):
        yield f"{field}sla.rules[{index}].code", rule.code
    for index, reason in enumerate(policy.sla.pause_reasons):
        yield f"{field}sla.pause_reasons[{index}].code", reason.code
    for index, bonus in enumerate(policy.priority.bonuses):
        yield f"{field}priority.bonuses[{index}].class_key", bonus.class_key
    for index, queue in enumerate(policy.queues.queues):
        yield f"{field}queues.queues[{index}].code", queue.code
    for index, follow_up in enumerate(policy.follow_up.rules):
        for place, type_ in enumerate(follow_up.types):
            yield f"{field}follow_up.rules[{index}].types[{place}]", Ticket.Type.Name(type_)


def sla_from_proto(message: pb.SlaPolicy) -> SlaPolicy:
    """Read an SLA policy."""
    return SlaPolicy(
        rules=tuple(map(sla_rule_from_proto, message.rules)),
        at_risk_percent=message.at_risk_percent,
        commitment_reminder=message.commitment_reminder.ToMicroseconds(),
        pause_reasons=tuple(map(pause_reason_from_proto, message.pause_reasons)),
    )


def sla_rule_from_proto(message: pb.SlaPolicy.Rule) -> SlaRule:
    """Read a rule; a limit of zero can be told from none."""
    return SlaRule(
        code=message.code,
        types=frozenset(map(Ticket.Type.Name, message.types)),
        severities=frozenset(map(Ticket.Severity.Name, message.severities)),
        classes=frozenset(message.classes),
        limits={
            Kind(field.upper()): getattr(message, field).ToMicroseconds()
            for field in ("acknowledge", "confirm", "respond", "resolve")
            if message.HasField(field)
        },
    )


def pause_reason_from_proto(message: pb.SlaPolicy.PauseReason) -> PauseReason:
    """Read a pause reason."""
    return PauseReason(
        code=message.code,
        zh=message.display_name.zh,
        en=message.display_name.en,
        parties=frozenset(map(Ticket.Party.Name, message.parties)),
        clocks=frozenset(Kind(Clock.Kind.Name(kind)) for kind in message.clocks),
    )


def priority_from_proto(message: pb.PriorityPolicy) -> PriorityPolicy:
    """Read the bonuses of classes."""
    return PriorityPolicy({bonus.class_key: bonus.bonus.ToMicroseconds() for bonus in message.bonuses})


def queues_from_proto(message: pb.QueueCatalogue) -> QueueCatalogue:
    """Read a catalogue of queues."""
    return QueueCatalogue(tuple(map(queue_from_proto, message.queues)))


def queue_from_proto(message: pb.QueueCatalogue.Queue) -> Queue:
    """Read a queue."""
    return Queue(
        code=message.code,
        zh=message.display_name.zh,
        en=message.display_name.en,
        types=frozenset(map(Ticket.Type.Name, message.types)),
        severities=frozenset(map(Ticket.Severity.Name, message.severities)),
        stores=frozenset(message.stores),
        classes=frozenset(message.classes),
        lead=identity(message.lead),
    )


def closing_from_proto(message: pb.ClosingPolicy) -> ClosingPolicy:
    """Read what endings ask for."""
    return ClosingPolicy(message.contact_attempts)


def follow_up_from_proto(message: pb.FollowUpPolicy) -> FollowUpPolicy:
    """Read when customers are called, in the order of the calls."""
    return FollowUpPolicy(
        {
            Ticket.Type.Name(type_): tuple(sorted(delay.ToMicroseconds() for delay in rule.delays))
            for rule in message.rules
            for type_ in rule.types
        }
    )


# How each payload is read, by its field.
READERS: Mapping[str, Callable[[Any], Payload]] = {
    "sla": sla_from_proto,
    "priority": priority_from_proto,
    "queues": queues_from_proto,
    "closing": closing_from_proto,
    "follow_up": follow_up_from_proto,
}
