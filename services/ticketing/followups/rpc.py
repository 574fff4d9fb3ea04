"""Handlers of `shuke.ticketing.v1.FollowUpService`, and what happens when the time of a follow-up comes."""

from __future__ import annotations

from chassis import names
from chassis.call import Call
from chassis.database import Tx
from chassis.ids import NewId
from chassis.paging import Pager, page_size
from chassis.principals import ALL_STORES
from services.ticketing.cases.domain import Told
from services.ticketing.desk.rpc import Desk, actor, require_seen
from services.ticketing.followups import convert, repository
from services.ticketing.followups.domain import Outcome, complete, entered_try
from services.ticketing.steps.domain import signalled
from shuke.ticketing.v1 import followups_pb2 as pb

# Follow-ups that fall due in one transaction: on SQLite other writers wait for it.
BATCH = 50


class FollowUpService:
    """Shows the calls that are to be made, and takes in what came of them."""

    def __init__(self, desk: Desk, pager: Pager) -> None:
        self.desk = desk
        self.pager = pager

    def ListTasks(self, request: pb.ListTasksRequest, call: Call) -> pb.ListTasksResponse:
        """List follow-ups, the earliest due first."""
        principal, size, cursor = call.principal, page_size(request.page_size), self.pager.cursor(request)
        stores = None if principal.stores == ALL_STORES else principal.stores
        wanted = convert.wanted_from_proto(request, principal.staff or principal.operator, stores)
        after = (int(cursor[0]), str(cursor[1])) if cursor else None
        with self.desk.database.read() as tx:
            found = repository.list_follow_ups(tx, wanted, after=after, limit=size + 1)
        page, more = self.pager.page(request, found, size, lambda follow_up: [follow_up.due_time, follow_up.id])
        return pb.ListTasksResponse(tasks=map(convert.follow_up_to_proto, page), next_page_token=more)

    def CompleteFollowUp(self, request: pb.CompleteFollowUpRequest, call: Call) -> pb.FollowUp:
        """Record what a follow-up came to, on its ticket too."""
        who, follow_up_id = actor(call), names.identity(request.name)
        outcome = Outcome(pb.FollowUp.Outcome.Name(request.outcome))
        satisfied = request.satisfied if request.HasField("satisfied") else None

        def work(tx: Tx, now: int, new_id: NewId) -> pb.FollowUp:
            # The ticket first, as whoever reopens it does: two who lock in other orders wait for each other.
            case = self.desk.cases.get(tx, repository.get(tx, follow_up_id).ticket_id, lock=True)
            before = repository.get(tx, follow_up_id, lock=True)
            require_seen(case.ticket, call, before.owner)
            after = complete(before, outcome, now, satisfied=satisfied)
            repository.save(tx, after)
            case = entered_try(case, after, request.remark, who, now)
            self.desk.cases.save(tx, case)
            self.desk.follow(tx, case, now, new_id)
            return convert.follow_up_to_proto(after)

        return self.desk.calls.once(call, request, pb.FollowUp, work)


class DueFollowUps:
    """Lets follow-ups fall due, and tells whoever listens: each once, by whichever worker takes it."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def step(self) -> int:
        """Take those whose time has come, the longest due first; answer how many."""
        # Most looks find nothing, and must not cost a write.
        with self.desk.database.read() as tx:
            if not repository.any_due(tx, self.desk.calls.clock()):
                return 0
        return self.desk.calls.transact(self._take)

    def _take(self, tx: Tx, now: int, new_id: NewId) -> int:
        due = repository.due(tx, now, BATCH)
        repository.mark_due(tx, due)
        for follow_up in due:
            case = self.desk.cases.get(tx, follow_up.ticket_id)
            case = signalled(case, Told.FOLLOW_UP_DUE, follow_up=follow_up.id, owner=follow_up.owner)
            self.desk.follow(tx, case, now, new_id)
        return len(due)
