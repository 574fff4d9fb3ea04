"""A client for tickets, with a method for what tests do again and again, and the policies that they go by."""

# ruff: noqa: ANN401  (a keyword argument is whatever the field of the message takes)

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from chassis import documents, wire
from chassis.calendar import SECOND
from chassis.documents import POLICIES, Content, State
from services.ticketing.people import repository as people
from services.ticketing.people.domain import Member
from services.ticketing.tests.neighbours import ANNA
from shuke.event.v1 import event_pb2, event_pb2_grpc
from shuke.ticketing.v1 import (
    clocks_pb2,
    clocks_pb2_grpc,
    complaints_pb2,
    complaints_pb2_grpc,
    events_pb2,
    followups_pb2,
    followups_pb2_grpc,
    tickets_pb2_grpc,
)
from shuke.ticketing.v1 import policies_pb2 as policies
from shuke.ticketing.v1 import tickets_pb2 as pb
from shuke.ticketing.v1.ticket_pb2 import Clock, Ticket
from tests.running import Running

STUBS = {
    "tickets": tickets_pb2_grpc.TicketServiceStub,
    "complaints": complaints_pb2_grpc.ComplaintServiceStub,
    "clocks": clocks_pb2_grpc.ClockServiceStub,
    "followups": followups_pb2_grpc.FollowUpServiceStub,
}
MODULES: dict[str, Any] = {
    "tickets": pb,
    "complaints": complaints_pb2,
    "clocks": clocks_pb2,
    "followups": followups_pb2,
}
HOUR = 3600 * SECOND
LEEDS, YORK = "LEEDS", "YORK"
# The desk, whose superior is the manager; the engineer; somebody who left.
ALICE, MARY, EVA, GONE = "A01", "M01", "E01", "G01"
# What all may who work on tickets; a manager may manage besides.
WORK = (
    *(f"ticketing.tickets.{verb}" for verb in ("open", "get", "list", "update", "handle")),
    *(f"ticketing.{noun}.*" for noun in ("complaints", "clocks", "reports", "follow_ups", "improvements")),
)
CALLER = ("staff", "stores", "operator", "permissions", "language")


def member(code: str, role: str, *stores: str, superior: str = MARY, active: bool = True) -> Member:
    """Write a member of staff, chain-wide where no store is named."""
    return Member(code, active, (role,), stores, not stores, superior)


PEOPLE = (
    member(ALICE, "specialist", LEEDS),
    member(MARY, "service_manager", superior=""),
    member(EVA, "engineer"),
    member(GONE, "specialist", LEEDS, active=False),
)


def hours(number: float) -> Duration:
    """Write a length of time."""
    return Duration(seconds=int(number * 3600))


def houses() -> dict[str, policies.Policy]:
    """Write the policies of the chain that tests tell of, by kind."""
    rule = policies.SlaPolicy.Rule
    queue = policies.QueueCatalogue.Queue
    words = policies.Words(zh="队列", en="Queue")
    return {
        "sla": policies.Policy(
            sla=policies.SlaPolicy(
                rules=[
                    rule(
                        code="emergency",
                        severities=[Ticket.EMERGENCY],
                        acknowledge=hours(0),
                        respond=hours(4),
                        resolve=hours(24),
                    ),
                    rule(
                        code="gold-complaint",
                        types=[Ticket.COMPLAINT],
                        classes=["loyalty:DIAMOND"],
                        respond=hours(4),
                        resolve=hours(12),
                    ),
                    rule(
                        code="complaint",
                        types=[Ticket.COMPLAINT, Ticket.DISPUTE],
                        acknowledge=hours(2),
                        respond=hours(24),
                        resolve=hours(24),
                    ),
                    rule(code="fault", types=[Ticket.REPAIR], confirm=hours(2), resolve=hours(24)),
                    rule(code="rest", resolve=hours(24)),
                ],
                at_risk_percent=75,
                commitment_reminder=hours(0.5),
                pause_reasons=[
                    policies.SlaPolicy.PauseReason(
                        code="PARTS_ORDERED",
                        display_name=policies.Words(zh="等待配件", en="Parts ordered"),
                        parties=[Ticket.PARTS, Ticket.SUPPLIER],
                        clocks=[Clock.RESOLVE],
                    )
                ],
            )
        ),
        "priority": policies.Policy(
            priority=policies.PriorityPolicy(
                bonuses=[policies.PriorityPolicy.Bonus(class_key="loyalty:GOLD", bonus=hours(8))]
            )
        ),
        "queues": policies.Policy(
            queues=policies.QueueCatalogue(
                queues=[
                    queue(code="managers", display_name=words, severities=[Ticket.EMERGENCY], lead=f"staff/{MARY}"),
                    queue(
                        code="complaints",
                        display_name=words,
                        types=[Ticket.COMPLAINT, Ticket.DISPUTE],
                    ),
                    queue(code="repairs", display_name=words, types=[Ticket.REPAIR], lead=f"staff/{EVA}"),
                    queue(code="service-desk", display_name=words),
                ]
            )
        ),
        "closing": policies.Policy(closing=policies.ClosingPolicy(contact_attempts=2)),
        "follow-up": policies.Policy(
            follow_up=policies.FollowUpPolicy(
                rules=[policies.FollowUpPolicy.Rule(types=[Ticket.COMPLAINT], delays=[hours(24), hours(168)])]
            )
        ),
    }


class Clerk:
    """Works on the tickets of a running service; the desk's own staff key is used where a test names no other."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.clock = running.clock
        self.read = dict.fromkeys(range(16), 0)
        self.know()
        for kind, policy in houses().items():
            self.enforce(kind, policy)

    def know(self, members: Iterable[Member] = PEOPLE, stores: Iterable[str] = (LEEDS, YORK)) -> None:
        """Let the service know people and stores, as the directory's events do."""
        with self.running.database.write() as tx:
            people.put_staff(tx, members)
            people.put_stores(tx, stores)

    def hold(self, customer: str, class_key: str, scheme: str = "loyalty") -> None:
        """Let a customer hold a class, as tiering's events do."""
        with self.running.database.write() as tx:
            people.put_classes(tx, {(customer.partition("/")[2], scheme): class_key})

    def enforce(self, kind: str, policy: policies.Policy, since: date = date(2026, 1, 1)) -> None:
        """Put a version of a policy in force."""
        content = Content(policy.SerializeToString(), since, "", example=False)
        with self.running.database.write() as tx:
            number = documents.next_version(tx, POLICIES, kind)
            drafted = documents.draft(POLICIES, kind, number, content, "A", self.clock())
            documents.add(tx, replace(drafted, state=State.ACTIVE))

    def open(self, **fields: Any) -> Ticket:
        """Open a ticket: a complaint of Anna's at the counter in Leeds, where nothing else is said."""
        caller = {name: fields.pop(name) for name in CALLER if name in fields}
        usual: dict[str, Any] = {
            "type": Ticket.COMPLAINT,
            "channel": Ticket.COUNTER,
            "store": LEEDS,
            "subject": "Kettle",
        }
        if not {"customer", "customer_lookup", "staff_reporter"} & fields.keys():
            usual["customer"] = ANNA
        ticket: Ticket = self.call("tickets", "OpenTicket", pb.OpenTicketRequest(**usual | fields), **caller)
        return ticket

    def act(self, service: str, method: str, ticket: Ticket | str, **fields: Any) -> Ticket:
        """Act on a ticket."""
        name = ticket if isinstance(ticket, str) else ticket.name
        caller = {name: fields.pop(name) for name in CALLER if name in fields}
        request = getattr(MODULES[service], f"{method}Request")(name=name, **fields)
        acted: Ticket = self.call(service, method, request, **caller)
        return acted

    def call(self, service: str, method: str, request: Message, **caller: Any) -> Any:
        """Call a method, as the desk where nothing else is said."""
        if not {"staff", "operator"} & caller.keys():
            caller["staff"] = ALICE
        if caller.get("staff") != MARY:
            caller.setdefault("permissions", WORK)
        return self.running.call(STUBS[service], method, request, **caller)

    def get(self, ticket: Ticket | str, **caller: Any) -> Ticket:
        """Read a ticket."""
        name = ticket if isinstance(ticket, str) else ticket.name
        found: Ticket = self.call("tickets", "GetTicket", pb.GetTicketRequest(name=name), **caller)
        return found

    def timeline(self, ticket: Ticket | str) -> list[pb.TimelineEntry]:
        """Read the timeline of a ticket."""
        name = ticket if isinstance(ticket, str) else ticket.name
        answer = self.call("tickets", "ListTimeline", pb.ListTimelineRequest(parent=name, page_size=200))
        return list(answer.entries)

    def verbs(self, ticket: Ticket | str) -> list[str]:
        """Read what happened to a ticket, in words of the contract."""
        return [pb.Verb.Name(entry.verb) for entry in self.timeline(ticket)]

    def listed(self, **fields: Any) -> list[str]:
        """List tickets; answer their names."""
        caller = {name: fields.pop(name) for name in CALLER if name in fields}
        answer = self.call("tickets", "ListTickets", pb.ListTicketsRequest(**fields), **caller)
        return [ticket.name for ticket in answer.tickets]

    def later(self, passed: int) -> None:
        """Let time pass, in microseconds."""
        self.clock.now += passed

    def at(self, offset: int) -> Any:
        """Write the instant that lies so many microseconds from now."""
        return wire.timestamp(self.clock() + offset)

    def told(self) -> list[Message]:
        """Read the events that were told since the last look."""
        cursors = [event_pb2.Cursor(partition=one, position=position) for one, position in self.read.items()]
        request = event_pb2.ReadEventsRequest(cursors=cursors, limit=1000)
        answer = self.running.call(event_pb2_grpc.EventFeedServiceStub, "ReadEvents", request)
        found = []
        for event in answer.events:
            self.read[event.partition] = event.position
            message = getattr(events_pb2, event.type.rpartition(".")[2])()
            event.data.Unpack(message)
            found.append(message)
        return found


def clock_of(ticket: Ticket, kind: Clock.Kind.ValueType, number: int = 0) -> Clock:
    """Find a clock of a ticket."""
    return next(clock for clock in ticket.clocks if (clock.kind, clock.number) == (kind, number))
