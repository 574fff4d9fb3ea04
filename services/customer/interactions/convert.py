"""The communication log between the contract and the domain."""

from __future__ import annotations

from chassis import names, wire
from chassis.events import Change
from services.customer.interactions.domain import Direction, Draft, Interaction, Kind, Wanted
from shuke.customer.v1 import events_pb2
from shuke.customer.v1 import interactions_pb2 as pb


def draft_from_proto(request: pb.LogInteractionRequest) -> Draft:
    """Read what is told of a contact."""
    told = request.interaction
    return Draft(
        customer_id=names.identity(request.parent),
        kind=Kind(pb.Interaction.Kind.Name(told.kind)),
        direction=Direction(pb.Interaction.Direction.Name(told.direction)),
        occur_time=wire.instant(told.occur_time) if told.HasField("occur_time") else None,
        store=told.store,
        summary=told.summary.strip(),
        ticket_id=names.identity(told.ticket),
    )


def wanted_from_proto(request: pb.ListInteractionsRequest) -> Wanted:
    """Read which contacts a list shall show."""
    return Wanted(
        customer_id=names.identity(request.parent),
        kind=Kind(pb.Interaction.Kind.Name(request.kind)) if request.kind else None,
        start=wire.instant(request.start_time) if request.HasField("start_time") else None,
        end=wire.instant(request.end_time) if request.HasField("end_time") else None,
    )


def interaction_to_proto(interaction: Interaction, *, veiled: bool) -> pb.Interaction:
    """Write a contact; veiled, the summary is kept back."""
    return pb.Interaction(
        name=interaction.name,
        customer=interaction.customer,
        kind=pb.Interaction.Kind.Value(interaction.kind.value),
        direction=pb.Interaction.Direction.Value(interaction.direction.value),
        occur_time=wire.timestamp(interaction.occur_time),
        staff=interaction.staff,
        store=interaction.store,
        summary="" if veiled else interaction.summary,
        ticket=names.name("tickets", interaction.ticket_id),
        source=_source(interaction),
        message=names.name("messages", interaction.message_id),
        create_time=wire.timestamp(interaction.create_time),
        masked=veiled,
    )


def interaction_logged(interaction: Interaction) -> Change:
    """Tell of a contact, and not what was said in it."""
    told = events_pb2.InteractionLogged(
        interaction=interaction.name,
        customer=interaction.customer,
        kind=pb.Interaction.Kind.Value(interaction.kind.value),
        direction=pb.Interaction.Direction.Value(interaction.direction.value),
        occur_time=wire.timestamp(interaction.occur_time),
        staff=interaction.staff,
        store=interaction.store,
        ticket=names.name("tickets", interaction.ticket_id),
        source=_source(interaction),
        message=names.name("messages", interaction.message_id),
    )
    return Change(interaction.name, interaction.customer, told)


def _source(interaction: Interaction) -> pb.Interaction.Source.ValueType:
    return pb.Interaction.NOTIFY if interaction.message_id else pb.Interaction.STAFF
