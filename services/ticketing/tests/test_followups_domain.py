"""The rules of follow-ups: when customers are called after a ticket was closed, and what ends a follow-up."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from chassis.calendar import SECOND
from chassis.errors import Invalid
from services.ticketing.cases.domain import Actor, Case, Ticket
from services.ticketing.followups.domain import FollowUp, FollowUpEnded, Outcome, State, complete, entered_try, plan
from services.ticketing.policies.domain import FollowUpPolicy
from services.ticketing.priorities.domain import Priority
from services.ticketing.states import domain as tickets

DAY = 86_400 * SECOND
POLICY = FollowUpPolicy({"COMPLAINT": (DAY, 7 * DAY), "REPAIR": (DAY,)})
CLOSED, LATER = 1_000 * DAY, 1_003 * DAY
TICKET = Ticket(
    id="t",
    number="260302-0001",
    type="COMPLAINT",
    channel="PHONE",
    severity="NORMAL",
    customer_id="anna",
    reporter="",
    store="LON-1",
    queue="complaints",
    subject="",
    description="",
    category="",
    cause_code="",
    product=None,
    report_time=0,
    owner="S-1",
    assignee="S-2",
    state=tickets.State.CLOSED_SATISFIED,
    priority=Priority("NORMAL", None, 0, "", 0, ""),
    classes=(),
    create_time=0,
    update_time=0,
)
PLANNED = FollowUp("f", "t", "260302-0001", "anna", "LON-1", "S-1", number=1, due_time=CLOSED + DAY)


def planned(ticket: Ticket, policy: FollowUpPolicy | None = POLICY) -> list[FollowUp]:
    """Plan the follow-ups of a ticket that is closed now; their ids count up."""
    ids = map(str, count(1))
    return list(plan(policy, ticket, CLOSED, lambda: next(ids)))


@pytest.mark.requirement("K-39", "K-45", "X-18")
def test_a_complaint_is_followed_up_as_often_as_the_policy_says() -> None:
    """Each delay of the policy gives one call, at that time after the closing, numbered from one."""
    first, second = planned(TICKET)
    assert first == replace(PLANNED, id="1")
    assert second == replace(PLANNED, id="2", number=2, due_time=CLOSED + 7 * DAY)
    assert len(planned(replace(TICKET, type="REPAIR"))) == 1
    assert planned(replace(TICKET, type="INQUIRY")) == []
    assert planned(TICKET, policy=None) == []


@pytest.mark.requirement("K-20", "X-18")
def test_the_owner_makes_the_call() -> None:
    """The first-contact owner calls, whoever works on the ticket."""
    assert {one.owner for one in planned(TICKET)} == {"S-1"}


@pytest.mark.requirement("K-39")
@pytest.mark.parametrize("state", tickets.State)
def test_only_a_customer_who_was_served_is_called(state: tickets.State) -> None:
    """Satisfied or not, the customer is called after the closing; after other endings and of open ones, nobody is."""
    followed = state in (tickets.State.CLOSED_SATISFIED, tickets.State.CLOSED_UNSATISFIED)
    assert bool(planned(replace(TICKET, state=state))) is followed


def test_a_member_of_staff_who_reports_is_not_called() -> None:
    """A ticket without a customer has no follow-up."""
    assert planned(replace(TICKET, customer_id="", reporter="S-3")) == []


@pytest.mark.requirement("K-20", "K-39")
@pytest.mark.parametrize("outcome", [Outcome.REACHED, Outcome.WRONG_NUMBER, Outcome.REFUSED])
@pytest.mark.parametrize("state", [State.PLANNED, State.DUE])
def test_a_try_that_settles_it_ends_a_follow_up(outcome: Outcome, state: State) -> None:
    """Reached, refused or a wrong number: the follow-up is done, early or when it is due."""
    done = complete(replace(PLANNED, state=state), outcome, LATER, satisfied=None)
    assert done == replace(PLANNED, state=State.DONE, outcome=outcome, tries=1, complete_time=LATER)


@pytest.mark.parametrize("satisfied", [True, False])
def test_the_customers_word_is_kept(satisfied: bool) -> None:  # noqa: FBT001  (a parameter of the test)
    """What a customer who was reached says of the handling is kept."""
    assert complete(PLANNED, Outcome.REACHED, LATER, satisfied=satisfied).satisfied is satisfied


@pytest.mark.requirement("K-39")
def test_without_an_answer_it_stays_open() -> None:
    """A try without an answer is counted, and the follow-up stays as it is, however often; then it can be made."""
    once = complete(PLANNED, Outcome.NO_ANSWER, LATER, satisfied=None)
    assert once == replace(PLANNED, outcome=Outcome.NO_ANSWER, tries=1)
    twice = complete(replace(once, state=State.DUE), Outcome.NO_ANSWER, LATER, satisfied=None)
    assert (twice.state, twice.tries, twice.complete_time) == (State.DUE, 2, None)
    assert complete(twice, Outcome.REACHED, LATER, satisfied=True).tries == 3


@pytest.mark.requirement("K-20", "K-48")
def test_a_try_stands_in_the_timeline_of_its_ticket() -> None:
    """Who called, what came of it and what the customer said is entered; the ticket stays as it is."""
    done = complete(PLANNED, Outcome.REACHED, LATER, satisfied=False)
    case = entered_try(Case(TICKET), done, "Call in the evening", Actor("S-1", "apiKeys/x"), LATER)
    [entry] = case.entries
    assert (entry.verb, entry.actor, entry.text, entry.time) == (
        tickets.Verb.COMPLETE_FOLLOW_UP,
        "staff/S-1",
        "Call in the evening",
        LATER,
    )
    assert entry.details == {"follow_up": "1", "outcome": "REACHED", "satisfied": "no"}
    assert entry.from_state == entry.to_state == TICKET.state
    assert case.ticket == replace(TICKET, entries=1)
    unasked = entered_try(case, complete(PLANNED, Outcome.NO_ANSWER, LATER, satisfied=None), "", Actor("", "k"), LATER)
    assert unasked.entries[1].details == {"follow_up": "1", "outcome": "NO_ANSWER"}


@pytest.mark.parametrize("state", [State.DONE, State.DROPPED])
def test_a_follow_up_that_ended_stays_as_it_is(state: State) -> None:
    """What was made or dropped cannot be completed any more."""
    with pytest.raises(FollowUpEnded) as refused:
        complete(replace(PLANNED, state=state), Outcome.REACHED, LATER, satisfied=None)
    assert refused.value.metadata == {"name": "followUps/f", "state": state}


@pytest.mark.parametrize("outcome", [Outcome.NO_ANSWER, Outcome.WRONG_NUMBER, Outcome.REFUSED])
def test_only_a_customer_who_was_reached_has_said_anything(outcome: Outcome) -> None:
    """Satisfaction without contact is refused, and the field is named."""
    with pytest.raises(Invalid) as refused:
        complete(PLANNED, outcome, LATER, satisfied=False)
    [wrong] = refused.value.violations
    assert (wrong.field, wrong.reason, wrong.metadata["outcome"]) == ("satisfied", "SATISFIED_UNASKED", outcome)
