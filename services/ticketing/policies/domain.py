"""What is in force for tickets on a day, and what makes a version fit to be put in force.

Policies are read from drafts, so what the chain must choose may still be missing (0 or empty). `check` finds that;
whatever handles tickets relies on policies that passed it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from chassis.errors import FailedPrecondition, Problems
from services.ticketing.priorities.domain import PriorityPolicy
from services.ticketing.queues.domain import QueueCatalogue
from services.ticketing.sla.domain import SlaPolicy


class PolicyMissing(FailedPrecondition):
    """No version of a policy is in force. Metadata: policy."""

    reason = "POLICY_MISSING"


@dataclass(frozen=True, slots=True)
class ClosingPolicy:
    """How often a customer must have been tried before a ticket ends without contact (X-19)."""

    contact_attempts: int


@dataclass(frozen=True, slots=True)
class FollowUpPolicy:
    """When customers are called after a ticket ended: microseconds after it, ascending, by ticket type (X-18, K-39)."""

    delays: Mapping[str, tuple[int, ...]]


P = TypeVar("P")
Payload = SlaPolicy | PriorityPolicy | QueueCatalogue | ClosingPolicy | FollowUpPolicy


@dataclass(frozen=True, slots=True)
class Rules:
    """What is in force on a day, each None where nothing is; names are those of versions, "policies/sla/versions/3"."""

    sla: SlaPolicy | None = None
    sla_name: str = ""
    priority: PriorityPolicy | None = None
    priority_name: str = ""
    queues: QueueCatalogue | None = None
    closing: ClosingPolicy | None = None
    follow_up: FollowUpPolicy | None = None


def needed(policy: P | None, kind: str) -> P:
    """Answer a policy that must be in force, or raise `PolicyMissing`."""
    if policy is None:
        raise PolicyMissing(policy=f"policies/{kind}")
    return policy


def note_repeated(problems: Problems, keys: Iterable[tuple[str, str]]) -> None:
    """Note each entry whose key stands before it already; each comes as the path of its key, and the key."""
    seen: set[str] = set()
    for path, key in keys:
        if key in seen:
            problems.add(path, "POLICY_ENTRY_REPEATED", key=key)
        seen.add(key)


def check(problems: Problems, payload: Payload, field: str) -> None:
    """Note everything that keeps a policy from being put in force; `field` is the payload's name in the contract."""
    match payload:
        case SlaPolicy():
            check_sla(problems, payload, field)
        case QueueCatalogue():
            note_missing(problems, field, {"queues": payload.queues})
            for index, queue in enumerate(payload.queues):
                note_missing(problems, f"{field}.queues[{index}].display_name", {"zh": queue.zh, "en": queue.en})
        case ClosingPolicy():
            note_missing(problems, field, {"contact_attempts": payload.contact_attempts})
        case FollowUpPolicy():
            # The customer is asked after every complaint, once at least (K-39).
            note_missing(problems, field, {"rules": payload.delays.get("COMPLAINT")})


def check_sla(problems: Problems, policy: SlaPolicy, field: str) -> None:
    """Note what is missing in an SLA policy; a rule that gives no limit would keep a later one from giving any."""
    choices = {"at_risk_percent": policy.at_risk_percent, "commitment_reminder": policy.commitment_reminder}
    note_missing(problems, field, {"rules": policy.rules, **choices})
    for index, rule in enumerate(policy.rules):
        if not rule.limits:
            problems.add(f"{field}.rules[{index}]", "POLICY_INCOMPLETE")
    for index, reason in enumerate(policy.pause_reasons):
        path = f"{field}.pause_reasons[{index}]"
        note_missing(problems, f"{path}.display_name", {"zh": reason.zh, "en": reason.en})
        note_missing(problems, path, {"parties": reason.parties, "clocks": reason.clocks})


def note_missing(problems: Problems, path: str, values: Mapping[str, object]) -> None:
    """Note each value that the chain has to choose and has not."""
    for name, value in values.items():
        if not value:
            problems.add(f"{path}.{name}", "POLICY_INCOMPLETE")
