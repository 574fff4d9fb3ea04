"""The rules of follow-ups: when a customer is called after a ticket was closed, and what ends it (K-20, K-39, X-18)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from chassis import names
from chassis.errors import FailedPrecondition, NotFound, wrong
from services.ticketing.cases.domain import Actor, Case, Ticket
from services.ticketing.policies.domain import FollowUpPolicy
from services.ticketing.states import domain as tickets
from services.ticketing.states.domain import Verb
from services.ticketing.steps.domain import entered

# The endings after which the customer is asked: of the others nobody was reached, or nothing was handled.
FOLLOWED = (tickets.State.CLOSED_SATISFIED, tickets.State.CLOSED_UNSATISFIED)


class FollowUpNotFound(NotFound):
    """There is no such follow-up."""

    reason = "FOLLOW_UP_NOT_FOUND"


class FollowUpEnded(FailedPrecondition):
    """The follow-up was made or dropped."""

    reason = "FOLLOW_UP_ENDED"


class State(StrEnum):
    """Where a follow-up stands; the values are the contract's."""

    PLANNED = "PLANNED"
    DUE = "DUE"
    DONE = "DONE"
    DROPPED = "DROPPED"


OPEN = (State.PLANNED, State.DUE)


class Outcome(StrEnum):
    """What a try came to; the values are the contract's."""

    REACHED = "REACHED"
    NO_ANSWER = "NO_ANSWER"
    WRONG_NUMBER = "WRONG_NUMBER"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A call on the customer of a ticket. Times are microseconds UTC; ids and codes stand bare.

    `number` counts the calls after one closing from 1, `outcome` is that of the last try, and `complete_time` when the
    call was made or dropped.
    """

    id: str
    ticket_id: str
    ticket_number: str
    customer_id: str
    store: str
    owner: str
    number: int
    due_time: int
    state: State = State.PLANNED
    outcome: Outcome | None = None
    tries: int = 0
    complete_time: int | None = None
    satisfied: bool | None = None

    @property
    def name(self) -> str:
        """The resource name."""
        return names.name("followUps", self.id)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which follow-ups a list shows: of an owner, of a ticket, in one of these states, due before; empty is any.

    `stores` are those that the caller may see, None for all; what is the caller's own, `seen_by`, is seen anyhow.
    """

    owner: str
    ticket_id: str
    states: tuple[State, ...]
    due_before: int | None
    stores: tuple[str, ...] | None
    seen_by: str


def plan(policy: FollowUpPolicy | None, ticket: Ticket, now: int, new_id: Callable[[], str]) -> tuple[FollowUp, ...]:
    """Plan the calls of the owner on the customer of a ticket that is closed now, as the policy in force says.

    There are none for a member of staff, after other endings, and without a policy.
    """
    if policy is None or ticket.state not in FOLLOWED or not ticket.customer_id:
        return ()
    return tuple(
        FollowUp(
            id=new_id(),
            ticket_id=ticket.id,
            ticket_number=ticket.number,
            customer_id=ticket.customer_id,
            store=ticket.store,
            owner=ticket.owner,
            number=number,
            due_time=now + delay,
        )
        for number, delay in enumerate(policy.delays.get(ticket.type, ()), 1)
    )


def complete(follow_up: FollowUp, outcome: Outcome, now: int, *, satisfied: bool | None) -> FollowUp:
    """Record a try: where nobody answers it stays open, any other outcome ends it.

    Raises `FollowUpEnded`, and `Invalid` (SATISFIED_UNASKED) for the word of a customer who was not reached.
    """
    if follow_up.state not in OPEN:
        raise FollowUpEnded(name=follow_up.name, state=follow_up.state)
    if satisfied is not None and outcome is not Outcome.REACHED:
        raise wrong("satisfied", "SATISFIED_UNASKED", outcome=outcome)
    tried = replace(follow_up, outcome=outcome, tries=follow_up.tries + 1)
    if outcome is Outcome.NO_ANSWER:
        return tried
    return replace(tried, state=State.DONE, complete_time=now, satisfied=satisfied)


def entered_try(case: Case, follow_up: FollowUp, remark: str, actor: Actor, now: int) -> Case:
    """Enter the last try into the timeline of the ticket, with what the customer said (K-20, K-48)."""
    details = {"follow_up": str(follow_up.number), "outcome": str(follow_up.outcome)}
    if follow_up.satisfied is not None:
        details["satisfied"] = "yes" if follow_up.satisfied else "no"
    state = case.ticket.state
    return entered(case, Verb.COMPLETE_FOLLOW_UP, actor, now, state, text=remark, details=details)
