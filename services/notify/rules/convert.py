"""Notice rules between the contract and the domain."""

from __future__ import annotations

from chassis.names import identity
from services.notify.rules.domain import TierNotice, When
from services.notify.templates.domain import Channel
from shuke.notify.v1 import policies_pb2 as pb
from shuke.notify.v1 import templates_pb2


def rule_from_proto(message: pb.NoticeRule, name: str = "") -> TierNotice:
    """Read a rule whose shape the contract has checked."""
    return TierNotice(
        name=name,
        scheme=message.scheme,
        when=When(pb.NoticeRule.When.Name(message.when)),
        template_code=identity(message.template),
        channels=tuple(Channel(templates_pb2.Template.Channel.Name(channel)) for channel in message.channels),
    )


def rule_of(name: str, payload: bytes) -> TierNotice:
    """Read a rule as it is stored: a policy with nothing but its payload."""
    return rule_from_proto(pb.Policy.FromString(payload).notice_rule, name)
