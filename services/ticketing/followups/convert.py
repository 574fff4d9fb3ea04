"""Follow-ups between the contract and the domain."""

from __future__ import annotations

from chassis import names, wire
from services.ticketing.followups.domain import OPEN, FollowUp, State, Wanted
from shuke.ticketing.v1 import followups_pb2 as pb


def wanted_from_proto(request: pb.ListTasksRequest, caller: str, stores: tuple[str, ...] | None) -> Wanted:
    """Read which follow-ups a list shall show: those of the caller, a staff code or empty, where nothing is asked.

    `stores` are those that the caller may see, None for all.
    """
    asked = request.owner or request.ticket or request.states or request.HasField("due_before")
    return Wanted(
        owner=names.identity(request.owner) or ("" if asked else caller),
        ticket_id=names.identity(request.ticket),
        states=tuple(State(pb.FollowUp.State.Name(state)) for state in request.states) or OPEN,
        due_before=wire.instant(request.due_before) if request.HasField("due_before") else None,
        stores=stores,
        seen_by=caller,
    )


def follow_up_to_proto(follow_up: FollowUp) -> pb.FollowUp:
    """Write a follow-up."""
    return pb.FollowUp(
        name=follow_up.name,
        ticket=names.name("tickets", follow_up.ticket_id),
        ticket_number=follow_up.ticket_number,
        customer=names.name("customers", follow_up.customer_id),
        owner=names.name("staff", follow_up.owner),
        number=follow_up.number,
        state=pb.FollowUp.State.Value(follow_up.state),
        outcome=pb.FollowUp.Outcome.Value(follow_up.outcome or "OUTCOME_UNSPECIFIED"),
        tries=follow_up.tries,
        due_time=wire.timestamp(follow_up.due_time),
        complete_time=wire.timestamp(follow_up.complete_time),
        satisfied=follow_up.satisfied,
    )
