"""The handler of ExplainSla."""

from __future__ import annotations

from chassis import names
from chassis.call import Call
from services.ticketing.clocks import repository as clocks
from services.ticketing.desk.rpc import Desk, require_seen
from services.ticketing.explanations.convert import explanation_to_proto
from services.ticketing.explanations.domain import explain
from shuke.ticketing.v1 import clocks_pb2 as pb


class Explanations:
    """Tells why the clocks of a ticket stand where they stand."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def ExplainSla(self, request: pb.ExplainSlaRequest, call: Call) -> pb.ExplainSlaResponse:
        """Explain the clocks of one ticket, in the caller's language."""
        desk, now = self.desk, self.desk.calls.clock()
        with desk.database.read() as tx:
            ticket = desk.cases.get(tx, names.identity(request.name)).ticket
            require_seen(ticket, call)
            # The events alone: clocks read by another statement might already stand further on.
            history = clocks.history(tx, ticket.id)
            policy = desk.rules(tx, now).sla
        reasons = {reason.code: (reason.zh, reason.en) for reason in policy.pause_reasons} if policy else {}
        return pb.ExplainSlaResponse(
            ticket=ticket.name,
            explanations=[
                explanation_to_proto(explanation, ticket.responsible, desk.zone, call.language)
                for explanation in explain(history, ticket.responsible, reasons, now)
            ],
        )
