"""Consents between the contract and the domain."""

from __future__ import annotations

from collections.abc import Iterable

from chassis import names, wire
from chassis.events import Change
from services.customer.consents.domain import Channel, Record, Use
from services.customer.policies.domain import NoticeVersion, Purpose
from shuke.customer.v1 import consents_pb2 as pb
from shuke.customer.v1 import events_pb2


def use_from_proto(message: pb.Consent | pb.CheckConsentRequest) -> Use:
    """Read a use; no channel stands for all of them."""
    channel = message.channel or pb.Consent.ALL
    return Use(Purpose(pb.Consent.Purpose.Name(message.purpose)), Channel(pb.Consent.Channel.Name(channel)))


def uses_from_proto(consents: Iterable[pb.Consent]) -> tuple[Use, ...]:
    """Read the uses of a request."""
    return tuple(map(use_from_proto, consents))


def use_to_proto(use: Use) -> pb.Consent:
    """Write a use."""
    return pb.Consent(
        purpose=pb.Consent.Purpose.Value(use.purpose.value), channel=pb.Consent.Channel.Value(use.channel.value)
    )


def record_to_proto(record: Record) -> pb.ConsentRecord:
    """Write a record."""
    word = record.word
    return pb.ConsentRecord(
        name=record_name(record),
        customer=names.name("customers", record.customer_id),
        consent=use_to_proto(record.use),
        decision=pb.ConsentRecord.Decision.Value(word.decision.value),
        notice_version=word.notice_version,
        source=pb.ConsentRecord.Source.Value(word.source.value),
        recorded_by=word.recorded_by,
        api_key=word.api_key,
        record_time=wire.timestamp(record.record_time),
    )


def record_name(record: Record) -> str:
    """Name a record below its customer."""
    return f"{names.name('customers', record.customer_id)}/consentRecords/{record.sequence}"


def notice_to_proto(version: NoticeVersion) -> pb.GetNoticeResponse:
    """Write a notice as it is shown."""
    notice = version.notice
    answer = pb.GetNoticeResponse(
        notice_version=version.name,
        effective_date=wire.to_date(version.effective_date),
        example=version.example,
        purposes=[pb.Consent.Purpose.Value(purpose.value) for purpose in notice.purposes],
    )
    answer.body.zh, answer.body.en = notice.zh, notice.en
    return answer


def consent_changed(record: Record) -> Change:
    """Tell what a customer said."""
    customer = names.name("customers", record.customer_id)
    told = events_pb2.ConsentChanged(
        customer=customer,
        consent=use_to_proto(record.use),
        decision=pb.ConsentRecord.Decision.Value(record.word.decision.value),
        notice_version=record.word.notice_version,
        record=record_name(record),
    )
    return Change(record_name(record), customer, told)
