"""What ticketing does when others tell of something: it keeps the stores, the staff and the classes of customers."""

from __future__ import annotations

from collections.abc import Sequence

from chassis import names
from chassis.database import Tx
from chassis.ids import NewId
from services.ticketing.people.domain import Member
from services.ticketing.people.repository import put_classes, put_staff, put_stores
from shuke.customer.v1.events_pb2 import StaffChanged, StoreChanged
from shuke.event.v1 import event_pb2
from shuke.tiering.v1.events_pb2 import MembershipChanged

CUSTOMER = "customer.shuke"
TIERING = "tiering.shuke"


def on_customer(tx: Tx, events: Sequence[event_pb2.Event], _now: int, _new_id: NewId) -> None:
    """Store what the directory tells of stores and staff; the last that is told of a member counts."""
    stores: set[str] = set()
    latest: dict[str, Member] = {}
    for event in events:
        store, member = StoreChanged(), StaffChanged()
        if event.data.Unpack(store):
            stores.add(names.identity(store.store))
        elif event.data.Unpack(member):
            latest[member.staff] = Member(
                code=names.identity(member.staff),
                active=member.active,
                roles=tuple(member.roles),
                stores=tuple(map(names.identity, member.stores)),
                chain_wide=member.chain_wide,
                superior=names.identity(member.superior),
            )
    put_stores(tx, sorted(stores))
    put_staff(tx, latest.values())


def on_tiering(tx: Tx, events: Sequence[event_pb2.Event], _now: int, _new_id: NewId) -> None:
    """Store the classes that tiering tells of; the last one of a customer and scheme counts."""
    latest: dict[tuple[str, str], str] = {}
    for event in events:
        changed = MembershipChanged()
        if event.data.Unpack(changed):
            latest[(names.identity(changed.customer), names.identity(changed.scheme))] = changed.to_class
    put_classes(tx, latest)
