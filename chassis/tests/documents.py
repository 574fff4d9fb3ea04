"""Versions of a document for tests, in any state, and every deed that can be done to one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import NamedTuple

from chassis import documents
from chassis.documents import Content, Document, State, Step

KIND, KEY = "policies", "loyalty"
NEW_YEAR = date(2026, 1, 1)
AUTHOR, REVIEWER, APPROVER, ADMIN = "S-AUTHOR", "S-REVIEWER", "S-APPROVER", "S-ADMIN"
NOW = 1_790_000_000_000_000


def content(payload: bytes = b"ladder", day: date = NEW_YEAR) -> Content:
    """Write some content."""
    return Content(payload, day, "first rules", example=True)


def a_draft(version: int = 1, day: date = NEW_YEAR, key: str = KEY) -> Document:
    """Open a version."""
    return documents.draft(KIND, key, version, content(day=day), AUTHOR, NOW)


def approved(document: Document) -> Document:
    """Lead a draft through three distinct people."""
    submitted = documents.submit(document, AUTHOR, NOW + 1)
    reviewed = documents.review(submitted, REVIEWER, NOW + 2, 3)
    return documents.approve(reviewed, APPROVER, NOW + 3, 3)


def activated(document: Document) -> Document:
    """Lead a draft into force."""
    return documents.activate(approved(document), None, ADMIN, NOW + 4, 3)


def in_state(state: State) -> Document:
    """Make a version that stands in a state."""
    return replace(approved(a_draft()), state=state)


class Deed(NamedTuple):
    """What somebody tries to do to a version."""

    step: Step
    do: Callable[[Document, Document | None, str, int, str], Document]


DEEDS = [
    Deed(
        Step.UPDATE, lambda it, _rival, who, _people, etag: documents.update(it, content(b"new"), who, NOW, etag=etag)
    ),
    Deed(Step.SUBMIT, lambda it, _rival, who, _people, etag: documents.submit(it, who, NOW, etag=etag)),
    Deed(Step.REVIEW, lambda it, _rival, who, people, etag: documents.review(it, who, NOW, people, etag=etag)),
    Deed(
        Step.REJECT_AT_REVIEW,
        lambda it, _rival, who, people, etag: documents.review(it, who, NOW, people, reject=True, etag=etag),
    ),
    Deed(Step.APPROVE, lambda it, _rival, who, people, etag: documents.approve(it, who, NOW, people, etag=etag)),
    Deed(
        Step.REJECT_AT_APPROVAL,
        lambda it, _rival, who, people, etag: documents.approve(it, who, NOW, people, reject=True, etag=etag),
    ),
    Deed(
        Step.ACTIVATE, lambda it, rival, who, people, etag: documents.activate(it, rival, who, NOW, people, etag=etag)
    ),
    Deed(Step.RETIRE, lambda it, _rival, who, _people, etag: documents.retire(it, who, NOW, etag=etag)),
]

ALLOWED = {
    State.DRAFT: "UPDATE, SUBMIT, RETIRE",
    State.SUBMITTED: "REVIEW, REJECT_AT_REVIEW",
    State.REVIEWED: "APPROVE, REJECT_AT_APPROVAL",
    State.APPROVED: "ACTIVATE, RETIRE",
    State.ACTIVE: "RETIRE",
    State.RETIRED: "-",
}
