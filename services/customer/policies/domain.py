"""The notice: what customers are told of the purposes of their data (C-34), and when it may be relied on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from chassis.errors import FailedPrecondition, NotFound, Problems

# The key under which versions of the notice are kept.
NOTICE = "notice"
LONGEST_BODY = 10_000


class NoticeMissing(FailedPrecondition):
    """No notice is in force."""

    reason = "NOTICE_MISSING"


class NoticeNotFound(NotFound):
    """There is no such version of the notice."""

    reason = "NOTICE_NOT_FOUND"


class NoticeNotInForce(FailedPrecondition):
    """The version was never in force, or was retired."""

    reason = "NOTICE_NOT_IN_FORCE"


class Purpose(StrEnum):
    """What data may serve (X-13); the values are the contract's."""

    SERVICE = "SERVICE"
    FOLLOW_UP = "FOLLOW_UP"
    OFFERS = "OFFERS"
    VOUCHERS = "VOUCHERS"
    NEW_PRODUCTS = "NEW_PRODUCTS"
    SURVEY = "SURVEY"
    DISCLOSURE = "DISCLOSURE"


@dataclass(frozen=True, slots=True)
class Notice:
    """A text in both languages, and the purposes that it tells."""

    zh: str
    en: str
    purposes: tuple[Purpose, ...]


@dataclass(frozen=True, slots=True)
class NoticeVersion:
    """One version of the notice; `active` tells that it was put in force and not retired."""

    name: str
    effective_date: date
    example: bool
    active: bool
    notice: Notice


def check(problems: Problems, notice: Notice, field: str) -> None:
    """Note what a notice lacks before it can be shown to anybody."""
    for language, text in (("zh", notice.zh), ("en", notice.en)):
        if not text.strip() or len(text) > LONGEST_BODY:
            problems.add(f"{field}.body.{language}", "NOTICE_INCOMPLETE")
    if not notice.purposes or len(set(notice.purposes)) < len(notice.purposes):
        problems.add(f"{field}.purposes", "NOTICE_INCOMPLETE")


def shown(version: NoticeVersion | None, name: str, field: str, today: date) -> NoticeVersion:
    """Answer the version that a customer was shown; an older one counts until it is retired: tills may be offline."""
    if version is None:
        raise NoticeNotFound(field=field, name=name)
    if not version.active or version.effective_date > today:
        raise NoticeNotInForce(field=field, name=name)
    return version
