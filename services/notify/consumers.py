"""What notify does when other services tell of something: rules make notices of grade results and of tickets.

Of the customer service it learns who serves in which role, for rules tell roles of tickets.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from functools import cache, partial
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message as Proto

from chassis import names, wire
from chassis.calendar import day_of
from chassis.database import Tx
from chassis.events import EventLog
from chassis.ids import NewId
from chassis.rebuild import Projection
from chassis.texts import label
from services.notify.gradings import domain as gradings
from services.notify.gradings.domain import GradeResult
from services.notify.messages import repository
from services.notify.messages.convert import fitting, told
from services.notify.messages.domain import Message, begin, begin_dead
from services.notify.messages.repository import Messages
from services.notify.notices.convert import content_of
from services.notify.notices.domain import Notice
from services.notify.rules.domain import TICKETS, Occasion, Recipient, TicketNotice, TicketRule, TierNotice, applies
from services.notify.rules.repository import Rules
from services.notify.staff import repository as staff
from services.notify.staff.domain import Member
from services.notify.templates.domain import Template, Words
from services.notify.templates.repository import Templates
from services.notify.tickets import domain as tickets
from services.notify.tickets.domain import Term, TicketEvent
from shuke.customer.v1 import events_pb2 as customer_pb2
from shuke.event.v1 import event_pb2
from shuke.ticketing.v1 import events_pb2 as ticketing_pb2
from shuke.tiering.v1 import events_pb2 as tiering_pb2

log = structlog.get_logger("consumers")

OCCASIONS: Mapping[type[Any], Occasion] = MappingProxyType(
    {
        ticketing_pb2.TicketOpened: Occasion.OPENED,
        ticketing_pb2.TicketAcknowledged: Occasion.ACKNOWLEDGED,
        ticketing_pb2.TicketTransferred: Occasion.TRANSFERRED,
        ticketing_pb2.TicketSolved: Occasion.SOLVED,
        ticketing_pb2.TicketClosed: Occasion.CLOSED,
        ticketing_pb2.TicketReopened: Occasion.REOPENED,
        ticketing_pb2.CommitmentMade: Occasion.COMMITMENT_MADE,
        ticketing_pb2.ClockAtRisk: Occasion.CLOCK_AT_RISK,
        ticketing_pb2.ClockBreached: Occasion.CLOCK_BREACHED,
        ticketing_pb2.FollowUpDue: Occasion.FOLLOW_UP_DUE,
    }
)


class Intake:
    """Takes in what rules want to be told, each notice once."""

    def __init__(self, event_log: EventLog, messages: Messages, templates: Templates) -> None:
        self.event_log = event_log
        self.messages = messages
        self.templates = templates

    def take(self, tx: Tx, notices: Iterable[Notice], now: int, new_id: NewId) -> None:
        """Make messages of notices; of those under one business key the first one counts, whenever it came.

        A batch of them reads each template once.
        """
        new: dict[str, Notice] = {}
        for notice in notices:
            new.setdefault(notice.business_key, notice)
        for key in repository.under(tx, new):
            del new[key]
        in_force = cache(lambda code: self.templates.find(tx, code))
        drafted = [_message(notice, in_force(notice.template_code), now, new_id()) for notice in new.values()]
        self.messages.add(tx, drafted)
        self.event_log.add(tx, told(message for message, _ in drafted), now, new_id)


def _message(notice: Notice, template: Template | None, now: int, message_id: str) -> tuple[Message, bytes]:
    content = content_of(notice.values)
    if template is None:
        return begin_dead(notice.draft, notice.template_code, now, message_id), content
    return begin(notice.draft, template, now, message_id), fitting(content, template.samples)


class TieringEvents:
    """The effect of tiering's events: one notice for each grade result that a rule covers (N-09)."""

    def __init__(self, intake: Intake, rules: Rules, zone: ZoneInfo) -> None:
        self.intake = intake
        self.rules = rules
        self.zone = zone

    def __call__(self, tx: Tx, events: Sequence[event_pb2.Event], now: int, new_id: NewId) -> None:
        """Take in the notices that the events call for; a batch of them reads each rule once."""
        covering = cache(lambda scheme, time: self.rules.covering(tx, names.identity(scheme), time))
        notices = [
            self._notice(result, rule)
            for result in filter(None, map(_graded, events))
            if isinstance(rule := covering(result.scheme, result.effective_time), TierNotice) and _told(rule, result)
        ]
        self.intake.take(tx, notices, now, new_id)

    def _notice(self, result: GradeResult, rule: TierNotice) -> Notice:
        return Notice(
            recipient=result.customer,
            rule=rule.name,
            event_id=result.event_id,
            business_key=result.business_key,
            template_code=rule.template_code,
            channels=rule.channels,
            values=gradings.values(result, day_of(result.effective_time, self.zone)),
        )


def _told(rule: TierNotice, result: GradeResult) -> bool:
    return applies(rule, from_rank=result.from_rank, to_rank=result.to_rank, confirmed=result.confirmed)


def _graded(event: event_pb2.Event) -> GradeResult | None:
    """Read a grade result; None for a class that no evaluation gave, and for events of other kinds."""
    changed, confirmed = tiering_pb2.MembershipChanged(), tiering_pb2.MembershipConfirmed()
    result: tiering_pb2.MembershipChanged | tiering_pb2.MembershipConfirmed
    if event.data.Unpack(changed) and changed.evaluation:
        result, ranks = changed, (changed.from_rank, changed.to_rank)
        class_key, class_name, benefits = changed.to_class, changed.to_display_name, changed.to_benefits
    elif event.data.Unpack(confirmed):
        result, ranks = confirmed, (confirmed.rank, confirmed.rank)
        class_key, class_name, benefits = confirmed.class_key, confirmed.display_name, confirmed.benefits
    else:
        return None
    return GradeResult(
        event_id=event.id,
        customer=result.customer,
        scheme=result.scheme,
        evaluation=result.evaluation,
        effective_time=wire.instant(result.effective_time),
        class_key=class_key,
        class_name=Words(class_name.zh, class_name.en),
        benefits=tuple(Words(text.zh, text.en) for text in benefits),
        from_rank=ranks[0],
        to_rank=ranks[1],
        confirmed=result is confirmed,
    )


class TicketingEvents:
    """The effect of ticketing's events: a notice to everybody whom the rule reaches, one per event (N-13 to N-15)."""

    def __init__(self, intake: Intake, rules: Rules) -> None:
        self.intake = intake
        self.rules = rules

    def __call__(self, tx: Tx, events: Sequence[event_pb2.Event], now: int, new_id: NewId) -> None:
        """Take in the notices that the events call for, by the rule of the day on which each happened."""
        happened = filter(None, map(_happened, events))
        self.intake.take(tx, (notice for event in happened for notice in self._notices(tx, event)), now, new_id)

    def _notices(self, tx: Tx, event: TicketEvent) -> Iterator[Notice]:
        rule = self.rules.covering(tx, TICKETS, event.time)
        if not isinstance(rule, TicketRule):
            return
        for notice in rule.notices:
            if tickets.meets(event, notice):
                for recipient in tickets.recipients(event, notice, _serving(tx, event, notice)):
                    yield Notice(
                        recipient=recipient,
                        rule=rule.name,
                        event_id=event.event_id,
                        business_key=event.business_key(recipient),
                        template_code=notice.template_code,
                        channels=notice.channels,
                        values=tickets.values(event),
                    )


def _serving(tx: Tx, event: TicketEvent, notice: TicketNotice) -> list[str]:
    """Name who serves in a notice's role at the ticket's store; that there is nobody is worth a line."""
    if notice.recipient is not Recipient.ROLE:
        return []
    found = [names.name("staff", code) for code in staff.serving(tx, notice.role, event.store)]
    if not found:
        log.warning("nobody in role", role=notice.role, store=event.store, ticket=event.number, occasion=event.occasion)
    return found


def _happened(event: event_pb2.Event) -> TicketEvent | None:
    """Read what happened to a ticket; None for events of other kinds."""
    for kind, occasion in OCCASIONS.items():
        change = kind()
        if event.data.Unpack(change):
            ticket: ticketing_pb2.TicketFacts = change.ticket
            happened = TicketEvent(
                event_id=event.id,
                time=wire.instant(event.time),
                occasion=occasion,
                ticket=ticket.name,
                number=ticket.number,
                type=_term(ticket, "type"),
                severity=_term(ticket, "severity"),
                state=_term(ticket, "state"),
                customer=ticket.customer,
                store=ticket.store,
                queue=names.identity(ticket.queue),
                owner=ticket.owner,
                assignee=ticket.assignee,
                report_time=ticket.report_time.ToDatetime(UTC),
            )
            return dataclasses.replace(happened, **_own(change))
    return None


def _own(change: Proto) -> dict[str, Any]:
    """Read what an event tells beside the ticket."""
    match change:
        case ticketing_pb2.TicketTransferred(escalated=True):
            return {"occasion": Occasion.ESCALATED}
        case ticketing_pb2.CommitmentMade():
            return {"commitment": change.number, "promised_time": change.promised_time.ToDatetime(UTC)}
        case ticketing_pb2.ClockAtRisk() | ticketing_pb2.ClockBreached():
            due_time = change.due_time.ToDatetime(UTC)
            return {"clock": _term(change, "clock"), "commitment": change.number, "due_time": due_time}
        case ticketing_pb2.FollowUpDue():
            return {"owner": change.owner, "follow_up": change.follow_up}
        case _:
            return {}


def _enum(message: Proto | type[Proto], field: str) -> EnumDescriptor:
    """Find an enumeration of ticketing, whose other contracts are not read here, by a field that takes it."""
    found: EnumDescriptor = message.DESCRIPTOR.fields_by_name[field].enum_type  # type: ignore[assignment]
    return found


def _term(message: Proto, field: str) -> Term:
    value = _enum(message, field).values_by_number[getattr(message, field)]
    words = label(value)
    return Term(value.name, Words(words.zh, words.en))


# What the filters of a rule of tickets may name: all that ticketing tells.
TICKET_FILTERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        name: tuple(value.name for value in _enum(message, field).values[1:])
        for name, message, field in (
            ("types", ticketing_pb2.TicketFacts, "type"),
            ("severities", ticketing_pb2.TicketFacts, "severity"),
            ("clocks", ticketing_pb2.ClockAtRisk, "clock"),
        )
    }
)


def on_customer(tx: Tx, events: Sequence[event_pb2.Event], _now: int, _new_id: NewId, *, beside: bool = False) -> None:
    """Keep where staff serve, or build that anew beside; the last that is told of a member counts."""
    latest: dict[str, Member] = {}
    for event in events:
        changed = customer_pb2.StaffChanged()
        if event.data.Unpack(changed):
            code = names.identity(changed.staff)
            latest[code] = Member(
                code=code,
                active=changed.active,
                roles=tuple(changed.roles),
                stores=tuple(map(names.identity, changed.stores)),
                chain_wide=changed.chain_wide,
            )
    staff.put(tx, latest.values(), beside=beside)


STAFF = Projection(staff.TWINS, partial(on_customer, beside=True))
