"""ExplainSla over the channel: every clock of a ticket with its rule, its events and its story."""

from __future__ import annotations

import pytest

from services.ticketing.tests.clerk import ALICE, EVA, HOUR, YORK, Clerk
from services.ticketing.tests.test_clocks_rpc import confirmed, repair, waiting
from services.ticketing.tests.test_sweeper import step_of
from shuke.ticketing.v1 import clocks_pb2 as pb
from shuke.ticketing.v1.ticket_pb2 import Clock, Ticket
from tests.running import Refusal

DAY = "March 2, 2026"
Explanation = pb.ExplainSlaResponse.Explanation


def explained(clerk: Clerk, ticket: Ticket, **caller: object) -> dict[int, Explanation]:
    """Ask why the clocks of a ticket stand where they stand."""
    answer = clerk.call("clocks", "ExplainSla", pb.ExplainSlaRequest(name=ticket.name), **caller)
    assert answer.ticket == ticket.name
    return {explanation.clock.kind: explanation for explanation in answer.explanations}


@pytest.mark.requirement("K-28", "K-73", "X-14")
def test_the_clocks_of_a_fault_report_tell_their_story(clerk: Clerk) -> None:
    """Warned, breached, confirmed late, promised, paused: each clock says what gave, stopped and used up its limit."""
    ticket = repair(clerk)
    clerk.later(3 * HOUR // 2)
    step_of(clerk)()
    clerk.later(3 * HOUR // 2)
    confirmed(clerk, ticket)
    clerk.later(HOUR)
    waiting(clerk, ticket)
    clerk.later(HOUR)
    found = explained(clerk, ticket)
    assert list(found) == [Clock.CONFIRM, Clock.RESOLVE, Clock.COMMITMENT]
    confirm, resolve, promise = found.values()
    assert list(confirm.findings) == [
        "Rule fault of policies/sla/versions/1 allows 2 hours until an engineer has confirmed the report.",
        f"It counts around the clock from {DAY} 4:00 AM on.",
        f"On {DAY} 5:30 AM it was at risk, and a warning was given.",
        f"On {DAY} 6:00 AM its limit was passed.",
        f"On {DAY} 7:00 AM it was met by CONFIRM_REPORT.",
        "It took 3 hours; 2 hours were allowed.",
    ]
    assert resolve.findings[-2:] == [
        f"On {DAY} 8:00 AM staff/{ALICE} paused it: Parts ordered, waiting for parts.",
        f"It has counted 4 hours; once it counts on, 20 hours are left; staff/{EVA} must act.",
    ]
    assert list(promise.findings) == [
        f"On {DAY} 7:00 AM staff/{EVA} promised the customer an answer by {DAY} 12:00 PM.",
        f"It has counted 2 hours and is due on {DAY} 12:00 PM; staff/{EVA} must act.",
    ]
    assert (confirm.rule, promise.rule) == ("policies/sla/versions/1#fault", "")
    assert {one.responsible for one in found.values()} == {f"staff/{EVA}"}
    kind = Explanation.ClockEvent
    assert [event.kind for event in confirm.events] == [kind.STARTED, kind.AT_RISK, kind.BREACHED, kind.MET]
    assert (confirm.events[0].limit.seconds, confirm.events[0].actor) == (7200, f"staff/{ALICE}")
    assert confirm.events[2].record_time == clerk.at(-2 * HOUR) != confirm.events[2].time
    paused = resolve.events[-1]
    assert (paused.kind, paused.cause, paused.party) == (kind.PAUSED, "PARTS_ORDERED", Ticket.PARTS)
    assert not paused.HasField("limit")


def test_a_story_is_told_in_the_language_of_the_caller(clerk: Clerk) -> None:
    """Whoever asks for Chinese reads Chinese, names of reasons included."""
    ticket = confirmed(clerk, repair(clerk))
    waiting(clerk, ticket)
    findings = explained(clerk, ticket, language="zh-CN")[Clock.RESOLVE].findings
    assert findings[-2] == f"2026年3月2日 04:00由 staff/{ALICE} 暂停：等待配件，等待配件。"


def test_who_may_not_see_a_ticket_is_told_nothing_of_its_clocks(clerk: Clerk) -> None:
    """A key of another store is refused."""
    with pytest.raises(Refusal) as refusal:
        explained(clerk, repair(clerk), staff="X01", stores=(YORK,))
    assert refusal.value.code == "PERMISSION_DENIED"
