"""Cases for tests of the domain: the policies of the tests' chain, and every verb with something to say."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chassis.calendar import SECOND
from services.ticketing.cases.domain import Actor, Case
from services.ticketing.complaints import domain as complaints
from services.ticketing.limits import domain as limits
from services.ticketing.policies.convert import rules_of
from services.ticketing.policies.domain import Rules, needed
from services.ticketing.states.domain import Verb
from services.ticketing.tests.clerk import ALICE, EVA, HOUR, LEEDS, MARY, houses
from services.ticketing.tickets import domain as tickets
from services.ticketing.tickets.domain import Draft, open_case

START = 1_772_424_000 * SECOND
RULES: Rules = rules_of(
    {f"policies/{kind}/versions/1": policy.SerializeToString() for kind, policy in houses().items()}
)
SLA = needed(RULES.sla, "sla")
QUEUES = needed(RULES.queues, "queues")
CLOSING = needed(RULES.closing, "closing")
DESK, MANAGER, ENGINEER = Actor(ALICE, "apiKeys/1"), Actor(MARY, "apiKeys/2", manager=True), Actor(EVA, "apiKeys/3")


def draft(ticket_type: str = "COMPLAINT", severity: str = "NORMAL", **changes: object) -> Draft:
    """Write a matter."""
    told: dict[str, object] = {
        "type": ticket_type,
        "channel": "COUNTER",
        "severity": severity,
        "customer_id": "c1",
        "reporter": "",
        "store": LEEDS,
        "queue": "",
        "subject": "Kettle",
        "description": "It leaks.",
        "category": "",
        "cause_code": "",
        "product": None,
        "report_time": None,
        "answer": None,
        "satisfied": False,
    }
    return Draft(**told | changes)  # type: ignore[arg-type]  # fields by name


def opened(
    ticket_type: str = "COMPLAINT",
    severity: str = "NORMAL",
    classes: tuple[str, ...] = (),
    now: int = START,
    **changes: object,
) -> Case:
    """Open a case at the desk."""
    return open_case(draft(ticket_type, severity, **changes), RULES, None, classes, DESK, now, "t1", "260302-0001")


# What each verb is called with, on a case as it stands: what is needed is there wherever the case allows it.
Said = Callable[[Case, Actor, int], Case]
VERBS: Mapping[Verb, Said] = {
    Verb.ACKNOWLEDGE: lambda case, who, now: tickets.acknowledge(case, "Yes.", who, now, apologised=True),
    Verb.CLASSIFY: lambda case, who, now: tickets.classify(
        case, {"severity": "EMERGENCY" if now % 2 else "LOW"}, RULES, case.ticket.classes, who, now
    ),
    Verb.ASSIGN: lambda case, who, now: tickets.assign(case, EVA, "", who, now),
    Verb.TRANSFER: lambda case, who, now: tickets.transfer(case, QUEUES.queues[2], "", "Theirs.", who, now),
    Verb.CHANGE_OWNER: lambda case, who, now: tickets.change_owner(case, EVA, "Leave.", who, now),
    Verb.UPDATE: lambda case, who, now: tickets.update(case, {"subject": "Jug"}, who, now),
    Verb.ADD_NOTE: lambda case, who, now: tickets.note(case, "Hm.", who, now, attempt=False),
    Verb.NOTE_CONTACT_ATTEMPT: lambda case, who, now: tickets.note(case, "Nobody.", who, now, attempt=True),
    Verb.ESCALATE: lambda case, who, now: tickets.escalate(case, MARY, "Help.", who, now),
    Verb.CONFIRM_REPORT: lambda case, who, now: limits.confirm_report(case, SLA, now + HOUR, "", who, now),
    Verb.VERIFY_FACTS: lambda case, who, now: complaints.verify_facts(case, "CONFIRMED", "So it is.", who, now),
    Verb.PROPOSE_SOLUTION: lambda case, who, now: complaints.propose(case, "A new one", "Worn.", 500, who, now),
    Verb.ACCEPT_SOLUTION: lambda case, who, now: complaints.answer(
        case, len(case.solutions), "", who, now, accepted=True
    ),
    Verb.DECLINE_SOLUTION: lambda case, who, now: complaints.answer(
        case, len(case.solutions), "", who, now, accepted=False
    ),
    Verb.RECORD_COMPENSATION: lambda case, who, now: complaints.compensate(
        case, len(case.solutions), 100, "GBP 1.00", "", who, now
    ),
    Verb.COMMIT_TIME: lambda case, who, now: complaints.commit_time(case, SLA, now + HOUR, "", who, now),
    Verb.REPORT_PROGRESS: lambda case, who, now: complaints.report_progress(
        case, SLA, "It goes on.", now + 2 * HOUR, who, now
    ),
    Verb.PAUSE: lambda case, who, now: limits.pause(case, SLA, "PARTS_ORDERED", "PARTS", "", who, now),
    Verb.RESUME: lambda case, who, now: limits.resume(case, "", who, now),
    Verb.SOLVE: lambda case, who, now: tickets.solve(
        case, "Done.", len(case.solutions) if case.ticket.type in ("COMPLAINT", "DISPUTE") else 0, who, now
    ),
    Verb.CONFIRM_SATISFACTION: lambda case, who, now: tickets.confirm(case, "", who, now, satisfied=True),
    Verb.OBJECT: lambda case, who, now: tickets.confirm(case, "", who, now, satisfied=False),
    Verb.CLOSE_UNSATISFIED: lambda case, who, now: tickets.close_unsatisfied(case, "No way.", who, now),
    Verb.CLOSE_NO_CONTACT: lambda case, who, now: tickets.close_no_contact(case, CLOSING, "", who, now),
    Verb.CANCEL: lambda case, who, now: tickets.cancel(case, "A slip.", who, now),
    Verb.REOPEN: lambda case, who, now: tickets.reopen(case, "Again.", who, now),
}
