"""What the handlers of all verbs share: read a case, act on it, write it and all that follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from chassis import names
from chassis.calendar import day_of
from chassis.call import Call
from chassis.calls import Calls, Repeatable
from chassis.database import Database, Tx
from chassis.events import EventLog
from chassis.ids import NewId
from chassis.principals import ALL_STORES, StoreForeign
from chassis.settings import Chain
from services.ticketing.cases.convert import ticket_to_proto, told
from services.ticketing.cases.domain import Actor, ActorMissing, Case, Ticket, require_current
from services.ticketing.cases.repository import Cases
from services.ticketing.policies.domain import Rules
from services.ticketing.policies.repository import Policies
from services.ticketing.steps.domain import ranked
from services.ticketing.timeline.repository import Timeline
from shuke.ticketing.v1 import ticket_pb2 as pb

MANAGE = "ticketing.tickets.manage"

# What a verb does: a case, the rules in force, who acts and the instant; within the transaction that writes it.
Act = Callable[[Tx, Case, Rules, Actor, int], Case]


class Named(Protocol):
    """What names a ticket, and the version of it that the caller saw."""

    name: str
    etag: str


class Request(Repeatable, Named, Protocol):
    """A request that acts on the ticket that it names."""


class Desk:
    """Where tickets are worked on: every verb goes this way."""

    def __init__(
        self,
        calls: Calls,
        database: Database,
        cases: Cases,
        timeline: Timeline,
        policies: Policies,
        log: EventLog,
        chain: Chain,
    ) -> None:
        self.calls = calls
        self.database = database
        self.cases = cases
        self.timeline = timeline
        self.policies = policies
        self.log = log
        self.zone = chain.zone_info
        self.money = chain.money

    def act(self, request: Request, call: Call, act: Act) -> pb.Ticket:
        """Act on the ticket that a request names, and answer it as it stands since, as `act_on` does."""
        return self.act_on(request, request, call, act)

    def act_on(self, named: Named, request: Repeatable, call: Call, act: Act) -> pb.Ticket:
        """Act on a ticket for a request, and answer it as it stands since.

        Raises `ActorMissing`, `TicketNotFound`, `StoreForeign`, `TicketChanged` and what the verb raises.
        """
        who, ticket_id = actor(call), names.identity(named.name)

        def work(tx: Tx, now: int, new_id: NewId) -> pb.Ticket:
            before = self.cases.get(tx, ticket_id, lock=True)
            require_seen(before.ticket, call)
            require_current(before.ticket, named.etag)
            rules = self.rules(tx, now)
            after = ranked(act(tx, before, rules, who, now), rules)
            self.cases.save(tx, after)
            self.follow(tx, after, now, new_id)
            return pb.Ticket(name=after.ticket.name)

        # What is kept under the request id is a name; the ticket is read anew, so that nothing personal stands there.
        return self.shown(self.calls.once(call, request, pb.Ticket, work).name, call)

    def follow(self, tx: Tx, after: Case, now: int, new_id: NewId) -> None:
        """Write what follows from a change of a case: timeline and events."""
        self.timeline.add(tx, after)
        self.log.add(tx, told(after), now, new_id)

    def shown(self, name: str, call: Call) -> pb.Ticket:
        """Answer a ticket to a caller who may see it."""
        with self.database.read() as tx:
            case = self.cases.get(tx, names.identity(name))
        require_seen(case.ticket, call)
        call.read([case.ticket.subject_name])
        return ticket_to_proto(case, self.money)

    def rules(self, tx: Tx, now: int) -> Rules:
        """Read the policies in force today."""
        return self.policies.in_force(tx, day_of(now, self.zone))


def actor(call: Call) -> Actor:
    """Answer who acts: the member of staff of a staff key, or the operator that another key names."""
    principal = call.principal
    staff = principal.staff or principal.operator
    if not staff:
        raise ActorMissing
    # A manager decides with a key of their own; whoever holds a till cannot be told apart.
    return Actor(staff, principal.name, manager=bool(principal.staff) and principal.may(MANAGE))


def require_seen(ticket: Ticket, call: Call, *also: str) -> None:
    """Raise `StoreForeign` unless the ticket is of a store of the caller's, or the caller's own; `also` own it too."""
    principal = call.principal
    staff = principal.staff or principal.operator
    own = bool(staff) and staff in (ticket.owner, ticket.assignee, *also)
    if principal.stores != ALL_STORES and ticket.store not in principal.stores and not own:
        raise StoreForeign(store=ticket.store or "-")
