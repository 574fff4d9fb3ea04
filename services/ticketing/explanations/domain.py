"""What can be said of a clock, in the order in which it came about (K-28)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from chassis import names, wording
from chassis.calendar import EPOCH
from services.ticketing.clocks.domain import Clock, ClockEvent, Kind, State, Step, replay

# Chinese and English of one thing.
Words = tuple[str, str]

# With the same parts to fill in. Those of steps that need no telling apart stand under the step.
SENTENCES: Mapping[str, Words] = MappingProxyType(
    {
        "rule": (
            "{policy} 的规则 {rule} 规定时限为{limit}，至{goal}为止。",
            "Rule {rule} of {policy} allows {limit} until {goal}.",
        ),
        "start": ("自{time}起全天候计时。", "It counts around the clock from {time} on."),
        "promise": (
            "{actor} 于{time}向客户承诺最迟在{due}答复。",
            "On {time} {actor} promised the customer an answer by {due}.",
        ),
        "other rule": (
            "{time}起适用 {policy} 的规则 {rule}，时限为{limit}。",
            "From {time} on rule {rule} of {policy} allows {limit}.",
        ),
        "put off": (
            "因 {actor} 的承诺 {number}，{time}起时限为{limit}。",
            "From {time} on commitment {number} of {actor} allows {limit}.",
        ),
        Step.PAUSED: (
            "{time}由 {actor} 暂停：{reason}，等待{party}。",
            "On {time} {actor} paused it: {reason}, waiting for {party}.",
        ),
        Step.RESUMED: ("{time}由 {actor} 恢复计时。", "On {time} {actor} let it count on."),
        Step.AT_RISK: ("{time}已预警。", "On {time} it was at risk, and a warning was given."),
        Step.BREACHED: ("{time}超过时限。", "On {time} its limit was passed."),
        Step.MET: ("{time}完成（{cause}）。", "On {time} it was met by {cause}."),
        Step.DROPPED: ("{time}取消（{cause}）。", "On {time} it was dropped by {cause}."),
        "due": (
            "已计时{counted}，将于{due}到期；责任人 {responsible}。",
            "It has counted {counted} and is due on {due}; {responsible} must act.",
        ),
        "overdue": (
            "已计时{counted}，已于{due}到期；责任人 {responsible}。",
            "It has counted {counted} and was due on {due}; {responsible} must act.",
        ),
        "waiting": (
            "已计时{counted}，恢复后尚余{left}；责任人 {responsible}。",
            "It has counted {counted}; once it counts on, {left} are left; {responsible} must act.",
        ),
        "took": ("共计时{counted}，时限为{limit}。", "It took {counted}; {limit} were allowed."),
    }
)
GOALS: Mapping[Kind, Words] = MappingProxyType(
    {
        Kind.ACKNOWLEDGE: ("客户得知已受理", "the customer knows that it is being handled"),
        Kind.CONFIRM: ("工程师确认报修", "an engineer has confirmed the report"),
        Kind.RESPOND: ("客户得到实质答复", "the customer has an answer of substance"),
        Kind.RESOLVE: ("问题解决", "it is solved"),
        Kind.COMMITMENT: ("客户得到答复", "the customer has an answer"),
    }
)
PARTIES: Mapping[str, Words] = MappingProxyType(
    {
        "": ("", ""),
        "CUSTOMER": ("客户", "the customer"),
        "PARTS": ("配件", "parts"),
        "SUPPLIER": ("供应商", "a supplier"),
        "APPROVAL": ("审批", "an approval"),
    }
)

Finding = tuple[str, Mapping[str, str | Words | datetime | timedelta]]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A clock with its events, the policy rule that gave its limit last (empty for none), and what can be said."""

    clock: Clock
    rule: str
    events: tuple[ClockEvent, ...]
    findings: tuple[Finding, ...]


def explain(
    history: Sequence[ClockEvent], responsible: str, reasons: Mapping[str, Words], now: int
) -> list[Explanation]:
    """Explain each clock of a ticket from all their events, the one that began first first.

    `responsible` is the code of who must act, `reasons` what pause reasons are called; one that is called nothing any
    more stands as its code.
    """
    found = []
    for key, clock in sorted(replay(history).items(), key=lambda item: item[1].start_time):
        events = tuple(event for event in history if (event.kind, event.number) == key)
        rules = [event.cause for event in events if event.limit is not None and "#" in event.cause]
        told = [finding for event in events for finding in _steps(event, reasons)]
        findings = (*told, *_standing(clock, responsible, now))
        found.append(Explanation(clock, rules[-1] if rules else "", events, findings))
    return found


def say(finding: Finding, zone: ZoneInfo, language: str) -> str:
    """Say a finding in a language, with times as the clocks of a zone show them."""
    key, parts = finding
    return _choose(SENTENCES[key], language).format(
        **{name: _word(part, zone, language) for name, part in parts.items()}
    )


def _word(part: str | Words | datetime | timedelta, zone: ZoneInfo, language: str) -> str:
    match part:
        case datetime():
            return wording.moment(part.astimezone(zone), language)
        case timedelta():
            return wording.span(part, language)
        case str():
            return part
        case _:
            return _choose(part, language)


def _choose(words: Words, language: str) -> str:
    return words[1 if language == "en" else 0]


def _steps(event: ClockEvent, reasons: Mapping[str, Words]) -> Iterator[Finding]:
    policy, _, rule = event.cause.partition("#")
    limit = timedelta(microseconds=event.limit or 0)
    time = EPOCH + timedelta(microseconds=event.time)
    parts: dict[str, str | Words | datetime | timedelta] = {
        "time": time,
        "limit": limit,
        "due": time + limit,
        "goal": GOALS[event.kind],
        "policy": policy,
        "rule": rule,
        "number": names.identity(event.cause),
        "cause": event.cause,
        "reason": reasons.get(event.cause, event.cause),
        "party": PARTIES[event.party],
        "actor": names.name("staff", event.actor),
    }
    match event.step:
        case Step.STARTED if event.kind is Kind.COMMITMENT:
            yield "promise", parts
        case Step.STARTED:
            yield "rule", parts
            yield "start", parts
        case Step.LIMITED:
            yield "other rule" if rule else "put off", parts
        case step:
            yield step, parts


def _standing(clock: Clock, responsible: str, now: int) -> Iterator[Finding]:
    ran = 0 if clock.since is None else max(0, now - clock.since)
    counted, limit = clock.counted + ran, clock.limit
    parts: dict[str, str | timedelta | datetime | Words] = {
        "counted": timedelta(microseconds=counted),
        "limit": timedelta(microseconds=limit),
        "left": timedelta(microseconds=max(0, limit - counted)),
        "due": EPOCH + timedelta(microseconds=clock.due_time or 0),
        "responsible": names.name("staff", responsible),
    }
    match clock.state:
        case State.RUNNING:
            yield "due" if counted < limit else "overdue", parts
        case State.PAUSED:
            yield "waiting", parts
        case State.MET:
            yield "took", parts
        case State.DROPPED:
            return
