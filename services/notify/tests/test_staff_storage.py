"""Who serves in a role at a store, as the directory tells it last."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import product

import pytest

from chassis.database import Database
from chassis.migrations import upgrade
from services.notify.server import PROGRAM
from services.notify.staff import repository
from services.notify.staff.domain import EVERYWHERE, Member
from tests.databases import MakeDatabase

ROLES, STORES = ("engineer", "service_manager"), ("S01", "S02")


@pytest.fixture
def database(make_database: MakeDatabase) -> Database:
    """Make a database of the notify service."""
    return make_database(lambda new: upgrade(new, PROGRAM.revisions, PROGRAM.metadata), PROGRAM.name)


def every_kind() -> Iterator[Member]:
    """Write a member of every kind that there is."""
    some_roles, some_stores = [(), ROLES[:1], ROLES], [(), STORES[:1], STORES]
    kinds = product((True, False), some_roles, [(stores, False) for stores in some_stores] + [((), True)])
    for number, (active, roles, (stores, chain_wide)) in enumerate(kinds):
        yield Member(f"M{number:02}", active, roles, stores, chain_wide)


def expected(members: list[Member], role: str, store: str) -> list[str]:
    """Tell by the rule who serves."""
    return [
        member.code
        for member in members
        if member.active and role in member.roles and (member.chain_wide or store in member.stores)
    ]


@pytest.mark.requirement("N-15", "K-46")
def test_those_are_found_who_serve_there(database: Database) -> None:
    """Active members of the role who work for the store or for all stores; without a store, for all stores alone."""
    members = list(every_kind())
    with database.write() as tx:
        repository.put(tx, members)
    with database.read() as tx:
        for role, store in product((*ROLES, "till"), (*STORES, "S03", EVERYWHERE)):
            assert repository.serving(tx, role, store) == expected(members, role, store)


def test_what_is_told_last_counts(database: Database) -> None:
    """A member who moves, or leaves, serves no longer where that was; the others do."""
    anna = Member("A", active=True, roles=ROLES, stores=STORES, chain_wide=False)
    bert = dataclasses.replace(anna, code="B")
    with database.write() as tx:
        repository.put(tx, [])
        repository.put(tx, [anna, bert])
        repository.put(tx, [dataclasses.replace(anna, stores=(), chain_wide=True)])
        repository.put(tx, [dataclasses.replace(bert, active=False)])
    with database.read() as tx:
        assert repository.serving(tx, "engineer", "S01") == ["A"]
        assert repository.serving(tx, "engineer", EVERYWHERE) == ["A"]
