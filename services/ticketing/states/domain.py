"""The table of states and verbs: what may be done with a ticket when, by whom, and what comes of it (K-27, X-19).

The service's README shows this table; a test holds both equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chassis.errors import FailedPrecondition


class TicketStateForbids(FailedPrecondition):
    """The ticket's state, or its type, does not allow the verb."""

    reason = "TICKET_STATE_FORBIDS"


class State(StrEnum):
    """Where a ticket stands; the values are the contract's."""

    NEW = "NEW"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    IN_PROGRESS = "IN_PROGRESS"
    WAITING = "WAITING"
    SOLVED = "SOLVED"
    CLOSED_SATISFIED = "CLOSED_SATISFIED"
    CLOSED_UNSATISFIED = "CLOSED_UNSATISFIED"
    CLOSED_NO_CONTACT = "CLOSED_NO_CONTACT"
    CANCELLED = "CANCELLED"
    MERGED = "MERGED"

    @property
    def open(self) -> bool:
        """Whether somebody still has to do something."""
        return self in OPEN


class Verb(StrEnum):
    """What may happen to a ticket; the values are the contract's."""

    OPEN = "OPEN"
    ACKNOWLEDGE = "ACKNOWLEDGE"
    CLASSIFY = "CLASSIFY"
    ASSIGN = "ASSIGN"
    TRANSFER = "TRANSFER"
    CHANGE_OWNER = "CHANGE_OWNER"
    UPDATE = "UPDATE"
    ADD_NOTE = "ADD_NOTE"
    NOTE_CONTACT_ATTEMPT = "NOTE_CONTACT_ATTEMPT"
    ESCALATE = "ESCALATE"
    CONFIRM_REPORT = "CONFIRM_REPORT"
    VERIFY_FACTS = "VERIFY_FACTS"
    PROPOSE_SOLUTION = "PROPOSE_SOLUTION"
    ACCEPT_SOLUTION = "ACCEPT_SOLUTION"
    DECLINE_SOLUTION = "DECLINE_SOLUTION"
    COMMIT_TIME = "COMMIT_TIME"
    REPORT_PROGRESS = "REPORT_PROGRESS"
    RECORD_COMPENSATION = "RECORD_COMPENSATION"
    PAUSE = "PAUSE"
    RESUME = "RESUME"
    SOLVE = "SOLVE"
    CONFIRM_SATISFACTION = "CONFIRM_SATISFACTION"
    OBJECT = "OBJECT"
    CLOSE_UNSATISFIED = "CLOSE_UNSATISFIED"
    CLOSE_NO_CONTACT = "CLOSE_NO_CONTACT"
    CANCEL = "CANCEL"
    REOPEN = "REOPEN"
    CLOCK_AT_RISK = "CLOCK_AT_RISK"
    CLOCK_BREACHED = "CLOCK_BREACHED"
    COMPLETE_FOLLOW_UP = "COMPLETE_FOLLOW_UP"
    ADD_IMPROVEMENT = "ADD_IMPROVEMENT"
    END_IMPROVEMENT = "END_IMPROVEMENT"


class Who(StrEnum):
    """Who may act, beside holding the permission of the method."""

    STAFF = "any staff"
    OWNER = "owner or manager"
    MANAGER = "manager"


NEW, ACKNOWLEDGED, IN_PROGRESS, WAITING, SOLVED = (
    *(State.NEW, State.ACKNOWLEDGED, State.IN_PROGRESS, State.WAITING, State.SOLVED),
)
OPEN = (NEW, ACKNOWLEDGED, IN_PROGRESS, WAITING, SOLVED)
UNSOLVED = (NEW, ACKNOWLEDGED, IN_PROGRESS, WAITING)
BEGUN = (ACKNOWLEDGED, IN_PROGRESS, WAITING)
ENDED = (State.CLOSED_SATISFIED, State.CLOSED_UNSATISFIED, State.CLOSED_NO_CONTACT, State.CANCELLED)

# Types whose facts are verified, and which are settled by a solution that the customer accepts (K-32, K-38, K-49).
COMPLAINTS = frozenset({"COMPLAINT", "DISPUTE"})
# Types that an engineer confirms (K-73).
FAULTS = frozenset({"REPAIR", "MAINTENANCE", "INSTALLATION", "TECH_SUPPORT", "QUALITY"})
# Types that may be answered on the spot (K-35).
ON_THE_SPOT = frozenset({"INQUIRY", "SUGGESTION", "COMPLAINT"})


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: from these states a verb leads to that one, or stays where it is.

    `filled` names what must be given with it, and `types` the only types that know the verb; empty for all.
    """

    verb: Verb
    states: tuple[State, ...]
    to: State | None = None
    who: Who = Who.STAFF
    filled: str = ""
    types: frozenset[str] = frozenset()

    def fits(self, state: State, ticket_type: str) -> bool:
        """Tell whether the verb is allowed."""
        return state in self.states and (not self.types or ticket_type in self.types)


TABLE = (
    Row(Verb.ACKNOWLEDGE, (NEW,), ACKNOWLEDGED, filled="of a complaint: restatement, apology"),
    Row(Verb.CLASSIFY, UNSOLVED),
    Row(Verb.ASSIGN, OPEN),
    Row(Verb.TRANSFER, OPEN, filled="queue, reason"),
    Row(Verb.CHANGE_OWNER, OPEN, who=Who.OWNER, filled="owner, reason"),
    Row(Verb.UPDATE, OPEN),
    Row(Verb.ADD_NOTE, (*OPEN, *ENDED), filled="text"),
    Row(Verb.NOTE_CONTACT_ATTEMPT, OPEN, filled="text"),
    Row(Verb.ESCALATE, UNSOLVED, filled="reason"),
    Row(Verb.CONFIRM_REPORT, UNSOLVED, IN_PROGRESS, filled="agreed time", types=FAULTS),
    Row(Verb.VERIFY_FACTS, BEGUN, IN_PROGRESS, filled="finding, report", types=COMPLAINTS),
    Row(Verb.PROPOSE_SOLUTION, BEGUN, IN_PROGRESS, filled="verified facts, explanation", types=COMPLAINTS),
    Row(Verb.ACCEPT_SOLUTION, BEGUN, IN_PROGRESS, filled="proposed solution", types=COMPLAINTS),
    Row(Verb.DECLINE_SOLUTION, BEGUN, IN_PROGRESS, filled="proposed solution", types=COMPLAINTS),
    Row(Verb.RECORD_COMPENSATION, (IN_PROGRESS, SOLVED), filled="accepted solution, amount", types=COMPLAINTS),
    Row(Verb.COMMIT_TIME, UNSOLVED, filled="promised time"),
    Row(Verb.REPORT_PROGRESS, BEGUN, filled="progress; next time where one was promised"),
    Row(Verb.PAUSE, (ACKNOWLEDGED, IN_PROGRESS), WAITING, filled="reason, party"),
    Row(Verb.RESUME, (WAITING,), IN_PROGRESS),
    Row(Verb.SOLVE, BEGUN, SOLVED, filled="result; of a complaint: accepted solution"),
    Row(Verb.CONFIRM_SATISFACTION, (SOLVED,), State.CLOSED_SATISFIED),
    Row(Verb.OBJECT, (SOLVED,), IN_PROGRESS),
    Row(
        Verb.CLOSE_UNSATISFIED,
        (IN_PROGRESS, WAITING, SOLVED),
        State.CLOSED_UNSATISFIED,
        who=Who.MANAGER,
        filled="reason",
    ),
    Row(Verb.CLOSE_NO_CONTACT, OPEN, State.CLOSED_NO_CONTACT, filled="contact attempts that the policy asks for"),
    Row(Verb.CANCEL, UNSOLVED, State.CANCELLED, filled="reason"),
    Row(Verb.REOPEN, ENDED, IN_PROGRESS, filled="reason"),
)
_BY_VERB = {row.verb: row for row in TABLE}


def allowed(state: State, ticket_type: str) -> list[Verb]:
    """List the verbs that a ticket of a type allows in a state."""
    return [row.verb for row in TABLE if row.fits(state, ticket_type)]


def require(verb: Verb, state: State, ticket_type: str, name: str) -> Row:
    """Answer the row of a verb, or raise `TicketStateForbids` with the verbs that are allowed."""
    row = _BY_VERB[verb]
    if not row.fits(state, ticket_type):
        verbs = ", ".join(allowed(state, ticket_type)) or "-"
        raise TicketStateForbids(name=name, type=ticket_type, state=state, verb=verb, allowed=verbs)
    return row
