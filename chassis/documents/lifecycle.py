"""The life of a document version, as pure functions.

Every step is taken by a member of staff and is written on the document, so that storage can keep the history. How many
distinct people a chain asks for is a setting, `people`:

- 3: whoever wrote it, the reviewer and the approver are all distinct;
- 2: the reviewer may also approve, but neither has written it;
- 1: anyone may take any step.

Anyone who may draft may also update or submit a draft. The last who changed it is its author; all who drafted, changed
or submitted the version are its writers. No writer reviews or approves it, or two people could pass a text to and fro.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from enum import Enum
from typing import Any

from chassis.errors import AlreadyExists, EtagMismatch, FailedPrecondition, Forbidden, NotFound
from chassis.principals import StaffRequired

# The collection of what a chain decides on, in every API.
POLICIES = "policies"


class State(Enum):
    """Where a version stands."""

    DRAFT = "DRAFT"
    SUBMITTED = "SUBMITTED"
    REVIEWED = "REVIEWED"
    APPROVED = "APPROVED"
    ACTIVE = "ACTIVE"
    RETIRED = "RETIRED"


class Step(Enum):
    """What was done to a version; rejecting sends it back to draft."""

    DRAFT = "DRAFT"
    UPDATE = "UPDATE"
    SUBMIT = "SUBMIT"
    REVIEW = "REVIEW"
    REJECT_AT_REVIEW = "REJECT_AT_REVIEW"
    APPROVE = "APPROVE"
    REJECT_AT_APPROVAL = "REJECT_AT_APPROVAL"
    ACTIVATE = "ACTIVATE"
    RETIRE = "RETIRE"


TRANSITIONS = {
    (State.DRAFT, Step.UPDATE): State.DRAFT,
    (State.DRAFT, Step.SUBMIT): State.SUBMITTED,
    (State.DRAFT, Step.RETIRE): State.RETIRED,
    (State.SUBMITTED, Step.REVIEW): State.REVIEWED,
    (State.SUBMITTED, Step.REJECT_AT_REVIEW): State.DRAFT,
    (State.REVIEWED, Step.APPROVE): State.APPROVED,
    (State.REVIEWED, Step.REJECT_AT_APPROVAL): State.DRAFT,
    (State.APPROVED, Step.ACTIVATE): State.ACTIVE,
    (State.APPROVED, Step.RETIRE): State.RETIRED,
    (State.ACTIVE, Step.RETIRE): State.RETIRED,
}


class DocumentNotFound(NotFound):
    """There is no such version."""

    reason = "DOCUMENT_NOT_FOUND"


class DocumentStateForbids(FailedPrecondition):
    """The version's state does not allow the step."""

    reason = "DOCUMENT_STATE_FORBIDS"


class DocumentOverlaps(AlreadyExists):
    """Another active version holds the same effective date."""

    reason = "DOCUMENT_OVERLAPS"


class SamePerson(Forbidden):
    """A person who took an earlier step may not take this one."""

    reason = "SAME_PERSON"


class ExampleForbidden(FailedPrecondition):
    """Production does not put an example in force."""

    reason = "EXAMPLE_FORBIDDEN"


@dataclass(frozen=True, slots=True)
class Content:
    """What people write: the payload, what it is for, whether it is an example, and the first day that it covers."""

    payload: bytes
    effective_date: date
    description: str = ""
    example: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """One version of a document: `kind` is its collection, such as `policies`, and `key` which of them it is."""

    kind: str
    key: str
    version: int
    content: Content
    state: State
    author: str
    writers: tuple[str, ...]
    reviewer: str
    approver: str
    create_time: int
    update_time: int
    step: Step
    step_staff: str
    row_version: int

    @property
    def name(self) -> str:
        """The resource name."""
        return version_name(self.kind, self.key, self.version)

    @property
    def etag(self) -> str:
        """The mark of this state of the version."""
        return f'"{self.row_version}"'


def version_name(kind: str, key: str, version: int) -> str:
    """Write the resource name of a version."""
    return f"{kind}/{key}/versions/{version}"


def draft(kind: str, key: str, version: int, content: Content, staff: str, now: int) -> Document:
    """Open a new version."""
    if not staff:
        raise StaffRequired
    return Document(
        kind=kind,
        key=key,
        version=version,
        content=content,
        state=State.DRAFT,
        author=staff,
        writers=(staff,),
        reviewer="",
        approver="",
        create_time=now,
        update_time=now,
        step=Step.DRAFT,
        step_staff=staff,
        row_version=1,
    )


def update(document: Document, content: Content, staff: str, now: int, *, etag: str = "") -> Document:
    """Replace the content of a draft; whoever does it becomes its author."""
    writers = _with(document.writers, staff)
    return _take(document, Step.UPDATE, staff, now, etag, content=content, author=staff, writers=writers)


def submit(document: Document, staff: str, now: int, *, etag: str = "") -> Document:
    """Hand a draft over for review."""
    return _take(document, Step.SUBMIT, staff, now, etag, writers=_with(document.writers, staff))


def review(document: Document, staff: str, now: int, people: int, *, reject: bool = False, etag: str = "") -> Document:
    """Record the review, or send the version back to draft."""
    step = Step.REJECT_AT_REVIEW if reject else Step.REVIEW
    reviewed = _take(document, step, staff, now, etag, reviewer=staff)
    _keep_apart(reviewed, people)
    return _cleared(reviewed) if reject else reviewed


def approve(document: Document, staff: str, now: int, people: int, *, reject: bool = False, etag: str = "") -> Document:
    """Record the approval, or send the version back to draft."""
    step = Step.REJECT_AT_APPROVAL if reject else Step.APPROVE
    approved = _take(document, step, staff, now, etag, approver=staff)
    _keep_apart(approved, people)
    return _cleared(approved) if reject else approved


def activate(
    document: Document, rival: Document | None, staff: str, now: int, people: int, *, etag: str = ""
) -> Document:
    """Put an approved version in force from its effective date on, which may lie in the past.

    `rival` is the active version of the same document that holds the same effective date, if there is one. The people
    are looked at once more, for a version that was approved while the setting asked for fewer.
    """
    activated = _take(document, Step.ACTIVATE, staff, now, etag)
    _keep_apart(activated, people)
    if rival is not None:
        raise DocumentOverlaps(name=rival.name, effective_date=rival.content.effective_date.isoformat())
    return activated


def retire(document: Document, staff: str, now: int, *, etag: str = "") -> Document:
    """Take a version out of use, or give up one that is not in use yet."""
    return _take(document, Step.RETIRE, staff, now, etag)


def may_decide(document: Document, staff: str, people: int) -> bool:
    """Tell whether a person may take the step that a version waits for, permissions aside."""
    if document.state is State.SUBMITTED:
        return _stands_twice(replace(document, reviewer=staff), people) is None
    if document.state is State.REVIEWED:
        return _stands_twice(replace(document, approver=staff), people) is None
    return document.state is State.APPROVED


def _take(document: Document, step: Step, staff: str, now: int, etag: str, **changes: Any) -> Document:  # noqa: ANN401
    """Take a step, in the order in which a caller must hear of what forbids it."""
    if not staff:
        raise StaffRequired
    if etag and etag != document.etag:
        raise EtagMismatch(name=document.name)
    state = TRANSITIONS.get((document.state, step))
    if state is None:
        allowed = [other.value for before, other in TRANSITIONS if before is document.state]
        raise DocumentStateForbids(name=document.name, state=document.state.value, allowed=", ".join(allowed) or "-")
    taken: dict[str, Any] = {"state": state, "step": step, "step_staff": staff, "update_time": now}
    return replace(document, **taken, **changes, row_version=document.row_version + 1)


def _keep_apart(document: Document, people: int) -> None:
    staff = _stands_twice(document, people)
    if staff is not None:
        raise SamePerson(staff=staff)


def _stands_twice(document: Document, people: int) -> str | None:
    """Answer who took two steps that must be taken by distinct people."""
    if people > 1 and document.reviewer in document.writers:
        return document.reviewer
    if people > 1 and document.approver in document.writers:
        return document.approver
    if people > 2 and document.approver == document.reviewer:  # noqa: PLR2004  (the setting's words, see the module)
        return document.approver
    return None


def _cleared(document: Document) -> Document:
    return replace(document, reviewer="", approver="")


def _with(writers: tuple[str, ...], staff: str) -> tuple[str, ...]:
    return writers if staff in writers else (*writers, staff)
