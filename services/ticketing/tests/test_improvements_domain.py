"""The rules of improvement actions: who may be asked for what until when, and how they end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chassis.errors import Invalid
from services.ticketing.cases.domain import Case
from services.ticketing.improvements.domain import Draft, ImprovementAction, ImprovementActionEnded, State, add, end
from services.ticketing.people.domain import Member
from services.ticketing.states import domain as tickets
from services.ticketing.states.domain import TicketStateForbids, Verb
from services.ticketing.tests.clerk import EVA, HOUR, member
from services.ticketing.tests.walks import DESK, MANAGER, START, opened

DRAFT = Draft("Check every kettle's lid", EVA, START + HOUR)
HER = member(EVA, "engineer")


def in_state(state: tickets.State, ticket_type: str = "COMPLAINT") -> Case:
    """Open a case and put it into a state."""
    case = opened(ticket_type)
    return replace(case, ticket=replace(case.ticket, state=state))


def added(case: Case | None = None, draft: Draft = DRAFT, responsible: Member | None = HER) -> ImprovementAction:
    """Add an improvement action to a case."""
    return add(case or opened(), draft, responsible, DESK, START, "i1")[1]


@pytest.mark.requirement("K-54")
@pytest.mark.parametrize("state", [state for state in tickets.State if state is not tickets.State.MERGED])
@pytest.mark.parametrize("ticket_type", ["COMPLAINT", "INQUIRY", "REPAIR"])
def test_every_ticket_may_lead_to_an_improvement(state: tickets.State, ticket_type: str) -> None:
    """Whatever its type, before and after its end, a ticket takes an action and enters it; else it stays as it is."""
    before = in_state(state, ticket_type)
    case, action = add(before, DRAFT, HER, DESK, START, "i1")
    assert action == ImprovementAction(
        id="i1",
        ticket_id="t1",
        ticket_number="260302-0001",
        subject="customers/c1",
        description=DRAFT.description,
        responsible=EVA,
        due_time=START + HOUR,
        create_time=START,
    )
    entry = case.entries[-1]
    assert (entry.verb, entry.actor, entry.text) == (Verb.ADD_IMPROVEMENT, DESK.name, DRAFT.description)
    assert entry.details == {"improvement_action": "improvementActions/i1", "responsible": EVA}
    assert entry.from_state == entry.to_state == state
    assert case.ticket == replace(before.ticket, entries=before.ticket.entries + 1)
    assert case.signals == before.signals


@pytest.mark.requirement("K-54")
def test_a_merged_ticket_takes_none() -> None:
    """What goes on with another ticket is improved there."""
    with pytest.raises(TicketStateForbids) as refused:
        added(in_state(tickets.State.MERGED))
    told = refused.value.metadata
    assert (told["state"], told["verb"], told["allowed"]) == ("MERGED", "ADD_IMPROVEMENT", "-")


def test_the_texts_belong_to_whom_the_ticket_is_about() -> None:
    """The words are those of the member of staff where no customer reports."""
    assert added(opened(customer_id="", reporter="S-3")).subject == "staff/S-3"


@pytest.mark.parametrize("responsible", [None, replace(HER, active=False)])
def test_all_that_is_wrong_is_told_at_once(responsible: Member | None) -> None:
    """An empty text, nobody who works here and a time that is not ahead are each named."""
    with pytest.raises(Invalid) as refused:
        added(draft=Draft(" \n", EVA, START), responsible=responsible)
    assert [(one.field, one.reason) for one in refused.value.violations] == [
        ("description", "TEXT_MISSING"),
        ("responsible", "STAFF_UNKNOWN"),
        ("due_time", "TIME_IN_PAST"),
    ]
    assert refused.value.violations[1].metadata["name"] == f"staff/{EVA}"


@pytest.mark.requirement("K-54")
@pytest.mark.parametrize("ending", [State.DONE, State.DROPPED])
@pytest.mark.parametrize("state", [tickets.State.IN_PROGRESS, tickets.State.CLOSED_SATISFIED, tickets.State.MERGED])
def test_an_ending_keeps_what_came_of_it(ending: State, state: tickets.State) -> None:
    """Done or dropped, the action keeps the words and the time, and the ticket shows them, wherever it stands."""
    action, before = added(), in_state(state)
    case, ended = end(before, action, ending, "All lids are tight", MANAGER, START + 1)
    assert ended == replace(action, state=ending, result="All lids are tight", complete_time=START + 1)
    entry = case.entries[-1]
    assert (entry.verb, entry.actor, entry.text) == (Verb.END_IMPROVEMENT, MANAGER.name, "All lids are tight")
    assert entry.details == {"improvement_action": action.name, "state": ending}
    assert case.ticket == replace(before.ticket, entries=before.ticket.entries + 1)


def test_nothing_ends_without_words() -> None:
    """An ending that says nothing is refused, and the field is named."""
    with pytest.raises(Invalid) as refused:
        end(opened(), added(), State.DROPPED, " ", MANAGER, START)
    assert [(one.field, one.reason) for one in refused.value.violations] == [("result", "TEXT_MISSING")]


@pytest.mark.requirement("K-54")
@pytest.mark.parametrize("state", [State.DONE, State.DROPPED])
def test_what_has_ended_stays_as_it_is(state: State) -> None:
    """An action that was done or dropped does not end again."""
    with pytest.raises(ImprovementActionEnded) as refused:
        end(opened(), replace(added(), state=state), State.DONE, "Again", MANAGER, START)
    assert refused.value.metadata == {"name": "improvementActions/i1", "state": state}
