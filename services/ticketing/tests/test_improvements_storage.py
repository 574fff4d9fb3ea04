"""The storage of improvement actions: sealed, listed by who must act and by what is due, handed over."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import replace

import pytest
import sqlalchemy as sa

from chassis.database import Database
from chassis.migrations import upgrade
from chassis.vault import Vault, read_keys
from services.ticketing.cases.domain import Case
from services.ticketing.cases.repository import Cases
from services.ticketing.improvements.domain import ImprovementAction, ImprovementActionNotFound, State, Wanted
from services.ticketing.improvements.repository import Improvements, hand_over
from services.ticketing.server import PROGRAM
from services.ticketing.tables import VAULT_KEYS
from services.ticketing.tests.clerk import ALICE, EVA, LEEDS, MARY, YORK
from services.ticketing.tests.walks import opened
from tests.databases import MakeDatabase
from tests.running import SECRETS

VAULT = Vault(VAULT_KEYS, read_keys(SECRETS["vault_key"]), read_keys(SECRETS["index_key"]))
CASES, IMPROVEMENTS = Cases(VAULT), Improvements(VAULT)
ANYBODY = Wanted(responsible="", ticket_id="", states=(State.OPEN,), due_before=None, stores=None, seen_by="")


@pytest.fixture
def database(make_database: MakeDatabase) -> Database:
    """Make an empty database, on each engine in turn."""
    return make_database(lambda new: upgrade(new, PROGRAM.revisions, PROGRAM.metadata), PROGRAM.name)


def action(due_time: int, *, ticket: str = "t1", responsible: str = EVA) -> ImprovementAction:
    """Write an improvement action."""
    return ImprovementAction(
        id=str(uuid.uuid4()),
        ticket_id=ticket,
        ticket_number="260302-0001",
        subject="customers/c1",
        description="欧阳: check every lid",
        responsible=responsible,
        due_time=due_time,
        create_time=1,
    )


def added(database: Database, *actions: ImprovementAction, cases: Iterable[Case] = ()) -> None:
    """Write improvement actions, and the tickets that they come from."""
    with database.write() as tx:
        for case in cases:
            CASES.add(tx, case)
        for one in actions:
            IMPROVEMENTS.add(tx, one)


def saved(database: Database, changed: ImprovementAction) -> None:
    """Write what became of an improvement action."""
    with database.write() as tx:
        IMPROVEMENTS.save(tx, changed)


def listed(
    database: Database, wanted: Wanted = ANYBODY, after: tuple[int, str] | None = None, limit: int = 99
) -> list[ImprovementAction]:
    """List improvement actions."""
    with database.read() as tx:
        return IMPROVEMENTS.find(tx, wanted, after=after, limit=limit)


def read(database: Database, one: ImprovementAction) -> ImprovementAction:
    """Read an improvement action again."""
    with database.read() as tx:
        return IMPROVEMENTS.get(tx, one.id)


@pytest.mark.requirement("K-54")
def test_what_was_written_is_read(database: Database) -> None:
    """An action reads as it was written, and as it ended; an unknown one is refused by name."""
    first = action(10)
    added(database, first)
    assert read(database, first) == first
    done = replace(first, state=State.DONE, result="All lids are tight", complete_time=12)
    saved(database, done)
    assert read(database, done) == done
    with pytest.raises(ImprovementActionNotFound) as refused:
        read(database, action(10))
    assert refused.value.metadata["name"].startswith("improvementActions/")


def test_the_texts_go_with_the_customer(database: Database) -> None:
    """Once a customer's key is destroyed the texts read as empty; who does what until when stays."""
    kept = action(10)
    added(database, kept)
    with database.write() as tx:
        VAULT.erase(tx, kept.subject)
    assert read(database, kept) == replace(kept, description="")


def test_the_earliest_due_stands_first(database: Database) -> None:
    """Pages follow each other by due time, without a gap or a repetition, also among equal times."""
    actions = [action(due_time) for due_time in (30, 10, 20, 20, 20)]
    added(database, *actions)
    ordered = sorted(actions, key=lambda one: (one.due_time, one.id))
    assert listed(database) == ordered
    pages: list[ImprovementAction] = []
    while page := listed(database, after=(pages[-1].due_time, pages[-1].id) if pages else None, limit=2):
        pages += page
    assert pages == ordered


@pytest.mark.requirement("K-54")
def test_a_list_shows_what_is_asked_for(database: Database) -> None:
    """By who must act, by ticket, by state and by due time."""
    hers, his, ended = action(10), action(20, ticket="t2", responsible=ALICE), action(5)
    added(database, hers, his, ended)
    ended = replace(ended, state=State.DROPPED, result="No need", complete_time=6)
    saved(database, ended)
    assert listed(database, replace(ANYBODY, responsible=EVA)) == [hers]
    assert listed(database, replace(ANYBODY, ticket_id="t2")) == [his]
    assert listed(database, replace(ANYBODY, states=(State.DROPPED, State.OPEN))) == [ended, hers, his]
    assert listed(database, replace(ANYBODY, due_before=20)) == [hers]


def test_a_list_shows_the_stores_of_the_tickets_as_they_stand(database: Database) -> None:
    """What is of a foreign store is shown to who must act, and to who owns or works on the ticket, alone."""
    case = opened()
    assigned = replace(case.ticket, store=LEEDS, owner=ALICE, assignee=MARY)
    one = action(10)
    added(database, one, cases=[replace(case, ticket=assigned)])
    for stores, seen_by, seen in (
        ((LEEDS,), "S-9", [one]),
        ((YORK,), "S-9", []),
        ((YORK,), EVA, [one]),
        ((), ALICE, [one]),
        ((), MARY, [one]),
    ):
        assert listed(database, replace(ANYBODY, stores=stores, seen_by=seen_by)) == seen
    with database.write() as tx:
        CASES.save(tx, replace(case, ticket=replace(assigned, store=YORK, assignee="")))
    assert listed(database, replace(ANYBODY, stores=(YORK,), seen_by="S-9")) == [one]
    assert listed(database, replace(ANYBODY, stores=(LEEDS,), seen_by="")) == []


@pytest.mark.requirement("K-54")
def test_who_leaves_hands_over_what_is_open(database: Database) -> None:
    """Open actions go to the superior; those that ended tell who was responsible, and those of others stay."""
    hers, ended, his = action(10), action(11), action(12, responsible=ALICE)
    added(database, hers, ended, his)
    ended = replace(ended, state=State.DONE, result="Done", complete_time=12)
    saved(database, ended)
    with database.write() as tx:
        hand_over(tx, leaver=EVA, superior=MARY)
    assert [read(database, one) for one in (hers, ended, his)] == [replace(hers, responsible=MARY), ended, his]


@pytest.mark.parametrize("engine", ["sqlite"])
def test_lists_go_by_an_index(database: Database) -> None:
    """No query reads the whole table."""
    plans: list[str] = []

    def explain(connection: sa.Connection, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        plan = connection.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        plans.extend(row[3] for row in plan)

    for engine in (database.reader, database.writer):
        sa.event.listen(engine, "before_cursor_execute", explain)
    hers = replace(ANYBODY, responsible=EVA)
    for wanted in (ANYBODY, hers, replace(hers, due_before=9), replace(ANYBODY, ticket_id="t1")):
        listed(database, wanted, after=(1, "a"))
        listed(database, replace(wanted, stores=(LEEDS,), seen_by=ALICE), after=(1, "a"))
    with database.write() as tx:
        hand_over(tx, leaver=EVA, superior=MARY)
    assert len(plans) >= 9
    # A list that is given with a statement is read through, and what it names is looked up.
    assert [plan for plan in plans if plan.startswith("SCAN") and "json_each" not in plan] == []
