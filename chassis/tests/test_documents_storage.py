"""Documents in the database: what is kept, who did what, and what two people at once may do."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from threading import Barrier

import pytest
import sqlalchemy as sa

from chassis import documents
from chassis.database import Database, Tx, metadata
from chassis.documents import Document, State, Step, Taken
from chassis.errors import EtagMismatch, Refused
from chassis.tests.documents import (
    ADMIN,
    APPROVER,
    AUTHOR,
    KEY,
    KIND,
    NEW_YEAR,
    NOW,
    REVIEWER,
    a_draft,
    activated,
    approved,
    content,
    in_state,
)

TABLES = metadata()
DOCUMENTS, STEPS = documents.documents_tables(TABLES)


def keep(database: Database, *found: Document) -> None:
    """Store versions as they are."""
    with database.write() as tx:
        for version in found:
            documents.add(tx, version)


@pytest.mark.requirement("T-17", "G-30")
def test_storage_keeps_the_version_and_who_did_what(database: Database) -> None:
    """A version comes back as it was, and its history names each step's person and time."""
    version = a_draft()
    keep(database, version)
    steps: list[Callable[[Document], Document]] = [
        lambda it: documents.submit(it, AUTHOR, NOW + 1),
        lambda it: documents.review(it, REVIEWER, NOW + 2, 3, reject=True),
        lambda it: documents.submit(it, AUTHOR, NOW + 3),
        lambda it: documents.review(it, REVIEWER, NOW + 4, 3),
        lambda it: documents.approve(it, APPROVER, NOW + 5, 3),
        lambda it: documents.activate(it, None, ADMIN, NOW + 6, 3),
    ]
    for step in steps:
        version = step(version)
        with database.write() as tx:
            documents.save(tx, version)
    with database.read() as tx:
        assert version == documents.get(tx, KIND, KEY, 1)
        assert documents.history(tx, version) == [
            Taken(Step.DRAFT, AUTHOR, NOW),
            Taken(Step.SUBMIT, AUTHOR, NOW + 1),
            Taken(Step.REJECT_AT_REVIEW, REVIEWER, NOW + 2),
            Taken(Step.SUBMIT, AUTHOR, NOW + 3),
            Taken(Step.REVIEW, REVIEWER, NOW + 4),
            Taken(Step.APPROVE, APPROVER, NOW + 5),
            Taken(Step.ACTIVATE, ADMIN, NOW + 6),
        ]


def test_a_version_that_is_not_there(database: Database) -> None:
    """A missing version is named in the refusal."""
    keep(database, a_draft())
    with database.read() as tx:
        for kind, key, number in ((KIND, KEY, 2), (KIND, "value", 1), ("templates", KEY, 1)):
            assert documents.find(tx, kind, key, number) is None
            with pytest.raises(documents.DocumentNotFound) as refused:
                documents.get(tx, kind, key, number)
            assert refused.value.metadata == {"name": f"{kind}/{key}/versions/{number}"}


def test_a_lost_race_is_refused(database: Database) -> None:
    """Of two steps that were taken on the same state only the first is stored, and only it enters the history."""
    keep(database, a_draft())
    with database.write() as tx:
        documents.save(tx, documents.submit(a_draft(), AUTHOR, NOW))
    with pytest.raises(EtagMismatch) as refused, database.write() as tx:
        documents.save(tx, documents.update(a_draft(), content(b"late"), AUTHOR, NOW))
    assert refused.value.metadata == {"name": "policies/loyalty/versions/1"}
    with database.read() as tx:
        assert [taken.step for taken in documents.history(tx, a_draft())] == [Step.DRAFT, Step.SUBMIT]


def test_versions_that_are_drafted_at_once_get_numbers_of_their_own(database: Database) -> None:
    """Drafts by several people at the same moment are numbered 1, 2, 3 and so on, none lost and none doubled."""
    start = Barrier(4)

    def draft_one(worker: int) -> int:
        def work(tx: Tx) -> int:
            number = documents.next_version(tx, KIND, KEY)
            documents.add(tx, documents.draft(KIND, KEY, number, content(), f"S-{worker}", NOW))
            return number

        start.wait()
        return database.transact(work)

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(draft_one, range(4))) == [1, 2, 3, 4]


def test_versions_that_are_activated_at_once_do_not_overlap(database: Database) -> None:
    """Of two versions for one day that are activated at the same moment one comes into force; the other hears why."""
    keep(database, approved(a_draft(1)), approved(a_draft(2)), approved(a_draft(3, day=date(2026, 7, 1))))
    start = Barrier(3)

    def activate_one(number: int) -> str:
        def work(tx: Tx) -> str:
            version = documents.get(tx, KIND, KEY, number)
            documents.save(
                tx, documents.activate(version, documents.rival_of(tx, version), ADMIN, NOW, 3, etag=version.etag)
            )
            return "ACTIVE"

        start.wait()
        try:
            return database.transact(work)
        except Refused as refused:
            return refused.reason

    with ThreadPoolExecutor(3) as pool:
        first, second, third = pool.map(activate_one, (1, 2, 3))
    assert sorted((first, second)) == ["ACTIVE", "DOCUMENT_OVERLAPS"]
    assert third == "ACTIVE"


def test_what_holds_on_a_day(database: Database) -> None:
    """The active version with the latest effective date up to the day holds; drafts and retired ones never do."""
    july, spring, autumn = date(2026, 7, 1), date(2026, 4, 1), date(2026, 10, 1)
    keep(
        database,
        activated(a_draft(1)),
        activated(a_draft(2, day=july)),
        documents.retire(activated(a_draft(3, day=spring)), ADMIN, NOW),
        approved(a_draft(4, day=autumn)),
        activated(a_draft(9, day=spring, key="value")),
    )
    expected = {
        date(2025, 12, 31): None,
        NEW_YEAR: 1,
        spring: 1,
        date(2026, 6, 30): 1,
        july: 2,
        autumn: 2,
        date(2099, 1, 1): 2,
    }
    with database.read() as tx:
        found = {day: documents.active_on(tx, KIND, KEY, day) for day in expected}
        assert expected == {day: version.version if version else None for day, version in found.items()}
        assert documents.active_on(tx, "templates", KEY, july) is None


def test_what_holds_on_a_day_of_every_key(database: Database) -> None:
    """All that holds on a day is found at once, one version of each key, and is what each key's own look-up finds."""
    july, spring = date(2026, 7, 1), date(2026, 4, 1)
    keep(
        database,
        activated(a_draft(1)),
        activated(a_draft(2, day=july)),
        activated(a_draft(1, day=spring, key="value")),
        documents.retire(activated(a_draft(2, day=july, key="value")), ADMIN, NOW),
        approved(a_draft(1, key="benefits")),
    )
    with database.read() as tx:
        for day in (date(2025, 12, 31), NEW_YEAR, date(2026, 3, 31), spring, date(2026, 6, 30), july):
            found = {version.key: version for version in documents.all_active_on(tx, KIND, day)}
            each = {key: documents.active_on(tx, KIND, key, day) for key in documents.keys(tx, KIND)}
            assert {key: version for key, version in each.items() if version} == found
        assert documents.all_active_on(tx, "templates", july) == []


def test_the_day_is_free_again_after_retiring(database: Database) -> None:
    """A retired version no longer stands in the way of another one for the same day."""
    keep(database, documents.retire(activated(a_draft(1)), ADMIN, NOW), activated(a_draft(2)))
    with database.read() as tx:
        rival = documents.rival_of(tx, a_draft(3))
        assert rival is not None
        assert rival.version == 2
        assert documents.rival_of(tx, a_draft(3, day=date(2026, 1, 2))) is None


def test_lists_come_in_pages(database: Database) -> None:
    """Versions come the newest first, in pages that continue where the last one ended."""
    keep(database, *(a_draft(number) for number in (1, 2, 3, 10)), a_draft(7, key="value"))
    with database.read() as tx:
        assert [it.version for it in documents.versions(tx, KIND, KEY, limit=3)] == [10, 3, 2]
        assert [it.version for it in documents.versions(tx, KIND, KEY, limit=3, before=2)] == [1]
        assert documents.next_version(tx, KIND, KEY) == 11
        assert documents.next_version(tx, KIND, "new") == 1


def test_a_whole_kind_comes_in_pages(database: Database) -> None:
    """All versions of a kind, or of one key, come by key and number, whatever the size of the pages."""
    stored = [("a", 1), ("a", 2), ("a", 10), ("a-b", 1), ("b", 1)]
    keep(database, *(a_draft(number, key=key) for key, number in reversed(stored)))
    found: list[tuple[str, int]] = []
    with database.read() as tx:
        while page := documents.listed(tx, KIND, limit=2, after=found[-1] if found else None):
            found += [(it.key, it.version) for it in page]
        assert found == stored
        assert [it.version for it in documents.listed(tx, KIND, key="a", limit=9, after=("a", 1))] == [2, 10]
        assert documents.listed(tx, "templates", limit=9) == []


def test_the_newest_in_a_state(database: Database) -> None:
    """The version with the highest number counts, among those of the key that stand in the state."""
    states = {1: State.APPROVED, 2: State.APPROVED, 3: State.RETIRED, 10: State.DRAFT}
    keep(database, *(replace(in_state(state), version=number) for number, state in states.items()))
    keep(database, replace(in_state(State.APPROVED), key="value", version=4))
    with database.read() as tx:
        newest = {state: documents.newest(tx, KIND, KEY, state) for state in State}
    assert {state: it.version for state, it in newest.items() if it} == {
        State.APPROVED: 2,
        State.RETIRED: 3,
        State.DRAFT: 10,
    }


def test_keys_come_in_one_order(database: Database) -> None:
    """The keys of a kind come once each, by code point on both engines."""
    names = ["b", "a-b", "a", "B", "金卡", "ab", "é"]
    keep(database, *(a_draft(number, key=key) for number in (1, 2) for key in names))
    with database.read() as tx:
        assert documents.keys(tx, KIND) == sorted(names)
        assert documents.keys(tx, "templates") == []


def test_what_waits_comes_the_oldest_first(database: Database) -> None:
    """Versions that wait for a step come in the order in which they began to wait, whatever the size of the pages."""
    every = (State.SUBMITTED, State.REVIEWED, State.APPROVED)
    stored = [
        replace(in_state(state), key=key, version=version, update_time=time)
        for version, state in enumerate(State, start=1)
        for key, time in (("loyalty", NOW), ("value", NOW), ("abc", NOW + 5), ("B", NOW - version))
    ]
    keep(database, *stored)
    expected = sorted((it.update_time, it.key, it.version) for it in stored if it.state in every)
    found: list[tuple[int, str, int]] = []
    with database.read() as tx:
        while page := documents.waiting(tx, KIND, every, limit=5, after=found[-1] if found else None):
            found += [(it.update_time, it.key, it.version) for it in page]
        assert expected == found
        assert {it.state for it in documents.waiting(tx, KIND, [State.REVIEWED], limit=50)} == {State.REVIEWED}
        assert documents.waiting(tx, KIND, [State.DRAFT], limit=50) == []
        assert documents.waiting(tx, "templates", every, limit=50) == []


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_each_query_has_its_index(database: Database) -> None:
    """The engine reads every list along an index, in order, without a scan or a sort."""
    plans: dict[str, list[str]] = {}
    keep(database, a_draft())

    def explain(connection: sa.Connection, name: str, ask: Callable[[Tx], object]) -> None:
        sent: list[tuple[str, object]] = []

        def note(_c: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
            sent.append((statement, parameters))

        sa.event.listen(database.reader, "before_cursor_execute", note)
        ask(connection)
        sa.event.remove(database.reader, "before_cursor_execute", note)
        for statement, parameters in sent:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)  # type: ignore[arg-type]
            plans.setdefault(name, []).extend(row[3] for row in plan)

    with database.read() as tx:
        explain(tx, "find", lambda tx: documents.find(tx, KIND, KEY, 1))
        explain(tx, "versions", lambda tx: documents.versions(tx, KIND, KEY, limit=5, before=9))
        explain(tx, "keys", lambda tx: documents.keys(tx, KIND))
        explain(tx, "listed", lambda tx: documents.listed(tx, KIND, limit=5, after=(KEY, 1)))
        explain(tx, "newest", lambda tx: documents.newest(tx, KIND, KEY, State.APPROVED))
        explain(tx, "active", lambda tx: documents.active_on(tx, KIND, KEY, NEW_YEAR))
        explain(tx, "all active", lambda tx: documents.all_active_on(tx, KIND, NEW_YEAR))
        explain(tx, "rival", lambda tx: documents.rival_of(tx, a_draft()))
        explain(tx, "waiting", lambda tx: documents.waiting(tx, KIND, [State.REVIEWED], limit=5, after=(0, "", 0)))
        explain(tx, "history", lambda tx: documents.history(tx, a_draft()))
    assert [line for lines in plans.values() for line in lines if "SCAN" in line or "TEMP B-TREE" in line] == []
    assert "ix_documents_active" in plans["active"][0]
    assert all("ix_documents_active" in line or "SUBQUERY" in line for line in plans["all active"])
    assert "ix_documents_active" in plans["rival"][0]
    assert "ix_documents_waiting" in plans["waiting"][0]
