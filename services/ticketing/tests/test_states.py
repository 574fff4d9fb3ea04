"""The table of states and verbs: every verb in every state, and what random walks may never break."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.calendar import SECOND
from chassis.errors import Refused
from services.ticketing.cases.domain import Actor, Case, Offer, Promise
from services.ticketing.clocks.domain import Clock, Kind, replay
from services.ticketing.clocks.domain import State as ClockState
from services.ticketing.priorities.domain import SEVERITIES
from services.ticketing.states.domain import (
    OPEN,
    TABLE,
    Row,
    State,
    TicketStateForbids,
    Verb,
    Who,
    allowed,
)
from services.ticketing.steps.domain import fire, ranked, step
from services.ticketing.tests.clerk import HOUR, MARY
from services.ticketing.tests.drawing import drawn, shown
from services.ticketing.tests.walks import DESK, ENGINEER, MANAGER, RULES, START, VERBS, opened
from services.ticketing.tickets import domain as tickets

TYPES = ("INQUIRY", "COMPLAINT", "REPAIR", "DISPUTE", "SUGGESTION")
ROWS = {row.verb: row for row in TABLE}


def test_the_table_holds_every_verb_of_people_once() -> None:
    """Every verb but registering, what clocks do and what comes after the end has one row, and the walks know each."""
    others = {Verb.OPEN, Verb.CLOCK_AT_RISK, Verb.CLOCK_BREACHED, Verb.COMPLETE_FOLLOW_UP}
    others |= {Verb.ADD_IMPROVEMENT, Verb.END_IMPROVEMENT}
    assert [row.verb for row in TABLE] == list(dict.fromkeys(row.verb for row in TABLE))
    assert set(Verb) - others == set(ROWS) == set(VERBS)


@pytest.mark.requirement("K-27", "K-28", "X-19")
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.verb)
def test_every_verb_in_every_state(row: Row) -> None:
    """A verb leads to the state that the table says, or is refused with the verbs that the state allows."""
    for state, ticket_type in itertools.product(State, TYPES):
        case = opened(ticket_type)
        case = replace(case, ticket=replace(case.ticket, state=state))
        if state in row.states and (not row.types or ticket_type in row.types):
            after = step(case, row.verb, MANAGER, START)
            assert after.ticket.state is (row.to or state)
            assert after.entries[-1].verb is row.verb
            assert after.ticket.version == case.ticket.version + 1
        else:
            with pytest.raises(TicketStateForbids) as refused:
                step(case, row.verb, MANAGER, START)
            told = refused.value.metadata
            assert (told["state"], told["verb"]) == (state, row.verb)
            assert told["allowed"] == (", ".join(allowed(state, ticket_type)) or "-")
            assert row.verb not in allowed(state, ticket_type)


@pytest.mark.requirement("K-46", "X-17", "X-19")
@pytest.mark.parametrize("row", [row for row in TABLE if row.who is not Who.STAFF], ids=lambda row: row.verb)
def test_who_may_act(row: Row) -> None:
    """What the table keeps for the owner or for managers is refused to others, and nothing changes."""
    case = opened()
    case = replace(case, ticket=replace(case.ticket, state=row.states[-1]))
    with pytest.raises(Refused) as refused:
        step(case, row.verb, ENGINEER, START)
    assert refused.value.reason == ("MANAGER_REQUIRED" if row.who is Who.MANAGER else "OWNER_REQUIRED")
    step(case, row.verb, MANAGER, START)
    if row.who is Who.OWNER:
        step(case, row.verb, DESK, START)


MOVES = st.tuples(st.integers(0, 99), st.sampled_from([DESK, MANAGER, ENGINEER]), st.integers(0, 30 * HOUR // SECOND))


@pytest.mark.requirement("K-18", "K-36", "K-38", "X-14", "X-17", "X-19")
@given(
    ticket_type=st.sampled_from(TYPES),
    severity=st.sampled_from(SEVERITIES),
    moves=st.lists(MOVES, max_size=25),
    swept=st.booleans(),
)
def test_random_walks_break_nothing(
    ticket_type: str, severity: str, moves: list[tuple[int, Actor, int]], *, swept: bool
) -> None:
    """Whatever is done in whatever order: one owner, clocks that add up, no end without an ending."""
    case, now = opened(ticket_type, severity), START
    for choice, who, seconds in moves:
        now += seconds * SECOND
        verbs = allowed(case.ticket.state, ticket_type)
        verb = verbs[choice % len(verbs)]
        if swept:
            case = fire(case, now)
        try:
            after = ranked(VERBS[verb](case, who, now), RULES)
        except Refused:
            continue
        assert after.ticket.state is (ROWS[verb].to or case.ticket.state)
        _require_sound(after, now)
        case = after
    _require_replayed(case)


def _require_sound(case: Case, now: int) -> None:
    ticket = case.ticket
    assert ticket.owner
    assert (ticket.close_time is not None) == (ticket.state not in OPEN)
    assert bool(ticket.waiting_for) == (ticket.state is State.WAITING)
    running = [clock for clock in case.clocks if clock.state in (ClockState.RUNNING, ClockState.PAUSED)]
    if ticket.state not in OPEN:
        assert running == []
        assert case.promise is None
    if ticket.state is State.SOLVED:
        assert {clock.kind for clock in running} == set()
    assert [one.number for one in case.commitments] == list(range(1, len(case.commitments) + 1))
    assert sum(one.state is Promise.OPEN for one in case.commitments) <= 1
    assert all(one.compensated == 0 or one.state in (Offer.ACCEPTED, Offer.CARRIED_OUT) for one in case.solutions)
    assert not any(one.state is Offer.CARRIED_OUT for one in case.solutions) or ticket.finding
    assert [entry.number for entry in case.entries] == list(range(1, ticket.entries + 1))
    for clock in case.clocks:
        _require_counted(clock, now)


def _require_counted(clock: Clock, now: int) -> None:
    passed = 0 if clock.since is None else now - clock.since
    assert 0 <= clock.counted + passed <= now - clock.start_time
    assert clock.due_time is None or clock.due_time == clock.since + clock.limit - clock.counted  # type: ignore[operator]
    assert clock.kind is not Kind.COMMITMENT or clock.state is not ClockState.PAUSED


def _require_replayed(case: Case) -> None:
    """The clocks of a case are what its events make of them, and every alert was entered and told once."""
    assert replay(case.clock_events) == {clock.key: clock for clock in case.clocks}
    alerts = [
        (event.kind, event.number, event.step) for event in case.clock_events if event.step in ("AT_RISK", "BREACHED")
    ]
    assert len(alerts) == len(set(alerts))
    entered = [entry for entry in case.entries if entry.verb in (Verb.CLOCK_AT_RISK, Verb.CLOCK_BREACHED)]
    told = [signal for signal in case.signals if signal.told in ("ClockAtRisk", "ClockBreached")]
    assert len(entered) == len(told) == len(alerts)


@pytest.mark.requirement("K-43", "K-46", "K-75")
def test_an_emergency_goes_to_the_manager_and_is_breached_at_once() -> None:
    """An emergency lands with the manager's queue, and its acknowledgement is due with the registration."""
    case = opened("COMPLAINT", "EMERGENCY")
    assert (case.ticket.queue, case.ticket.assignee) == ("managers", MARY)
    assert [signal.told for signal in case.signals] == ["TicketOpened", "ClockBreached"]


def test_a_limit_for_what_is_done_never_starts() -> None:
    """A customer who knows already that the matter is handled is not waited for, whatever it turns out to be."""
    case = opened("INQUIRY")
    case = VERBS[Verb.ACKNOWLEDGE](case, DESK, START)
    later = START + 5 * HOUR
    case = tickets.classify(case, {"type": "COMPLAINT"}, RULES, (), DESK, later)
    assert {clock.kind for clock in case.clocks} == {Kind.RESPOND, Kind.RESOLVE}
    assert not any(clock.breach_time for clock in case.clocks)


def test_the_readme_shows_the_table() -> None:
    """What the README shows is drawn from the table."""
    assert shown() == drawn()
