"""The notice: worded by the chain, approved by distinct people, shown while in force, and never changed afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chassis.service import Service
from chassis.settings import Chain, SettingError, Suite
from services.customer.config import CustomerSettings
from services.customer.server import PROGRAM, build
from services.customer.tests.builders import Shop, refused
from services.customer.tests.consenting import (
    APPROVER,
    AUTHOR,
    FIRST,
    MANAGER,
    POLICIES,
    REVIEWER,
    Desk,
    example,
    notice,
    use,
)
from shuke.customer.v1 import policies_pb2
from shuke.customer.v1.consents_pb2 import Consent
from tests.running import CHAIN, SECRETS, Clock, StartService

SECOND = "policies/notice/versions/2"
DAY = 86_400_000_000


@pytest.fixture
def desk(shop: Shop) -> Desk:
    """Make a client; no notice is in force."""
    return Desk(shop)


@pytest.mark.requirement("C-34")
def test_the_notice_in_force_is_shown(desk: Desk) -> None:
    """A till reads the text in both languages, the purposes told, and the version to name; before one there is none."""
    refusal = refused(desk.notice)
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "NOTICE_MISSING")
    assert refused(desk.notice, language="zh-CN").localized == "目前没有生效的告知书。请先起草、批准并启用一份告知书。"
    policy = example()
    desk.activate(policy)
    shown = desk.notice()
    assert (shown.notice_version, shown.example, shown.effective_date) == (FIRST, True, policy.effective_date)
    assert (shown.body, list(shown.purposes)) == (policy.notice.body, list(policy.notice.purposes))


@pytest.mark.requirement("C-34")
def test_the_example_tells_what_the_data_serve(desk: Desk) -> None:
    """The text names special offers, vouchers and new products, in both languages, and calls itself an example."""
    desk.activate(example())
    shown = desk.notice()
    for text in ("special-offer events", "free vouchers and discount vouchers", "new products", "[Example]"):
        assert text in shown.body.en
    for text in ("优惠活动", "赠券和折扣券", "新产品", "【示例】"):
        assert text in shown.body.zh
    assert {Consent.OFFERS, Consent.VOUCHERS, Consent.NEW_PRODUCTS} <= set(shown.purposes)
    assert Consent.DISCLOSURE not in shown.purposes


@pytest.mark.requirement("C-34", "X-13")
def test_a_new_version_takes_over_on_its_day(desk: Desk) -> None:
    """From its day on the new text is shown; the old one serves tills that were offline until it is retired."""
    desk.activate(notice(Consent.OFFERS))
    desk.activate(notice(Consent.SURVEY, effective="2026-03-03"))
    assert desk.notice().notice_version == FIRST
    desk.shop.running.clock.now += DAY
    assert desk.notice().notice_version == SECOND
    anna = desk.shop.customer()
    desk.grant(anna, use(Consent.SURVEY), notice_version=SECOND)
    desk.grant(anna, use(Consent.OFFERS), notice_version=FIRST)
    refusal = refused(desk.grant, anna, use(Consent.OFFERS), notice_version=SECOND)
    assert refusal.reason == "CONSENT_PURPOSE_NOT_IN_NOTICE"
    desk.step("Retire", FIRST, MANAGER)
    assert refused(desk.grant, anna, use(Consent.OFFERS), notice_version=FIRST).reason == "NOTICE_NOT_IN_FORCE"
    assert desk.check(anna, Consent.OFFERS).allowed


def test_nobody_consents_to_a_draft(desk: Desk) -> None:
    """A version serves from its activation on, and in no state before."""
    desk.draft(notice(Consent.OFFERS))
    anna = desk.shop.customer()
    for verb, staff in (("Submit", AUTHOR), ("Review", REVIEWER), ("Approve", APPROVER), ("Activate", MANAGER)):
        assert refused(desk.grant, anna, use(Consent.OFFERS)).reason == "NOTICE_NOT_IN_FORCE"
        desk.step(verb, FIRST, staff)
    desk.grant(anna, use(Consent.OFFERS))


def test_distinct_people_bring_a_notice_into_force(desk: Desk) -> None:
    """Whoever wrote a notice neither reviews nor approves it, and a version in force is not rewritten."""
    desk.draft(example())
    desk.step("Submit", FIRST, AUTHOR)
    assert refused(desk.step, "Review", FIRST, AUTHOR).reason == "SAME_PERSON"
    desk.step("Review", FIRST, REVIEWER)
    assert refused(desk.step, "Approve", FIRST, REVIEWER).reason == "SAME_PERSON"
    desk.step("Approve", FIRST, APPROVER)
    active = desk.step("Activate", FIRST, MANAGER)
    assert (active.state, active.author, active.reviewer, active.approver) == (
        *(policies_pb2.Policy.ACTIVE, AUTHOR, REVIEWER, APPROVER),
    )
    assert active.notice == example().notice
    request = policies_pb2.UpdateDraftRequest(policy=active)
    assert refused(desk.call, POLICIES, "UpdateDraft", request, staff=AUTHOR).reason == "DOCUMENT_STATE_FORBIDS"


def test_versions_and_what_waits_are_listed(desk: Desk) -> None:
    """Versions come with their payload, the newest first, and who may decide finds what waits for a decision."""
    desk.activate(example())
    desk.draft(notice(Consent.OFFERS))
    desk.step("Submit", SECOND, AUTHOR)
    listed = desk.call(POLICIES, "ListPolicies", policies_pb2.ListPoliciesRequest(parent="policies/notice"))
    assert [(policy.name, list(policy.notice.purposes)) for policy in listed.policies] == [
        (SECOND, [Consent.OFFERS]),
        (FIRST, list(example().notice.purposes)),
    ]
    request, may = policies_pb2.ListApprovalsRequest(), {"permissions": ("customer.policies.*",)}
    for staff, waiting in ((REVIEWER, [SECOND]), (AUTHOR, [])):
        found = desk.call(POLICIES, "ListApprovals", request, staff=staff, **may)
        assert [policy.name for policy in found.policies] == waiting
    other = desk.call(POLICIES, "ListApprovals", request, staff=REVIEWER, permissions=("customer.policies.list",))
    assert not other.policies


def test_an_incomplete_notice_is_drafted_and_not_submitted(desk: Desk) -> None:
    """A draft may lack words; submitting it hears of all that is missing at once, in both languages."""
    policy = notice(Consent.OFFERS, Consent.OFFERS)
    policy.notice.body.zh = " \n"
    policy.notice.body.en = "x" * 10_001
    desk.draft(policy)
    refusal = refused(desk.step, "Submit", FIRST, AUTHOR)
    assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "NOTICE_INCOMPLETE")
    assert refusal.fields == dict.fromkeys(("notice.body.zh", "notice.body.en", "notice.purposes"), "NOTICE_INCOMPLETE")
    policy.notice.ClearField("purposes")
    policy.notice.body.zh, policy.notice.body.en = "告知", "x" * 10_000
    policy.name = FIRST
    desk.call(POLICIES, "UpdateDraft", policies_pb2.UpdateDraftRequest(policy=policy), staff=AUTHOR)
    assert refused(desk.step, "Submit", FIRST, AUTHOR).fields == {"notice.purposes": "NOTICE_INCOMPLETE"}


def test_a_notice_is_kept_as_a_notice(desk: Desk) -> None:
    """A draft under another kind is refused where it says so, for nobody would find it there."""
    refusal = refused(desk.draft, example(), kind="retention")
    assert (refusal.code, refusal.reason, refusal.fields) == (
        *("INVALID_ARGUMENT", "POLICY_KIND_WRONG", {"parent": "POLICY_KIND_WRONG"}),
    )
    assert refusal.localized == "parent must be of the kind notice, which is what the payload is."
    policy = example()
    policy.name = "policies/retention/versions/1"
    request = policies_pb2.UpdateDraftRequest(policy=policy)
    assert refused(desk.call, POLICIES, "UpdateDraft", request, staff=AUTHOR).fields == {
        "policy.name": "POLICY_KIND_WRONG"
    }


def test_a_draft_must_have_its_shape(desk: Desk) -> None:
    """Without a payload, a text, a day or with an unknown purpose there is no draft."""
    for spoil, path in (
        (lambda policy: policy.ClearField("notice"), "policy.payload"),
        (lambda policy: policy.notice.ClearField("body"), "policy.notice.body"),
        (lambda policy: policy.notice.purposes.append(99), "policy.notice.purposes[6]"),
        (lambda policy: setattr(policy.effective_date, "day", 32), "policy.effective_date"),
    ):
        policy = example()
        spoil(policy)
        assert tuple(refused(desk.draft, policy).fields) == (path,)
    assert refused(desk.draft, example(), staff="").reason == "STAFF_REQUIRED"


# ----------------------------------------------------------------------------------------------------------- production


def test_production_shows_no_example(start_service: StartService, quiet: dict[str, Any]) -> None:
    """An example can be written and approved, and is refused at activation."""

    def produced(config: CustomerSettings, suite: Suite, chain: Chain, clock: Callable[[], int]) -> Service:
        return build(config, suite.model_copy(update={"env": "production"}), chain, clock)

    desk = Desk(Shop(start_service(replace(PROGRAM, build=produced), **quiet)))
    refusal = refused(desk.activate, example())
    assert (refusal.code, refusal.reason, refusal.metadata) == (
        *("FAILED_PRECONDITION", "EXAMPLE_FORBIDDEN", {"name": FIRST}),
    )


def test_production_takes_three_people(tmp_path: Path) -> None:
    """With fewer people the service does not start in production."""
    given = {"database_url": f"sqlite:///{tmp_path}/x.sqlite", "signing_key": "{}", "approval_people": "2", **SECRETS}
    config = CustomerSettings.read({f"SHUKE_CUSTOMER_{name.upper()}": value for name, value in given.items()})
    with pytest.raises(SettingError, match="SHUKE_CUSTOMER_APPROVAL_PEOPLE must be 3"):
        build(config, Suite.read({"SHUKE_ENV": "production"}), Chain.read(CHAIN), Clock())
