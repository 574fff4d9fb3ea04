"""What is in force for tickets on a day is read at once, whole or in part."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
import sqlalchemy as sa

from chassis import documents
from chassis.database import Database
from chassis.documents import POLICIES, Content, State
from services.ticketing.policies.convert import rules_of
from services.ticketing.policies.domain import ClosingPolicy, Rules, needed
from services.ticketing.policies.repository import Policies
from services.ticketing.tables import METADATA
from services.ticketing.tests.rulebook import KINDS, example
from shuke.ticketing.v1 import policies_pb2 as pb
from shuke.ticketing.v1.policies_pb2 import Policy
from tests.databases import MakeDatabase

SPRING, SUMMER = date(2026, 4, 1), date(2026, 7, 1)


@pytest.fixture
def database(make_database: MakeDatabase) -> Database:
    """Make the tables of ticketing."""
    return make_database(lambda new: METADATA.create_all(new.writer), __name__)


def put_in_force(database: Database, kind: str, policy: Policy, day: date) -> None:
    """Store an active version."""
    with database.write() as tx:
        number = documents.next_version(tx, POLICIES, kind)
        version = documents.draft(POLICIES, kind, number, Content(policy.SerializeToString(), day), "S-1", 0)
        documents.add(tx, replace(version, state=State.ACTIVE))


def in_force(database: Database, day: date) -> Rules:
    """Read what is in force."""
    with database.read() as tx:
        return Policies(rules_of).in_force(tx, day)


def test_nothing_is_in_force_at_first(database: Database) -> None:
    """A new chain has no rules, and no version is named."""
    assert in_force(database, SUMMER) == Rules()


@pytest.mark.requirement("X-14", "X-22")
def test_all_policies_are_read_by_the_day(database: Database) -> None:
    """Each policy comes from the newest version that has begun; the rules name the versions behind clocks and ranks."""
    for kind in KINDS:
        put_in_force(database, kind, example(kind), SPRING)
    put_in_force(database, "closing", Policy(closing=pb.ClosingPolicy(contact_attempts=5)), SUMMER)
    put_in_force(database, "priority", Policy(priority=pb.PriorityPolicy()), SUMMER)
    assert in_force(database, date(2026, 3, 31)) == Rules()
    first, second = in_force(database, SPRING), in_force(database, SUMMER)
    assert all((first.sla, first.priority, first.queues, first.closing, first.follow_up))
    assert (first.sla_name, first.priority_name) == ("policies/sla/versions/1", "policies/priority/versions/1")
    assert (second.sla, second.sla_name) == (first.sla, first.sla_name)
    assert second.priority_name == "policies/priority/versions/2"
    assert needed(second.priority, "priority").bonuses == {}
    assert (needed(first.closing, "closing"), needed(second.closing, "closing")) == (ClosingPolicy(3), ClosingPolicy(5))


def test_policies_are_read_in_one_statement(database: Database) -> None:
    """However many policies there are, whoever handles a ticket waits for one answer of the database."""
    for kind in KINDS:
        put_in_force(database, kind, example(kind), SPRING)
    sent: list[object] = []
    sa.event.listen(database.reader, "before_cursor_execute", lambda *args: sent.append(args[2]))
    assert in_force(database, SUMMER).sla is not None
    assert len(sent) == 1
