"""The rule of tickets comes into force beside the templates that serve it; what cannot be is not even drafted."""

from __future__ import annotations

from typing import Any

import pytest

from services.notify.tests.studio import MANAGER, Studio, example_rule, refused
from services.notify.tests.ticketing import example_templates, example_ticket_rule, notice
from shuke.notify.v1.policies_pb2 import Policy, TicketNotice
from shuke.notify.v1.templates_pb2 import Template

STAFF, CUSTOMER = TicketNotice.ROLE, TicketNotice.CUSTOMER


@pytest.mark.requirement("N-13", "N-14", "N-15")
def test_the_example_comes_into_force(studio: Studio) -> None:
    """The example rule needs its templates, one after the other, and is in force beside them as it was written."""
    templates = example_templates()
    for code, template in templates.items():
        refusal = refused(studio.activate, example_ticket_rule(), "tickets")
        assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "RULE_TEMPLATE_MISSING")
        assert refusal.metadata["template"] in templates
        studio.approve(studio.create(template, code).name)
    active = studio.activate(example_ticket_rule(), "tickets")
    assert (active.state, active.ticket_notice_rule) == (Policy.ACTIVE, example_ticket_rule().ticket_notice_rule)


@pytest.mark.parametrize("engine", ["sqlite"])
@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"types": ["COMPLAINTS"]}, {"types[0]": "NOTICE_FILTER_WRONG"}),
        ({"types": ["TYPE_UNSPECIFIED"]}, {"types[0]": "NOTICE_FILTER_WRONG"}),
        ({"types": ["REPAIR", "REPAIR"]}, {"types": "REPEATED_UNIQUE"}),
        ({"clocks": ["RESPOND"]}, {"clocks[0]": "NOTICE_FILTER_WRONG"}),
        ({"role": ""}, {"role": "NOTICE_ROLE_WRONG"}),
        ({"recipient": TicketNotice.OWNER, "role": "till"}, {"role": "NOTICE_ROLE_WRONG"}),
        ({"channels": [Template.SMS]}, {"channels": "NOTICE_CHANNEL_WRONG"}),
        ({"channels": [Template.EMAIL, Template.PHONE]}, {"channels": "NOTICE_CHANNEL_WRONG"}),
        ({"channels": []}, {"channels": "REPEATED_MIN_ITEMS"}),
        ({"occasion": 0}, {"occasion": "ENUM_NOT_IN"}),
        ({"recipient": 0}, {"recipient": "ENUM_NOT_IN"}),
    ],
)
def test_a_wrong_notice_is_not_even_drafted(studio: Studio, fields: dict[str, Any], wrong: dict[str, str]) -> None:
    """Each violation names its field of its notice, and the caller is told what to do."""
    refusal = refused(studio.draft, example_ticket_rule(notice(), notice(**fields)), "tickets")
    assert refusal.code == "INVALID_ARGUMENT"
    field = "policy.ticket_notice_rule.notices[1]"
    assert refusal.fields == {f"{field}.{path}": reason for path, reason in wrong.items()}


@pytest.mark.parametrize("engine", ["sqlite"])
@pytest.mark.parametrize(("recipient", "code"), [(CUSTOMER, "ticket-reported"), (STAFF, "ticket-solved")])
def test_a_template_that_is_for_others_is_refused(
    studio: Studio, recipient: TicketNotice.Recipient.ValueType, code: str
) -> None:
    """Customers are told with no template of staff, nor staff with one of customers; the rule stays approved."""
    studio.approve(studio.create(example_templates()[code], code).name)
    role = "service_manager" if recipient == STAFF else ""
    rule = example_ticket_rule(notice(recipient=recipient, role=role, template=f"templates/{code}"))
    refusal = refused(studio.activate, rule, "tickets")
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "TEMPLATE_MISDIRECTED")
    assert refusal.metadata["template"] == f"templates/{code}/versions/1"
    lacking = refused(studio.step, "Activate", "policies/tickets/versions/1", MANAGER)
    assert lacking.reason == "TEMPLATE_MISDIRECTED"


@pytest.mark.parametrize("engine", ["sqlite"])
def test_each_rule_is_kept_under_its_kind(studio: Studio) -> None:
    """The rule of tickets stands under tickets, and that of a scheme does not."""
    for rule, key, kind in ((example_ticket_rule(), "loyalty", "tickets"), (example_rule(), "tickets", "loyalty")):
        refusal = refused(studio.draft, rule, key)
        assert refusal.fields == {"parent": "POLICY_KIND_WRONG"}
        assert f"must be of the kind {kind}" in refusal.message
