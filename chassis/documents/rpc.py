"""The handlers of every API's PolicyService: the services are equal but for the payload, which a test holds."""

# ruff: noqa: ANN401  (requests and policies are messages of the API that is served; the contract tells their shape)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from google.protobuf.message import Message

from chassis import documents, names, wire
from chassis.call import Call
from chassis.calls import Calls
from chassis.database import Database, Tx
from chassis.documents.lifecycle import POLICIES, Content, Document, ExampleForbidden, State
from chassis.errors import Problems
from chassis.ids import NewId
from chassis.paging import Pager, page_size
from chassis.principals import covers

# What the permission for the step that a version waits for ends on.
NEXT_STEPS = {State.SUBMITTED: "review", State.REVIEWED: "approve", State.APPROVED: "activate"}


def _anything(*_: Any) -> None:
    """Ask nothing more."""


@dataclass(frozen=True, slots=True)
class Payloads:
    """What an API knows of its payloads.

    `read(problems, key, policy)` notes what cannot be read or may not stand in a draft of that key; `check(problems,
    policy)` notes what forbids that a draft, which may be incomplete, is submitted; `require(tx, policy)` refuses to
    put a version in force while something that it builds on is not there.
    """

    read: Callable[[Problems, str, Any], None]
    check: Callable[[Problems, Any], None] = _anything
    require: Callable[[Tx, Any], None] = _anything


class PolicyService:
    """Keeps the versions of policies; `people` is how many distinct ones bring a version into force."""

    def __init__(
        self,
        messages: ModuleType,
        payloads: Payloads,
        calls: Calls,
        database: Database,
        pager: Pager,
        people: int,
        *,
        examples: bool,
    ) -> None:
        self.messages = messages
        self.payloads = payloads
        self.calls = calls
        self.database = database
        self.pager = pager
        self.people = people
        self.examples = examples
        api = messages.DESCRIPTOR.package.split(".")[1]
        self.next_steps = {state: f"{api}.policies.{step}" for state, step in NEXT_STEPS.items()}

    def DraftPolicy(self, request: Any, call: Call) -> Message:
        """Open a new version."""
        key = names.identity(request.parent)
        staff, content = call.principal.require_staff(), self._content(request.policy, key)

        def work(tx: Tx, now: int, _new_id: NewId) -> Message:
            number = documents.next_version(tx, POLICIES, key)
            document = documents.draft(POLICIES, key, number, content, staff, now)
            documents.add(tx, document)
            return self._policy(document)

        return self._once(call, request, work)

    def UpdateDraft(self, request: Any, call: Call) -> Message:
        """Replace the content of a draft."""
        policy = request.policy
        staff, content = call.principal.require_staff(), self._content(policy, _key(policy.name), named=True)

        def work(tx: Tx, now: int, _new_id: NewId) -> Message:
            return self._save(tx, documents.update(_find(tx, policy.name), content, staff, now, etag=policy.etag))

        return self._once(call, request, work)

    def SubmitPolicy(self, request: Any, call: Call) -> Message:
        """Hand a draft over for review, once its content is fit to be put in force."""

        def take(_tx: Tx, document: Document, staff: str, now: int) -> Document:
            submitted = documents.submit(document, staff, now, etag=request.etag)
            problems = Problems()
            self.payloads.check(problems, self.messages.Policy.FromString(document.content.payload))
            problems.refuse()
            return submitted

        return self._step(request, call, take)

    def ReviewPolicy(self, request: Any, call: Call) -> Message:
        """Record the review."""
        return self._step(
            request,
            call,
            lambda _tx, document, staff, now: documents.review(
                document, staff, now, self.people, reject=request.reject, etag=request.etag
            ),
        )

    def ApprovePolicy(self, request: Any, call: Call) -> Message:
        """Record the approval."""
        return self._step(
            request,
            call,
            lambda _tx, document, staff, now: documents.approve(
                document, staff, now, self.people, reject=request.reject, etag=request.etag
            ),
        )

    def ActivatePolicy(self, request: Any, call: Call) -> Message:
        """Put a version in force."""

        def take(tx: Tx, document: Document, staff: str, now: int) -> Document:
            rival = documents.rival_of(tx, document)
            activated = documents.activate(document, rival, staff, now, self.people, etag=request.etag)
            if document.content.example and not self.examples:
                raise ExampleForbidden(name=document.name)
            self.payloads.require(tx, self.messages.Policy.FromString(document.content.payload))
            return activated

        return self._step(request, call, take)

    def RetirePolicy(self, request: Any, call: Call) -> Message:
        """Take a version out of use."""
        return self._step(
            request, call, lambda _tx, document, staff, now: documents.retire(document, staff, now, etag=request.etag)
        )

    def GetPolicy(self, request: Any, call: Call) -> Message:
        """Answer one version."""
        with self.database.read() as tx:
            return self._policy(_find(tx, request.name))

    def ListPolicies(self, request: Any, call: Call) -> Message:
        """List the versions of a policy, the newest first."""
        size, cursor = page_size(request.page_size), self.pager.cursor(request)
        before = int(cursor[0]) if cursor else None
        with self.database.read() as tx:
            found = documents.versions(tx, POLICIES, names.identity(request.parent), limit=size + 1, before=before)
        page, more = self.pager.page(request, found, size, lambda document: [document.version])
        answer: Message = self.messages.ListPoliciesResponse(policies=map(self._policy, page), next_page_token=more)
        return answer

    def ListApprovals(self, request: Any, call: Call) -> Message:
        """List what waits for a step that the caller may take, by permission and by what it did before."""
        staff, size = call.principal.require_staff(), page_size(request.page_size)
        permissions = call.principal.permissions
        states = [state for state, permission in self.next_steps.items() if covers(permissions, permission)]
        cursor = self.pager.cursor(request)
        after = (int(cursor[0]), str(cursor[1]), int(cursor[2])) if cursor else None
        found: list[Document] = []
        with self.database.read() as tx:
            while len(found) <= size:
                waiting = documents.waiting(tx, POLICIES, states, limit=size + 1, after=after)
                if not waiting:
                    break
                found += [document for document in waiting if documents.may_decide(document, staff, self.people)]
                after = _place(waiting[-1])
        page, more = self.pager.page(request, found, size, _place)
        answer: Message = self.messages.ListApprovalsResponse(policies=map(self._policy, page), next_page_token=more)
        return answer

    def _content(self, policy: Any, key: str, *, named: bool = False) -> Content:
        """Read what people write; what is still missing is found when the version is submitted."""
        problems = Problems()
        if named and not policy.name:
            problems.add("policy.name", "NAME_MALFORMED", pattern="policies/{kind}/versions/{n}")
        day = wire.read_date(problems, "policy.effective_date", policy.effective_date)
        self.payloads.read(problems, key, policy)
        problems.refuse()
        payload = policy.WhichOneof("payload")
        kept = self.messages.Policy(**{payload: getattr(policy, payload)})
        return Content(kept.SerializeToString(deterministic=True), day, policy.description, policy.example)

    def _step(self, request: Any, call: Call, take: Callable[[Tx, Document, str, int], Document]) -> Message:
        staff = call.principal.require_staff()

        def work(tx: Tx, now: int, _new_id: NewId) -> Message:
            return self._save(tx, take(tx, _find(tx, request.name), staff, now))

        return self._once(call, request, work)

    def _once(self, call: Call, request: Any, work: Callable[[Tx, int, NewId], Message]) -> Message:
        answer: type[Message] = self.messages.Policy
        return self.calls.once(call, request, answer, work)

    def _save(self, tx: Tx, document: Document) -> Message:
        documents.save(tx, document)
        return self._policy(document)

    def _policy(self, document: Document) -> Message:
        """Write a version: what is stored holds the payload and nothing else."""
        content = document.content
        policy: Message = self.messages.Policy(
            name=document.name,
            description=content.description,
            example=content.example,
            effective_date=wire.to_date(content.effective_date),
            state=self.messages.Policy.State.Value(document.state.value),
            author=document.author,
            reviewer=document.reviewer,
            approver=document.approver,
            create_time=wire.timestamp(document.create_time),
            update_time=wire.timestamp(document.update_time),
            etag=document.etag,
        )
        policy.MergeFromString(content.payload)
        return policy


def _key(name: str) -> str:
    return names.parts(name)[0] if name else ""


def _find(tx: Tx, name: str) -> Document:
    key, version = names.parts(name)
    return documents.get(tx, POLICIES, key, int(version))


def _place(document: Document) -> tuple[int, str, int]:
    return document.update_time, document.key, document.version
