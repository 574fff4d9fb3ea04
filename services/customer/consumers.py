"""What the customer service does when others tell of something.

It keeps each customer's current classes, which tiering gives, and enters what notify has handed over into the
communication log.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from chassis import names, wire
from chassis.database import Tx
from chassis.events import EventLog
from chassis.ids import NewId
from chassis.rebuild import Projection
from services.customer.customers.domain import CustomerClass, State
from services.customer.customers.repository import CLASS_TWINS, put_classes, states
from services.customer.interactions.convert import interaction_logged
from services.customer.interactions.domain import Direction, Interaction, Kind
from services.customer.interactions.repository import Interactions, entered
from shuke.event.v1 import event_pb2
from shuke.notify.v1 import events_pb2 as notify_events
from shuke.tiering.v1 import events_pb2 as tiering_events

TIERING, NOTIFY = "tiering.shuke", "notify.shuke"

# The owner's channels, which its other contracts declare, and the kind of contact that each of them makes. Not every
# field is an enum, says the stub.
_CHANNELS = notify_events.MessageDelivered.DESCRIPTOR.fields_by_name["channel"].enum_type.values_by_name  # type: ignore[union-attr]
KINDS = {
    _CHANNELS["EMAIL"].number: Kind.EMAIL,
    _CHANNELS["SMS"].number: Kind.MESSAGE,
    _CHANNELS["PHONE"].number: Kind.CALL,
}


def on_tiering(tx: Tx, events: Sequence[event_pb2.Event], _now: int, _new_id: NewId, *, beside: bool = False) -> None:
    """Store the classes that the events tell of, or build them anew; the last one of a customer and scheme counts."""
    latest: dict[tuple[str, str], CustomerClass] = {}
    for event in events:
        changed = tiering_events.MembershipChanged()
        if event.data.Unpack(changed):
            customer_id, scheme = names.identity(changed.customer), names.identity(changed.scheme)
            latest[(customer_id, scheme)] = CustomerClass(
                scheme=scheme,
                class_key=changed.to_class,
                zh=changed.to_display_name.zh,
                en=changed.to_display_name.en,
                since_time=wire.instant(changed.effective_time),
            )
    put_classes(tx, [(customer_id, held) for (customer_id, _), held in sorted(latest.items())], beside=beside)


CLASSES = Projection(CLASS_TWINS, partial(on_tiering, beside=True))


class NotifyEvents:
    """The effect of notify's events: each message that was handed over to a customer stands in the log once (N-08)."""

    def __init__(self, log: EventLog, interactions: Interactions) -> None:
        self.log = log
        self.interactions = interactions

    def __call__(self, tx: Tx, events: Sequence[event_pb2.Event], now: int, new_id: NewId) -> None:
        """Enter messages; one to staff, or to a customer who is not or no more there, is passed over."""
        delivered = {each.message_id: each for event in events if (each := _delivered(event, now, new_id))}
        for message_id in entered(tx, delivered):
            del delivered[message_id]
        found = states(tx, {each.customer_id for each in delivered.values()})
        there = {customer_id for customer_id, state in found.items() if state is not State.ERASED}
        kept = [each for each in delivered.values() if each.customer_id in there]
        self.interactions.add(tx, kept)
        self.log.add(tx, map(interaction_logged, kept), now, new_id)


def _delivered(event: event_pb2.Event, now: int, new_id: NewId) -> Interaction | None:
    """Read a message that was handed over, one to staff without a customer; None for events of other kinds."""
    told = notify_events.MessageDelivered()
    if not event.data.Unpack(told):
        return None
    return Interaction(
        id=new_id(),
        customer_id=names.identity(told.customer),
        # A channel that this release does not know yet.
        kind=KINDS.get(told.channel, Kind.OTHER),
        direction=Direction.OUTBOUND,
        occur_time=wire.instant(event.time),
        create_time=now,
        message_id=names.identity(told.message),
    )
