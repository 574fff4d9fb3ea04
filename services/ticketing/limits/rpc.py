"""Handlers of `shuke.ticketing.v1.ClockService` that work the time limits."""

from __future__ import annotations

from chassis import wire
from chassis.call import Call
from services.ticketing.desk.rpc import Desk
from services.ticketing.limits import domain
from services.ticketing.policies.domain import needed
from shuke.ticketing.v1 import clocks_pb2 as pb
from shuke.ticketing.v1 import ticket_pb2


class ClockService:
    """Confirms fault reports, and lets tickets wait and go on; alerts are the schedule's."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def ConfirmReport(self, request: pb.ConfirmReportRequest, call: Call) -> ticket_pb2.Ticket:
        """Record that an engineer has confirmed a report and agreed the repair time."""
        time = wire.instant(request.agreed_time)
        return self.desk.act(
            request,
            call,
            lambda _tx, case, rules, who, now: domain.confirm_report(
                case, needed(rules.sla, "sla"), time, request.remark, who, now
            ),
        )

    def PauseClock(self, request: pb.PauseClockRequest, call: Call) -> ticket_pb2.Ticket:
        """Let a ticket wait for a party."""
        party = ticket_pb2.Ticket.Party.Name(request.waiting_for) if request.waiting_for else ""
        return self.desk.act(
            request,
            call,
            lambda _tx, case, rules, who, now: domain.pause(
                case, needed(rules.sla, "sla"), request.reason, party, request.remark, who, now
            ),
        )

    def ResumeClock(self, request: pb.ResumeClockRequest, call: Call) -> ticket_pb2.Ticket:
        """End the waiting."""
        return self.desk.act(
            request, call, lambda _tx, case, _rules, who, now: domain.resume(case, request.remark, who, now)
        )
