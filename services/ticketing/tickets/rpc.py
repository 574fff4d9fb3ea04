"""Handlers of `shuke.ticketing.v1.TicketService`."""

from __future__ import annotations

from collections.abc import Callable

from chassis import names
from chassis.calendar import day_of
from chassis.call import Call
from chassis.database import Tx
from chassis.errors import Problems, wrong
from chassis.ids import NewId
from chassis.paging import Pager, page_size
from chassis.principals import ALL_STORES
from services.ticketing.cases.convert import ticket_to_proto
from services.ticketing.cases.domain import Actor, Case
from services.ticketing.cases.repository import next_number, similar
from services.ticketing.clients import CustomerBook
from services.ticketing.desk.rpc import Desk, Request, require_seen
from services.ticketing.followups import repository as followups
from services.ticketing.followups.domain import plan
from services.ticketing.people import repository as people
from services.ticketing.policies.domain import Rules, needed
from services.ticketing.queues.domain import Queue, find
from services.ticketing.steps.domain import ranked
from services.ticketing.tickets import convert, domain
from services.ticketing.tickets.domain import Draft
from shuke.ticketing.v1 import ticket_pb2
from shuke.ticketing.v1 import tickets_pb2 as pb


class TicketService:
    """Opens tickets, leads them to their end, and lists them."""

    def __init__(self, desk: Desk, book: CustomerBook, pager: Pager) -> None:
        self.desk = desk
        self.book = book
        self.pager = pager

    def OpenTicket(self, request: pb.OpenTicketRequest, call: Call) -> ticket_pb2.Ticket:
        """Register a matter."""
        desk, principal = self.desk, call.principal
        who = Actor(principal.staff or principal.operator, principal.name)
        draft = convert.draft_from_proto(request, self._customer(request), _store(request, call))

        def work(tx: Tx, now: int, new_id: NewId) -> ticket_pb2.Ticket:
            self._check(tx, draft)
            rules = desk.rules(tx, now)
            queue = _queue(rules, draft.queue, "queue") if draft.queue else None
            classes = _classes(tx, draft.customer_id)
            others = similar(tx, draft.customer_id, draft.type)
            number = next_number(tx, day_of(now, desk.zone))
            case = domain.open_case(draft, rules, queue, classes, who, now, new_id(), number)
            case = ranked(case, rules)
            desk.cases.add(tx, case)
            followups.add(tx, plan(rules.follow_up, case.ticket, now, new_id))
            desk.follow(tx, case, now, new_id)
            return ticket_pb2.Ticket(name=case.ticket.name, similar_open=[names.name("tickets", one) for one in others])

        kept = desk.calls.once(call, request, ticket_pb2.Ticket, work)
        answer = desk.shown(kept.name, call)
        answer.similar_open.extend(kept.similar_open)
        return answer

    def GetTicket(self, request: pb.GetTicketRequest, call: Call) -> ticket_pb2.Ticket:
        """Answer one ticket."""
        return self.desk.shown(request.name, call)

    def ListTickets(self, request: pb.ListTicketsRequest, call: Call) -> pb.ListTicketsResponse:
        """List tickets, the most pressing first, or in the order of their changes."""
        principal, size = call.principal, page_size(request.page_size)
        if request.store:
            principal.require_store(request.store)
        stores = None if principal.stores == ALL_STORES else principal.stores
        wanted = convert.wanted_from_proto(request, principal.staff or principal.operator, stores)
        after = self.pager.cursor(request)
        with self.desk.database.read() as tx:
            found = self.desk.cases.find(tx, wanted, after=after, limit=size + 1)
        changed = request.HasField("changed_since")
        page, more = self.pager.page(request, found, size, _change if changed else _place)
        call.read(case.ticket.subject_name for case in page)
        tickets = [ticket_to_proto(case, self.desk.money, brief=True) for case in page]
        return pb.ListTicketsResponse(tickets=tickets, next_page_token=more)

    def UpdateTicket(self, request: pb.UpdateTicketRequest, call: Call) -> ticket_pb2.Ticket:
        """Change fields of a ticket."""
        changes = convert.changes_from_proto(request)

        def act(tx: Tx, case: Case, _rules: Rules, who: Actor, now: int) -> Case:
            _require_store(tx, changes.get("store", ""), "ticket.store")
            return domain.update(case, changes, who, now)

        return self.desk.act_on(request.ticket, request, call, act)

    def AcknowledgeTicket(self, request: pb.AcknowledgeTicketRequest, call: Call) -> ticket_pb2.Ticket:
        """Record that the customer knows."""
        return self._act(
            request,
            call,
            lambda case, who, now: domain.acknowledge(
                case, request.restatement, who, now, apologised=request.apologised
            ),
        )

    def ClassifyTicket(self, request: pb.ClassifyTicketRequest, call: Call) -> ticket_pb2.Ticket:
        """Change what a ticket is; what is not given stays."""

        def act(tx: Tx, case: Case, rules: Rules, who: Actor, now: int) -> Case:
            classes = _classes(tx, case.ticket.customer_id)
            return domain.classify(case, convert.classification_from_proto(request), rules, classes, who, now)

        return self.desk.act(request, call, act)

    def AssignTicket(self, request: pb.AssignTicketRequest, call: Call) -> ticket_pb2.Ticket:
        """Give the work to a member of staff."""
        assignee = names.identity(request.assignee)

        def act(tx: Tx, case: Case, _rules: Rules, who: Actor, now: int) -> Case:
            _require_staff(tx, assignee, "assignee")
            return domain.assign(case, assignee, request.reason, who, now)

        return self.desk.act(request, call, act)

    def TransferTicket(self, request: pb.TransferTicketRequest, call: Call) -> ticket_pb2.Ticket:
        """Pass the work to another queue."""
        assignee = names.identity(request.assignee)

        def act(tx: Tx, case: Case, rules: Rules, who: Actor, now: int) -> Case:
            _require_staff(tx, assignee, "assignee")
            queue = _queue(rules, names.identity(request.queue), "queue")
            return domain.transfer(case, queue, assignee, request.reason, who, now)

        return self.desk.act(request, call, act)

    def ChangeOwner(self, request: pb.ChangeOwnerRequest, call: Call) -> ticket_pb2.Ticket:
        """Make somebody else answer for a ticket."""
        owner = names.identity(request.owner)

        def act(tx: Tx, case: Case, _rules: Rules, who: Actor, now: int) -> Case:
            _require_staff(tx, owner, "owner")
            return domain.change_owner(case, owner, request.reason, who, now)

        return self.desk.act(request, call, act)

    def AddNote(self, request: pb.AddNoteRequest, call: Call) -> ticket_pb2.Ticket:
        """Add a note to the timeline."""
        attempt = request.kind == pb.AddNoteRequest.CONTACT_ATTEMPT
        return self._act(
            request, call, lambda case, who, now: domain.note(case, request.text, who, now, attempt=attempt)
        )

    def EscalateTicket(self, request: pb.EscalateTicketRequest, call: Call) -> ticket_pb2.Ticket:
        """Hand the work to the superior of whoever is responsible."""

        def act(tx: Tx, case: Case, _rules: Rules, who: Actor, now: int) -> Case:
            return domain.escalate(case, _superior(tx, case.ticket.responsible), request.reason, who, now)

        return self.desk.act(request, call, act)

    def SolveTicket(self, request: pb.SolveTicketRequest, call: Call) -> ticket_pb2.Ticket:
        """Record that the matter is solved."""
        return self._act(
            request, call, lambda case, who, now: domain.solve(case, request.result, request.solution, who, now)
        )

    def ConfirmSatisfaction(self, request: pb.ConfirmSatisfactionRequest, call: Call) -> ticket_pb2.Ticket:
        """Record the customer's word."""

        def act(tx: Tx, case: Case, rules: Rules, who: Actor, now: int) -> Case:
            after = domain.confirm(case, request.remark, who, now, satisfied=request.satisfied)
            return self._followed_up(tx, after, rules, now)

        return self.desk.act(request, call, act)

    def CloseTicket(self, request: pb.CloseTicketRequest, call: Call) -> ticket_pb2.Ticket:
        """End a ticket otherwise than by the customer's word."""
        ending = pb.CloseTicketRequest.Ending
        problems = Problems()
        if not request.ending:
            problems.add("ending", "ENDING_MISSING")
        elif request.ending != ending.NO_CONTACT and not request.reason.strip():
            problems.add("reason", "TEXT_MISSING")
        problems.refuse()

        def act(tx: Tx, case: Case, rules: Rules, who: Actor, now: int) -> Case:
            if request.ending == ending.UNSATISFIED:
                after = domain.close_unsatisfied(case, request.reason, who, now)
                return self._followed_up(tx, after, rules, now)
            if request.ending == ending.CANCELLED:
                return domain.cancel(case, request.reason, who, now)
            return domain.close_no_contact(case, needed(rules.closing, "closing"), request.reason, who, now)

        return self.desk.act(request, call, act)

    def ReopenTicket(self, request: pb.ReopenTicketRequest, call: Call) -> ticket_pb2.Ticket:
        """Take a ticket up again."""

        def act(tx: Tx, case: Case, _rules: Rules, who: Actor, now: int) -> Case:
            followups.drop_open(tx, case.ticket.id, now)
            return domain.reopen(case, request.reason, who, now)

        return self.desk.act(request, call, act)

    def ListTimeline(self, request: pb.ListTimelineRequest, call: Call) -> pb.ListTimelineResponse:
        """List what happened to a ticket, the first entry first."""
        size, cursor = page_size(request.page_size), self.pager.cursor(request)
        with self.desk.database.read() as tx:
            ticket = self.desk.cases.get(tx, names.identity(request.parent)).ticket
            require_seen(ticket, call)
            found = self.desk.timeline.find(tx, ticket, after=int(cursor[0]) if cursor else 0, limit=size + 1)
        page, more = self.pager.page(request, found, size, lambda entry: [entry.number])
        call.read([ticket.subject_name])
        return pb.ListTimelineResponse(entries=map(convert.entry_to_proto, page), next_page_token=more)

    def _followed_up(self, tx: Tx, case: Case, rules: Rules, now: int) -> Case:
        """Plan the calls on the customer of a ticket that has ended."""
        followups.add(tx, plan(rules.follow_up, case.ticket, now, self.desk.calls.new_id))
        return case

    def _customer(self, request: pb.OpenTicketRequest) -> str:
        """Answer the customer who reports, by id; the empty text where no customer does."""
        if request.HasField("customer_lookup"):
            return self.book.find(request.customer_lookup)
        return self.book.known(names.identity(request.customer)) if request.customer else ""

    def _check(self, tx: Tx, draft: Draft) -> None:
        """Refuse a store, a reporter or an operator that the directory does not know."""
        _require_store(tx, draft.store, "store")
        _require_staff(tx, draft.reporter, "staff_reporter")

    def _act(self, request: Request, call: Call, verb: Callable[[Case, Actor, int], Case]) -> ticket_pb2.Ticket:
        """Act by a verb that asks nothing but the case, who acts and when."""
        return self.desk.act(request, call, lambda _tx, case, _rules, who, now: verb(case, who, now))


def _store(request: pb.OpenTicketRequest, call: Call) -> str:
    """Answer the store of a new ticket: a key of one store need not name it."""
    stores = call.principal.stores
    store = request.store or (stores[0] if len(stores) == 1 and stores != ALL_STORES else "")
    call.principal.require_store(store)
    return store


def _queue(rules: Rules, code: str, field: str) -> Queue:
    queue = find(needed(rules.queues, "queues"), code)
    if queue is None:
        raise wrong(field, "QUEUE_UNKNOWN", name=names.name("queues", code))
    return queue


def _require_store(tx: Tx, code: str, field: str) -> None:
    if code and not people.knows_store(tx, code):
        raise wrong(field, "STORE_UNKNOWN", name=code)


def _require_staff(tx: Tx, code: str, field: str) -> None:
    member = people.staff(tx, [code]).get(code) if code else None
    if code and (member is None or not member.active):
        raise wrong(field, "STAFF_UNKNOWN", name=names.name("staff", code))


def _classes(tx: Tx, customer_id: str) -> tuple[str, ...]:
    return people.classes(tx, customer_id) if customer_id else ()


def _superior(tx: Tx, code: str) -> str:
    """Answer who stands above a member of staff and still works here; the empty text for nobody."""
    member = people.staff(tx, [code]).get(code)
    above = people.staff(tx, [member.superior]).get(member.superior) if member and member.superior else None
    return above.code if above and above.active else ""


def _place(case: Case) -> list[str | int]:
    return [*case.ticket.priority.order, case.ticket.id]


def _change(case: Case) -> list[str | int]:
    return [case.ticket.update_time, case.ticket.id]
