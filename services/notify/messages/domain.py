"""The rules of messages: the states that one passes, always forwards, and how it began (N-01, N-09)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from chassis.errors import AlreadyExists, FailedPrecondition, NotFound, Problems
from services.notify.templates.domain import LANGUAGES, TEMPLATES, Template, Value


class MessageNotFound(NotFound):
    """There is no such message."""

    reason = "MESSAGE_NOT_FOUND"


class MessageStateForbids(FailedPrecondition):
    """The message's state does not allow the move."""

    reason = "MESSAGE_STATE_FORBIDS"


class MessageRetried(AlreadyExists):
    """The message was retried before."""

    reason = "MESSAGE_RETRIED"


class BusinessKeyReused(AlreadyExists):
    """The business key was used before, with other content."""

    reason = "BUSINESS_KEY_REUSED"


class State(StrEnum):
    """Where a message stands; the values are the contract's."""

    ACCEPTED = "ACCEPTED"
    HELD = "HELD"
    QUEUED = "QUEUED"
    SENDING = "SENDING"
    SENT = "SENT"
    DELIVERED = "DELIVERED"
    FAILED_TEMPORARY = "FAILED_TEMPORARY"
    FAILED_PERMANENT = "FAILED_PERMANENT"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"
    SUPPRESSED = "SUPPRESSED"
    DEAD = "DEAD"


class Reason(StrEnum):
    """Why a message was not sent; the values are the contract's."""

    NO_CONSENT = "NO_CONSENT"
    NO_CONTACT = "NO_CONTACT"
    CUSTOMER_ERASED = "CUSTOMER_ERASED"
    CUSTOMER_UNKNOWN = "CUSTOMER_UNKNOWN"
    CUSTOMER_BLOCKED = "CUSTOMER_BLOCKED"
    CHANNEL_OFF = "CHANNEL_OFF"
    TEMPLATE_UNFIT = "TEMPLATE_UNFIT"
    RECIPIENT_REFUSED = "RECIPIENT_REFUSED"
    ATTEMPTS_EXHAUSTED = "ATTEMPTS_EXHAUSTED"
    ACCEPTANCE_UNKNOWN = "ACCEPTANCE_UNKNOWN"
    STAFF_UNKNOWN = "STAFF_UNKNOWN"
    STAFF_INACTIVE = "STAFF_INACTIVE"


class Outcome(StrEnum):
    """What an attempt came to; the values are the contract's."""

    ACCEPTED = "ACCEPTED"
    REFUSED_TEMPORARILY = "REFUSED_TEMPORARILY"
    REFUSED = "REFUSED"
    CHANNEL_FAULT = "CHANNEL_FAULT"
    UNKNOWN = "UNKNOWN"


_BEFORE_SENDING = (State.EXPIRED, State.CANCELLED, State.SUPPRESSED, State.DEAD)
# Where a message may go from each state. The one way round, from a failed attempt to the next, counts attempts up.
MOVES: Mapping[State, tuple[State, ...]] = MappingProxyType(
    {
        State.ACCEPTED: (State.QUEUED, *_BEFORE_SENDING),
        State.HELD: (State.QUEUED, *_BEFORE_SENDING),
        State.QUEUED: (State.SENDING, *_BEFORE_SENDING),
        State.SENDING: (State.SENT, State.FAILED_TEMPORARY, State.FAILED_PERMANENT, State.DEAD),
        State.FAILED_TEMPORARY: (State.SENDING, *_BEFORE_SENDING),
        State.SENT: (State.DELIVERED,),
        State.DELIVERED: (),
        State.FAILED_PERMANENT: (),
        State.EXPIRED: (),
        State.CANCELLED: (),
        State.SUPPRESSED: (),
        State.DEAD: (),
    }
)
# Of these a new message may be made that tries again.
RETRIED = (State.FAILED_PERMANENT, State.DEAD, State.SUPPRESSED)


@dataclass(frozen=True, slots=True)
class Source:
    """What a message came from: a rule's version and the event that it met, or a caller; and the message it repeats."""

    rule: str = ""
    event_id: str = ""
    caller: str = ""
    retry_of: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody wants to be told, and to whom: `customers/{id}` or `staff/{code}`.

    `digest` stands for the whole content where there is a business key.
    """

    recipient: str
    channels: tuple[str, ...]
    source: Source
    business_key: str | None = None
    digest: bytes = b""
    send_after: int | None = None
    expire_time: int | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one customer or member of staff, `recipient`, without the values that fill it.

    Times are microseconds. `due_time` is when a worker looks at it again: that is the end of a lease for one that a
    worker has in hand, and None when nothing is to be done any more. `failures` counts the attempts that count against
    it, `attempts` all of them. `basis` is what consent rested on when it was asked last.
    """

    id: str
    recipient: str
    template: str
    purpose: str
    channels: tuple[str, ...]
    source: Source
    state: State
    due_time: int | None
    create_time: int
    update_time: int
    business_key: str | None = None
    digest: bytes = b""
    send_after: int | None = None
    expire_time: int | None = None
    reason: Reason | None = None
    basis: str = ""
    channel: str = ""
    language: str = ""
    attempts: int = 0
    failures: int = 0
    version: int = 1

    @property
    def name(self) -> str:
        """The message's name."""
        return f"messages/{self.id}"

    @property
    def to_staff(self) -> bool:
        """Whether a member of staff is told, and no customer."""
        return is_staff(self.recipient)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One hand-over to a channel: when, and what the channel said; without an end while it goes on."""

    number: int
    channel: str
    start_time: int
    end_time: int | None = None
    outcome: Outcome | None = None
    code: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which messages a list shows: to a recipient, in a state, made from a time on and before another; None is any."""

    recipient: str | None
    state: State | None
    start: int | None
    end: int | None


def is_staff(recipient: str) -> bool:
    """Tell staff from customers by the name."""
    return recipient.startswith("staff/")


def accept(draft: Draft, template: Template, values: Mapping[str, Value], now: int, message_id: str) -> Message:
    """Take in what a caller wants; no channels stand for those of the template.

    Raises `TemplateMisdirected` for a template of others than the recipient, `Invalid` and `ChannelMissing` for what
    could not be rendered in each language on each channel, and `Invalid` for an expiry that leaves no time to send.
    """
    problems = Problems()
    if draft.expire_time is not None and draft.expire_time <= max(now, draft.send_after or now):
        problems.add("expire_time", "EXPIRY_TOO_EARLY")
    problems.refuse()
    template.require_for(staff=is_staff(draft.recipient))
    channels = draft.channels or template.channels
    for channel in channels:
        for language in LANGUAGES:
            template.render(channel, language, values)
    return begin(replace(draft, channels=channels), template, now, message_id)


def begin(draft: Draft, template: Template, now: int, message_id: str) -> Message:
    """Take a message in: it waits for its time, or for the next worker; one by a template of others is dead at once."""
    due = max(now, draft.send_after or now)
    message = _written(draft, template.name, template.purpose, now, message_id)
    if template.for_staff != message.to_staff:
        return move(message, State.DEAD, now, reason=Reason.TEMPLATE_UNFIT)
    return replace(message, state=State.HELD if due > now else State.ACCEPTED, due_time=due)


def begin_dead(draft: Draft, template_code: str, now: int, message_id: str) -> Message:
    """Keep what a rule wanted to tell without an approved template, so that it can be found and retried."""
    message = _written(draft, f"{TEMPLATES}/{template_code}", "", now, message_id)
    return move(message, State.DEAD, now, reason=Reason.TEMPLATE_UNFIT)


def _written(draft: Draft, template: str, purpose: str, now: int, message_id: str) -> Message:
    return Message(
        id=message_id,
        recipient=draft.recipient,
        template=template,
        purpose=purpose,
        channels=draft.channels,
        source=draft.source,
        state=State.ACCEPTED,
        due_time=now,
        create_time=now,
        update_time=now,
        business_key=draft.business_key,
        digest=draft.digest,
        send_after=draft.send_after,
        expire_time=draft.expire_time,
    )


def move(
    message: Message, to: State, now: int, *, due_time: int | None = None, reason: Reason | None = None
) -> Message:
    """Bring a message into a state, or raise `MessageStateForbids`; a clock that runs behind never turns time back."""
    if to not in MOVES[message.state]:
        raise MessageStateForbids(name=message.name, state=message.state)
    return replace(
        message,
        state=to,
        due_time=due_time,
        reason=reason,
        update_time=max(now, message.update_time),
        version=message.version + 1,
    )


def retry(message: Message, again: Message | None, caller: str) -> Draft:
    """Draft the content of a message anew; `again` is the message that does so already, if there is one.

    Raises `MessageRetried`, and `MessageStateForbids` for one that may still go out, or has. The old times are over,
    and the business key stays with the message that had it.
    """
    if again is not None:
        raise MessageRetried(name=message.name, retry=again.name)
    if message.state not in RETRIED:
        raise MessageStateForbids(name=message.name, state=message.state)
    return Draft(message.recipient, message.channels, Source(caller=caller, retry_of=message.name))


def require_same(message: Message, digest: bytes) -> None:
    """Raise `BusinessKeyReused` unless the message under a business key has the content that comes again."""
    if message.digest != digest:
        raise BusinessKeyReused(field="business_key", name=message.name)


def template_code(message: Message) -> str:
    """Answer the code of a message's template."""
    return message.template.split("/")[1]
