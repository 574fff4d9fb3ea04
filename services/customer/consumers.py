"""What the customer service does when tiering tells of something: it keeps each customer's current classes."""

from __future__ import annotations

from collections.abc import Sequence

from chassis import names, wire
from chassis.database import Tx
from chassis.ids import NewId
from services.customer.customers.domain import CustomerClass
from services.customer.customers.repository import put_classes
from shuke.event.v1 import event_pb2
from shuke.tiering.v1 import events_pb2

SOURCE = "tiering.shuke"


def on_tiering(tx: Tx, events: Sequence[event_pb2.Event], _now: int, _new_id: NewId) -> None:
    """Store the classes that the events tell of; the last one of a customer and scheme counts."""
    latest: dict[tuple[str, str], CustomerClass] = {}
    for event in events:
        changed = events_pb2.MembershipChanged()
        if event.data.Unpack(changed):
            customer_id, scheme = names.identity(changed.customer), names.identity(changed.scheme)
            latest[(customer_id, scheme)] = CustomerClass(
                scheme=scheme,
                class_key=changed.to_class,
                zh=changed.to_display_name.zh,
                en=changed.to_display_name.en,
                since_time=wire.instant(changed.effective_time),
            )
    put_classes(tx, [(customer_id, held) for (customer_id, _), held in sorted(latest.items())])
