"""Handlers of `shuke.ticketing.v1.ComplaintService` for improvement actions."""

from __future__ import annotations

from chassis import names
from chassis.call import Call
from chassis.database import Tx
from chassis.ids import NewId
from chassis.paging import Pager, page_size
from chassis.principals import ALL_STORES
from services.ticketing.cases.domain import Case
from services.ticketing.desk.rpc import Desk, actor, require_seen
from services.ticketing.improvements import convert, domain
from services.ticketing.improvements.repository import Improvements
from services.ticketing.people import repository as people
from shuke.ticketing.v1 import complaints_pb2 as pb


class ImprovementActions:
    """Keeps what shall be improved, and by whom, until it has ended."""

    def __init__(self, desk: Desk, improvements: Improvements, pager: Pager) -> None:
        self.desk = desk
        self.improvements = improvements
        self.pager = pager

    def AddImprovementAction(self, request: pb.AddImprovementActionRequest, call: Call) -> pb.ImprovementAction:
        """Take an improvement action on."""
        who, draft = actor(call), convert.draft_from_proto(request)

        def work(tx: Tx, now: int, new_id: NewId) -> pb.ImprovementAction:
            case = self.desk.cases.get(tx, names.identity(request.parent), lock=True)
            require_seen(case.ticket, call)
            responsible = people.staff(tx, [draft.responsible]).get(draft.responsible)
            case, action = domain.add(case, draft, responsible, who, now, new_id())
            self.improvements.add(tx, action)
            self._save(tx, case, now, new_id)
            return pb.ImprovementAction(name=action.name)

        return self._shown(self.desk.calls.once(call, request, pb.ImprovementAction, work).name, call)

    def EndImprovementAction(self, request: pb.EndImprovementActionRequest, call: Call) -> pb.ImprovementAction:
        """Record what came of an improvement action, or why it is dropped."""
        who, action_id = actor(call), names.identity(request.name)
        ending = convert.state_from_proto(request.ending)

        def work(tx: Tx, now: int, new_id: NewId) -> pb.ImprovementAction:
            # The ticket first, as with follow-ups: two who lock in other orders wait for each other.
            case = self.desk.cases.get(tx, self.improvements.get(tx, action_id).ticket_id, lock=True)
            action = self.improvements.get(tx, action_id, lock=True)
            require_seen(case.ticket, call, action.responsible)
            case, action = domain.end(case, action, ending, request.result, who, now)
            self.improvements.save(tx, action)
            self._save(tx, case, now, new_id)
            return pb.ImprovementAction(name=action.name)

        return self._shown(self.desk.calls.once(call, request, pb.ImprovementAction, work).name, call)

    def ListImprovementActions(
        self, request: pb.ListImprovementActionsRequest, call: Call
    ) -> pb.ListImprovementActionsResponse:
        """List improvement actions, the earliest due first."""
        principal, size, cursor = call.principal, page_size(request.page_size), self.pager.cursor(request)
        stores = None if principal.stores == ALL_STORES else principal.stores
        wanted = convert.wanted_from_proto(request, principal.staff or principal.operator, stores)
        after = (int(cursor[0]), str(cursor[1])) if cursor else None
        with self.desk.database.read() as tx:
            found = self.improvements.find(tx, wanted, after=after, limit=size + 1)
        page, more = self.pager.page(request, found, size, lambda action: [action.due_time, action.id])
        call.read(action.subject for action in page)
        actions = map(convert.action_to_proto, page)
        return pb.ListImprovementActionsResponse(improvement_actions=actions, next_page_token=more)

    def _save(self, tx: Tx, case: Case, now: int, new_id: NewId) -> None:
        self.desk.cases.save(tx, case)
        self.desk.follow(tx, case, now, new_id)

    def _shown(self, name: str, call: Call) -> pb.ImprovementAction:
        # What is kept under the request id is a name, as with tickets: nothing personal stands there.
        with self.desk.database.read() as tx:
            action = self.improvements.get(tx, names.identity(name))
        call.read([action.subject])
        return convert.action_to_proto(action)
