"""The rules of notices between the contract and the domain."""

from __future__ import annotations

from collections.abc import Iterable

from chassis.names import identity
from services.notify.rules.domain import Occasion, Recipient, Rule, TicketNotice, TicketRule, TierNotice, When
from services.notify.templates.domain import Channel
from shuke.notify.v1 import policies_pb2 as pb
from shuke.notify.v1.templates_pb2 import Template


def rule_from_proto(policy: pb.Policy, name: str = "") -> Rule:
    """Read the rule of a policy whose shape the contract has checked."""
    if policy.WhichOneof("payload") == "ticket_notice_rule":
        return TicketRule(name, tuple(map(_ticket_notice, policy.ticket_notice_rule.notices)))
    rule = policy.notice_rule
    return TierNotice(
        name=name,
        scheme=rule.scheme,
        when=When(pb.NoticeRule.When.Name(rule.when)),
        template_code=identity(rule.template),
        channels=_channels(rule.channels),
    )


def rule_of(name: str, payload: bytes) -> Rule:
    """Read a rule as it is stored: a policy with nothing but its payload."""
    return rule_from_proto(pb.Policy.FromString(payload), name)


def _ticket_notice(notice: pb.TicketNotice) -> TicketNotice:
    return TicketNotice(
        occasion=Occasion(pb.TicketNotice.Occasion.Name(notice.occasion)),
        types=tuple(notice.types),
        severities=tuple(notice.severities),
        clocks=tuple(notice.clocks),
        recipient=Recipient(pb.TicketNotice.Recipient.Name(notice.recipient)),
        role=notice.role,
        template_code=identity(notice.template),
        channels=_channels(notice.channels),
    )


def _channels(channels: Iterable[Template.Channel.ValueType]) -> tuple[Channel, ...]:
    return tuple(Channel(Template.Channel.Name(channel)) for channel in channels)
