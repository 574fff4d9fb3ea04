"""Tickets over the wire: from the counter to a satisfied customer, and everything that may go wrong on the way."""

from __future__ import annotations

from datetime import date

import pytest
from google.type.money_pb2 import Money

from services.ticketing.tests.clerk import ALICE, EVA, HOUR, LEEDS, MARY, Clerk, clock_of, houses
from services.ticketing.tests.neighbours import ANNA
from shuke.ticketing.v1 import tickets_pb2 as pb
from shuke.ticketing.v1.ticket_pb2 import Clock, Commitment, Solution, Ticket
from tests.running import Refusal


def gbp(pence: int) -> Money:
    """Write an amount in pence."""
    return Money(currency_code="GBP", units=pence // 100, nanos=pence % 100 * 10_000_000)


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


@pytest.mark.requirement("K-24", "K-35", "G-16")
def test_an_inquiry_answered_on_the_spot_is_one_call(clerk: Clerk) -> None:
    """What is answered on the spot is closed with its registration, and its timeline tells all steps."""
    answer = pb.OpenTicketRequest.CloseNow(answer="At nine.", satisfied=True)
    ticket = clerk.open(type=Ticket.INQUIRY, channel=Ticket.PHONE, close_now=answer)
    assert ticket.state == Ticket.CLOSED_SATISFIED
    assert clerk.verbs(ticket) == ["OPEN", "ACKNOWLEDGE", "SOLVE", "CONFIRM_SATISFACTION"]
    assert {clock.state for clock in ticket.clocks} == {Clock.MET}
    unsure = pb.OpenTicketRequest.CloseNow(answer="At ten.")
    assert clerk.open(type=Ticket.INQUIRY, channel=Ticket.CHAT, close_now=unsure).state == Ticket.ACKNOWLEDGED


@pytest.mark.requirement("K-29", "K-50", "T-57", "X-14", "X-22")
def test_a_gold_customer_s_complaint_stands_before_a_new_customer_s(clerk: Clerk) -> None:
    """Of two complaints the one of the better class is more pressing, and shows the parts of its priority."""
    first = clerk.open(customer=ANNA)
    clerk.hold(ANNA, "GOLD")
    gold = clerk.open(customer=ANNA)
    assert gold.classes == ["loyalty:GOLD"]
    assert gold.priority.class_bonus.seconds == 8 * 3600
    assert gold.priority.bonus_class == "loyalty:GOLD"
    assert gold.priority.policy == "policies/priority/versions/1"
    assert gold.priority.deadline == first.priority.deadline == clock_of(gold, Clock.ACKNOWLEDGE).due_time
    assert gold.priority.order_time.ToSeconds() == gold.priority.deadline.ToSeconds() - 8 * 3600
    emergency = clerk.open(severity=Ticket.EMERGENCY, staff=MARY)
    assert clerk.listed(store=LEEDS) == [emergency.name, gold.name, first.name]
    assert clerk.listed() == [gold.name, first.name]
    assert clerk.listed(staff=MARY) == [emergency.name]


@pytest.mark.requirement("K-17", "K-73", "K-74", "X-14")
def test_a_fault_report_that_comes_late_is_breached_at_once(clerk: Clerk) -> None:
    """A report of three hours ago has used up its two hours: the breach stands with the registration, and is told."""
    ticket = clerk.open(type=Ticket.REPAIR, channel=Ticket.PHONE, report_time=clerk.at(-3 * HOUR))
    confirm = clock_of(ticket, Clock.CONFIRM)
    assert (confirm.state, confirm.breach_time) == (Clock.RUNNING, clerk.at(-HOUR))
    assert ticket.assignee == f"staff/{EVA}"
    assert clock_of(ticket, Clock.RESOLVE).due_time == clerk.at(21 * HOUR)
    assert clerk.verbs(ticket) == ["OPEN", "CLOCK_BREACHED"]
    assert [type(event).__name__ for event in clerk.told()] == ["TicketOpened", "ClockBreached"]


@pytest.mark.requirement("K-19", "K-21", "K-22", "K-26", "K-43", "X-17")
def test_the_owner_stays_while_the_work_goes_on_elsewhere(clerk: Clerk) -> None:
    """Assigning, transferring and escalating change who works; only ChangeOwner changes who answers for it."""
    ticket = clerk.open()
    clerk.act("tickets", "AssignTicket", ticket, assignee=f"staff/{EVA}", reason="She is angry.")
    moved = clerk.act("tickets", "TransferTicket", ticket, queue="queues/repairs", reason="Theirs.")
    assert (moved.queue, moved.assignee, moved.owner) == ("queues/repairs", f"staff/{EVA}", f"staff/{ALICE}")
    raised = clerk.act("tickets", "EscalateTicket", ticket, reason="I cannot tell.")
    assert (raised.assignee, raised.owner) == (f"staff/{MARY}", f"staff/{ALICE}")
    with pytest.raises(Refusal) as refused:
        clerk.act("tickets", "EscalateTicket", ticket, reason="Nor can she.")
    assert refused.value.reason == "SUPERIOR_MISSING"
    with pytest.raises(Refusal) as refused:
        clerk.act("tickets", "ChangeOwner", ticket, owner=f"staff/{EVA}", reason="Hers now.", staff=EVA)
    assert (refused.value.code, refused.value.reason) == ("PERMISSION_DENIED", "OWNER_REQUIRED")
    owned = clerk.act("tickets", "ChangeOwner", ticket, owner=f"staff/{EVA}", reason="Hers now.")
    assert owned.owner == f"staff/{EVA}"
    told = [type(event).__name__ for event in clerk.told()]
    assert told == ["TicketOpened", *["TicketTransferred"] * 4]


@pytest.mark.requirement("K-30", "X-14")
def test_another_severity_keeps_what_was_counted(clerk: Clerk) -> None:
    """A classification gives clocks other limits from the same beginning, and another queue where it leads there."""
    ticket = clerk.open()
    clerk.later(HOUR)
    classified = clerk.act("tickets", "ClassifyTicket", ticket, severity=Ticket.EMERGENCY, cause_code="CASHIER_ERROR")
    acknowledge = clock_of(classified, Clock.ACKNOWLEDGE)
    assert (acknowledge.limit.seconds, acknowledge.breach_time) == (0, clerk.at(0))
    assert clock_of(classified, Clock.RESPOND).due_time == clerk.at(3 * HOUR)
    assert (classified.queue, classified.assignee) == ("queues/managers", f"staff/{MARY}")
    again = clerk.act("tickets", "ClassifyTicket", ticket, severity=Ticket.NORMAL)
    assert clock_of(again, Clock.ACKNOWLEDGE).breach_time == acknowledge.breach_time
    assert clock_of(again, Clock.RESPOND).due_time == clerk.at(23 * HOUR)
    assert clerk.verbs(ticket).count("CLOCK_BREACHED") == 1


@pytest.mark.requirement("K-55", "X-19")
def test_the_endings(clerk: Clerk) -> None:
    """Unsatisfied takes a manager and a reason, no contact the attempts of the policy; an objection goes on."""
    inquiry = clerk.open(type=Ticket.INQUIRY)
    clerk.act("tickets", "AcknowledgeTicket", inquiry)
    clerk.act("tickets", "SolveTicket", inquiry, result="At nine.")
    clerk.later(HOUR)
    objected = clerk.act("tickets", "ConfirmSatisfaction", inquiry, satisfied=False, remark="It was shut.")
    assert objected.state == Ticket.IN_PROGRESS
    assert clock_of(objected, Clock.RESOLVE).due_time == clerk.at(24 * HOUR)
    ending = pb.CloseTicketRequest
    for fields, reason in (
        ({"ending": ending.UNSATISFIED, "reason": "No way."}, "MANAGER_REQUIRED"),
        ({"ending": ending.NO_CONTACT}, "ATTEMPTS_MISSING"),
        ({"reason": "So."}, "ENDING_MISSING"),
        ({"ending": ending.UNSATISFIED, "staff": MARY}, "TEXT_MISSING"),
    ):
        with pytest.raises(Refusal) as refused:
            clerk.act("tickets", "CloseTicket", inquiry, **fields)
        assert refused.value.reason == reason
    for _ in range(2):
        kind = pb.AddNoteRequest.CONTACT_ATTEMPT
        clerk.act("tickets", "AddNote", inquiry, kind=kind, text="Nobody there.")
    closed = clerk.act("tickets", "CloseTicket", inquiry, ending=ending.NO_CONTACT)
    assert closed.state == Ticket.CLOSED_NO_CONTACT
    reopened = clerk.act("tickets", "ReopenTicket", inquiry, reason="She called back.")
    assert reopened.state == Ticket.IN_PROGRESS
    assert clock_of(reopened, Clock.RESOLVE).state == Clock.RUNNING
    ended = clerk.act("tickets", "CloseTicket", inquiry, ending=ending.UNSATISFIED, reason="No way.", staff=MARY)
    assert ended.state == Ticket.CLOSED_UNSATISFIED


@pytest.mark.requirement("K-35", "K-36", "K-40", "K-42", "X-15", "X-21")
def test_promised_times(clerk: Clerk) -> None:
    """A promise reaches as far as the limit, a manager's further; progress answers it and names the next one."""
    ticket = clerk.open()
    clerk.act("tickets", "AcknowledgeTicket", ticket, restatement="Yes.", apologised=True)
    with pytest.raises(Refusal) as refused:
        clerk.act("complaints", "CommitTime", ticket, promised_time=clerk.at(25 * HOUR))
    assert refused.value.reason == "COMMITMENT_TOO_LATE"
    assert refused.value.metadata["latest"] == "2026-03-03T04:00:00Z"
    clerk.act("complaints", "CommitTime", ticket, promised_time=clerk.at(4 * HOUR))
    with pytest.raises(Refusal) as refused:
        clerk.act("complaints", "CommitTime", ticket, promised_time=clerk.at(5 * HOUR))
    assert refused.value.reason == "COMMITMENT_OPEN"
    clerk.later(5 * HOUR)
    with pytest.raises(Refusal) as refused:
        clerk.act("complaints", "ReportProgress", ticket, progress="Parts are on their way.")
    assert refused.value.fields == {"next_time": "NEXT_TIME_MISSING"}
    late = clerk.act("complaints", "ReportProgress", ticket, progress="On their way.", next_time=clerk.at(HOUR))
    assert [one.state for one in late.commitments] == [Commitment.LATE, Commitment.OPEN]
    assert clock_of(late, Clock.COMMITMENT, 1).breach_time == clerk.at(-HOUR)
    kept = clerk.act(
        "complaints", "ReportProgress", ticket, progress="Nearly.", next_time=clerk.at(30 * HOUR), staff=MARY
    )
    assert [one.state for one in kept.commitments] == [Commitment.LATE, Commitment.KEPT, Commitment.OPEN]
    assert clock_of(kept, Clock.RESOLVE).due_time == clerk.at(30 * HOUR)
    assert [type(event).__name__ for event in clerk.told()].count("CommitmentMade") == 3


@pytest.mark.requirement("K-32", "K-34", "K-38", "X-20")
def test_no_step_of_a_complaint_before_the_other(clerk: Clerk) -> None:
    """No solution before the facts, nothing carried out or compensated before the customer agrees."""
    ticket = clerk.open()
    with pytest.raises(Refusal) as refused:
        clerk.act("tickets", "AcknowledgeTicket", ticket)
    assert refused.value.fields == {"restatement": "TEXT_MISSING", "apologised": "APOLOGY_MISSING"}
    with pytest.raises(Refusal) as refused:
        clerk.act("complaints", "VerifyFacts", ticket, finding=Ticket.CONFIRMED, report="So.")
    assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "TICKET_STATE_FORBIDS")
    assert "ACKNOWLEDGE" in refused.value.metadata["allowed"]
    clerk.act("tickets", "AcknowledgeTicket", ticket, restatement="Yes.", apologised=True)
    solution = {"description": "A voucher", "explanation": "We are sorry.", "compensation": gbp(1000)}
    with pytest.raises(Refusal) as refused:
        clerk.act("complaints", "ProposeSolution", ticket, **solution)
    assert refused.value.reason == "FACTS_NOT_VERIFIED"
    clerk.act("complaints", "VerifyFacts", ticket, finding=Ticket.PARTLY_CONFIRMED, report="So.")
    clerk.act("complaints", "ProposeSolution", ticket, **solution)
    for method, fields in (
        ("SolveTicket", {"result": "Done.", "solution": 1}),
        ("RecordCompensation", {"solution": 1, "amount": gbp(500)}),
    ):
        with pytest.raises(Refusal) as refused:
            clerk.act("tickets" if method == "SolveTicket" else "complaints", method, ticket, **fields)
        assert refused.value.reason == "SOLUTION_NOT_ACCEPTED"
    clerk.act("complaints", "AnswerSolution", ticket, solution=1, accepted=True)
    with pytest.raises(Refusal) as refused:
        clerk.act("complaints", "AnswerSolution", ticket, solution=1, accepted=False)
    assert refused.value.reason == "SOLUTION_ANSWERED"
    for amount, reason in ((1001, "COMPENSATION_TOO_HIGH"), (0, "AMOUNT_NOT_POSITIVE")):
        with pytest.raises(Refusal) as refused:
            clerk.act("complaints", "RecordCompensation", ticket, solution=1, amount=gbp(amount))
        assert refused.value.fields == {"amount": reason}
    given = clerk.act("complaints", "RecordCompensation", ticket, solution=1, amount=gbp(1000))
    assert given.solutions[0].compensated == gbp(1000)
    with pytest.raises(Refusal) as refused:
        clerk.act("tickets", "SolveTicket", ticket, result="Done.", solution=2)
    assert refused.value.fields == {"solution": "SOLUTION_UNKNOWN"}


@pytest.mark.requirement("K-49", "K-52", "X-17")
def test_a_dispute_is_settled_across_departments(clerk: Clerk) -> None:
    """A dispute goes the way of a complaint while departments take turns; one owner coordinates them to its end."""
    ticket = clerk.open(type=Ticket.DISPUTE)
    assert ticket.queue == "queues/complaints"
    clerk.act("tickets", "AcknowledgeTicket", ticket, restatement="Yes.", apologised=True)
    clerk.act("tickets", "TransferTicket", ticket, queue="queues/repairs", reason="Was it repaired well?")
    clerk.act("complaints", "VerifyFacts", ticket, finding=Ticket.CONFIRMED, report="It was not.", staff=EVA)
    clerk.act("tickets", "TransferTicket", ticket, queue="queues/complaints", assignee=f"staff/{ALICE}", reason="So.")
    clerk.act("complaints", "ProposeSolution", ticket, description="Repair it anew", explanation="Our fault.")
    clerk.act("complaints", "AnswerSolution", ticket, solution=1, accepted=True)
    solved = clerk.act("tickets", "SolveTicket", ticket, result="Repaired anew.", solution=1)
    assert (solved.state, solved.owner) == (Ticket.SOLVED, f"staff/{ALICE}")
    queues = [entry.details["queue"] for entry in clerk.timeline(ticket) if "queue" in entry.details]
    assert queues == ["complaints", "repairs", "complaints"]


@pytest.mark.requirement("K-30", "X-14")
def test_another_policy_keeps_what_was_counted(clerk: Clerk) -> None:
    """A policy that comes into force gives an open ticket its limits with the next classification, as of the report."""
    ticket = clerk.open(type=Ticket.REPAIR)
    clerk.later(HOUR)
    changed = houses()["sla"]
    changed.sla.rules[3].resolve.FromSeconds(12 * 3600)
    clerk.enforce("sla", changed, since=date(2026, 3, 1))
    assert clock_of(clerk.get(ticket), Clock.RESOLVE).due_time == clerk.at(23 * HOUR)
    classified = clerk.act("tickets", "ClassifyTicket", ticket)
    assert clock_of(classified, Clock.RESOLVE).due_time == clerk.at(11 * HOUR)
    assert clock_of(classified, Clock.RESOLVE).start_time == ticket.report_time
