"""A policy's life over the wire: nothing comes into force but complete, in order, and by distinct people."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import partial

import pytest
from google.type.money_pb2 import Money

from chassis import wire
from services.tiering.policies.domain import Ladder
from services.tiering.server import PROGRAM, build
from services.tiering.tests.clients import (
    APPROVER,
    AUTHOR,
    MANAGER,
    POLICIES,
    REVIEWER,
    Tiering,
    example,
    policy_of,
    refused,
)
from services.tiering.tests.ladders import GOLD, LOYALTY, NEW, REGULAR, SILVER
from services.tiering.tests.owner import Owner
from shuke.tiering.v1 import policies_pb2 as pb
from tests.running import StartService

NAME = "policies/loyalty/versions/1"


@pytest.mark.requirement("T-17")
def test_three_people_bring_a_policy_into_force(tiering: Tiering) -> None:
    """A version in force names its author, reviewer and approver, and the day from which it holds."""
    draft = tiering.draft()
    assert (draft.name, draft.state, draft.author) == (NAME, pb.Policy.DRAFT, AUTHOR)
    assert tiering.step("Submit", NAME, AUTHOR).state == pb.Policy.SUBMITTED
    assert tiering.step("Review", NAME, REVIEWER).state == pb.Policy.REVIEWED
    assert tiering.step("Approve", NAME, APPROVER).state == pb.Policy.APPROVED
    active = tiering.step("Activate", NAME, MANAGER)
    assert (active.state, active.author, active.reviewer, active.approver) == (
        *(pb.Policy.ACTIVE, AUTHOR, REVIEWER, APPROVER),
    )
    assert active.effective_date == wire.to_date(date(2010, 12, 1))
    assert active.ladder == example().ladder
    assert tiering.running.call(POLICIES, "GetPolicy", pb.GetPolicyRequest(name=NAME)) == active
    assert tiering.step("Retire", NAME, MANAGER).state == pb.Policy.RETIRED


@pytest.mark.requirement("T-17")
@pytest.mark.parametrize(
    ("reviewer", "approver", "same"),
    [(AUTHOR, APPROVER, AUTHOR), (REVIEWER, AUTHOR, AUTHOR), (REVIEWER, REVIEWER, REVIEWER)],
)
def test_nobody_decides_on_an_own_draft(tiering: Tiering, reviewer: str, approver: str, same: str) -> None:
    """Whoever wrote a version, or took the step before, is refused by name, in both languages; it stays as it was."""
    before = tiering.draft()
    before = tiering.step("Submit", NAME, AUTHOR)

    def decide() -> None:
        nonlocal before
        before = tiering.step("Review", NAME, reviewer)
        tiering.step("Approve", NAME, approver)

    refusal = refused(decide)
    assert (refusal.code, refusal.reason, refusal.metadata) == ("PERMISSION_DENIED", "SAME_PERSON", {"staff": same})
    assert same in refusal.localized
    assert tiering.running.call(POLICIES, "GetPolicy", pb.GetPolicyRequest(name=NAME)) == before


def test_steps_are_taken_by_staff(tiering: Tiering) -> None:
    """A till's key, which names no member of staff, opens and decides nothing."""
    tiering.draft()
    for call in (lambda: tiering.draft(staff=""), lambda: tiering.step("Submit", NAME, "")):
        assert refused(call).reason == "STAFF_REQUIRED"


@pytest.mark.requirement("X-05", "X-06")
def test_an_incomplete_policy_is_drafted_and_not_submitted(tiering: Tiering) -> None:
    """A draft may lack what the chain has yet to choose; submitting it hears of all of it at once."""
    policy = example()
    policy.ladder.ClearField("window")
    policy.ladder.ClearField("demotion")
    policy.ladder.classes[3].ClearField("entry")
    tiering.draft(policy)
    refusal = refused(lambda: tiering.step("Submit", NAME, AUTHOR))
    assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "POLICY_INCOMPLETE")
    assert refusal.fields == dict.fromkeys(
        ("ladder.window", "ladder.demotion", "ladder.classes[3].entry"), "POLICY_INCOMPLETE"
    )
    assert "the chain must choose" in refusal.message


WRONG = {
    "unordered": (replace(LOYALTY, classes=(NEW, SILVER, REGULAR)), "POLICY_UNORDERED"),
    "overlapping": (
        replace(LOYALTY, classes=(NEW, replace(REGULAR, entry=REGULAR.entry + SILVER.entry))),
        "CONDITION_REPEATED",
    ),
    "with a class that stands twice": (replace(LOYALTY, classes=(NEW, GOLD, replace(GOLD))), "CLASS_REPEATED"),
}


@pytest.mark.requirement("X-05")
@pytest.mark.parametrize(("ladder", "reason"), WRONG.values(), ids=WRONG.keys())
def test_a_policy_that_contradicts_itself_is_not_submitted(tiering: Tiering, ladder: Ladder, reason: str) -> None:
    """Classes out of order and bounds that overlap are found before anybody reviews them."""
    tiering.draft(policy_of(ladder))
    refusal = refused(lambda: tiering.step("Submit", NAME, AUTHOR))
    assert refusal.code == "INVALID_ARGUMENT"
    assert reason in refusal.fields.values()


def test_units_are_checked_when_they_are_written(tiering: Tiering) -> None:
    """A draft with a count for money, a foreign currency or no day of the calendar is refused, field by field."""
    policy = example()
    policy.effective_date.day = 31
    policy.effective_date.month = 2
    policy.ladder.classes[1].entry[0].at_least_count = 5
    policy.ladder.classes[2].entry[0].at_least_amount.CopyFrom(Money(currency_code="CNY", units=1))
    assert refused(lambda: tiering.draft(policy)).fields == {
        "policy.effective_date": "DATE_MALFORMED",
        "policy.ladder.classes[1].entry[0]": "CONDITION_UNIT_WRONG",
        "policy.ladder.classes[2].entry[0].at_least_amount": "CURRENCY_FOREIGN",
    }


def test_two_versions_never_begin_on_one_day(tiering: Tiering) -> None:
    """The second version for the same effective date is refused at activation, and told of the first."""
    tiering.activate()
    refusal = refused(tiering.activate)
    assert (refusal.code, refusal.reason) == ("ALREADY_EXISTS", "DOCUMENT_OVERLAPS")
    assert refusal.metadata == {"name": NAME, "effective_date": "2010-12-01"}


def test_a_stale_etag_is_aborted(tiering: Tiering) -> None:
    """Whoever read a version before somebody else's step hears of it."""
    draft = tiering.draft()
    tiering.step("Submit", NAME, AUTHOR, etag=draft.etag)
    refusal = refused(lambda: tiering.step("Review", NAME, REVIEWER, etag=draft.etag))
    assert (refusal.code, refusal.reason) == ("ABORTED", "ETAG_MISMATCH")


def test_a_draft_is_replaced_as_a_whole(tiering: Tiering) -> None:
    """An update writes the new content under the same name, and needs that name; a submitted version keeps its text."""

    def update(policy: pb.Policy) -> pb.Policy:
        answer: pb.Policy = tiering.running.call(
            POLICIES, "UpdateDraft", pb.UpdateDraftRequest(policy=policy), staff=REVIEWER
        )
        return answer

    draft = tiering.draft()
    changed = example()
    assert refused(lambda: update(changed)).fields == {"policy.name": "NAME_MALFORMED"}
    changed.name, changed.etag, changed.description = NAME, draft.etag, "second thoughts"
    updated = update(changed)
    assert (updated.description, updated.author, updated.state) == ("second thoughts", REVIEWER, pb.Policy.DRAFT)
    tiering.step("Submit", NAME, AUTHOR)
    changed.etag = ""
    assert refused(lambda: update(changed)).reason == "DOCUMENT_STATE_FORBIDS"


def test_a_request_id_opens_one_draft(tiering: Tiering) -> None:
    """A repeated draft answers the first one, and the same id with other content is refused."""
    first = tiering.draft(request_id="r-1")
    assert tiering.draft(request_id="r-1") == first
    other = example()
    other.description = "another"
    assert refused(lambda: tiering.draft(other, request_id="r-1")).reason == "REQUEST_ID_REUSED"
    assert tiering.draft(request_id="r-2").name == "policies/loyalty/versions/2"


def test_a_rejected_version_goes_back_to_draft(tiering: Tiering) -> None:
    """A reviewer or approver who rejects leaves no name on the version."""
    tiering.draft()
    tiering.step("Submit", NAME, AUTHOR)
    tiering.step("Review", NAME, REVIEWER)
    back = tiering.step("Approve", NAME, APPROVER, reject=True)
    assert (back.state, back.reviewer, back.approver) == (pb.Policy.DRAFT, "", "")


def test_versions_are_listed_the_newest_first(tiering: Tiering) -> None:
    """Pages follow each other, and a token fits its own query alone."""
    for _ in range(3):
        tiering.draft()
    tiering.draft(scheme="value")

    def page(parent: str, token: str = "") -> pb.ListPoliciesResponse:
        request = pb.ListPoliciesRequest(parent=parent, page_size=2, page_token=token)
        answer: pb.ListPoliciesResponse = tiering.running.call(POLICIES, "ListPolicies", request)
        return answer

    first = page("policies/loyalty")
    second = page("policies/loyalty", first.next_page_token)
    names = [policy.name.rpartition("/")[2] for policy in (*first.policies, *second.policies)]
    assert (names, second.next_page_token) == (["3", "2", "1"], "")
    refusal = refused(lambda: page("policies/value", first.next_page_token))
    assert refusal.fields == {"page_token": "PAGE_TOKEN_INVALID"}


def test_everybody_sees_what_waits_for_them(tiering: Tiering) -> None:
    """Approvals list what the caller may decide by permission and by what it did before, page after page."""
    for scheme in ("a", "b", "c"):
        tiering.draft(scheme=scheme)
        tiering.step("Submit", f"policies/{scheme}/versions/1", AUTHOR)
    tiering.step("Review", "policies/c/versions/1", REVIEWER)

    def waiting(staff: str, *permissions: str, size: int = 1) -> list[str]:
        names, token = [], ""
        while True:
            request = pb.ListApprovalsRequest(page_size=size, page_token=token)
            caller = {"staff": staff, "permissions": ("tiering.policies.list", *permissions)}
            answer = tiering.running.call(POLICIES, "ListApprovals", request, **caller)
            names += [policy.name.split("/")[1] for policy in answer.policies]
            token = answer.next_page_token
            if not token:
                return names

    assert waiting(REVIEWER, "tiering.policies.review") == ["a", "b"]
    assert waiting(REVIEWER, "tiering.policies.*") == ["a", "b"]
    assert waiting(APPROVER, "tiering.policies.*") == ["a", "b", "c"]
    assert waiting(AUTHOR, "tiering.policies.*") == []
    assert waiting(APPROVER) == []


def test_an_unknown_version_is_not_found(tiering: Tiering) -> None:
    """Reading and deciding on a version that is not there names it."""
    for call in (
        lambda: tiering.running.call(POLICIES, "GetPolicy", pb.GetPolicyRequest(name=NAME)),
        lambda: tiering.step("Submit", NAME, AUTHOR),
    ):
        refusal = refused(call)
        assert (refusal.code, refusal.reason) == ("NOT_FOUND", "DOCUMENT_NOT_FOUND")
        assert refusal.metadata == {"name": NAME}


def test_a_small_chain_may_ask_for_one_person(start_service: StartService) -> None:
    """With the setting at 1 the same person takes every step."""
    program = replace(PROGRAM, build=partial(build, customer=Owner()))
    alone = Tiering(start_service(program, approval_people="1"), Owner())
    alone.draft()
    for verb in ("Submit", "Review", "Approve"):
        alone.step(verb, NAME, AUTHOR)
    assert alone.step("Activate", NAME, AUTHOR).state == pb.Policy.ACTIVE
