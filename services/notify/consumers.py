"""What notify does when tiering tells of a grade result: it takes in the tier notice that a rule asks for (N-09)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from zoneinfo import ZoneInfo

from chassis import names, wire
from chassis.calendar import day_of
from chassis.database import Tx
from chassis.events import EventLog
from chassis.ids import NewId
from services.notify.messages import repository
from services.notify.messages.convert import fitting, told
from services.notify.messages.domain import Draft, Message, Source, begin, begin_dead
from services.notify.messages.repository import Messages
from services.notify.notices.convert import content_of
from services.notify.notices.domain import GradeResult, values
from services.notify.rules.domain import TierNotice, applies
from services.notify.rules.repository import Rules
from services.notify.templates.domain import Template, Words
from services.notify.templates.repository import Templates
from shuke.event.v1 import event_pb2
from shuke.tiering.v1 import events_pb2

SOURCE = "tiering.shuke"


class TieringEvents:
    """The effect of tiering's events: one notice for each grade result that a rule covers, and never a second one."""

    def __init__(self, log: EventLog, messages: Messages, templates: Templates, rules: Rules, zone: ZoneInfo) -> None:
        self.log = log
        self.messages = messages
        self.templates = templates
        self.rules = rules
        self.zone = zone

    def __call__(self, tx: Tx, events: Sequence[event_pb2.Event], now: int, new_id: NewId) -> None:
        """Take in the notices that the events call for; a batch of them reads each rule and template once."""
        covering = cache(lambda scheme, time: self.rules.covering(tx, scheme, time))
        in_force = cache(lambda code: self.templates.find(tx, code))
        results = {result.business_key: result for event in events if (result := _graded(event))}
        for key in repository.under(tx, results):
            del results[key]
        drafted = [
            self._notice(result, rule, in_force(rule.template_code), now, new_id())
            for result in results.values()
            if (rule := covering(result.scheme, result.effective_time)) and _meets(rule, result)
        ]
        self.messages.add(tx, drafted)
        self.log.add(tx, told(message for message, _ in drafted), now, new_id)

    def _notice(
        self, result: GradeResult, rule: TierNotice, template: Template | None, now: int, message_id: str
    ) -> tuple[Message, bytes]:
        content = content_of(values(result, day_of(result.effective_time, self.zone)))
        draft = Draft(
            customer_id=result.customer_id,
            channels=rule.channels,
            source=Source(rule=rule.name, event_id=result.event_id),
            business_key=result.business_key,
        )
        if template is None:
            return begin_dead(draft, rule.template_code, now, message_id), content
        return begin(draft, template, now, message_id), fitting(content, template.samples)


def _meets(rule: TierNotice, result: GradeResult) -> bool:
    return applies(rule, from_rank=result.from_rank, to_rank=result.to_rank, confirmed=result.confirmed)


def _graded(event: event_pb2.Event) -> GradeResult | None:
    """Read a grade result; None for a class that no evaluation gave, and for events of other kinds."""
    changed, confirmed = events_pb2.MembershipChanged(), events_pb2.MembershipConfirmed()
    if event.data.Unpack(changed) and changed.evaluation:
        return GradeResult(
            event_id=event.id,
            customer_id=names.identity(changed.customer),
            scheme=changed.scheme,
            evaluation=changed.evaluation,
            effective_time=wire.instant(changed.effective_time),
            class_key=changed.to_class,
            class_name=Words(changed.to_display_name.zh, changed.to_display_name.en),
            benefits=tuple(Words(text.zh, text.en) for text in changed.to_benefits),
            from_rank=changed.from_rank,
            to_rank=changed.to_rank,
            confirmed=False,
        )
    if event.data.Unpack(confirmed):
        return GradeResult(
            event_id=event.id,
            customer_id=names.identity(confirmed.customer),
            scheme=confirmed.scheme,
            evaluation=confirmed.evaluation,
            effective_time=wire.instant(confirmed.effective_time),
            class_key=confirmed.class_key,
            class_name=Words(confirmed.display_name.zh, confirmed.display_name.en),
            benefits=tuple(Words(text.zh, text.en) for text in confirmed.benefits),
            from_rank=confirmed.rank,
            to_rank=confirmed.rank,
            confirmed=True,
        )
    return None
