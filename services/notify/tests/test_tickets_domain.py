"""Whom a notice reaches by what happens to a ticket, and what it can say."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.rules.domain import CLOCKED, Occasion, Recipient, TicketNotice
from services.notify.templates.domain import Channel, Words
from services.notify.tickets.domain import Term, TicketEvent, meets, recipients, values

TYPES, SEVERITIES, CLOCKS = ("COMPLAINT", "REPAIR"), ("EMERGENCY", "NORMAL"), ("RESPOND", "COMMITMENT")
THEN, SOON = datetime(2026, 3, 2, 3, tzinfo=UTC), datetime(2026, 3, 2, 5, tzinfo=UTC)
NOTICE = TicketNotice(Occasion.OPENED, (), (), (), Recipient.CUSTOMER, "", "ticket-x", (Channel.EMAIL,))


def term(key: str) -> Term:
    """Write a term."""
    return Term(key, Words(f"{key} 中", key.lower()))


EVENT = TicketEvent(
    event_id="e1",
    time=0,
    occasion=Occasion.OPENED,
    ticket="tickets/t1",
    number="260302-0007",
    type=term("COMPLAINT"),
    severity=term("NORMAL"),
    state=term("NEW"),
    customer="customers/c1",
    store="S01",
    queue="complaints",
    owner="staff/O",
    assignee="staff/A",
    report_time=THEN,
)


@st.composite
def events(draw: st.DrawFn) -> TicketEvent:
    """Any event; those about clocks have one."""
    occasion = draw(st.sampled_from(Occasion))
    return dataclasses.replace(
        EVENT,
        occasion=occasion,
        type=term(draw(st.sampled_from(TYPES))),
        severity=term(draw(st.sampled_from(SEVERITIES))),
        clock=term(draw(st.sampled_from(CLOCKS))) if occasion in CLOCKED else None,
        customer=draw(st.sampled_from(("", "customers/c1"))),
        assignee=draw(st.sampled_from(("", "staff/A"))),
    )


def some(of: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    """Any filter."""
    return st.lists(st.sampled_from(of), unique=True).map(tuple)


NOTICES = st.builds(
    TicketNotice,
    occasion=st.sampled_from(Occasion),
    types=some(TYPES),
    severities=some(SEVERITIES),
    clocks=some(CLOCKS),
    recipient=st.sampled_from(Recipient),
    role=st.just("service_manager"),
    template_code=st.just("ticket-x"),
    channels=st.just((Channel.EMAIL,)),
)


@pytest.mark.requirement("N-13", "N-15")
@given(events(), NOTICES)
def test_each_filter_only_narrows(event: TicketEvent, notice: TicketNotice) -> None:
    """Without filters the occasion alone counts; with them, the ticket has to be among what each one names."""
    bare = dataclasses.replace(notice, types=(), severities=(), clocks=())
    assert meets(event, bare) == (event.occasion is notice.occasion)
    named = (
        event.type.key in (notice.types or TYPES)
        and event.severity.key in (notice.severities or SEVERITIES)
        and (not notice.clocks or (event.clock is not None and event.clock.key in notice.clocks))
    )
    assert meets(event, notice) == (meets(event, bare) and named)


@given(events(), NOTICES, st.lists(st.sampled_from(("staff/M", "staff/D")), unique=True))
def test_a_notice_reaches_its_recipient_and_nobody_else(
    event: TicketEvent, notice: TicketNotice, serving: list[str]
) -> None:
    """Customer, owner, assignee or whoever serves in the role; nobody is made up where there is none."""
    reached = recipients(event, notice, serving)
    assert all(reached)
    assert {name.partition("/")[0] for name in reached} <= ({"staff"} if notice.to_staff else {"customers"})
    assert set(reached) <= {event.customer, event.owner, event.assignee, *serving}
    if notice.recipient is Recipient.ROLE:
        assert reached == serving


@pytest.mark.requirement("N-14", "K-36")
@pytest.mark.parametrize(
    ("recipient", "assignee", "reached"),
    [
        (Recipient.CUSTOMER, "staff/A", "customers/c1"),
        (Recipient.OWNER, "staff/A", "staff/O"),
        (Recipient.ASSIGNEE, "staff/A", "staff/A"),
        (Recipient.ASSIGNEE, "", "staff/O"),
    ],
)
def test_while_nobody_works_on_it_the_owner_is_told(recipient: Recipient, assignee: str, reached: str) -> None:
    """What is for the assignee reaches the owner of a ticket that nobody works on."""
    notice = dataclasses.replace(NOTICE, recipient=recipient)
    assert recipients(dataclasses.replace(EVENT, assignee=assignee), notice, ()) == [reached]


def test_a_notice_says_what_the_event_tells() -> None:
    """Number, kind, severity, state, place and times can be told, a clock and a promise where there is one."""
    told = {
        "ticket_number": "260302-0007",
        "ticket_type": Words("COMPLAINT 中", "complaint"),
        "severity": Words("NORMAL 中", "normal"),
        "state": Words("NEW 中", "new"),
        "store": "S01",
        "queue": "complaints",
        "report_time": THEN,
    }
    assert values(EVENT) == told
    assert values(dataclasses.replace(EVENT, promised_time=SOON)) == {**told, "promised_time": SOON}
    late = dataclasses.replace(EVENT, clock=term("RESPOND"), due_time=SOON)
    assert values(late) == {**told, "clock": Words("RESPOND 中", "respond"), "due_time": SOON}


@given(events(), events())
def test_what_happens_is_told_to_somebody_once(one: TicketEvent, other: TicketEvent) -> None:
    """The business key names what happened and the recipient, whatever rule asks, and nothing personal."""
    assert EVENT.business_key("staff/A") == "ticket/OPENED/t1/once/staff/A"
    same = (one.occasion, one.clock) == (other.occasion, other.clock)
    assert (one.business_key("staff/A") == other.business_key("staff/A")) == same
    assert one.business_key("staff/A") != one.business_key("customers/c1")


@pytest.mark.requirement("N-13", "N-15")
@pytest.mark.parametrize(
    ("occasion", "other"),
    [
        (Occasion.OPENED, {}),
        (Occasion.ACKNOWLEDGED, {}),
        (Occasion.COMMITMENT_MADE, {"promised_time": THEN}),
        (Occasion.COMMITMENT_MADE, {"commitment": 2}),
        (Occasion.CLOCK_AT_RISK, {"due_time": THEN}),
        (Occasion.CLOCK_BREACHED, {"commitment": 2}),
        (Occasion.CLOCK_BREACHED, {"clock": term("COMMITMENT")}),
        (Occasion.FOLLOW_UP_DUE, {"follow_up": "followUps/f2"}),
        (Occasion.TRANSFERRED, {"time": 2}),
        (Occasion.SOLVED, {"time": 2}),
    ],
)
def test_what_is_told_anew_under_another_id_is_the_same_notice(occasion: Occasion, other: dict[str, Any]) -> None:
    """An alert that fires again after a restore is not told again; another limit, promise, call or act is."""
    first = dataclasses.replace(
        EVENT,
        occasion=occasion,
        clock=term("RESPOND"),
        due_time=SOON,
        promised_time=SOON,
        commitment=1,
        follow_up="followUps/f1",
    )
    acted = occasion in (Occasion.TRANSFERRED, Occasion.SOLVED)
    again = dataclasses.replace(first, event_id="e2", time=0 if acted else 9)
    assert again.business_key("staff/A") == first.business_key("staff/A")
    different: Any = other or {"ticket": "tickets/t2"}
    further = dataclasses.replace(first, **different)
    assert further.business_key("staff/A") != first.business_key("staff/A")
