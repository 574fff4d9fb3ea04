"""What a service keeps of another one, and of nothing else, is built anew when events that it rests on are lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from google.protobuf.message import Message
from structlog.testing import capture_logs

from chassis.consumer import Consumer, Effect
from chassis.database import Database
from chassis.ids import uuid7
from chassis.migrations import upgrade
from chassis.rebuild import Listener, Projection
from chassis.service import Program
from services.customer import consumers as customer
from services.customer.server import PROGRAM as CUSTOMER
from services.notify import consumers as notify
from services.notify.server import PROGRAM as NOTIFY
from services.ticketing import consumers as ticketing
from services.ticketing.server import PROGRAM as TICKETING
from services.tiering.tests.owner import ANNA, BERT, Owner
from shuke.customer.v1.events_pb2 import StaffChanged, StoreChanged
from shuke.tiering.v1.events_pb2 import MembershipChanged
from tests.databases import MakeDatabase
from tests.running import Clock


@dataclass(frozen=True)
class Case:
    """A service's projection, what builds it, and events of which the last ones will be lost."""

    program: Program
    effect: Effect
    projection: Projection
    kept: tuple[Message, ...]
    lost: tuple[Message, ...]


def holds(who: str, class_key: str) -> MembershipChanged:
    """Write that a customer holds a class from now on; an empty one is none."""
    return MembershipChanged(customer=f"customers/{who}", scheme="schemes/loyalty", to_class=class_key)


def serves(code: str, *stores: str) -> StaffChanged:
    """Write that somebody serves at stores."""
    named = [f"stores/{store}" for store in stores]
    return StaffChanged(staff=f"staff/{code}", active=True, roles=["engineer"], stores=named)


CLASSES = (holds(ANNA, "GOLD"), holds(BERT, "NEW")), (holds(ANNA, "SILVER"), holds(BERT, ""))
DIRECTORY = (StoreChanged(store="stores/S1"), serves("X", "S1")), (StoreChanged(store="stores/S2"), serves("Y", "S2"))
CASES = {
    "classes in customer": Case(CUSTOMER, customer.on_tiering, customer.CLASSES, *CLASSES),
    "classes in ticketing": Case(TICKETING, ticketing.on_tiering, ticketing.CLASSES, *CLASSES),
    "directory in ticketing": Case(TICKETING, ticketing.on_customer, ticketing.DIRECTORY, *DIRECTORY),
    "posts in notify": Case(NOTIFY, notify.on_customer, notify.STAFF, *DIRECTORY),
}


def rows(database: Database, case: Case, *, beside: bool = False) -> dict[str, list[tuple[Any, ...]]]:
    """Read a projection, or its twins."""
    tables = case.projection.twins.values() if beside else case.projection.twins
    with database.read() as tx:
        return {table.name: sorted(map(tuple, tx.execute(sa.select(table)))) for table in tables}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_rests_on_lost_events_goes(make_database: MakeDatabase, case: Case) -> None:
    """After the rebuild the tables hold what they held before those events came, and the twins nothing."""
    program, clock = case.program, Clock()
    database = make_database(lambda new: upgrade(new, program.revisions, program.metadata), program.name)
    cursors, owner = program.metadata.tables["cursors"], Owner()
    consumer = Consumer(database, cursors, "owner.shuke", case.effect, clock=clock, new_id=uuid7(clock))
    listener = Listener(consumer, owner, case.projection)
    owner.tell(*case.kept)
    listener.step()
    before = rows(database, case)
    assert all(before.values())
    lost = owner.tell(*case.lost)
    listener.step()
    after = rows(database, case)
    assert all(after[name] != before[name] for name in before)
    owner.restore(*lost)
    with capture_logs():
        while listener.step():
            pass
    assert rows(database, case) == before
    assert not any(rows(database, case, beside=True).values())
