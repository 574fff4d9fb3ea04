"""Handlers of `shuke.ticketing.v1.ComplaintService`."""

from __future__ import annotations

from google.type.money_pb2 import Money

from chassis import wire
from chassis.call import Call
from chassis.errors import Problems, wrong
from chassis.money import Currency
from services.ticketing.complaints import domain
from services.ticketing.desk.rpc import Desk
from services.ticketing.policies.domain import needed
from shuke.ticketing.v1 import complaints_pb2 as pb
from shuke.ticketing.v1 import ticket_pb2


class ComplaintService:
    """Leads a complaint through its steps; promised times and progress serve every ticket."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def VerifyFacts(self, request: pb.VerifyFactsRequest, call: Call) -> ticket_pb2.Ticket:
        """Record what was found of the customer's account."""
        finding = ticket_pb2.Ticket.Finding.Name(request.finding)
        return self.desk.act(
            request,
            call,
            lambda _tx, case, _rules, who, now: domain.verify_facts(case, finding, request.report, who, now),
        )

    def ProposeSolution(self, request: pb.ProposeSolutionRequest, call: Call) -> ticket_pb2.Ticket:
        """Add a solution."""
        compensation = 0
        if request.HasField("compensation"):
            compensation = _amount(self.desk.money, "compensation", request.compensation)
        return self.desk.act(
            request,
            call,
            lambda _tx, case, _rules, who, now: domain.propose(
                case, request.description, request.explanation, compensation, who, now
            ),
        )

    def AnswerSolution(self, request: pb.AnswerSolutionRequest, call: Call) -> ticket_pb2.Ticket:
        """Record the customer's answer."""
        return self.desk.act(
            request,
            call,
            lambda _tx, case, _rules, who, now: domain.answer(
                case, request.solution, request.remark, who, now, accepted=request.accepted
            ),
        )

    def CommitTime(self, request: pb.CommitTimeRequest, call: Call) -> ticket_pb2.Ticket:
        """Record a time at which the customer was promised an answer."""
        time = wire.instant(request.promised_time)
        return self.desk.act(
            request,
            call,
            lambda _tx, case, rules, who, now: domain.commit_time(
                case, needed(rules.sla, "sla"), time, request.remark, who, now
            ),
        )

    def ReportProgress(self, request: pb.ReportProgressRequest, call: Call) -> ticket_pb2.Ticket:
        """Record that the customer was told the progress."""
        next_time = wire.instant(request.next_time) if request.HasField("next_time") else None
        return self.desk.act(
            request,
            call,
            lambda _tx, case, rules, who, now: domain.report_progress(
                case, needed(rules.sla, "sla"), request.progress, next_time, who, now
            ),
        )

    def RecordCompensation(self, request: pb.RecordCompensationRequest, call: Call) -> ticket_pb2.Ticket:
        """Record what the customer was given."""
        amount = _amount(self.desk.money, "amount", request.amount)
        shown = self.desk.money.text(amount)
        return self.desk.act(
            request,
            call,
            lambda _tx, case, _rules, who, now: domain.compensate(
                case, request.solution, amount, shown, request.remark, who, now
            ),
        )


def _amount(currency: Currency, field: str, money: Money) -> int:
    """Read an amount above zero in minor units of the chain's currency."""
    problems = Problems()
    amount = currency.read(problems, field, money)
    problems.refuse()
    if amount <= 0:
        raise wrong(field, "AMOUNT_NOT_POSITIVE")
    return amount
