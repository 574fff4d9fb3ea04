"""Grace over the wire: a class that is no longer earned is lost some quarters later, and the explanation agrees."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from services.tiering.policies.domain import Demotion, Window
from services.tiering.tests.clients import AUTHOR, MEMBERSHIPS, Tiering, policy_of, refused
from services.tiering.tests.ladders import LOYALTY
from services.tiering.tests.owner import ANNA, sale
from shuke.tiering.v1 import tiering_pb2 as pb

GRACE = replace(LOYALTY, window=Window.CALENDAR_QUARTER, demotion=Demotion.AFTER_GRACE, grace_quarters=2)
QUARTERS = [date(2011, 3, 31), date(2011, 6, 30), date(2011, 9, 30), date(2011, 12, 31)]


@pytest.mark.requirement("T-13", "X-06")
def test_a_class_is_kept_for_two_more_evaluations(tiering: Tiering) -> None:
    """Gold by the spend of the first quarter holds in the second and third, and is lost in the fourth."""
    tiering.activate(policy_of(GRACE))
    tiering.tell(sale(ANNA, date(2011, 1, 5), 6_000_00), sale(ANNA, date(2011, 8, 5), 600_00))
    held = []
    for as_of in QUARTERS:
        tiering.running.clock.now += 1_000_000
        run = tiering.evaluate(as_of)
        held.append(next(one.class_key for one in run.classes if one.count))
    # The spend of the third quarter gives Regular its own grace.
    assert held == ["GOLD", "GOLD", "GOLD", "REGULAR"]
    request = pb.ExplainMembershipRequest(name=f"schemes/loyalty/members/{ANNA}")
    found = tiering.running.call(MEMBERSHIPS, "ExplainMembership", request)
    assert (found.effective_class, found.basis.class_key, found.differs) == ("REGULAR", "REGULAR", False)


@pytest.mark.requirement("X-06")
def test_grace_without_quarters_is_not_submitted(tiering: Tiering) -> None:
    """Whoever chooses grace chooses how long it is."""
    name = tiering.draft(policy_of(replace(GRACE, grace_quarters=0))).name
    refusal = refused(lambda: tiering.step("Submit", name, AUTHOR))
    assert refusal.fields == {"ladder.grace_quarters": "POLICY_INCOMPLETE"}
