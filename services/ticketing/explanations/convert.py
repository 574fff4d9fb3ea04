"""Explanations as the contract has them."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from chassis import names, wire
from services.ticketing.cases.convert import clock_to_proto, duration
from services.ticketing.clocks.domain import ClockEvent
from services.ticketing.explanations.domain import Explanation, say
from shuke.ticketing.v1 import clocks_pb2 as pb
from shuke.ticketing.v1.ticket_pb2 import Ticket


def explanation_to_proto(
    explanation: Explanation, responsible: str, zone: ZoneInfo, language: str
) -> pb.ExplainSlaResponse.Explanation:
    """Write an explanation, its findings in a language."""
    return pb.ExplainSlaResponse.Explanation(
        clock=clock_to_proto(explanation.clock),
        rule=explanation.rule,
        responsible=names.name("staff", responsible),
        events=map(_event, explanation.events),
        findings=[say(finding, zone, language) for finding in explanation.findings],
    )


def _event(event: ClockEvent) -> pb.ExplainSlaResponse.Explanation.ClockEvent:
    contract = pb.ExplainSlaResponse.Explanation.ClockEvent
    return contract(
        kind=contract.Kind.Value(event.step),
        time=wire.timestamp(event.time),
        record_time=wire.timestamp(event.record_time),
        limit=None if event.limit is None else duration(event.limit),
        cause=event.cause,
        party=Ticket.Party.Value(event.party or "PARTY_UNSPECIFIED"),
        actor=names.name("staff", event.actor),
    )
