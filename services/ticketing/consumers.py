"""What ticketing does when others tell of something: it keeps the stores, the staff and the classes of customers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from chassis import names
from chassis.database import Tx
from chassis.ids import NewId
from chassis.rebuild import Projection
from services.ticketing.followups import repository as followups
from services.ticketing.improvements import repository as improvements
from services.ticketing.people.domain import Member
from services.ticketing.people.repository import CLASS_TWINS, DIRECTORY_TWINS, put_classes, put_staff, put_stores
from shuke.customer.v1.events_pb2 import StaffChanged, StoreChanged
from shuke.event.v1 import event_pb2
from shuke.tiering.v1.events_pb2 import MembershipChanged

CUSTOMER = "customer.shuke"
TIERING = "tiering.shuke"


def on_customer(tx: Tx, events: Sequence[event_pb2.Event], _now: int, _new_id: NewId, *, beside: bool = False) -> None:
    """Store what the directory tells of stores and staff, or build it anew beside; the last of a member counts.

    What somebody who leaves had still to follow up or to improve, the superior does, once, when it is told.
    """
    stores: set[str] = set()
    told: list[Member] = []
    for event in events:
        store, member = StoreChanged(), StaffChanged()
        if event.data.Unpack(store):
            stores.add(names.identity(store.store))
        elif event.data.Unpack(member):
            told.append(_member(member))
    put_stores(tx, sorted(stores), beside=beside)
    put_staff(tx, {one.code: one for one in told}.values(), beside=beside)
    for one in () if beside else told:
        if one.superior and not one.active:
            followups.hand_over(tx, leaver=one.code, superior=one.superior)
            improvements.hand_over(tx, leaver=one.code, superior=one.superior)


def _member(changed: StaffChanged) -> Member:
    return Member(
        code=names.identity(changed.staff),
        active=changed.active,
        roles=tuple(changed.roles),
        stores=tuple(map(names.identity, changed.stores)),
        chain_wide=changed.chain_wide,
        superior=names.identity(changed.superior),
    )


def on_tiering(tx: Tx, events: Sequence[event_pb2.Event], _now: int, _new_id: NewId, *, beside: bool = False) -> None:
    """Store the classes that tiering tells of, or build them anew; the last one of a customer and scheme counts."""
    latest: dict[tuple[str, str], str] = {}
    for event in events:
        changed = MembershipChanged()
        if event.data.Unpack(changed):
            latest[(names.identity(changed.customer), names.identity(changed.scheme))] = changed.to_class
    put_classes(tx, latest, beside=beside)


DIRECTORY = Projection(DIRECTORY_TWINS, partial(on_customer, beside=True))
CLASSES = Projection(CLASS_TWINS, partial(on_tiering, beside=True))
