"""A notice: what a rule wants somebody to be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.notify.messages.domain import Draft, Source
from services.notify.templates.domain import Channel, Value


@dataclass(frozen=True, slots=True)
class Notice:
    """What a rule's version, by its name, wants `customers/{id}` or `staff/{code}` to be told because of an event.

    `values` is all that can be said, of which the template takes what it uses.
    """

    recipient: str
    rule: str
    event_id: str
    business_key: str
    template_code: str
    channels: tuple[Channel, ...]
    values: Mapping[str, Value]

    @property
    def draft(self) -> Draft:
        """The message that it becomes."""
        return Draft(self.recipient, self.channels, Source(rule=self.rule, event_id=self.event_id), self.business_key)
