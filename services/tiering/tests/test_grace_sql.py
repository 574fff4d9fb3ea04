"""Grace in SQL gives every customer the class that the rule gives, on both engines."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import date

import pytest

from chassis.database import Database
from services.tiering.grading import repository as grading
from services.tiering.grading.domain import graded
from services.tiering.memberships import repository as memberships
from services.tiering.memberships.domain import Cause, Movement
from services.tiering.policies.domain import Condition, Demotion, Metric, Window, grace_days
from services.tiering.spend import repository as spend
from services.tiering.spend.domain import Entry
from services.tiering.tests.ladders import AS_OF, GOLD, LOYALTY, NEW, REGULAR
from services.tiering.tests.owner import at, customer
from services.tiering.tests.spending import figures_of, tried

# Gold is kept by purchases, so that some could keep it and not enter, and others the other way round.
LADDER = replace(
    LOYALTY,
    classes=(NEW, REGULAR, replace(GOLD, keep=(Condition(Metric.PURCHASE_COUNT, 2),))),
    window=Window.CALENDAR_QUARTER,
    demotion=Demotion.AFTER_GRACE,
    grace_quarters=2,
)
QUARTERS = [date(2010, 8, 5), date(2010, 11, 5), date(2011, 2, 5)]
# What a customer may do in a quarter: the amounts of its sales.
SPENT: list[tuple[int, ...]] = [(), (1_00,), (1_00, 1_00), (600_00,), (5_100_00,)]


@pytest.mark.requirement("T-13", "X-06")
def test_sql_grants_grace_as_the_rule_does(database: Database) -> None:
    """Whatever was spent in three quarters, and whatever is held: the same class after two quarters of grace."""
    cases = list(itertools.product(SPENT, SPENT, SPENT, [None, "FORGOTTEN", "NEW", "REGULAR", "GOLD"]))
    entries_of = {
        customer(number): [
            Entry(customer(number), day, at(day), is_sale=True, total=total, profit=0)
            for day, totals in zip(QUARTERS, quarters, strict=True)
            for total in totals
        ]
        for number, (*quarters, _) in enumerate(cases)
    }
    held = {customer(number): current for number, (*_, current) in enumerate(cases)}
    moves = [Movement("s", who, None, current, Cause.EVALUATION, at(AS_OF), 1, "run") for who, current in held.items()]
    with tried(database) as tx:
        spend.add(tx, list(itertools.chain.from_iterable(entries_of.values())))
        memberships.add(tx, moves)
        rows = tx.execute(grading.grades(LADDER, AS_OF, memberships.held("s", at(AS_OF)))).all()
    days = grace_days(LADDER, AS_OF)
    expected = {}
    for who, entries in entries_of.items():
        before = {day: figures_of(LADDER, entries, who, day) for day in days}
        expected[who] = graded(LADDER, figures_of(LADDER, entries, who), AS_OF, held[who], before)
    assert {row.customer_id: row.to_class for row in rows} == {
        who: expected[who] for who in expected if entries_of[who]
    }
