"""Notices between the contract and the domain."""

from __future__ import annotations

from services.customer.policies.domain import Notice, Purpose
from shuke.customer.v1 import consents_pb2
from shuke.customer.v1 import policies_pb2 as pb


def notice_from_proto(message: pb.Notice) -> Notice:
    """Read a notice whose shape the contract has checked; a draft may be incomplete."""
    purposes = tuple(Purpose(consents_pb2.Consent.Purpose.Name(purpose)) for purpose in message.purposes)
    return Notice(message.body.zh, message.body.en, purposes)


def notice_of(payload: bytes) -> Notice:
    """Read a notice as it is stored: a policy with nothing but its payload."""
    return notice_from_proto(pb.Policy.FromString(payload).notice)
