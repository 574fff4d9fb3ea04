"""The rules of delivery: whom a message may reach, what a hand-over came to, when to try again (N-01, N-03, N-07)."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from chassis.calendar import SECOND
from chassis.errors import Unavailable
from services.notify.messages.domain import MOVES, Attempt, Message, Outcome, Reason, State, move

# How much longer each pause is than the one before.
FACTOR = 4
# By how much chance may lengthen a pause: messages that failed together do not come back together.
JITTER_PARTS = 4
# How long the customer service's answer counts: a withdrawal of consent holds at once for whatever is sent later.
FRESH = 5 * SECOND
# Replies of a mail server that speak of us, whatever the recipient: authentication, and encryption that it asks for.
OUR_FAULTS = (530, 534, 535, 538)


@dataclass(frozen=True, slots=True)
class Contact:
    """How somebody may be addressed, or why not, as the customer service answers it; never stored."""

    outcome: str
    basis: str = ""
    channel: str = ""
    value: str = ""
    display_name: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """A rendered message on its way out. Personal; never stored."""

    message_id: str
    channel: str
    to: str
    subject: str
    text: str
    time: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a channel said to a hand-over: `code` is the mail server's, `detail` the step and its status; no person."""

    outcome: Outcome
    code: int = 0
    detail: str = ""


class ChannelDown(Unavailable):
    """A channel cannot take anything at present; no message is at fault. Metadata: problem."""


class Channel(Protocol):
    """A way out of the suite. Used by one thread."""

    def ready(self) -> None:
        """Make sure that a letter can be handed over now, or raise `ChannelDown`; nothing is handed over yet."""

    def send(self, letter: Letter) -> Answer:
        """Hand a letter over."""

    def close(self) -> None:
        """Let go of what is kept open."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a message is tried, how long the first pause is, and how long a worker is believed to be alive.

    Times are in microseconds.
    """

    attempts: int
    first_pause: int
    lease: int


SUPPRESSES: Mapping[str, Reason] = MappingProxyType(
    {
        "NO_CONSENT": Reason.NO_CONSENT,
        "NO_CONTACT": Reason.NO_CONTACT,
        "ERASED": Reason.CUSTOMER_ERASED,
        "UNKNOWN": Reason.CUSTOMER_UNKNOWN,
        "BLOCKED": Reason.CUSTOMER_BLOCKED,
    }
)


SUPPRESSES_STAFF: Mapping[str, Reason] = MappingProxyType(
    {
        "NO_CONTACT": Reason.NO_CONTACT,
        "UNKNOWN": Reason.STAFF_UNKNOWN,
        "INACTIVE": Reason.STAFF_INACTIVE,
    }
)


def usable(message: Message, on: Collection[str]) -> tuple[str, ...]:
    """Answer the channels of a message that are switched on, in its order."""
    return tuple(channel for channel in message.channels if channel in on)


def lease(message: Message, until: int) -> Message:
    """Take a message in hand, or put it back: nobody else looks at it until then."""
    return dataclasses.replace(message, due_time=until, version=message.version + 1)


def refuse(message: Message, contact: Contact, now: int) -> Message | None:
    """Suppress a message to somebody who may not be addressed so (N-07); None for one that may be sent."""
    reason = (SUPPRESSES_STAFF if message.to_staff else SUPPRESSES).get(contact.outcome)
    if reason is None:
        return None
    return move(dataclasses.replace(message, basis=contact.basis), State.SUPPRESSED, now, reason=reason)


def queue(message: Message, contact: Contact, language: str, now: int, until: int) -> Message:
    """Queue a message, leased, for the channel that was chosen (N-03); one that has failed keeps that state."""
    known = dataclasses.replace(message, basis=contact.basis, channel=contact.channel, language=language)
    if State.QUEUED in MOVES[message.state]:
        return move(known, State.QUEUED, now, due_time=until)
    return lease(known, until)


def overdue(message: Message, now: int) -> Message | None:
    """Answer what becomes of a message that must not be tried any more; None for one that may.

    One that is found in SENDING after its lease was begun by a worker that died: nobody knows whether the channel took
    it, so it is never sent again by itself.
    """
    if message.state is State.SENDING:
        return move(message, State.DEAD, now, reason=Reason.ACCEPTANCE_UNKNOWN)
    if message.expire_time is not None and message.expire_time <= now:
        return move(message, State.EXPIRED, now)
    return None


def start(message: Message, now: int, patience: Patience) -> tuple[Message, Attempt]:
    """Begin an attempt, leased."""
    sending = move(message, State.SENDING, now, due_time=now + patience.lease)
    number = message.attempts + 1
    return dataclasses.replace(sending, attempts=number), Attempt(number, message.channel, now)


def settle(message: Message, answer: Answer, now: int, patience: Patience, chance: float) -> Message:
    """Bring a message to where the channel's answer leads; `chance`, from 0 to below 1, spreads the pauses."""
    match answer.outcome:
        case Outcome.ACCEPTED:
            return move(message, State.SENT, now)
        case Outcome.REFUSED:
            return move(message, State.FAILED_PERMANENT, now, reason=Reason.RECIPIENT_REFUSED)
        case Outcome.UNKNOWN:
            return move(message, State.DEAD, now, reason=Reason.ACCEPTANCE_UNKNOWN)
        case Outcome.CHANNEL_FAULT:
            return move(message, State.FAILED_TEMPORARY, now, due_time=now + pause(1, patience, chance))
    failures = message.failures + 1
    failed = dataclasses.replace(message, failures=failures)
    if failures >= patience.attempts:
        return move(failed, State.DEAD, now, reason=Reason.ATTEMPTS_EXHAUSTED)
    return move(failed, State.FAILED_TEMPORARY, now, due_time=now + pause(failures, patience, chance))


def end(attempt: Attempt, answer: Answer, now: int) -> Attempt:
    """Write down what an attempt came to."""
    return dataclasses.replace(
        attempt, end_time=max(now, attempt.start_time), outcome=answer.outcome, code=answer.code, detail=answer.detail
    )


def pause(failures: int, patience: Patience, chance: float) -> int:
    """Answer how long to wait after so many failures, in microseconds."""
    least: int = patience.first_pause * FACTOR ** (failures - 1)
    return least + int(least * chance / JITTER_PARTS)


def outcome_of(code: int) -> Outcome:
    """Tell by a mail server's code whose fault it is."""
    if code in OUR_FAULTS:
        return Outcome.CHANNEL_FAULT
    return {2: Outcome.ACCEPTED, 5: Outcome.REFUSED}.get(code // 100, Outcome.REFUSED_TEMPORARILY)
