"""The storage of follow-ups: who makes which, in order; what is due is taken once; what is dropped stays dropped."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
import sqlalchemy as sa

from chassis.database import Database
from chassis.migrations import upgrade
from services.ticketing.followups import repository
from services.ticketing.followups.domain import (
    OPEN,
    FollowUp,
    FollowUpNotFound,
    Outcome,
    State,
    Wanted,
    complete,
)
from services.ticketing.server import PROGRAM
from tests.databases import MakeDatabase

ANYBODY = Wanted(owner="", ticket_id="", states=OPEN, due_before=None, stores=None, seen_by="")
HERS = replace(ANYBODY, owner="S-1")


@pytest.fixture
def database(make_database: MakeDatabase) -> Database:
    """Make an empty database, on each engine in turn."""
    return make_database(lambda new: upgrade(new, PROGRAM.revisions, PROGRAM.metadata), PROGRAM.name)


def planned(due_time: int, *, ticket: str = "", owner: str = "S-1", store: str = "LON-1", number: int = 1) -> FollowUp:
    """Plan a follow-up, of a ticket of its own where none is named."""
    return FollowUp(
        id=str(uuid.uuid4()),
        ticket_id=ticket or str(uuid.uuid4()),
        ticket_number="260302-0001",
        customer_id=str(uuid.uuid4()),
        store=store,
        owner=owner,
        number=number,
        due_time=due_time,
    )


def added(database: Database, *follow_ups: FollowUp) -> None:
    """Write follow-ups."""
    with database.write() as tx:
        repository.add(tx, follow_ups)


def listed(
    database: Database, wanted: Wanted = ANYBODY, after: tuple[int, str] | None = None, limit: int = 99
) -> list[FollowUp]:
    """List follow-ups."""
    with database.read() as tx:
        return repository.list_follow_ups(tx, wanted, after=after, limit=limit)


def read(database: Database, follow_up: FollowUp) -> FollowUp:
    """Read a follow-up again."""
    with database.read() as tx:
        return repository.get(tx, follow_up.id)


def test_what_was_written_is_read(database: Database) -> None:
    """A follow-up reads as it was planned, and as a try left it; an unknown one is refused by name."""
    follow_up = planned(10)
    added(database, follow_up)
    added(database)
    assert read(database, follow_up) == follow_up
    done = complete(follow_up, Outcome.REACHED, 12, satisfied=False)
    with database.write() as tx:
        repository.save(tx, done)
    assert read(database, follow_up) == done
    with pytest.raises(FollowUpNotFound) as refused:
        read(database, planned(10))
    assert refused.value.metadata["name"].startswith("followUps/")


def test_the_earliest_due_stands_first(database: Database) -> None:
    """Pages follow each other by due time, without a gap or a repetition, also among equal times."""
    follow_ups = [planned(due_time) for due_time in (30, 10, 20, 20, 20)]
    added(database, *follow_ups)
    ordered = sorted(follow_ups, key=lambda one: (one.due_time, one.id))
    assert listed(database) == ordered
    pages: list[FollowUp] = []
    while page := listed(database, after=(pages[-1].due_time, pages[-1].id) if pages else None, limit=2):
        pages += page
    assert pages == ordered


@pytest.mark.requirement("K-20")
def test_a_list_shows_what_is_asked_for(database: Database) -> None:
    """By owner, by ticket, by state, by due time, and no foreign store's but one's own."""
    hers, his, ended = planned(10), planned(20, owner="S-2", store="LON-2"), planned(5)
    added(database, hers, his, ended)
    with database.write() as tx:
        repository.save(tx, complete(ended, Outcome.REFUSED, 6, satisfied=None))
    assert listed(database, HERS) == [hers]
    assert listed(database, replace(ANYBODY, ticket_id=his.ticket_id)) == [his]
    assert [one.id for one in listed(database, replace(ANYBODY, states=(State.DONE,)))] == [ended.id]
    assert listed(database, replace(ANYBODY, due_before=20)) == [hers]
    assert listed(database, replace(ANYBODY, stores=("LON-1", "LON-9"), seen_by="S-9")) == [hers]
    assert listed(database, replace(ANYBODY, stores=(), seen_by="S-2")) == [his]
    assert listed(database, replace(ANYBODY, stores=("LON-1",), seen_by="S-2")) == [hers, his]


def test_what_falls_due_is_taken_once(database: Database) -> None:
    """Planned follow-ups fall due at their time, the longest due first; marked, they are not taken again."""
    late, now, early = planned(11), planned(10), planned(9)
    added(database, late, now, early)
    with database.write() as tx:
        assert not repository.any_due(tx, 8)
        assert repository.any_due(tx, 9)
        assert repository.due(tx, 10, 1) == [early]
        assert repository.due(tx, 10, 9) == [early, now]
        repository.mark_due(tx, [early, now])
        assert not repository.any_due(tx, 10)
        assert repository.due(tx, 10, 9) == []
    assert listed(database) == [replace(early, state=State.DUE), replace(now, state=State.DUE), late]


@pytest.mark.parametrize("engine", ["postgresql"])
def test_what_somebody_holds_is_left_alone(database: Database) -> None:
    """While one transaction holds a follow-up, no worker takes it; afterwards it does."""
    follow_up = planned(10)
    added(database, follow_up)
    with database.write() as one, database.write() as other:
        repository.get(one, follow_up.id, lock=True)
        assert repository.due(other, 10, 9) == []
    with database.write() as tx:
        assert repository.due(tx, 10, 9) == [follow_up]


def test_a_reopened_ticket_drops_what_is_open(database: Database) -> None:
    """What is planned or due of the ticket is dropped at that time; what was made stays, and so do other tickets."""
    ticket = str(uuid.uuid4())
    made, due, later = (planned(number, ticket=ticket, number=number) for number in (1, 2, 3))
    other = planned(4)
    added(database, made, due, later, other)
    made = complete(made, Outcome.REACHED, 2, satisfied=True)
    with database.write() as tx:
        repository.save(tx, made)
        repository.mark_due(tx, [due])
        repository.drop_open(tx, ticket, 7)
    dropped = [replace(one, state=State.DROPPED, complete_time=7) for one in (due, later)]
    assert [read(database, one) for one in (made, due, later, other)] == [made, *dropped, other]


@pytest.mark.requirement("K-20")
def test_who_leaves_hands_over_what_is_open(database: Database) -> None:
    """Open follow-ups go to the superior; those that ended tell who made them."""
    hers, ended, his = planned(10), planned(11), planned(12, owner="S-2")
    added(database, hers, ended, his)
    ended = complete(ended, Outcome.REACHED, 12, satisfied=None)
    with database.write() as tx:
        repository.save(tx, ended)
        repository.hand_over(tx, leaver="S-1", superior="S-9")
    assert listed(database, replace(ANYBODY, owner="S-9")) == [replace(hers, owner="S-9")]
    assert listed(database, replace(ANYBODY, owner="S-2")) == [his]
    assert read(database, ended) == ended


@pytest.mark.parametrize("engine", ["sqlite"])
def test_lists_and_the_worker_go_by_an_index(database: Database) -> None:
    """No query reads the whole table."""
    plans: list[str] = []

    def explain(connection: sa.Connection, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        plan = connection.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        plans.extend(row[3] for row in plan)

    for engine in (database.reader, database.writer):
        sa.event.listen(engine, "before_cursor_execute", explain)
    ticket = str(uuid.uuid4())
    for wanted in (ANYBODY, HERS, replace(HERS, due_before=9), replace(ANYBODY, ticket_id=ticket)):
        listed(database, wanted, after=(1, "a"))
    with database.write() as tx:
        repository.any_due(tx, 1)
        repository.due(tx, 1, 9)
        repository.mark_due(tx, [planned(1)])
        repository.drop_open(tx, ticket, 1)
        repository.hand_over(tx, leaver="S-1", superior="S-9")
    assert len(plans) >= 9
    assert [plan for plan in plans if plan.startswith("SCAN")] == []
