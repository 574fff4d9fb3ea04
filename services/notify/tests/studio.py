"""A client for templates and rules, with a method for what tests do again and again."""

# ruff: noqa: ANN401  (a keyword argument is whatever the field of the message takes)

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from shuke.notify.v1 import policies_pb2, policies_pb2_grpc, templates_pb2_grpc
from shuke.notify.v1 import templates_pb2 as pb
from shuke.notify.v1.policies_pb2 import NoticeRule, Policy
from shuke.notify.v1.templates_pb2 import NamedValue, Template, Value
from tests.running import Refusal, Running

TEMPLATES, POLICIES = templates_pb2_grpc.TemplateServiceStub, policies_pb2_grpc.PolicyServiceStub
AUTHOR, REVIEWER, APPROVER, MANAGER = "S-AUTHOR", "S-REVIEWER", "S-APPROVER", "S-MANAGER"
EXAMPLES = Path(__file__).parents[3] / "cli" / "example_policies"
CODE = "tier-notice"
FIRST, SECOND = (f"templates/{CODE}/versions/{number}" for number in (1, 2))
RULE = "policies/loyalty/versions/1"


def example_template() -> Template:
    """Read the example template."""
    text = (EXAMPLES / "tier_notice_template.json").read_text(encoding="utf-8")
    return json_format.Parse(text, Template())


def example_rule(**fields: Any) -> Policy:
    """Read the example rule, with other fields where they are given."""
    text = (EXAMPLES / "tier_notice_rule.json").read_text(encoding="utf-8")
    policy = json_format.Parse(text, Policy())
    kept = {field.name: value for field, value in policy.notice_rule.ListFields()}
    policy.notice_rule.CopyFrom(NoticeRule(**{**kept, **fields}))
    return policy


def named(name: str, **kind: Any) -> NamedValue:
    """Write the value of a variable, such as `named("code", text="A")`."""
    return NamedValue(name=name, value=Value(**kind))


def refused(call: Callable[..., Any], *arguments: Any, **fields: Any) -> Refusal:
    """Answer why a call is refused."""
    with pytest.raises(Refusal) as refusal:
        call(*arguments, **fields)
    return refusal.value


class Studio:
    """Writes templates and rules of a running notify service."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.call = running.call

    # ------------------------------------------------------------------------------------------------------ templates

    def create(
        self, template: Template | None = None, code: str = CODE, request_id: str = "", **caller: Any
    ) -> Template:
        """Create a template, the example where no other is given."""
        request = pb.CreateTemplateRequest(code=code, template=template or example_template(), request_id=request_id)
        answer: Template = self.call(TEMPLATES, "CreateTemplate", request, **{"staff": AUTHOR, **caller})
        return answer

    def update(self, template: Template, name: str = FIRST, etag: str = "", **caller: Any) -> Template:
        """Change a version, or open the next one."""
        changed = Template()
        changed.CopyFrom(template)
        changed.name, changed.etag = name, etag
        request = pb.UpdateTemplateRequest(template=changed)
        answer: Template = self.call(TEMPLATES, "UpdateTemplate", request, **{"staff": AUTHOR, **caller})
        return answer

    def take(self, verb: str, staff: str, name: str = FIRST, **fields: Any) -> Template:
        """Take a step of a template's life: Submit, Review, Approve or Retire."""
        request = getattr(pb, f"{verb}TemplateRequest")(name=name, **fields)
        answer: Template = self.call(TEMPLATES, f"{verb}Template", request, staff=staff)
        return answer

    def approve(self, name: str = FIRST) -> Template:
        """Lead a draft into force."""
        self.take("Submit", AUTHOR, name)
        self.take("Review", REVIEWER, name)
        return self.take("Approve", APPROVER, name)

    def get(self, name: str = FIRST) -> Template:
        """Read a version."""
        answer: Template = self.call(TEMPLATES, "GetTemplate", pb.GetTemplateRequest(name=name))
        return answer

    def names(self, size: int = 2, **fields: Any) -> list[str]:
        """List versions, page after page; none comes with its texts."""
        found: list[str] = []
        token = ""
        while True:
            request = pb.ListTemplatesRequest(page_size=size, page_token=token, **fields)
            page: pb.ListTemplatesResponse = self.call(TEMPLATES, "ListTemplates", request)
            assert not any(template.bodies or template.variables for template in page.templates)
            found += [template.name for template in page.templates]
            token = page.next_page_token
            if not token:
                return found

    def preview(self, *values: NamedValue, **fields: Any) -> pb.PreviewTemplateResponse:
        """Render a version, the first one's English e-mail where nothing else is given."""
        source = {} if fields.keys() & {"name", "template"} else {"name": FIRST}
        request = pb.PreviewTemplateRequest(
            **{**source, "channel": Template.EMAIL, "language": "en", **fields}, values=values
        )
        answer: pb.PreviewTemplateResponse = self.call(TEMPLATES, "PreviewTemplate", request)
        return answer

    # ---------------------------------------------------------------------------------------------------------- rules

    def draft(self, policy: Policy, key: str = "loyalty", **caller: Any) -> Policy:
        """Draft a rule."""
        request = policies_pb2.DraftPolicyRequest(parent=f"policies/{key}", policy=policy)
        answer: Policy = self.call(POLICIES, "DraftPolicy", request, **{"staff": AUTHOR, **caller})
        return answer

    def step(self, verb: str, name: str, staff: str) -> Policy:
        """Take a step of a rule's life: Submit, Review, Approve, Activate or Retire."""
        request = getattr(policies_pb2, f"{verb}PolicyRequest")(name=name)
        answer: Policy = self.call(POLICIES, f"{verb}Policy", request, staff=staff)
        return answer

    def activate(self, policy: Policy, key: str = "loyalty") -> Policy:
        """Lead a rule into force."""
        name = self.draft(policy, key).name
        for verb, staff in (("Submit", AUTHOR), ("Review", REVIEWER), ("Approve", APPROVER)):
            self.step(verb, name, staff)
        return self.step("Activate", name, MANAGER)
