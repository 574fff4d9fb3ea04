"""A client for consents and notices, with a method for what tests do again and again."""

# ruff: noqa: ANN401  (a keyword argument is whatever the field of the message takes)

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp

from services.customer.tests.builders import Shop, day
from shuke.customer.v1 import consents_pb2 as pb
from shuke.customer.v1 import (
    consents_pb2_grpc,
    contacts_pb2,
    contacts_pb2_grpc,
    policies_pb2,
    policies_pb2_grpc,
    privacy_pb2,
    privacy_pb2_grpc,
)
from shuke.customer.v1.consents_pb2 import CheckConsentResponse, Consent, ConsentRecord

CONSENTS, POLICIES = consents_pb2_grpc.ConsentServiceStub, policies_pb2_grpc.PolicyServiceStub
CONTACTS, PRIVACY = contacts_pb2_grpc.ContactServiceStub, privacy_pb2_grpc.PrivacyServiceStub
AUTHOR, REVIEWER, APPROVER, MANAGER = "S-AUTHOR", "S-REVIEWER", "S-APPROVER", "S-MANAGER"
EXAMPLE = Path(__file__).parents[3] / "cli" / "example_policies" / "notice.json"
FIRST = "policies/notice/versions/1"


def example() -> policies_pb2.Policy:
    """Read the example notice."""
    return json_format.Parse(EXAMPLE.read_text(encoding="utf-8"), policies_pb2.Policy())


def notice(*purposes: Consent.Purpose.ValueType, effective: str = "2026-01-01") -> policies_pb2.Policy:
    """Write a notice that tells some purposes."""
    policy = policies_pb2.Policy(effective_date=day(effective), notice=policies_pb2.Notice(purposes=purposes))
    policy.notice.body.zh, policy.notice.body.en = "告知", "Notice"
    return policy


def use(purpose: Consent.Purpose.ValueType, channel: Consent.Channel.ValueType = Consent.ALL) -> Consent:
    """Write a use."""
    return Consent(purpose=purpose, channel=channel)


class Desk:
    """Keeps notices and consents of a running customer service."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.call = shop.running.call

    def step(self, verb: str, name: str, staff: str, **fields: Any) -> policies_pb2.Policy:
        """Take a step of a notice's life: Submit, Review, Approve, Activate or Retire."""
        request = getattr(policies_pb2, f"{verb}PolicyRequest")(name=name, **fields)
        answer: policies_pb2.Policy = self.call(POLICIES, f"{verb}Policy", request, staff=staff)
        return answer

    def draft(self, policy: policies_pb2.Policy, kind: str = "notice", **caller: Any) -> policies_pb2.Policy:
        """Draft a notice."""
        request = policies_pb2.DraftPolicyRequest(parent=f"policies/{kind}", policy=policy)
        answer: policies_pb2.Policy = self.call(POLICIES, "DraftPolicy", request, **{"staff": AUTHOR, **caller})
        return answer

    def activate(self, policy: policies_pb2.Policy) -> str:
        """Lead a notice into force and answer its name."""
        name = self.draft(policy).name
        for verb, staff in (("Submit", AUTHOR), ("Review", REVIEWER), ("Approve", APPROVER), ("Activate", MANAGER)):
            self.step(verb, name, staff)
        return name

    def notice(self, **caller: Any) -> pb.GetNoticeResponse:
        """Read the notice in force."""
        answer: pb.GetNoticeResponse = self.call(CONSENTS, "GetNotice", pb.GetNoticeRequest(), **caller)
        return answer

    def grant(
        self, customer: str, *uses: Consent, caller: dict[str, Any] | None = None, **fields: Any
    ) -> Sequence[ConsentRecord]:
        """Grant uses under the first notice, at a desk."""
        defaults: dict[str, Any] = {
            "customer": customer,
            "consents": uses,
            "notice_version": FIRST,
            "source": ConsentRecord.DESK,
        }
        request = pb.GrantConsentRequest(**defaults | fields)
        answer: pb.GrantConsentResponse = self.call(CONSENTS, "GrantConsent", request, **caller or {})
        return answer.records

    def withdraw(
        self, customer: str, *uses: Consent, caller: dict[str, Any] | None = None, **fields: Any
    ) -> Sequence[ConsentRecord]:
        """Withdraw uses, by telephone."""
        defaults: dict[str, Any] = {"customer": customer, "consents": uses, "source": ConsentRecord.PHONE}
        request = pb.WithdrawConsentRequest(**defaults | fields)
        answer: pb.WithdrawConsentResponse = self.call(CONSENTS, "WithdrawConsent", request, **caller or {})
        return answer.records

    def check(
        self,
        customer: str,
        purpose: Consent.Purpose.ValueType,
        channel: Consent.Channel.ValueType = Consent.ALL,
        time: Timestamp | None = None,
        **caller: Any,
    ) -> CheckConsentResponse:
        """Ask whether a use is allowed."""
        request = pb.CheckConsentRequest(customer=customer, purpose=purpose, channel=channel, time=time)
        answer: CheckConsentResponse = self.call(CONSENTS, "CheckConsent", request, **caller)
        return answer

    def contacts(
        self,
        customers: Sequence[str],
        purpose: Consent.Purpose.ValueType,
        /,
        *channels: Consent.Channel.ValueType,
        **caller: Any,
    ) -> Sequence[contacts_pb2.Contact]:
        """Ask how customers may be addressed, as another service of the suite does."""
        request = contacts_pb2.BatchGetContactsRequest(customers=customers, purpose=purpose, channels=channels)
        answer: contacts_pb2.BatchGetContactsResponse = self.call(CONTACTS, "BatchGetContacts", request, **caller)
        return answer.contacts

    def accesses(
        self, customer: str, size: int = 0, token: str = "", **caller: Any
    ) -> privacy_pb2.ListAccessRecordsResponse:
        """Read a page of who read a customer's data."""
        request = privacy_pb2.ListAccessRecordsRequest(customer=customer, page_size=size, page_token=token)
        answer: privacy_pb2.ListAccessRecordsResponse = self.call(PRIVACY, "ListAccessRecords", request, **caller)
        return answer

    def page(self, customer: str, size: int = 0, token: str = "", **caller: Any) -> pb.ListConsentRecordsResponse:
        """Read a page of a customer's records."""
        request = pb.ListConsentRecordsRequest(customer=customer, page_size=size, page_token=token)
        answer: pb.ListConsentRecordsResponse = self.call(CONSENTS, "ListConsentRecords", request, **caller)
        return answer

    def records(self, customer: str) -> Sequence[ConsentRecord]:
        """Read what a customer said, the newest first."""
        return self.page(customer).consent_records
