"""Handlers of `shuke.customer.v1.InteractionService`."""

from __future__ import annotations

from collections.abc import Sequence

from chassis import names
from chassis.call import Call
from chassis.calls import Calls
from chassis.database import Database, Tx
from chassis.events import EventLog
from chassis.ids import NewId
from chassis.paging import Pager, page_size
from services.customer.customers.repository import Customers, require
from services.customer.interactions import convert
from services.customer.interactions.domain import Interaction, enter, require_holder
from services.customer.interactions.repository import Interactions
from services.customer.personal.domain import SEE_PERSONAL
from shuke.customer.v1 import interactions_pb2 as pb


class InteractionService:
    """Enters contacts with customers, and lists them; `tolerance` is how far a caller's clock may run ahead."""

    def __init__(
        self,
        calls: Calls,
        database: Database,
        customers: Customers,
        interactions: Interactions,
        log: EventLog,
        pager: Pager,
        tolerance: int,
    ) -> None:
        self.calls = calls
        self.database = database
        self.customers = customers
        self.interactions = interactions
        self.log = log
        self.pager = pager
        self.tolerance = tolerance

    def LogInteraction(self, request: pb.LogInteractionRequest, call: Call) -> pb.Interaction:
        """Enter a contact."""
        staff = require_holder(call.principal.operator or call.principal.staff)
        draft = convert.draft_from_proto(request)
        if draft.store:
            call.principal.require_store(draft.store)

        def work(tx: Tx, now: int, new_id: NewId) -> pb.Interaction:
            [customer] = self.customers.get(tx, [draft.customer_id])
            interaction = enter(draft, customer, staff, now=now, tolerance=self.tolerance, new_id=new_id())
            self.interactions.add(tx, [interaction])
            self.log.add(tx, [convert.interaction_logged(interaction)], now, new_id)
            return pb.Interaction(name=interaction.name)

        # What is kept under the request id is a name; the entry is read anew, so that nothing personal stands there.
        name = self.calls.once(call, request, pb.Interaction, work).name
        with self.database.read() as tx:
            entered = self.interactions.get(tx, names.identity(name))
        return _shown([entered], request.parent, call)[0]

    def ListInteractions(self, request: pb.ListInteractionsRequest, call: Call) -> pb.ListInteractionsResponse:
        """List contacts, the last one first."""
        wanted, size = convert.wanted_from_proto(request), page_size(request.page_size)
        cursor = self.pager.cursor(request)
        after = (int(cursor[0]), str(cursor[1])) if cursor else None
        with self.database.read() as tx:
            require(tx, wanted.customer_id)
            found = self.interactions.find(tx, wanted, limit=size + 1, after=after)
        page, more = self.pager.page(request, found, size, lambda each: [each.occur_time, each.id])
        return pb.ListInteractionsResponse(interactions=_shown(page, request.parent, call), next_page_token=more)


def _shown(interactions: Sequence[Interaction], customer: str, call: Call) -> list[pb.Interaction]:
    call.read([customer])
    veiled = not call.principal.may(SEE_PERSONAL)
    return [convert.interaction_to_proto(interaction, veiled=veiled) for interaction in interactions]
