"""Severity stands before everything; among tickets of one severity the deadline and the customer's class decide."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.calendar import SECOND
from services.ticketing.priorities.domain import SEVERITIES, Priority, PriorityPolicy, rank

HOUR = 3_600 * SECOND
NAME = "policies/priority/versions/1"
BONUSES = PriorityPolicy({"loyalty:GOLD": 2 * HOUR, "value:A": 8 * HOUR, "value:B": 4 * HOUR})

CLASSES = st.lists(st.sampled_from([*BONUSES.bonuses, "loyalty:NEW"]), unique=True).map(tuple)
INSTANTS = st.integers(0, 10_000 * HOUR)
POLICIES = st.none() | st.dictionaries(st.sampled_from(sorted(BONUSES.bonuses)), st.integers(1, 8_760 * HOUR)).map(
    PriorityPolicy
)


def ranked(severity: str = "NORMAL", deadline: int | None = 24 * HOUR, classes: tuple[str, ...] = ()) -> Priority:
    """Rank a ticket that was reported at hour one."""
    return rank(BONUSES, NAME, severity=severity, deadline=deadline, report_time=HOUR, classes=classes)


@st.composite
def priorities(draw: st.DrawFn, severity: str) -> Priority:
    """Draw any priority of a severity."""
    return rank(
        draw(POLICIES),
        NAME,
        severity=severity,
        deadline=draw(st.none() | INSTANTS),
        report_time=draw(INSTANTS),
        classes=draw(CLASSES),
    )


@pytest.mark.requirement("X-22", "K-13")
@given(data=st.data())
def test_severity_stands_before_everything(data: st.DataObject) -> None:
    """Whatever deadlines and bonuses are, a ticket of a higher severity comes first, an emergency before all."""
    higher, lower = sorted(data.draw(st.lists(st.integers(0, 3), min_size=2, max_size=2, unique=True)))
    first, second = (data.draw(priorities(SEVERITIES[place])) for place in (higher, lower))
    assert first.order < second.order


@pytest.mark.requirement("X-22", "K-50", "T-55", "T-57")
@given(data=st.data(), severity=st.sampled_from(SEVERITIES))
def test_the_parts_make_up_the_order(data: st.DataObject, severity: str) -> None:
    """The deadline less the bonus is the order, whose bonus is at least that of every class that the customer has."""
    policy, classes = data.draw(POLICIES), data.draw(CLASSES)
    deadline, report_time = data.draw(INSTANTS), data.draw(INSTANTS)
    found = rank(policy, NAME, severity=severity, deadline=deadline, report_time=report_time, classes=classes)
    bonuses = policy.bonuses if policy else {}
    assert (found.severity, found.deadline, found.order_time) == (severity, deadline, deadline - found.class_bonus)
    assert found.class_bonus == max((bonuses.get(held, 0) for held in classes), default=0)
    assert found.class_bonus == bonuses.get(found.bonus_class, 0)


@pytest.mark.requirement("K-50", "T-55", "T-57")
def test_key_customers_come_forward() -> None:
    """Of two tickets due together that of a key customer stands first, and before one that is due a little earlier."""
    key, other = ranked(classes=("loyalty:NEW", "value:A")), ranked(classes=("loyalty:NEW",))
    assert key.order < other.order
    assert key.order < ranked(deadline=17 * HOUR).order
    assert key.order > ranked(deadline=15 * HOUR).order
    assert (key.bonus_class, key.class_bonus, key.policy) == ("value:A", 8 * HOUR, NAME)
    assert (other.bonus_class, other.class_bonus, other.policy) == ("", 0, NAME)


@pytest.mark.requirement("X-10")
def test_the_strongest_class_counts() -> None:
    """Bonuses are not added up; of equal ones the class whose name comes first is told, in any order of classes."""
    assert ranked(classes=("loyalty:GOLD", "value:B")) == ranked(classes=("value:B", "loyalty:GOLD"))
    assert ranked(classes=("loyalty:GOLD", "value:B")).class_bonus == 4 * HOUR
    equal = PriorityPolicy({"value:B": HOUR, "loyalty:GOLD": HOUR})
    told = rank(equal, NAME, severity="LOW", deadline=0, report_time=0, classes=("value:B", "loyalty:GOLD"))
    assert told.bonus_class == "loyalty:GOLD"


@pytest.mark.requirement("X-22")
def test_a_ticket_without_a_clock_stands_at_its_report_time() -> None:
    """Without a deadline the report time gives the order; without a policy there is no bonus, and none is named."""
    assert ranked(deadline=None, classes=("value:A",)).order_time == HOUR
    bare = rank(None, "", severity="NORMAL", deadline=5 * HOUR, report_time=0, classes=("value:A",))
    assert (bare.order_time, bare.class_bonus, bare.bonus_class, bare.policy) == (5 * HOUR, 0, "", "")
