"""The rules of consent: recorded per purpose, never changed, the latest word decides (C-33 to C-38, X-13)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from chassis.errors import Problems
from services.customer.policies.domain import NoticeVersion, Purpose


class Channel(StrEnum):
    """How a customer is addressed; `ALL` is every way, and uses without any."""

    ALL = "ALL"
    SMS = "SMS"
    EMAIL = "EMAIL"
    PHONE = "PHONE"
    POST = "POST"
    WECHAT = "WECHAT"


class Decision(StrEnum):
    """What a customer said."""

    GRANTED = "GRANTED"
    WITHDRAWN = "WITHDRAWN"


class Source(StrEnum):
    """How a customer told the chain."""

    TILL = "TILL"
    DESK = "DESK"
    PAPER = "PAPER"
    WEB = "WEB"
    PHONE = "PHONE"
    MESSAGE = "MESSAGE"
    IMPORT = "IMPORT"


class Basis(StrEnum):
    """What a verdict rests on."""

    GRANTED = "GRANTED"
    WITHDRAWN = "WITHDRAWN"
    NEVER_GRANTED = "NEVER_GRANTED"
    NO_OPT_IN_NEEDED = "NO_OPT_IN_NEEDED"

    @property
    def allows(self) -> bool:
        """Whether the data may be used."""
        return self in (Basis.GRANTED, Basis.NO_OPT_IN_NEEDED)


@dataclass(frozen=True, slots=True)
class Use:
    """A use of a customer's data that can be granted or withdrawn."""

    purpose: Purpose
    channel: Channel = Channel.ALL


@dataclass(frozen=True, slots=True)
class Word:
    """What a customer said, under which notice, how, and who took it down with which key."""

    decision: Decision
    source: Source
    recorded_by: str
    api_key: str
    notice_version: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One grant or withdrawal; `sequence` counts the customer's records from 1."""

    customer_id: str
    sequence: int
    use: Use
    word: Word
    record_time: int


@dataclass(frozen=True, slots=True)
class Last:
    """The last record of a customer; zeros before the first one."""

    sequence: int = 0
    record_time: int = 0


def read_together(problems: Problems, uses: Sequence[Use], field: str) -> None:
    """Note uses that stand twice in one request."""
    for index, use in enumerate(uses):
        if use in uses[:index]:
            problems.add(f"{field}[{index}]", "CONSENT_REPEATED", purpose=use.purpose, channel=use.channel)


def need_notice(problems: Problems, uses: Sequence[Use], notice_version: str, field: str) -> None:
    """Note consents that do not tell the notice under which they were given."""
    if uses and not notice_version:
        problems.add(field, "CONSENT_NOTICE_UNNAMED")


def require_told(version: NoticeVersion, uses: Sequence[Use], field: str) -> None:
    """Refuse consent for purposes that the notice does not tell, all of them at once."""
    problems = Problems()
    for index, use in enumerate(uses):
        if use.purpose not in version.notice.purposes:
            at = f"{field}[{index}].purpose"
            problems.add(at, "CONSENT_PURPOSE_NOT_IN_NOTICE", purpose=use.purpose, name=version.name)
    problems.refuse()


def follow(last: Last, customer_id: str, uses: Sequence[Use], word: Word, now: int) -> list[Record]:
    """Write the records that come after the last one; a clock that runs behind never puts them before it."""
    time = max(now, last.record_time)
    return [
        Record(customer_id, sequence, use, word, time) for sequence, use in enumerate(uses, start=last.sequence + 1)
    ]


def counting_channels(channel: Channel) -> tuple[Channel, ...]:
    """Answer the channels on which a word counts for a use: its own, and all of them at once."""
    return tuple(dict.fromkeys((Channel.ALL, channel)))


def decide(purpose: Purpose, deciding: Record | None, *, service_opt_in: bool) -> Basis:
    """Tell what a use rests on: the latest word that counts for it, or what holds without any (X-13)."""
    if deciding is not None:
        return Basis(deciding.word.decision)
    if purpose is Purpose.SERVICE and not service_opt_in:
        return Basis.NO_OPT_IN_NEEDED
    return Basis.NEVER_GRANTED


def bases(
    purpose: Purpose, words: Iterable[Record], channels: Iterable[Channel], *, service_opt_in: bool
) -> dict[Channel, Basis]:
    """Tell for each channel what its use rests on, by the latest words of one customer on each channel."""
    known = list(words)

    def decided(channel: Channel) -> Basis:
        counting = [record for record in known if record.use.channel in counting_channels(channel)]
        last = max(counting, key=lambda record: record.sequence, default=None)
        return decide(purpose, last, service_opt_in=service_opt_in)

    return {channel: decided(channel) for channel in channels}
