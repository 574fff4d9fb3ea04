"""Each query goes by the index that its description names, on both engines, among many rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from inspect import isfunction
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from chassis.database import Database, Tx
from chassis.migrations import upgrade
from chassis.vault import Vault, generate_key, read_keys
from services.ticketing.cases import repository as cases
from services.ticketing.cases.domain import Case, Wanted
from services.ticketing.cases.repository import Cases
from services.ticketing.cases.tables import TICKET_COUNTS, TICKETS
from services.ticketing.clocks import repository as clocks
from services.ticketing.clocks.domain import ClockEvent, Kind, Step
from services.ticketing.clocks.tables import CLOCKS, EVENTS
from services.ticketing.followups import domain as calling
from services.ticketing.followups import repository as followups
from services.ticketing.followups.tables import FOLLOW_UPS
from services.ticketing.people import repository as people
from services.ticketing.people.tables import CLASSES, STAFF, STORES
from services.ticketing.server import PROGRAM
from services.ticketing.states.domain import OPEN
from services.ticketing.tables import METADATA, VAULT_KEYS
from services.ticketing.timeline.repository import Timeline
from services.ticketing.timeline.tables import ENTRIES
from tests.databases import MakeDatabase

MANY, PRIMARY = 1000, "primary key"
ONE = str(UUID(int=50))
FILLED = (TICKETS, ENTRIES, EVENTS, CLOCKS, FOLLOW_UPS, STAFF, STORES, CLASSES, TICKET_COUNTS)
KEYS = {"id", "ticket_id", "customer_id", "code", "day"}
# What reads as something: of one row in fifty, which is still open, and of the others.
CHOICES: dict[str, tuple[object, object]] = {
    "tickets.state": ("NEW", "CANCELLED"),
    "tickets.severity": ("NORMAL", "LOW"),
    "tickets.content": (b"", b""),
    "tickets.commitments": ("[]", "[]"),
    "ticket_entries.text": (None, None),
    "ticket_entries.details": ("{}", "{}"),
    "ticket_entries.verb": ("OPEN", "CANCEL"),
    "ticket_entries.from_state": (None, "NEW"),
    "ticket_entries.to_state": ("NEW", "CANCELLED"),
    "clock_events.kind": ("RESOLVE", "RESPOND"),
    "clock_events.step": ("STARTED", "DROPPED"),
    "clocks.kind": ("RESOLVE", "RESPOND"),
    "clocks.state": ("RUNNING", "DROPPED"),
    "clocks.alert_time": (1, None),
    "follow_ups.state": ("PLANNED", "DONE"),
    "follow_ups.outcome": (None, "REACHED"),
}
# A search in SQLite and a scan in PostgreSQL, with the index; and what reads a whole table.
INDEX = re.compile(r"INDEX (\w+)|Index (?:Only )?Scan (?:Backward )?(?:using|on) (\w+)")
WHOLE = re.compile(r"\bSCAN (?!CONSTANT|\()|Seq Scan on")


def value(column: sa.Column[Any], number: int) -> object:
    """Make a value up: of codes there are few, of times and ids many."""
    name, ended = str(column), number % 50 > 0
    if name in CHOICES:
        return CHOICES[name][ended]
    if column.name in KEYS:
        return str(UUID(int=number))
    if isinstance(column.type, sa.Boolean):
        return ended
    if isinstance(column.type, sa.Integer):
        return number if column.name.endswith("time") else 1
    return f"{column.name}-{number if name == 'tickets.number' else number % 40}"


@pytest.fixture
def filled(make_database: MakeDatabase) -> Database:
    """Fill the tables of ticketing, and let PostgreSQL look at what they hold."""
    database = make_database(lambda new: upgrade(new, PROGRAM.revisions, METADATA), PROGRAM.name)
    with database.write() as tx:
        for table in FILLED:
            rows = [{column.name: value(column, number) for column in table.columns} for number in range(MANY)]
            tx.execute(sa.insert(table), rows)
        if not database.sqlite:
            tx.exec_driver_sql("ANALYZE")
    return database


@contextmanager
def plans(database: Database) -> Iterator[list[str]]:
    """Gather the plans of the statements that are sent to the tables of tickets meanwhile."""
    found: list[str] = []
    how = "EXPLAIN QUERY PLAN" if database.sqlite else "EXPLAIN"

    def explain(connection: sa.Connection, _cursor: object, statement: str, parameters: Any, *_: object) -> None:  # noqa: ANN401
        if not statement.startswith("INSERT") and "vault_keys" not in statement:
            plan = connection.connection.cursor()
            plan.execute(f"{how} {statement}", parameters)
            found.extend(str(row[-1]) for row in plan.fetchall())

    engines = (database.reader, database.writer)
    for engine in engines:
        sa.event.listen(engine, "before_cursor_execute", explain)
    yield found
    for engine in engines:
        sa.event.remove(engine, "before_cursor_execute", explain)


def used(database: Database, ask: Callable[[Tx], object]) -> set[str]:
    """Answer the indexes that queries go by; a table that is read whole fails."""
    with plans(database) as found, database.write() as tx:
        ask(tx)
    assert [plan for plan in found if WHOLE.search(plan)] == [], found
    names = {name for plan in found for match in INDEX.findall(plan) for name in match if name}
    # SQLite numbers the indexes of a table's keys, the primary one first.
    plain = {name.replace("sqlite_autoindex_tickets_2", "uq_tickets_number") for name in names}
    return {PRIMARY if re.match("pk_|sqlite_autoindex_", name) else name for name in plain}


def named(function: Callable[..., object]) -> set[str]:
    """Read which indexes a query's description names."""
    told = function.__doc__ or ""
    return set(re.findall(r"`((?:ix|uq)_\w+)`", told)) | ({PRIMARY} if PRIMARY in told else set())


VAULT = Vault(VAULT_KEYS, read_keys(generate_key()), read_keys(generate_key()))
CASES, TIMELINE = Cases(VAULT), Timeline(VAULT)
ANY = Wanted(states=OPEN)
LISTED = (
    replace(ANY, mine="owner-1"),
    replace(ANY, owner="owner-1"),
    replace(ANY, assignee="assignee-1"),
    replace(ANY, queue="queue-1"),
    replace(ANY, store="store-1"),
    replace(ANY, customer_id=ONE),
    replace(ANY, type="type-1"),
    replace(ANY, stores=("store-1",), seen_by="owner-2"),
    Wanted(number="number-7"),
    Wanted(changed_since=MANY - 20),
)
EVENT = ClockEvent(Kind.RESOLVE, 0, Step.MET, 1, 1)
CALLS = calling.Wanted(owner="", ticket_id="", states=calling.OPEN, due_before=None, stores=None, seen_by="")
CALLED = (CALLS, replace(CALLS, owner="owner-1"), replace(CALLS, ticket_id=ONE))


def find_cases(tx: Tx) -> None:
    """List tickets by all that may be asked for, first pages and others."""
    for wanted in LISTED:
        for after in (None, (1, ONE) if wanted.changed_since else (1, 1, ONE)):
            CASES.find(tx, wanted, after=after, limit=3)


def find_calls(tx: Tx) -> None:
    """List follow-ups by all that may be asked for, first pages and others."""
    for wanted in CALLED:
        for after in (None, (1, ONE)):
            followups.list_follow_ups(tx, wanted, after=after, limit=3)


def drawn(tx: Tx) -> tuple[Case, calling.FollowUp]:
    """Read what the queries below write again."""
    return CASES.get(tx, ONE), followups.get(tx, ONE)


QUERIES: tuple[tuple[Callable[..., object], Callable[[Tx], object]], ...] = (
    (CASES.get, lambda tx: CASES.get(tx, ONE, lock=True)),
    (CASES.save, lambda tx: CASES.save(tx, drawn(tx)[0])),
    (CASES.save_alerts, lambda tx: CASES.save_alerts(tx, drawn(tx)[0])),
    (CASES.find, find_cases),
    (cases.similar, lambda tx: cases.similar(tx, ONE, "type-1")),
    (TIMELINE.find, lambda tx: TIMELINE.find(tx, drawn(tx)[0].ticket, after=0, limit=3)),
    (clocks.of, lambda tx: clocks.of(tx, [ONE, str(UUID(int=2))])),
    (clocks.history, lambda tx: clocks.history(tx, ONE)),
    (clocks.save, lambda tx: clocks.save(tx, ONE, [EVENT], drawn(tx)[0].clocks)),
    (clocks.due, lambda tx: clocks.due(tx, MANY, 3)),
    (clocks.count_due, lambda tx: clocks.count_due(tx, 0)),
    (followups.get, lambda tx: followups.get(tx, ONE, lock=True)),
    (followups.save, lambda tx: followups.save(tx, drawn(tx)[1])),
    (followups.drop_open, lambda tx: followups.drop_open(tx, ONE, 1)),
    (followups.hand_over, lambda tx: followups.hand_over(tx, leaver="owner-1", superior="owner-2")),
    (followups.any_due, lambda tx: followups.any_due(tx, 60)),
    (followups.due, lambda tx: followups.due(tx, 60, 3)),
    (followups.mark_due, lambda tx: followups.mark_due(tx, [drawn(tx)[1]])),
    (followups.list_follow_ups, find_calls),
    (people.staff, lambda tx: people.staff(tx, [ONE])),
    (people.knows_store, lambda tx: people.knows_store(tx, ONE)),
    (people.classes, lambda tx: people.classes(tx, ONE)),
    (people.put_classes, lambda tx: people.put_classes(tx, {(ONE, "scheme-1"): ""})),
)
# They do nothing but insert, by the key that tells whether a row is there.
INSERTING = {"next_number", "put_staff", "put_stores"}


def test_each_query_goes_by_the_index_that_it_names(filled: Database) -> None:
    """No query reads a whole table, and the indexes that it goes by are those of its description, no others and all."""
    found = {function.__qualname__: used(filled, ask) for function, ask in QUERIES}
    assert found == {function.__qualname__: named(function) for function, _ in QUERIES}


def test_no_query_is_left_out() -> None:
    """Every function of these repositories that names an index is asked above."""
    there = [*vars(Cases).values(), *vars(Timeline).values()]
    for module in (cases, clocks, followups, people):
        there += [one for one in vars(module).values() if getattr(one, "__module__", "") == module.__name__]
    naming = {one.__qualname__ for one in there if isfunction(one) and named(one)}
    assert naming - INSERTING == {function.__qualname__ for function, _ in QUERIES}
