"""Whatever is wrong with a consent, the caller hears a code, a reason, the field and what to do, in both languages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from services.customer.tests.builders import LEEDS, NOBODY, at, refused
from services.customer.tests.consenting import FIRST, Desk, notice, use
from shuke.customer.v1.consents_pb2 import Consent

Send = Callable[[Desk, str, dict[str, Any]], object]
UNKNOWN, TOMORROW = "policies/notice/versions/9", "policies/notice/versions/2"
SHOW = "Show the customer the one in force."
BAD: dict[str, tuple[Send, str, str, tuple[str, ...], str, str]] = {
    "a purpose that was not told": (
        lambda desk, anna, caller: desk.grant(anna, use(Consent.OFFERS), use(Consent.DISCLOSURE), caller=caller),
        *("INVALID_ARGUMENT", "CONSENT_PURPOSE_NOT_IN_NOTICE", ("consents[1].purpose",)),
        f"consents[1].purpose: the notice {FIRST} does not tell the purpose DISCLOSURE, so nobody can consent to it.",
        f"consents[1].purpose：告知书 {FIRST} 未列明用途 DISCLOSURE，不能就此取得同意。",
    ),
    "the same at enrolment": (
        lambda desk, _, caller: desk.shop.enrol(
            notice_version=FIRST, consents=[use(Consent.DISCLOSURE)], caller=caller
        ),
        *("INVALID_ARGUMENT", "CONSENT_PURPOSE_NOT_IN_NOTICE", ("consents[0].purpose",)),
        f"consents[0].purpose: the notice {FIRST} does not tell the purpose DISCLOSURE, so nobody can consent to it.",
        f"consents[0].purpose：告知书 {FIRST} 未列明用途 DISCLOSURE，不能就此取得同意。",
    ),
    "an unknown notice": (
        lambda desk, anna, caller: desk.grant(anna, use(Consent.OFFERS), notice_version=UNKNOWN, caller=caller),
        *("NOT_FOUND", "NOTICE_NOT_FOUND", ()),
        f"notice_version: there is no notice version {UNKNOWN}. Ask GetNotice for the one in force.",
        f"notice_version：没有告知书版本 {UNKNOWN}。请用 GetNotice 查询现行版本。",
    ),
    "another kind of policy": (
        lambda desk, anna, caller: desk.grant(
            anna, use(Consent.OFFERS), notice_version="policies/retention/versions/1", caller=caller
        ),
        *("NOT_FOUND", "NOTICE_NOT_FOUND", ()),
        "notice_version: there is no notice version policies/retention/versions/1. Ask GetNotice for the one in force.",
        "notice_version：没有告知书版本 policies/retention/versions/1。请用 GetNotice 查询现行版本。",
    ),
    "a notice of tomorrow": (
        lambda desk, anna, caller: desk.grant(anna, use(Consent.OFFERS), notice_version=TOMORROW, caller=caller),
        *("FAILED_PRECONDITION", "NOTICE_NOT_IN_FORCE", ()),
        f"notice_version: notice version {TOMORROW} is not in force yet or was retired. " + SHOW,
        f"notice_version：告知书版本 {TOMORROW} 尚未生效或已停用。请向客户出示现行版本。",
    ),
    "consents without a notice": (
        lambda desk, _, caller: desk.shop.enrol(consents=[use(Consent.OFFERS)], caller=caller),
        *("INVALID_ARGUMENT", "CONSENT_NOTICE_UNNAMED", ("notice_version",)),
        "Consents need, in notice_version, the notice version that the customer was shown.",
        "取得同意时必须在 notice_version 填写向客户出示的告知书版本。",
    ),
    "a use that stands twice": (
        lambda desk, anna, caller: desk.withdraw(
            anna, use(Consent.OFFERS), Consent(purpose=Consent.OFFERS), caller=caller
        ),
        *("INVALID_ARGUMENT", "CONSENT_REPEATED", ("consents[1]",)),
        "consents[1]: purpose OFFERS on channel ALL stands twice.",
        "consents[1]：用途 OFFERS 与渠道 ALL 重复。",
    ),
    "nobody": (
        lambda desk, _, caller: desk.grant(NOBODY, use(Consent.DISCLOSURE), notice_version=UNKNOWN, caller=caller),
        *("NOT_FOUND", "CUSTOMER_NOT_FOUND", ()),
        f"There is no customer {NOBODY}.",
        f"找不到客户 {NOBODY}。",
    ),
    "a decision about the future": (
        lambda desk, anna, caller: desk.check(anna, Consent.OFFERS, time=at("2026-03-02 04:06"), **caller),
        *("FAILED_PRECONDITION", "TIME_IN_FUTURE", ()),
        "time lies in the future. Check the time, and the clock that it was taken from.",
        "time 在未来。请核对时间和记录时所用的时钟。",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_calls_are_told_what_is_wrong(desk: Desk, case: str) -> None:
    """Code, reason, field and sentence are right in both languages, and nothing is recorded."""
    desk.activate(notice(Consent.OFFERS, effective="2026-03-03"))
    send, code, reason, fields, en, zh = BAD[case]
    anna = desk.shop.customer()
    for language, sentence in (("en", en), ("zh-CN", zh)):
        refusal = refused(send, desk, anna, {"language": language})
        assert (refusal.code, refusal.reason) == (code, reason)
        assert (refusal.localized, tuple(refusal.fields)) == (sentence, fields)
    assert list(desk.records(anna)) == []


def test_nobody_says_nothing(desk: Desk) -> None:
    """Every method answers NOT_FOUND for a customer that there is not."""
    for act in (
        lambda: desk.grant(NOBODY, use(Consent.OFFERS)),
        lambda: desk.withdraw(NOBODY, use(Consent.OFFERS)),
        lambda: desk.check(NOBODY, Consent.OFFERS),
        lambda: desk.page(NOBODY),
    ):
        assert refused(act).reason == "CUSTOMER_NOT_FOUND"


SHAPES: dict[str, tuple[dict[str, Any], str]] = {
    "no purpose": ({"consents": [Consent()]}, "consents[0].purpose"),
    "an unknown purpose": ({"consents": [Consent(purpose=99)]}, "consents[0].purpose"),  # type: ignore[arg-type]
    "an unknown channel": ({"consents": [Consent(purpose=1, channel=99)]}, "consents[0].channel"),  # type: ignore[arg-type]
    "no consent": ({"consents": []}, "consents"),
    "too many": ({"consents": [use(Consent.OFFERS)] * 51}, "consents"),
    "no source": ({"source": 0}, "source"),
    "a request id with a blank": ({"request_id": "r 1"}, "request_id"),
    "no notice": ({"notice_version": ""}, "notice_version"),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("engine", ["sqlite"])
def test_a_request_must_have_its_shape(desk: Desk, shape: str) -> None:
    """Each field is held to the contract, in grants and in withdrawals."""
    fields, path = SHAPES[shape]
    acts: tuple[Callable[..., object], ...] = (desk.grant, desk.withdraw)
    for act in acts if "notice_version" not in fields else acts[:1]:
        refusal = refused(act, NOBODY, use(Consent.OFFERS), **fields)
        assert (refusal.code, tuple(refusal.fields)) == ("INVALID_ARGUMENT", (path,))


def test_reads_must_have_their_shape(desk: Desk) -> None:
    """A check names a customer and a purpose, for there is no consent to everything; a page has a size."""
    assert tuple(refused(desk.check, NOBODY, Consent.PURPOSE_UNSPECIFIED).fields) == ("purpose",)
    assert tuple(refused(desk.page, NOBODY, size=-1).fields) == ("page_size",)
    assert tuple(refused(desk.check, f"stores/{LEEDS}", Consent.OFFERS).fields) == ("customer",)
