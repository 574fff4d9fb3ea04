"""`shuke.notify.v1.TemplateService`: templates are written, reviewed, approved and tried out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

from chassis import documents, names, wire
from chassis.calendar import day_of
from chassis.call import Call
from chassis.calls import Calls
from chassis.database import Database, Tx
from chassis.documents import Content, Document, ExampleForbidden, State
from chassis.errors import EtagMismatch, Problems
from chassis.ids import NewId
from chassis.paging import Pager, page_size
from chassis.settings import Chain
from services.notify.templates import convert
from services.notify.templates.domain import TEMPLATES, Template, TemplateExists, check, check_draft
from services.notify.templates.repository import Templates
from shuke.notify.v1 import templates_pb2 as pb

# The effective date of a version that was never approved.
NEVER = date.min
# Versions in these states keep their text for ever.
DECIDED = (State.APPROVED, State.RETIRED)
Step = pb.SubmitTemplateRequest | pb.ReviewTemplateRequest | pb.ApproveTemplateRequest | pb.RetireTemplateRequest


class TemplateService:
    """Keeps the versions of templates; `people` is how many distinct ones bring a version into force."""

    def __init__(
        self,
        calls: Calls,
        database: Database,
        templates: Templates,
        chain: Chain,
        pager: Pager,
        people: int,
        *,
        examples: bool,
    ) -> None:
        self.calls = calls
        self.database = database
        self.templates = templates
        self.chain = chain
        self.pager = pager
        self.people = people
        self.examples = examples

    def CreateTemplate(self, request: pb.CreateTemplateRequest, call: Call) -> pb.Template:
        """Open the first version of a template."""
        staff, content = call.principal.require_staff(), self._content(request.template)

        def work(tx: Tx, now: int, _new_id: NewId) -> pb.Template:
            number = documents.next_version(tx, TEMPLATES, request.code)
            if number > 1:
                raise TemplateExists(template=request.code)
            return _added(tx, documents.draft(TEMPLATES, request.code, number, content, staff, now))

        return self.calls.once(call, request, pb.Template, work)

    def UpdateTemplate(self, request: pb.UpdateTemplateRequest, call: Call) -> pb.Template:
        """Replace the content of a draft, or open the next version of a template."""
        template = request.template
        staff, content = call.principal.require_staff(), self._content(template, named=True)

        def work(tx: Tx, now: int, _new_id: NewId) -> pb.Template:
            document = _find(tx, template.name)
            if document.state not in DECIDED:
                return _saved(tx, documents.update(document, content, staff, now, etag=template.etag))
            if template.etag not in ("", document.etag):
                raise EtagMismatch(name=document.name)
            number = documents.next_version(tx, TEMPLATES, document.key)
            return _added(tx, documents.draft(TEMPLATES, document.key, number, content, staff, now))

        return self.calls.once(call, request, pb.Template, work)

    def PreviewTemplate(self, request: pb.PreviewTemplateRequest, call: Call) -> pb.PreviewTemplateResponse:
        """Render a body with samples and the values that are given."""
        problems = Problems()
        values = convert.values_from_proto(problems, self.chain.money, self.chain.zone_info, request.values)
        problems.refuse()
        template = self._stored(request.name) if request.name else self._read(request.template)
        channel = pb.Template.Channel.Name(request.channel)
        rendered = template.render(channel, request.language, {**template.samples, **values})
        return pb.PreviewTemplateResponse(subject=rendered.subject, text=rendered.text, language=rendered.language)

    def SubmitTemplate(self, request: pb.SubmitTemplateRequest, call: Call) -> pb.Template:
        """Hand a draft over for review, once it is fit to be approved."""

        def take(document: Document, staff: str, now: int) -> Document:
            submitted = documents.submit(document, staff, now, etag=request.etag)
            self._require_fit(document)
            return submitted

        return self._step(request, call, take)

    def ReviewTemplate(self, request: pb.ReviewTemplateRequest, call: Call) -> pb.Template:
        """Record the review."""
        return self._step(
            request,
            call,
            lambda document, staff, now: documents.review(
                document, staff, now, self.people, reject=request.reject, etag=request.etag
            ),
        )

    def ApproveTemplate(self, request: pb.ApproveTemplateRequest, call: Call) -> pb.Template:
        """Record the approval, from which on the version is in force."""

        def take(document: Document, staff: str, now: int) -> Document:
            approved = documents.approve(document, staff, now, self.people, reject=request.reject, etag=request.etag)
            if request.reject:
                return approved
            if document.content.example and not self.examples:
                raise ExampleForbidden(name=document.name)
            # Once more, for what was submitted to a release that asked for less.
            self._require_fit(document)
            today = day_of(now, self.chain.zone_info)
            return replace(approved, content=replace(approved.content, effective_date=today))

        return self._step(request, call, take)

    def RetireTemplate(self, request: pb.RetireTemplateRequest, call: Call) -> pb.Template:
        """Take a version out of use."""
        return self._step(
            request, call, lambda document, staff, now: documents.retire(document, staff, now, etag=request.etag)
        )

    def GetTemplate(self, request: pb.GetTemplateRequest, call: Call) -> pb.Template:
        """Answer one version."""
        with self.database.read() as tx:
            return _template(_find(tx, request.name))

    def ListTemplates(self, request: pb.ListTemplatesRequest, call: Call) -> pb.ListTemplatesResponse:
        """List versions by code and number; their texts, which may be long, are read one by one."""
        size, cursor = page_size(request.page_size), self.pager.cursor(request)
        after = (str(cursor[0]), int(cursor[1])) if cursor else None
        with self.database.read() as tx:
            found = documents.listed(tx, TEMPLATES, key=request.code, limit=size + 1, after=after)
        page, more = self.pager.page(request, found, size, lambda document: (document.key, document.version))
        return pb.ListTemplatesResponse(templates=map(_without_texts, page), next_page_token=more)

    def _content(self, message: pb.Template, *, named: bool = False) -> Content:
        """Read what people write; what only an approved version needs is found when it is submitted."""
        problems = Problems()
        if named and not message.name:
            problems.add("template.name", "NAME_MALFORMED", pattern="templates/{code}/versions/{n}")
        self._read(message, problems)
        kept = pb.Template(
            display_name=message.display_name,
            purpose=message.purpose,
            variables=message.variables,
            bodies=message.bodies,
        )
        payload = kept.SerializeToString(deterministic=True)
        return Content(payload, NEVER, message.description, message.example)

    def _read(self, message: pb.Template, problems: Problems | None = None) -> Template:
        """Read a template of a request; refuse what may not stand in one."""
        problems = problems or Problems()
        template = convert.template_from_proto(problems, self.chain.money, self.chain.zone_info, message)
        check_draft(problems, template)
        problems.refuse()
        return template

    def _stored(self, name: str) -> Template:
        with self.database.read() as tx:
            return self.templates.version(tx, name)

    def _require_fit(self, document: Document) -> None:
        problems = Problems()
        check(problems, self.templates.read(document.name, document.content.payload))
        problems.refuse()

    def _step(self, request: Step, call: Call, take: Callable[[Document, str, int], Document]) -> pb.Template:
        staff = call.principal.require_staff()

        def work(tx: Tx, now: int, _new_id: NewId) -> pb.Template:
            return _saved(tx, take(_find(tx, request.name), staff, now))

        return self.calls.once(call, request, pb.Template, work)


def _find(tx: Tx, name: str) -> Document:
    code, number = names.parts(name)
    return documents.get(tx, TEMPLATES, code, int(number))


def _added(tx: Tx, document: Document) -> pb.Template:
    documents.add(tx, document)
    return _template(document)


def _saved(tx: Tx, document: Document) -> pb.Template:
    documents.save(tx, document)
    return _template(document)


def _template(document: Document) -> pb.Template:
    """Write a version: what is stored holds the content and nothing else."""
    content = document.content
    template = pb.Template.FromString(content.payload)
    template.MergeFrom(
        pb.Template(
            name=document.name,
            description=content.description,
            example=content.example,
            state=pb.Template.State.Value(document.state.value),
            author=document.author,
            reviewer=document.reviewer,
            approver=document.approver,
            effective_date=None if content.effective_date == NEVER else wire.to_date(content.effective_date),
            create_time=wire.timestamp(document.create_time),
            update_time=wire.timestamp(document.update_time),
            etag=document.etag,
        )
    )
    return template


def _without_texts(document: Document) -> pb.Template:
    template = _template(document)
    template.ClearField("variables")
    template.ClearField("bodies")
    return template
