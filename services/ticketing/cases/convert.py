"""Cases between the contract and the domain, and the events that tell of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from chassis import names, wire
from chassis.calendar import SECOND
from chassis.errors import Problems
from chassis.events import Change
from chassis.money import Currency
from services.ticketing.cases.domain import Case, Commitment, Product, Solution, Ticket, Told
from services.ticketing.clocks.domain import Clock
from services.ticketing.priorities.domain import Priority
from shuke.ticketing.v1 import events_pb2
from shuke.ticketing.v1 import ticket_pb2 as pb

# The moments and enum values that an event tells beside the ticket's facts.
_CODES = {
    "from_queue": "queues",
    "from_assignee": "staff",
    "from_owner": "staff",
    "follow_up": "followUps",
    "owner": "staff",
}
_FAR_FUTURE = 2**62


def duration(micros: int) -> Duration:
    """Write a length of time that is given in microseconds."""
    return Duration(seconds=micros // SECOND, nanos=micros % SECOND * 1000)


def ticket_to_proto(case: Case, money: Currency, *, brief: bool = False) -> pb.Ticket:
    """Write a ticket; a brief one has neither description, product nor solutions."""
    ticket = case.ticket
    written = pb.Ticket(
        name=ticket.name,
        number=ticket.number,
        type=pb.Ticket.Type.Value(ticket.type),
        channel=pb.Ticket.Channel.Value(ticket.channel),
        customer=names.name("customers", ticket.customer_id),
        reporter=names.name("staff", ticket.reporter),
        store=ticket.store,
        queue=names.name("queues", ticket.queue),
        subject=ticket.subject,
        category=ticket.category,
        cause_code=ticket.cause_code,
        severity=pb.Ticket.Severity.Value(ticket.severity),
        priority=_priority(ticket.priority),
        report_time=wire.timestamp(ticket.report_time),
        owner=names.name("staff", ticket.owner),
        assignee=names.name("staff", ticket.assignee),
        state=pb.Ticket.State.Value(ticket.state),
        waiting_for=pb.Ticket.Party.Value(ticket.waiting_for or "PARTY_UNSPECIFIED"),
        finding=pb.Ticket.Finding.Value(ticket.finding or "FINDING_UNSPECIFIED"),
        clocks=map(clock_to_proto, sorted(case.clocks, key=_urgency)),
        commitments=map(_commitment, case.commitments),
        classes=ticket.classes,
        create_time=wire.timestamp(ticket.create_time),
        update_time=wire.timestamp(ticket.update_time),
        close_time=wire.timestamp(ticket.close_time),
        etag=ticket.etag,
    )
    if not brief:
        written.description = ticket.description
        if ticket.product:
            written.product.CopyFrom(_product(ticket.product))
        written.solutions.extend(_solution(solution, money) for solution in case.solutions)
    return written


def clock_to_proto(clock: Clock) -> pb.Clock:
    """Write a clock."""
    return pb.Clock(
        kind=pb.Clock.Kind.Value(clock.kind),
        number=clock.number,
        state=pb.Clock.State.Value(clock.state),
        limit=duration(clock.limit),
        start_time=wire.timestamp(clock.start_time),
        counted=duration(clock.counted),
        due_time=wire.timestamp(clock.due_time),
        stop_time=wire.timestamp(clock.stop_time),
        at_risk_time=wire.timestamp(clock.at_risk_time),
        breach_time=wire.timestamp(clock.breach_time),
    )


def product_from_proto(problems: Problems, field: str, product: pb.Ticket.Product) -> Product:
    """Read a product; note a purchase date that is none."""
    day = None
    if product.HasField("purchase_date"):
        day = wire.read_date(problems, f"{field}.purchase_date", product.purchase_date)
    return Product(
        sku=product.sku,
        model=product.model,
        specification=product.specification,
        serial_no=product.serial_no,
        purchase_date=day,
        purchase_place=product.purchase_place,
    )


def told(case: Case) -> list[Change]:
    """Tell of what is new in a case, as the ticket stands since."""
    facts, ticket = _facts(case.ticket), case.ticket
    key = names.name("customers", ticket.customer_id) or ticket.name
    return [Change(ticket.name, key, _event(signal.told, facts, signal.details)) for signal in case.signals]


def _event(kind: Told, facts: events_pb2.TicketFacts, details: Mapping[str, Any]) -> Message:
    event: Any = getattr(events_pb2, kind)(ticket=facts)
    for name, value in details.items():
        if name.endswith("_time"):
            getattr(event, name).CopyFrom(wire.timestamp(value))
        elif name == "clock":
            event.clock = pb.Clock.Kind.Value(value)
        else:
            setattr(event, name, names.name(_CODES[name], value) if name in _CODES else value)
    written: Message = event
    return written


def _facts(ticket: Ticket) -> events_pb2.TicketFacts:
    return events_pb2.TicketFacts(
        name=ticket.name,
        number=ticket.number,
        type=pb.Ticket.Type.Value(ticket.type),
        severity=pb.Ticket.Severity.Value(ticket.severity),
        state=pb.Ticket.State.Value(ticket.state),
        channel=pb.Ticket.Channel.Value(ticket.channel),
        customer=names.name("customers", ticket.customer_id),
        store=ticket.store,
        queue=names.name("queues", ticket.queue),
        owner=names.name("staff", ticket.owner),
        assignee=names.name("staff", ticket.assignee),
        classes=ticket.classes,
        report_time=wire.timestamp(ticket.report_time),
    )


def _priority(priority: Priority) -> pb.Ticket.Priority:
    return pb.Ticket.Priority(
        severity=pb.Ticket.Severity.Value(priority.severity),
        deadline=wire.timestamp(priority.deadline),
        class_bonus=duration(priority.class_bonus),
        bonus_class=priority.bonus_class,
        order_time=wire.timestamp(priority.order_time),
        policy=priority.policy,
    )


def _product(product: Product) -> pb.Ticket.Product:
    return pb.Ticket.Product(
        sku=product.sku,
        model=product.model,
        specification=product.specification,
        serial_no=product.serial_no,
        purchase_date=wire.to_date(product.purchase_date),
        purchase_place=product.purchase_place,
    )


def _commitment(one: Commitment) -> pb.Commitment:
    return pb.Commitment(
        number=one.number,
        promised_time=wire.timestamp(one.promised_time),
        staff=names.name("staff", one.staff),
        state=pb.Commitment.State.Value(one.state),
        make_time=wire.timestamp(one.make_time),
        answer_time=wire.timestamp(one.answer_time),
    )


def _solution(one: Solution, money: Currency) -> pb.Solution:
    return pb.Solution(
        number=one.number,
        description=one.description,
        explanation=one.explanation,
        compensation=wire.to_money(one.compensation or None, money),
        compensated=wire.to_money(one.compensated or None, money),
        state=pb.Solution.State.Value(one.state),
        staff=names.name("staff", one.staff),
        propose_time=wire.timestamp(one.propose_time),
        answer_time=wire.timestamp(one.answer_time),
    )


def _urgency(clock: Clock) -> tuple[int, int, int]:
    """Order clocks: the earliest due first, then those that do not run, in the order in which they began."""
    return (clock.due_time if clock.due_time is not None else _FAR_FUTURE, clock.start_time, clock.number)
