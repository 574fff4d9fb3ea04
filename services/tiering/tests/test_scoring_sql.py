"""The order that SQL finds is the one that the pure rule finds, on both engines, ties and a few customers included."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.database import Database
from services.tiering.evaluations import repository as evaluations
from services.tiering.grading import repository as grading
from services.tiering.memberships import repository as memberships
from services.tiering.memberships.domain import Cause, Movement
from services.tiering.policies.domain import Score, Weights
from services.tiering.scoring import repository as scoring
from services.tiering.scoring.domain import ClassRange, Place, places
from services.tiering.spend import repository as spend
from services.tiering.spend.domain import Entry
from services.tiering.tests.ladders import AS_OF
from services.tiering.tests.owner import at, customer
from services.tiering.tests.scores import VALUE, scores
from services.tiering.tests.spending import ENTRIES, EVERYBODY, examples, figures_of, tried


def reached(order: list[Place]) -> list[ClassRange]:
    """Tell how far each class reaches, the highest first."""
    found = []
    for class_key, members in groupby(order, key=lambda one: one.class_key):
        of_class = list(members)
        amounts, points = [one.net_spend for one in of_class], [one.score for one in of_class]
        found.append(ClassRange(class_key, min(amounts), max(amounts), min(points), max(points)))
    return found


@pytest.mark.requirement("T-22", "T-23", "T-28", "X-04", "X-29")
@settings(examples, max_examples=40)
@given(
    score=scores(),
    entries=st.lists(ENTRIES, max_size=14),
    held=st.dictionaries(st.sampled_from(EVERYBODY), st.sampled_from([None, "CLASS_0", "FORGOTTEN"])),
)
def test_sql_places_as_the_rule_does(
    database: Database, score: Score, entries: list[Entry], held: dict[str, str | None]
) -> None:
    """Any weights, shares, window, kinds and day of refunds: the same ranks, scores, places, classes and ranges."""
    moment = at(AS_OF)
    with tried(database) as tx:
        spend.add(tx, entries)
        moves = [Movement("s", who, None, to, Cause.EVALUATION, moment, 1, "run") for who, to in held.items()]
        memberships.add(tx, moves)
        placed = scoring.places(score, AS_OF, grading.sums(score, AS_OF))
        query = scoring.grades(placed, AS_OF, memberships.held("s", moment))
        rows = tx.execute(query).mappings().all()
        single = [scoring.place(tx, who, placed) for who in EVERYBODY]
        with evaluations.workspace(tx):
            evaluations.keep_grades(tx, query)
            ranges = evaluations.class_ranges(tx)
    figures = {who: figures_of(score, entries, who) for who in EVERYBODY}
    order = places(score, figures)
    of = {one.customer: one for one in order}
    assert {one.customer: one for one in single if one} == of
    counted = {entry.customer for entry in entries if entry.business_date <= AS_OF}
    assert {row["customer_id"]: dict(row) for row in rows} == {
        who: {
            "customer_id": who,
            "from_class": held.get(who),
            "to_class": of[who].class_key if who in of else None,
            "amount": of[who].net_spend if who in of else None,
            "score": of[who].score if who in of else None,
        }
        for who in counted
    }
    assert len(rows) == len(counted)
    assert sorted(ranges, key=lambda one: -score.rank(one.class_key)) == reached(order)


@pytest.mark.requirement("T-28", "X-04")
@pytest.mark.parametrize("weights", [Weights(40, 40, 20), Weights(0, 100, 0)], ids=["value", "profit alone"])
def test_sql_cuts_a_larger_shop_as_the_rule_does(database: Database, weights: Weights) -> None:
    """With a few hundred customers, of whom many are equal, every place and every class is the rule's."""
    score, dice = replace(VALUE, weights=weights), random.Random(4)
    entries = []
    for number in range(330):
        for _ in range(dice.randrange(1, 4)):
            day = AS_OF - timedelta(days=dice.randrange(60))
            total, is_sale = dice.randrange(12), dice.random() < 0.8
            entries.append(Entry(customer(number), day, at(day), is_sale=is_sale, total=total, profit=total // 3))
    with tried(database) as tx:
        spend.add(tx, entries)
        placed = scoring.places(score, AS_OF, grading.sums(score, AS_OF))
        rows = tx.execute(scoring.grades(placed, AS_OF, memberships.held("s", at(AS_OF)))).all()
    everybody = {entry.customer for entry in entries}
    order = places(score, {who: figures_of(score, entries, who) for who in everybody})
    classes = {one.customer: (one.class_key, one.score) for one in order}
    assert {row.customer_id: (row.to_class, row.score) for row in rows} == {
        who: classes.get(who, (None, None)) for who in everybody
    }
