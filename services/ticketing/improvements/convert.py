"""Improvement actions between the contract and the domain."""

from __future__ import annotations

from chassis import names, wire
from services.ticketing.improvements.domain import Draft, ImprovementAction, State, Wanted
from shuke.ticketing.v1 import complaints_pb2 as pb


def draft_from_proto(request: pb.AddImprovementActionRequest) -> Draft:
    """Read what shall be improved."""
    return Draft(request.description, names.identity(request.responsible), wire.instant(request.due_time))


def state_from_proto(value: pb.ImprovementAction.State.ValueType) -> State:
    """Read a state."""
    return State(pb.ImprovementAction.State.Name(value))


def wanted_from_proto(request: pb.ListImprovementActionsRequest, caller: str, stores: tuple[str, ...] | None) -> Wanted:
    """Read which improvement actions a list shall show: the caller's, by staff code, where nothing is asked.

    `stores` are those that the caller may see, None for all.
    """
    asked = request.responsible or request.ticket or request.states or request.HasField("due_before")
    return Wanted(
        responsible=names.identity(request.responsible) or ("" if asked else caller),
        ticket_id=names.identity(request.ticket),
        states=tuple(map(state_from_proto, request.states)) or (State.OPEN,),
        due_before=wire.instant(request.due_before) if request.HasField("due_before") else None,
        stores=stores,
        seen_by=caller,
    )


def action_to_proto(action: ImprovementAction) -> pb.ImprovementAction:
    """Write an improvement action."""
    return pb.ImprovementAction(
        name=action.name,
        ticket=names.name("tickets", action.ticket_id),
        ticket_number=action.ticket_number,
        description=action.description,
        responsible=names.name("staff", action.responsible),
        due_time=wire.timestamp(action.due_time),
        state=pb.ImprovementAction.State.Value(action.state),
        result=action.result,
        create_time=wire.timestamp(action.create_time),
        complete_time=wire.timestamp(action.complete_time),
    )
