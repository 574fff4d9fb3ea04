"""Explanations of clocks are told in both languages, with the same parts, in the order in which things came about."""

from __future__ import annotations

import re
import string
from zoneinfo import ZoneInfo

import pytest

from chassis.calendar import SECOND
from services.ticketing.clocks import domain as clocks
from services.ticketing.clocks.domain import ClockEvent, Kind, Step, replay
from services.ticketing.explanations.domain import GOALS, PARTIES, SENTENCES, Words, explain, say
from shuke.ticketing.v1.ticket_pb2 import Ticket

CHINESE = re.compile(r"[\u4e00-\u9fff]")
HOUR = 3_600 * SECOND
OLD, NEW = "policies/sla/versions/3#complaint", "policies/sla/versions/4#gold"
DAY = "January 1, 1970"


def parts(sentence: str) -> set[str | None]:
    """List what is filled into a sentence."""
    return {name for _, name, _, _ in string.Formatter().parse(sentence)} - {None}


def told(events: list[ClockEvent], now: int, language: str = "en") -> list[str]:
    """Tell what can be said of the one clock of events at an hour."""
    (explanation,) = explain(events, "E01", {"PARTS_ORDERED": ("等待配件", "Parts ordered")}, now * HOUR)
    return [say(finding, ZoneInfo("Europe/Dublin"), language) for finding in explanation.findings]


def begun(kind: Kind = Kind.RESOLVE, number: int = 0, hours: int = 24, cause: str = OLD) -> list[ClockEvent]:
    """Begin a clock at hour zero."""
    return clocks.start(kind, number, limit=hours * HOUR, warning=None, time=0, now=0, cause=cause, actor="A01")


@pytest.mark.parametrize(
    "words", [*SENTENCES.values(), *GOALS.values(), *(PARTIES[party] for party in PARTIES if party)]
)
def test_everything_has_two_languages(words: Words) -> None:
    """Each sentence and each word is told in Chinese and in English, with the same parts to fill in."""
    chinese, english = words
    assert CHINESE.search(chinese)
    assert not CHINESE.search(english)
    assert parts(chinese) == parts(english)


def test_nothing_lacks_words() -> None:
    """Each kind of clock, each party of the contract and each step has its words."""
    assert set(GOALS) == set(Kind)
    assert set(PARTIES) - {""} == set(Ticket.Party.keys()) - {"PARTY_UNSPECIFIED"}
    assert set(Step) - {Step.STARTED, Step.LIMITED} <= SENTENCES.keys()


@pytest.mark.requirement("K-28", "X-14")
def test_a_limit_is_told_with_its_rule_and_who_must_act() -> None:
    """While a clock runs it is told which rule gave the limit, from when it counts, when it is due and who must act."""
    assert told(begun(), 3) == [
        "Rule complaint of policies/sla/versions/3 allows 24 hours until it is solved.",
        f"It counts around the clock from {DAY} 1:00 AM on.",
        "It has counted 3 hours and is due on January 2, 1970 1:00 AM; staff/E01 must act.",
    ]
    assert told(begun(), 3, "zh-CN") == [
        "policies/sla/versions/3 的规则 complaint 规定时限为24小时，至问题解决为止。",
        "自1970年1月1日 01:00起全天候计时。",
        "已计时3小时，将于1970年1月2日 01:00到期；责任人 staff/E01。",
    ]


@pytest.mark.requirement("X-14", "X-15")
def test_what_changed_and_stopped_a_clock_is_told() -> None:
    """Another rule, a promise, a pause with reason and party, and the end are told with who did it and when."""
    events = begun()

    def clock() -> clocks.Clock:
        return replay(events)[Kind.RESOLVE, 0]

    events += clocks.limit(clock(), limit=12 * HOUR, warning=None, now=HOUR, cause=NEW, actor="M01")
    events += clocks.pause(clock(), time=2 * HOUR, cause="PARTS_ORDERED", party="PARTS", actor="A01")
    assert told(events, 5)[2:] == [
        f"From {DAY} 2:00 AM on rule gold of policies/sla/versions/4 allows 12 hours.",
        f"On {DAY} 3:00 AM staff/A01 paused it: Parts ordered, waiting for parts.",
        "It has counted 2 hours; once it counts on, 10 hours are left; staff/E01 must act.",
    ]
    events += clocks.resume(clock(), time=6 * HOUR, actor="A01")
    events += clocks.limit(clock(), limit=13 * HOUR, warning=None, now=7 * HOUR, cause="commitments/2", actor="M01")
    events += clocks.meet(clock(), time=18 * HOUR, now=18 * HOUR, cause="SOLVE", actor="E01")
    assert told(events, 20)[4:] == [
        f"On {DAY} 7:00 AM staff/A01 let it count on.",
        f"From {DAY} 8:00 AM on commitment 2 of staff/M01 allows 13 hours.",
        f"On {DAY} 6:00 PM its limit was passed.",
        f"On {DAY} 7:00 PM it was met by SOLVE.",
        "It took 14 hours; 13 hours were allowed.",
    ]
    (explanation,) = explain(events, "E01", {}, 0)
    assert explanation.rule == NEW
    assert ("reason", "PARTS_ORDERED") in explanation.findings[3][1].items()


@pytest.mark.requirement("K-35", "K-36")
def test_a_promise_is_told_with_who_gave_it() -> None:
    """Of a commitment it is told who promised what when, and that it is overdue; it rests on no rule."""
    promise = begun(Kind.COMMITMENT, 1, 5, "commitments/1")
    assert told(promise, 6) == [
        f"On {DAY} 1:00 AM staff/A01 promised the customer an answer by {DAY} 6:00 AM.",
        f"It has counted 6 hours and was due on {DAY} 6:00 AM; staff/E01 must act.",
    ]
    (explanation,) = explain(promise, "E01", {}, 0)
    assert explanation.rule == ""


def test_a_clock_that_was_dropped_says_nothing_more() -> None:
    """A dropped clock ends with that; the clocks of a ticket come in the order in which they began."""
    events = begun()
    events += clocks.drop(replay(events)[Kind.RESOLVE, 0], now=HOUR, cause="CANCEL", actor="A01")
    assert told(events, 5)[2:] == [f"On {DAY} 2:00 AM it was dropped by CANCEL."]
    later = clocks.start(Kind.COMMITMENT, 1, limit=0, warning=None, time=9, now=9, cause="commitments/1", actor="A01")
    found = explain([*later, *events], "E01", {}, 0)
    assert [explanation.clock.kind for explanation in found] == [Kind.RESOLVE, Kind.COMMITMENT]
