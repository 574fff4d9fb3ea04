"""The rule of a tier notice: who of those graded is told of it, with which template and over which channels (N-09)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chassis.errors import FailedPrecondition
from services.notify.templates.domain import Channel, Template


class RuleTemplateMissing(FailedPrecondition):
    """No approved version of the template has a body for each channel. Metadata: template, channels."""

    reason = "RULE_TEMPLATE_MISSING"


class When(StrEnum):
    """Which grade results are told; the values are the contract's."""

    ALL = "ALL"
    CHANGED = "CHANGED"
    UPGRADES = "UPGRADES"


@dataclass(frozen=True, slots=True)
class TierNotice:
    """A version of a scheme's rule; `channels` stand in the order in which they are tried."""

    name: str
    scheme: str
    when: When
    template_code: str
    channels: tuple[Channel, ...]


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


def require_template(rule: TierNotice, template: Template | None) -> None:
    """Refuse a rule that could not send: `template` is the approved version of its template, if there is one."""
    lacking = [channel for channel in rule.channels if template is None or channel not in template.channels]
    if lacking:
        raise RuleTemplateMissing(template=rule.template_code, channels=", ".join(lacking))
