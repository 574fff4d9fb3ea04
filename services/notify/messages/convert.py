"""Messages between the contract and the domain, and the events that tell of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from zoneinfo import ZoneInfo

from google.protobuf.message import Message as Proto

from chassis import wire
from chassis.errors import Problems
from chassis.events import Change
from chassis.money import Currency
from services.notify.messages.domain import Attempt, Draft, Message, Source, State, Wanted
from services.notify.templates.convert import values_from_proto
from services.notify.templates.domain import Value
from shuke.notify.v1 import events_pb2
from shuke.notify.v1 import messages_pb2 as pb
from shuke.notify.v1.templates_pb2 import NamedValue, Template


def draft_from_proto(request: pb.SendMessageRequest, caller: str, digest: bytes) -> Draft:
    """Read what a caller wants a customer to be told; `digest` stands for the content where there is a business key."""
    return Draft(
        recipient=request.customer,
        channels=tuple(map(Template.Channel.Name, request.channels)),
        source=Source(caller=caller),
        business_key=request.business_key or None,
        digest=digest,
        send_after=_instant(request, "send_after"),
        expire_time=_instant(request, "expire_time"),
    )


def wanted_from_proto(request: pb.ListMessagesRequest) -> Wanted:
    """Read which messages a list shall show."""
    return Wanted(
        recipient=request.customer or None,
        state=State(pb.Message.State.Name(request.state)) if request.state else None,
        start=_instant(request, "start_time"),
        end=_instant(request, "end_time"),
    )


def _instant(request: Proto, field: str) -> int | None:
    return wire.instant(getattr(request, field)) if request.HasField(field) else None


def identity_of(request: pb.SendMessageRequest) -> bytes:
    """Answer what must be the same when a business key comes again."""
    content = pb.SendMessageRequest()
    content.CopyFrom(request)
    content.ClearField("request_id")
    return content.SerializeToString(deterministic=True)


def content_to_bytes(values: Iterable[NamedValue]) -> bytes:
    """Write what fills a message as it is stored."""
    return pb.SendMessageRequest(values=values).SerializeToString(deterministic=True)


def fitting(content: bytes, variables: Collection[str]) -> bytes:
    """Keep those values of a message that a template asks for."""
    values = pb.SendMessageRequest.FromString(content).values
    return content_to_bytes(value for value in values if value.name in variables)


def values_of(content: bytes, currency: Currency, zone: ZoneInfo) -> dict[str, Value]:
    """Read values that were checked when they were stored."""
    return values_from_proto(Problems(), currency, zone, pb.SendMessageRequest.FromString(content).values)


def message_to_proto(message: Message, attempts: Sequence[Attempt] = ()) -> pb.Message:
    """Write a message; while it is being sent nobody looks at it again."""
    source = message.source
    again = None if message.state is State.SENDING else message.due_time
    return pb.Message(
        name=message.name,
        customer=_customer(message),
        staff=_staff(message),
        template_version=message.template,
        purpose=_purpose(message),
        channels=map(Template.Channel.Value, message.channels),
        channel=_channel(message),
        language_code=message.language,
        state=_state(message),
        reason=_reason(message),
        business_key=message.business_key or "",
        source=pb.Message.Source(
            rule=source.rule, event_id=source.event_id, caller=source.caller, retry_of=source.retry_of
        ),
        attempts=map(attempt_to_proto, attempts),
        next_attempt_time=wire.timestamp(again),
        send_after=wire.timestamp(message.send_after),
        expire_time=wire.timestamp(message.expire_time),
        create_time=wire.timestamp(message.create_time),
        update_time=wire.timestamp(message.update_time),
    )


def attempt_to_proto(attempt: Attempt) -> pb.Attempt:
    """Write an attempt."""
    return pb.Attempt(
        number=attempt.number,
        channel=Template.Channel.Value(attempt.channel),
        start_time=wire.timestamp(attempt.start_time),
        end_time=wire.timestamp(attempt.end_time),
        outcome=pb.Attempt.Outcome.Value(attempt.outcome or "OUTCOME_UNSPECIFIED"),
        code=attempt.code,
        detail=attempt.detail,
    )


def told(messages: Iterable[Message]) -> list[Change]:
    """Tell of messages that have come to an end; of others there is nothing to tell."""
    return [Change(message.name, message.recipient, event) for message in messages if (event := _event(message))]


def _event(message: Message) -> Proto | None:
    customer, staff = _customer(message), _staff(message)
    match message.state:
        case State.SENT:
            return events_pb2.MessageDelivered(
                message=message.name,
                customer=customer,
                staff=staff,
                template_version=message.template,
                purpose=_purpose(message),
                channel=_channel(message),
            )
        case State.SUPPRESSED:
            return events_pb2.MessageSuppressed(
                message=message.name, customer=customer, staff=staff, reason=_reason(message)
            )
        case State.FAILED_PERMANENT | State.EXPIRED | State.DEAD:
            return events_pb2.MessageFailed(
                message=message.name,
                customer=customer,
                staff=staff,
                state=_state(message),
                reason=_reason(message),
                channel=_channel(message),
            )
        case _:
            return None


def _customer(message: Message) -> str:
    return "" if message.to_staff else message.recipient


def _staff(message: Message) -> str:
    return message.recipient if message.to_staff else ""


def _purpose(message: Message) -> Template.Purpose.ValueType:
    return Template.Purpose.Value(message.purpose or "PURPOSE_UNSPECIFIED")


def _channel(message: Message) -> Template.Channel.ValueType:
    return Template.Channel.Value(message.channel or "CHANNEL_UNSPECIFIED")


def _state(message: Message) -> pb.Message.State.ValueType:
    return pb.Message.State.Value(message.state)


def _reason(message: Message) -> pb.Message.Reason.ValueType:
    return pb.Message.Reason.Value(message.reason or "REASON_UNSPECIFIED")
