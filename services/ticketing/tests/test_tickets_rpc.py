"""Tickets over the wire: from the counter to a satisfied customer, and everything that may go wrong on the way."""

from __future__ import annotations

import pytest

from services.ticketing.tests.clerk import ALICE, HOUR, Clerk
from shuke.ticketing.v1 import tickets_pb2 as pb
from shuke.ticketing.v1.ticket_pb2 import Clock, Solution, Ticket


@pytest.mark.requirement("K-18", "K-31", "K-32", "K-33", "K-34", "K-37", "K-38", "K-41", "K-48", "K-55", "X-20")
def test_a_complaint_from_intake_to_a_satisfied_customer(clerk: Clerk) -> None:
    """A complaint is acknowledged, verified, offered two solutions, solved by the accepted one, and confirmed."""
    ticket = clerk.open(description="The kettle leaks.")
    assert (ticket.state, ticket.owner, ticket.queue) == (Ticket.NEW, f"staff/{ALICE}", "queues/complaints")
    clerk.act("tickets", "AcknowledgeTicket", ticket, restatement="It leaks; yes, she said.", apologised=True)
    clerk.act("complaints", "VerifyFacts", ticket, finding=Ticket.CONFIRMED, report="It leaks indeed.")
    for words in ("Repair it", "Give a new one"):
        clerk.act("complaints", "ProposeSolution", ticket, description=words, explanation="A seal is worn.")
    clerk.act("complaints", "AnswerSolution", ticket, solution=1, accepted=False, remark="It takes too long.")
    clerk.act("complaints", "AnswerSolution", ticket, solution=2, accepted=True)
    clerk.later(HOUR)
    solved = clerk.act("tickets", "SolveTicket", ticket, result="A new one was given.", solution=2)
    assert solved.state == Ticket.SOLVED
    assert [one.state for one in solved.solutions] == [Solution.DECLINED, Solution.CARRIED_OUT]
    assert {clock.state for clock in solved.clocks} == {Clock.MET}
    closed = clerk.act("tickets", "ConfirmSatisfaction", ticket, satisfied=True, remark="Thank you.")
    assert (closed.state, closed.owner) == (Ticket.CLOSED_SATISFIED, f"staff/{ALICE}")
    assert closed.close_time == clerk.at(0)
    entries = clerk.timeline(ticket)
    assert [pb.Verb.Name(entry.verb) for entry in entries] == [
        *("OPEN", "ACKNOWLEDGE", "VERIFY_FACTS", "PROPOSE_SOLUTION", "PROPOSE_SOLUTION"),
        *("DECLINE_SOLUTION", "ACCEPT_SOLUTION", "SOLVE", "CONFIRM_SATISFACTION"),
    ]
    assert [entry.number for entry in entries] == list(range(1, 10))
    assert {entry.actor for entry in entries} == {f"staff/{ALICE}"}
    assert entries[-1].text == "Thank you."
    told = [type(event).__name__ for event in clerk.told()]
    assert told == ["TicketOpened", "TicketAcknowledged", "TicketSolved", "TicketClosed"]
