"""The rules of notices: what is told to whom, with which template and over which channels (N-09, N-13, N-14, N-15)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from chassis.errors import FailedPrecondition, Problems
from chassis.names import identity
from services.notify.templates.domain import Channel, Template

# The key of the rule of tickets; that of gradings has its scheme's.
TICKETS = "tickets"


class RuleTemplateMissing(FailedPrecondition):
    """No approved version of the template has a body for each channel. Metadata: template, channels."""

    reason = "RULE_TEMPLATE_MISSING"


class When(StrEnum):
    """Which grade results are told; the values are the contract's."""

    ALL = "ALL"
    CHANGED = "CHANGED"
    UPGRADES = "UPGRADES"


class Occasion(StrEnum):
    """What happens to tickets and can be told; the values are the contract's."""

    OPENED = "OPENED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    TRANSFERRED = "TRANSFERRED"
    ESCALATED = "ESCALATED"
    COMMITMENT_MADE = "COMMITMENT_MADE"
    SOLVED = "SOLVED"
    CLOSED = "CLOSED"
    REOPENED = "REOPENED"
    CLOCK_AT_RISK = "CLOCK_AT_RISK"
    CLOCK_BREACHED = "CLOCK_BREACHED"
    FOLLOW_UP_DUE = "FOLLOW_UP_DUE"


class Recipient(StrEnum):
    """Who is told of a ticket; the values are the contract's."""

    CUSTOMER = "CUSTOMER"
    OWNER = "OWNER"
    ASSIGNEE = "ASSIGNEE"
    ROLE = "ROLE"


# What is about a clock.
CLOCKED = (Occasion.CLOCK_AT_RISK, Occasion.CLOCK_BREACHED)


@dataclass(frozen=True, slots=True)
class TierNotice:
    """A version of a scheme's rule; `channels` stand in the order in which they are tried."""

    name: str
    scheme: str
    when: When
    template_code: str
    channels: tuple[Channel, ...]

    @property
    def key(self) -> str:
        """What the rule's versions are kept under."""
        return identity(self.scheme)


@dataclass(frozen=True, slots=True)
class TicketNotice:
    """Whom an occasion of certain tickets is told to; an empty filter lets every ticket through."""

    occasion: Occasion
    types: tuple[str, ...]
    severities: tuple[str, ...]
    clocks: tuple[str, ...]
    recipient: Recipient
    role: str
    template_code: str
    channels: tuple[Channel, ...]

    @property
    def to_staff(self) -> bool:
        """Whether staff are told, and no customer."""
        return self.recipient is not Recipient.CUSTOMER


@dataclass(frozen=True, slots=True)
class TicketRule:
    """A version of the rule of tickets; of notices that reach somebody by one event, the first one counts."""

    name: str
    notices: tuple[TicketNotice, ...]

    @property
    def key(self) -> str:
        """What the rule's versions are kept under."""
        return TICKETS


Rule = TierNotice | TicketRule


def applies(rule: TierNotice, *, from_rank: int, to_rank: int, confirmed: bool) -> bool:
    """Tell whether a grade result is told; ranks count from 1, the lowest class, and 0 is no class.

    ALL reaches everybody graded, also whoever kept the class or lost the last one. A first class is an upgrade.
    """
    match rule.when:
        case When.ALL:
            return True
        case When.CHANGED:
            return not confirmed
        case When.UPGRADES:
            return not confirmed and to_rank > from_rank


def check_tickets(problems: Problems, rule: TicketRule, known: Mapping[str, Collection[str]], field: str) -> None:
    """Note what may not stand in the rule of tickets; `known` holds the values of each filter that ticketing tells."""
    for index, notice in enumerate(rule.notices):
        path = f"{field}.notices[{index}]"
        for name, values in known.items():
            met = () if name == "clocks" and notice.occasion not in CLOCKED else values
            for place, value in enumerate(getattr(notice, name)):
                if value not in met:
                    problems.add(f"{path}.{name}[{place}]", "NOTICE_FILTER_WRONG", value=value)
        if bool(notice.role) != (notice.recipient is Recipient.ROLE):
            problems.add(f"{path}.role", "NOTICE_ROLE_WRONG")
        if notice.to_staff and notice.channels != (Channel.EMAIL,):
            problems.add(f"{path}.channels", "NOTICE_CHANNEL_WRONG")


def require_template(notice: TierNotice | TicketNotice, template: Template | None) -> None:
    """Refuse a notice that could not be sent: `template` is the approved version of its template, if there is one.

    Raises `RuleTemplateMissing`, and `TemplateMisdirected` for a template that is not meant for the recipient.
    """
    lacking = [channel for channel in notice.channels if template is None or channel not in template.channels]
    if template is None or lacking:
        raise RuleTemplateMissing(template=notice.template_code, channels=", ".join(lacking))
    template.require_for(staff=isinstance(notice, TicketNotice) and notice.to_staff)
