"""The rules of clocks: what counts, what stops it, and that each alert is fired once and none is lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.calendar import SECOND
from services.ticketing.clocks.domain import (
    Clock,
    ClockEvent,
    Kind,
    State,
    Step,
    alerts,
    apply,
    drop,
    limit,
    meet,
    pause,
    replay,
    resume,
    start,
)

HOUR = 3_600 * SECOND
RULE = "policies/sla/versions/1#complaint"


def began(kind: Kind = Kind.RESOLVE, *, hours: int = 24, warning: int | None = 18, now: int = 0) -> list[ClockEvent]:
    """Begin a clock at hour zero, told at an hour."""
    given_limit = hours * HOUR
    warns = None if warning is None else warning * HOUR
    return start(kind, 0, limit=given_limit, warning=warns, time=0, now=now * HOUR, cause=RULE, actor="s1")


def clock_of(*events: Sequence[ClockEvent]) -> Clock:
    """Work out the one clock of which events tell."""
    (clock,) = replay([event for some in events for event in some]).values()
    return clock


def told(events: Sequence[ClockEvent]) -> list[tuple[Step, float]]:
    """Tell steps with the hours from which they hold."""
    return [(event.step, event.time / HOUR) for event in events]


@pytest.mark.requirement("K-73", "X-14")
def test_a_fault_report_is_warned_of_and_breached_at_its_limit() -> None:
    """A report to be confirmed within two hours is at risk at its warning and breached at two hours, neither before."""
    clock = clock_of(began(Kind.CONFIRM, hours=2, warning=1))
    assert (clock.due_time, clock.alert_time) == (2 * HOUR, 1 * HOUR)
    assert alerts(clock, HOUR - 1) == []
    assert told(alerts(clock, HOUR)) == [(Step.AT_RISK, 1)]
    warned = apply(clock, alerts(clock, HOUR)[0])
    assert warned.alert_time == 2 * HOUR
    assert alerts(warned, 2 * HOUR - 1) == []
    assert told(alerts(warned, 2 * HOUR)) == [(Step.BREACHED, 2)]
    breached = apply(warned, alerts(warned, 2 * HOUR)[0])
    assert (breached.at_risk_time, breached.breach_time, breached.alert_time) == (HOUR, 2 * HOUR, None)


@pytest.mark.requirement("K-75")
def test_a_limit_of_zero_is_breached_at_the_start() -> None:
    """An emergency that allows no time is breached with its registration, and not warned of."""
    assert told(began(hours=0, warning=0)) == [(Step.STARTED, 0), (Step.BREACHED, 0)]


@pytest.mark.parametrize(
    ("now", "fired"),
    [(17, []), (18, [(Step.AT_RISK, 18)]), (24, [(Step.BREACHED, 24)]), (90, [(Step.BREACHED, 24)])],
)
@pytest.mark.requirement("X-14")
def test_a_start_in_the_past_fires_at_once(now: int, fired: list[tuple[Step, float]]) -> None:
    """A matter registered hours after it was reported counts from the report, and what has passed is fired with it."""
    events = began(now=now)
    assert told(events) == [(Step.STARTED, 0), *fired]
    assert {event.record_time for event in events} == {now * HOUR}


@pytest.mark.requirement("X-14", "K-74")
def test_a_pause_does_not_count() -> None:
    """While another party is waited for nothing counts and nothing is fired; then the rest of the limit is left."""
    clock = clock_of(began())
    events = pause(clock, time=10 * HOUR, cause="NO_PARTS", party="PARTS", actor="s1")
    paused = clock_of(began(), events)
    assert (paused.state, paused.counted, paused.due_time, paused.alert_time) == (State.PAUSED, 10 * HOUR, None, None)
    assert alerts(paused, 100 * HOUR) == []
    resumed = clock_of(began(), events, resume(paused, time=50 * HOUR, actor="s1"))
    assert (resumed.state, resumed.alert_time, resumed.due_time) == (State.RUNNING, 58 * HOUR, 64 * HOUR)


@pytest.mark.requirement("X-14", "X-15")
def test_another_limit_keeps_what_was_counted_and_fired() -> None:
    """A longer limit moves the due time and leaves a warning given; a shorter one that has passed is breached now."""
    events = began()
    events += alerts(clock_of(events), 20 * HOUR)
    longer = limit(clock_of(events), limit=48 * HOUR, warning=40 * HOUR, now=20 * HOUR, cause="COMMIT_TIME", actor="m")
    put_off = clock_of(events, longer)
    assert (put_off.due_time, put_off.at_risk_time, put_off.alert_time) == (48 * HOUR, 18 * HOUR, 48 * HOUR)
    assert put_off.rule == "COMMIT_TIME"
    shorter = limit(put_off, limit=4 * HOUR, warning=3 * HOUR, now=30 * HOUR, cause=RULE, actor="m")
    assert told(shorter) == [(Step.LIMITED, 30), (Step.BREACHED, 30)]
    breached = clock_of(events, longer, shorter)
    again = limit(breached, limit=99 * HOUR, warning=40 * HOUR, now=31 * HOUR, cause=RULE, actor="m")
    assert told(again) == [(Step.LIMITED, 31)]
    assert clock_of(events, longer, shorter, again).alert_time is None


@pytest.mark.parametrize("shorter", [5, 10])
def test_a_shorter_limit_in_a_pause_is_passed_when_the_pause_ends(shorter: int) -> None:
    """A paused clock fires nothing; what its new limit finds passed is fired when it counts on."""
    clock = clock_of(began())
    paused = pause(clock, time=10 * HOUR, cause="NO_PARTS", party="PARTS", actor="s1")
    limited = limit(clock_of(began(), paused), limit=shorter * HOUR, warning=None, now=20 * HOUR, cause=RULE, actor="m")
    assert told(limited) == [(Step.LIMITED, 20)]
    resumed = resume(clock_of(began(), paused, limited), time=30 * HOUR, actor="s1")
    assert told(resumed) == [(Step.RESUMED, 30), (Step.BREACHED, 30)]


@pytest.mark.requirement("X-14")
def test_what_is_done_late_was_breached_though_nobody_looked() -> None:
    """A breach goes before an answer that came after the limit, at its own due time; an answer in time has none."""
    clock = clock_of(began())
    late = meet(clock, time=30 * HOUR, now=40 * HOUR, cause="SOLVE", actor="s1")
    assert told(late) == [(Step.BREACHED, 24), (Step.MET, 30)]
    assert {event.record_time for event in late} == {40 * HOUR}
    in_time = meet(clock, time=23 * HOUR, now=40 * HOUR, cause="SOLVE", actor="s1")
    assert told(in_time) == [(Step.MET, 23)]
    met = clock_of(began(), in_time)
    assert (met.state, met.stop_time, met.counted, met.due_time) == (State.MET, 23 * HOUR, 23 * HOUR, None)
    dropped = drop(clock, now=30 * HOUR, cause="CANCEL", actor="s1")
    assert told(dropped) == [(Step.BREACHED, 24), (Step.DROPPED, 30)]


@pytest.mark.requirement("X-14")
@pytest.mark.parametrize("verb", [partial(meet, time=10 * HOUR), drop])
def test_what_is_not_at_its_end_after_all_counts_on(verb: Callable[..., list[ClockEvent]]) -> None:
    """A ticket that the customer objects to, or that is reopened, counts on; the time in between does not count."""
    ended = verb(clock_of(began()), now=10 * HOUR, cause="SOLVE", actor="s1")
    assert clock_of(began(), ended).stop_time == 10 * HOUR
    resumed = resume(clock_of(began(), ended), time=100 * HOUR, actor="s1")
    clock = clock_of(began(), ended, resumed)
    assert (clock.state, clock.stop_time, clock.due_time) == (State.RUNNING, None, 114 * HOUR)


@pytest.mark.requirement("K-36", "N-14", "X-15")
def test_a_commitment_is_never_put_off() -> None:
    """A promised time is reminded of once and then breached, whatever else waits; nothing pauses or resumes it."""
    promise = began(Kind.COMMITMENT, hours=5, warning=4)
    clock = clock_of(promise)
    assert pause(clock, time=HOUR, cause="NO_PARTS", party="PARTS", actor="s1") == []
    assert told(alerts(clock, 4 * HOUR)) == [(Step.AT_RISK, 4)]
    met = meet(clock, time=HOUR, now=HOUR, cause="REPORT_PROGRESS", actor="s1")
    assert resume(clock_of(promise, met), time=2 * HOUR, actor="s1") == []


def test_a_verb_that_the_state_does_not_allow_adds_nothing() -> None:
    """What has ended is not ended again, what runs is not resumed, and the same limit is no change."""
    running = clock_of(began())
    assert resume(running, time=HOUR, actor="s1") == []
    assert limit(running, limit=24 * HOUR, warning=18 * HOUR, now=HOUR, cause=RULE, actor="s1") == []
    dropped = clock_of(began(), drop(running, now=HOUR, cause="CANCEL", actor="s1"))
    assert meet(dropped, time=HOUR, now=HOUR, cause="SOLVE", actor="s1") == []
    assert drop(dropped, now=HOUR, cause="CANCEL", actor="s1") == []
    assert pause(dropped, time=HOUR, cause="NO_PARTS", party="PARTS", actor="s1") == []


def test_time_is_never_turned_back() -> None:
    """Told by a process whose clock runs behind, a verb takes away nothing of what has been counted."""
    limited = limit(clock_of(began()), limit=20 * HOUR, warning=None, now=10 * HOUR, cause=RULE, actor="m")
    again = limit(clock_of(began(), limited), limit=24 * HOUR, warning=None, now=8 * HOUR, cause=RULE, actor="m")
    clock = clock_of(began(), limited, again)
    assert (clock.counted, clock.due_time) == (10 * HOUR, 24 * HOUR)
    met = clock_of(began(), limited, again, meet(clock, time=9 * HOUR, now=9 * HOUR, cause="SOLVE", actor="s1"))
    assert met.counted == 10 * HOUR


def test_a_clock_without_a_beginning_is_a_fault() -> None:
    """A ledger whose first event of a clock is not its start is not taken for one."""
    with pytest.raises(ValueError, match="RESOLVE 0 has no beginning"):
        replay(drop(clock_of(began()), now=HOUR, cause="CANCEL", actor="s1"))


# ---------------------------------------------------------------------------------------------------------- properties

SPANS = st.integers(0, 30)
MOVES = st.lists(
    st.tuples(SPANS, st.sampled_from(["look", "pause", "resume", "meet", "drop", "limit"]), SPANS), max_size=12
)
STARTS = st.tuples(SPANS, st.none() | SPANS)


def played(begin: tuple[int, int | None], moves: Sequence[tuple[int, str, int]]) -> list[list[ClockEvent]]:
    """Let a clock of a limit and a warning go through moves, each some time after the one before; look at the end."""
    span, warning = begin
    now, answers = 0, [start(Kind.RESOLVE, 0, limit=span, warning=warning, time=0, now=0, cause=RULE, actor="s1")]
    for gap, verb, shorter in [*moves, (0, "look", 0)]:
        now += gap
        clock = clock_of(*answers)
        answers.append(_play(clock, verb, shorter, now))
    return answers


def _play(clock: Clock, verb: str, span: int, now: int) -> list[ClockEvent]:
    match verb:
        case "look":
            return alerts(clock, now)
        case "pause":
            return pause(clock, time=now, cause="NO_PARTS", party="PARTS", actor="s1")
        case "resume":
            return resume(clock, time=now, actor="s1")
        case "meet":
            return meet(clock, time=now, now=now, cause="SOLVE", actor="s1")
        case "drop":
            return drop(clock, now=now, cause="CANCEL", actor="s1")
        case _:
            return limit(clock, limit=span, warning=span // 2, now=now, cause=RULE, actor="s1")


@given(STARTS, MOVES)
@pytest.mark.requirement("X-14")
def test_what_counts_is_what_passed_less_the_pauses(
    begin: tuple[int, int | None], moves: list[tuple[int, str, int]]
) -> None:
    """What a clock has counted, with what runs since, is the time that passed while it ran."""
    answers, ran, running = played(begin, moves), 0, True
    for (gap, _, _), events in zip(moves, answers[1:], strict=False):
        ran += gap if running else 0
        for event in events:
            running = running if event.step in {Step.LIMITED, Step.AT_RISK, Step.BREACHED} else False
            running = running or event.step is Step.RESUMED
    clock, now = clock_of(*answers), sum(gap for gap, _, _ in moves)
    assert clock.counted + (now - clock.since if clock.since is not None else 0) == ran
    assert (clock.since is not None) == running == (clock.state is State.RUNNING)


@given(STARTS, MOVES)
@pytest.mark.requirement("X-14")
def test_an_alert_is_fired_once_and_a_breach_never_lost(
    begin: tuple[int, int | None], moves: list[tuple[int, str, int]]
) -> None:
    """Each alert is fired at most once, no warning after a breach; who looks, and how often, moves no breach."""
    seldom = [(gap, "resume" if verb == "look" else verb, span) for gap, verb, span in moves]
    often = [look for gap, verb, span in seldom for look in ((gap, "look", 0), (0, verb, span), (0, "look", 0))]
    breaches = []
    for looks in (seldom, often):
        events = [event for answer in played(begin, looks) for event in answer]
        fired = [event.step for event in events if event.step in {Step.AT_RISK, Step.BREACHED}]
        assert fired in ([], [Step.AT_RISK], [Step.BREACHED], [Step.AT_RISK, Step.BREACHED])
        breaches.append([event.time for event in events if event.step is Step.BREACHED])
        clock, now = clock_of(events), sum(gap for gap, _, _ in moves)
        assert clock.breach_time is not None or clock.due_time is None or clock.due_time > now
    assert breaches[0] == breaches[1]


@given(STARTS, MOVES)
def test_a_clock_is_the_sum_of_its_events(begin: tuple[int, int | None], moves: list[tuple[int, str, int]]) -> None:
    """Events applied one by one, of two clocks mixed with each other, give what each gives alone."""
    alone = [event for answer in played(begin, moves) for event in answer]
    beside = began(Kind.COMMITMENT)
    mixed = replay([*alone[:1], *beside, *alone[1:]])
    assert mixed == {(Kind.RESOLVE, 0): reduce(apply, alone, None), (Kind.COMMITMENT, 0): clock_of(beside)}
