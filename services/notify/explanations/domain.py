"""What can be said of a message, in the order in which it came about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from services.notify.messages.domain import Attempt, Message, State

# Chinese and English, with the same parts to fill in.
SENTENCES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "rule": ("由规则 {rule} 因事件 {event_id} 产生。", "Rule {rule} asked for it because of event {event_id}."),
        "caller": ("由 {caller} 请求发送。", "{caller} asked for it."),
        "retry": ("由 {caller} 重发 {retry_of} 的内容。", "{caller} has the content of {retry_of} sent again."),
        "template": ("使用模板 {template}，目的 {purpose}。", "It renders {template}, for the purpose {purpose}."),
        "no template": ("当时模板 {template} 没有批准的版本。", "No version of {template} was approved."),
        "work": ("发给员工的工作通知，无需客户同意。", "It is work for staff, for which no consent is asked."),
        "not asked": ("尚未询问客户是否同意。", "Consent has not been asked yet."),
        "basis": ("最近一次询问时，同意的依据为 {basis}。", "When asked last, consent rested on {basis}."),
        "channels": ("可用渠道依次为 {channels}；客户偏好的优先。", "It may use {channels}, the preferred one first."),
        "channel": ("选定渠道 {channel}，语言 {language}。", "{channel} was chosen, in {language}."),
        "attempt": ("第 {number} 次经 {channel}：{answer}。", "Attempt {number} over {channel}: {answer}."),
        "next": ("状态 {state}；工作进程将再次处理。", "It is {state}; a worker will take it up again."),
        "sending": ("状态 {state}；正等待渠道答复。", "It is {state}; the channel's answer is awaited."),
        "done": ("状态 {state}；不再有后续动作。", "It is {state}; nothing comes next."),
        "because": ("状态 {state}，原因 {reason}；不再有后续动作。", "It is {state} for {reason}; nothing comes next."),
    }
)


Finding = tuple[str, dict[str, object]]


def findings(message: Message, attempts: Sequence[Attempt], language: str) -> list[str]:
    """Say in a language where a message came from, what it rests on, what was tried and what comes next."""
    found = [*_origin(message), *_way(message), *map(_attempt, attempts), _next(message)]
    place = 1 if language == "en" else 0
    return [SENTENCES[key][place].format(**parts) for key, parts in found]


def _origin(message: Message) -> Iterator[Finding]:
    source = message.source
    if source.rule:
        yield "rule", {"rule": source.rule, "event_id": source.event_id}
    else:
        yield "retry" if source.retry_of else "caller", {"caller": source.caller, "retry_of": source.retry_of}
    yield "template" if message.purpose else "no template", {"template": message.template, "purpose": message.purpose}


def _way(message: Message) -> Iterator[Finding]:
    if message.to_staff:
        yield "work", {}
    else:
        yield "basis" if message.basis else "not asked", {"basis": message.basis}
    yield "channels", {"channels": ", ".join(message.channels)}
    if message.channel:
        yield "channel", {"channel": message.channel, "language": message.language}


def _attempt(attempt: Attempt) -> Finding:
    said = (attempt.outcome or "-", str(attempt.code or ""), attempt.detail)
    return "attempt", {"number": attempt.number, "channel": attempt.channel, "answer": " ".join(filter(None, said))}


def _next(message: Message) -> Finding:
    parts: dict[str, object] = {"state": message.state, "reason": message.reason}
    if message.state is State.SENDING:
        return "sending", parts
    if message.due_time is not None:
        return "next", parts
    return "because" if message.reason else "done", parts
