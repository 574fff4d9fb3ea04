"""What SQL computes for everybody is what the pure rules say of each customer, on both engines."""

from __future__ import annotations

import itertools
from dataclasses import astuple, replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from chassis.database import Database, Tx
from services.tiering.evaluations import repository as evaluations
from services.tiering.evaluations.domain import Run
from services.tiering.grading import repository as grading
from services.tiering.grading.domain import graded
from services.tiering.memberships import repository as memberships
from services.tiering.memberships.domain import Cause, Movement, deciding, on_sale
from services.tiering.memberships.tables import MEMBERS, MOVEMENTS
from services.tiering.policies.domain import Condition, Demotion, Ladder, Metric, grace_days
from services.tiering.spend import repository as spend
from services.tiering.spend.domain import Entry
from services.tiering.spend.tables import SPENDERS
from services.tiering.tests.histories import History, histories, standing_of
from services.tiering.tests.ladders import AS_OF, LOYALTY, current_classes, ladders, spent
from services.tiering.tests.owner import ANNA, at, customer
from services.tiering.tests.spending import ENTRIES, EVERYBODY, entries_of, examples, figures_of, tried

LATER = 10**9


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Ladder, list[Entry], dict[str, str | None]]:
    """Draw a ladder, the entries of a few customers, and the class that each holds, if any."""
    ladder = draw(ladders())
    bounds = [condition.at_least for step in ladder.classes for condition in (*step.entry, *step.keep)] or [0]
    entries = draw(st.lists(entries_of(bounds), max_size=14))
    return ladder, entries, draw(st.dictionaries(st.sampled_from(EVERYBODY), current_classes(ladder)))


@pytest.mark.requirement("T-02", "T-03", "T-04", "T-05", "T-13", "X-05", "X-06", "X-29")
@examples
@given(world=worlds())
def test_sql_grades_as_the_rule_does(
    database: Database, world: tuple[Ladder, list[Entry], dict[str, str | None]]
) -> None:
    """Any ladder, window, demotion, day of refunds, figures at and around bounds, class held: the same class after."""
    ladder, entries, current = world
    moment = at(AS_OF)
    with tried(database) as tx:
        spend.add(tx, entries)
        moves = [Movement("s", who, None, held, Cause.EVALUATION, moment, 1, "run") for who, held in current.items()]
        memberships.add(tx, moves)
        rows = tx.execute(grading.grades(ladder, AS_OF, memberships.held("s", moment))).all()
        single = {who: grading.metrics(tx, who, ladder, AS_OF) for who in EVERYBODY}
    expected = {}
    for who in {entry.customer for entry in entries if entry.business_date <= AS_OF}:
        before = {day: figures_of(ladder, entries, who, day) for day in grace_days(ladder, AS_OF)}
        held = current.get(who)
        expected[who] = (held, graded(ladder, figures_of(ladder, entries, who), AS_OF, held, before))
    assert {row.customer_id: (row.from_class, row.to_class) for row in rows} == expected
    assert len(rows) == len(expected)
    known = {entry.customer for entry in entries}
    assert single == {who: figures_of(ladder, entries, who) if who in known else None for who in EVERYBODY}


@pytest.mark.requirement("T-02", "T-03", "T-04", "T-05", "X-05", "X-06")
@pytest.mark.parametrize("demotion", Demotion)
def test_sql_grades_the_example_at_every_bound(database: Database, demotion: Demotion) -> None:
    """On both sides of each bound of spend and tenure, from each class held, and with bounds for keeping of its own."""
    nets = [bound + more for bound in (0, 400_00, 500_00, 2_000_00, 4_000_00, 5_000_00, 20_000_00) for more in (0, -1)]
    held = [None, "FORGOTTEN", *(step.class_key for step in LOYALTY.classes)]
    cases = list(itertools.product(nets, (0, 89, 90), held))
    keep = {"REGULAR": 400_00, "GOLD": 4_000_00}
    ladder = replace(
        LOYALTY,
        demotion=demotion,
        classes=tuple(
            replace(step, keep=(Condition(Metric.NET_SPEND, keep[step.class_key]),)) if step.class_key in keep else step
            for step in LOYALTY.classes
        ),
    )
    entries, moves, expected = [], [], {}
    for number, (net, tenure, current) in enumerate(cases):
        who, day = customer(number), AS_OF - timedelta(days=tenure)
        entries.append(Entry(who, day, at(day), is_sale=True, total=net + 1, profit=0))
        entries.append(Entry(who, AS_OF, at(AS_OF), is_sale=False, total=1, profit=0))
        moves.append(Movement("s", who, None, current, Cause.EVALUATION, at(AS_OF), 1, "run"))
        expected[who] = graded(ladder, spent(net, day), AS_OF, current)
    with tried(database) as tx:
        spend.add(tx, entries)
        memberships.add(tx, moves)
        rows = tx.execute(grading.grades(ladder, AS_OF, memberships.held("s", at(AS_OF)))).all()
    assert {row.customer_id: row.to_class for row in rows} == expected


@examples
@given(entries=st.lists(ENTRIES, max_size=14), cut=st.integers(0, 14))
def test_a_first_sale_is_answered_when_it_becomes_known(database: Database, entries: list[Entry], cut: int) -> None:
    """A batch answers exactly the customers whose earliest sale is another time's than before it, with that sale."""

    def first_times(some: list[Entry]) -> dict[str, int]:
        sales = sorted((entry for entry in some if entry.is_sale), key=lambda one: -one.business_time)
        return {entry.customer: entry.business_time for entry in sales}

    with tried(database) as tx:
        spend.add(tx, entries[:cut])
        begun = spend.add(tx, entries[cut:])
    before, after = first_times(entries[:cut]), first_times(entries)
    assert {who: sale.business_time if sale else None for who, sale in begun.items()} == {
        who: time for who, time in after.items() if before.get(who) != time
    }


@pytest.mark.requirement("X-06", "X-08", "X-29", "T-20")
@examples
@given(history=histories(), set_based=st.booleans())
def test_members_follow_their_movements(database: Database, history: History, set_based: bool) -> None:  # noqa: FBT001
    """After any sales, losses, runs, refunds and reverts the ledger, state and class at any time are the rule's."""
    moved = history.moved
    with tried(database) as tx:
        follow(tx, moved, set_based=set_based)
        rows = tx.execute(sa.select(MEMBERS)).all()
        at_times = [tx.execute(sa.select(memberships.held("s", time))).all() for time in range(8)]
        kept = memberships.movements(tx, "s", ANNA)
        held = memberships.standings(tx, "s", [ANNA])
    assert sorted(map(astuple, kept), key=repr) == sorted(map(astuple, moved), key=repr)
    standing = standing_of(moved)
    assert held == ({ANNA: standing} if standing else {})
    assert [row.evaluation_id for row in rows] == [memberships._run_id(one) for one in [deciding(moved, LATER)] if one]
    found = [rows[0].to_class if rows else None for rows in at_times]
    assert found == [history.class_at(time) for time in range(8)]


@pytest.mark.requirement("X-06", "X-08", "T-20")
@examples
@given(history=histories(), time=st.integers(0, 6), now=st.integers(0, 12))
def test_a_run_finds_the_first_class_that_a_sale_gives(
    database: Database, history: History, time: int, now: int
) -> None:
    """After any sales, losses, runs, refunds and reverts a run finds the movement that the first sale makes."""
    run = Run("run", "s", AS_OF, 1, LATER, now)
    with tried(database) as tx:
        follow(tx, history.moved, set_based=False)
        tx.execute(sa.insert(SPENDERS).values((ANNA, AS_OF, AS_OF, time)))
        with evaluations.workspace(tx):
            evaluations.find_first_moves(tx, run, "NEW")
            found = [one for chunk in memberships.stream(tx, evaluations.first_moves()) for one in chunk]
    expected = on_sale("s", ANNA, "NEW", standing_of(history.moved), time, now)
    assert found == ([expected] if expected else [])


def follow(tx: Tx, moved: list[Movement], *, set_based: bool) -> None:
    """Let movements happen, one by one or as queries of everybody's."""
    for one in moved:
        if one.cause is Cause.REVERT:
            memberships.revert(tx, "s", one.evaluation or "", one.effective_time, one.record_time)
        elif set_based:
            memberships.add_all(tx, as_query(one))
        else:
            memberships.add(tx, [one])


def as_query(movement: Movement) -> sa.Select[tuple[object, ...]]:
    """Write a movement as a query that answers it."""
    row = memberships._row(movement)
    columns = [sa.cast(sa.literal(row[column.name]), column.type).label(column.name) for column in MOVEMENTS.c]
    return sa.select(*columns)
