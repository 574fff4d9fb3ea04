"""What TicketService is asked, between the contract and the domain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chassis import names, wire
from chassis.errors import Problems
from services.ticketing.cases.convert import product_from_proto
from services.ticketing.cases.domain import Entry, Wanted
from services.ticketing.states.domain import OPEN, State
from services.ticketing.tickets.domain import Draft
from shuke.ticketing.v1 import ticket_pb2
from shuke.ticketing.v1 import tickets_pb2 as pb

CHANGEABLE = ("subject", "description", "product", "store")


def draft_from_proto(request: pb.OpenTicketRequest, customer_id: str, store: str) -> Draft:
    """Read a matter; raise `Invalid` for what is missing or no date of the calendar."""
    problems = Problems()
    reporter = names.identity(request.staff_reporter)
    if not customer_id and not reporter:
        problems.add("customer", "REPORTER_MISSING")
    product = product_from_proto(problems, "product", request.product) if request.HasField("product") else None
    if not request.subject.strip():
        problems.add("subject", "TEXT_MISSING")
    problems.refuse()
    return Draft(
        type=type_of(request.type),
        channel=ticket_pb2.Ticket.Channel.Name(request.channel),
        severity=severity_of(request.severity) or "NORMAL",
        customer_id=customer_id,
        reporter=reporter,
        store=store,
        queue=names.identity(request.queue),
        subject=request.subject.strip(),
        description=request.description,
        category=request.category,
        cause_code=request.cause_code,
        product=product,
        report_time=wire.instant(request.report_time) if request.HasField("report_time") else None,
        answer=request.close_now.answer if request.HasField("close_now") else None,
        satisfied=request.close_now.satisfied,
    )


def type_of(value: ticket_pb2.Ticket.Type.ValueType) -> str:
    """Answer the name of a type; the empty text for none."""
    return ticket_pb2.Ticket.Type.Name(value) if value else ""


def severity_of(value: ticket_pb2.Ticket.Severity.ValueType) -> str:
    """Answer the name of a severity; the empty text for none."""
    return ticket_pb2.Ticket.Severity.Name(value) if value else ""


def classification_from_proto(request: pb.ClassifyTicketRequest) -> dict[str, str]:
    """Read what changes in the classification of a ticket."""
    told = {"type": type_of(request.type), "severity": severity_of(request.severity)}
    given = {name: value for name, value in told.items() if value}
    if request.HasField("category"):
        given["category"] = request.category
    if request.HasField("cause_code"):
        given["cause_code"] = request.cause_code
    return given


def wanted_from_proto(request: pb.ListTicketsRequest, staff: str, stores: tuple[str, ...] | None) -> Wanted:
    """Read which tickets are asked for; without any filter the caller's own, and of those the open ones."""
    states = tuple(State(ticket_pb2.Ticket.State.Name(state)) for state in request.states)
    since = wire.instant(request.changed_since) if request.HasField("changed_since") else None
    asked = Wanted(
        customer_id=names.identity(request.customer),
        owner=names.identity(request.owner),
        assignee=names.identity(request.assignee),
        queue=names.identity(request.queue),
        store=request.store,
        type=type_of(request.type),
        number=request.number,
        states=states or (() if request.number or since is not None else OPEN),
        stores=stores,
        seen_by=staff,
        changed_since=since,
    )
    return asked if _filtered(request) else replace(asked, mine=staff)


def changes_from_proto(request: pb.UpdateTicketRequest) -> dict[str, Any]:
    """Read the fields that the mask names, with their new values; raise `Invalid` for others and for none."""
    problems, given = Problems(), request.ticket
    if not given.name:
        problems.add("ticket.name", "NAME_MALFORMED", pattern="tickets/{uuid}")
    paths = list(request.update_mask.paths)
    for path in paths or ["-"]:
        if path not in CHANGEABLE:
            problems.add("update_mask", "UPDATE_PATH_WRONG", path=path, allowed=", ".join(CHANGEABLE))
    told: dict[str, Any] = {
        "subject": given.subject.strip(),
        "description": given.description,
        "store": given.store,
        "product": product_from_proto(problems, "ticket.product", given.product) if given.HasField("product") else None,
    }
    if "subject" in paths and not told["subject"]:
        problems.add("ticket.subject", "TEXT_MISSING")
    problems.refuse()
    return {path: told[path] for path in paths}


def entry_to_proto(entry: Entry) -> pb.TimelineEntry:
    """Write an entry of the timeline."""
    return pb.TimelineEntry(
        number=entry.number,
        time=wire.timestamp(entry.time),
        actor=entry.actor,
        verb=pb.Verb.Value(entry.verb),
        from_state=ticket_pb2.Ticket.State.Value(entry.from_state or "STATE_UNSPECIFIED"),
        to_state=ticket_pb2.Ticket.State.Value(entry.to_state),
        text=entry.text,
        details=entry.details,
    )


def _filtered(request: pb.ListTicketsRequest) -> bool:
    """Tell whether a request says which tickets it wants, beside states and pages."""
    asks = (request.customer, request.owner, request.assignee, request.queue, request.store, request.number)
    return any(asks) or bool(request.type) or request.HasField("changed_since")
