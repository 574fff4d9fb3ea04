"""The queries of clocks."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Sequence

import sqlalchemy as sa

from chassis.database import Tx, upsert
from services.ticketing.clocks.domain import Clock, ClockEvent, Kind, State, Step
from services.ticketing.clocks.tables import CLOCKS, EVENTS

_EVENT = [field.name for field in dataclasses.fields(ClockEvent)]
_CLOCK = [field.name for field in dataclasses.fields(Clock)]
_KEY = ["ticket_id", "kind", "number"]

# Written down once: building an expression takes longer than running it.
OF = (
    sa.select(CLOCKS)
    .where(CLOCKS.c.ticket_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(CLOCKS.c.start_time, CLOCKS.c.number, CLOCKS.c.kind)
)
HISTORY = sa.select(EVENTS).where(EVENTS.c.ticket_id == sa.bindparam("id")).order_by(EVENTS.c.position)
LAST = sa.select(sa.func.coalesce(sa.func.max(EVENTS.c.position), 0)).where(EVENTS.c.ticket_id == sa.bindparam("id"))
COUNT_DUE = sa.select(sa.func.count()).select_from(CLOCKS).where(CLOCKS.c.alert_time <= sa.bindparam("now"))
DUE = (
    sa.select(CLOCKS.c.ticket_id)
    .where(CLOCKS.c.alert_time <= sa.bindparam("now"))
    .order_by(CLOCKS.c.alert_time, CLOCKS.c.ticket_id)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)


def of(tx: Tx, ticket_ids: Iterable[str]) -> dict[str, list[Clock]]:
    """Read the clocks of tickets, the one that began first first. By the primary key."""
    found: dict[str, list[Clock]] = {ticket_id: [] for ticket_id in ticket_ids}
    for row in tx.execute(OF, {"ids": list(found)}):
        read = {name: getattr(row, name) for name in _CLOCK}
        found[row.ticket_id].append(Clock(**read | {"kind": Kind(row.kind), "state": State(row.state)}))
    return found


def history(tx: Tx, ticket_id: str) -> list[ClockEvent]:
    """Read the events of all clocks of a ticket, in the order in which they were written. By the primary key."""
    return [
        ClockEvent(**{name: getattr(row, name) for name in _EVENT} | {"kind": Kind(row.kind), "step": Step(row.step)})
        for row in tx.execute(HISTORY, {"id": ticket_id})
    ]


def save(tx: Tx, ticket_id: str, events: Sequence[ClockEvent], clocks: Collection[Clock]) -> None:
    """Add events to a ticket's ledger, and write the clocks that they have changed. By the primary keys.

    Who adds to a ledger that somebody else has added to since has the work run again.
    """
    if not events:
        return
    last = tx.scalar(LAST, {"id": ticket_id}) or 0
    added = [
        {"ticket_id": ticket_id, "position": position, **{name: getattr(event, name) for name in _EVENT}}
        for position, event in enumerate(events, last + 1)
    ]
    tx.execute(sa.insert(EVENTS), added)
    changed = [
        {"ticket_id": ticket_id, "alert_time": clock.alert_time, **{name: getattr(clock, name) for name in _CLOCK}}
        for clock in clocks
    ]
    statement = upsert(tx, CLOCKS)
    new = {column.name: statement.excluded[column.name] for column in CLOCKS.columns if column.name not in _KEY}
    tx.execute(statement.on_conflict_do_update(index_elements=_KEY, set_=new), changed)


def due(tx: Tx, now: int, limit: int) -> list[str]:
    """Find tickets with alerts to be fired by now, the longest due first, among at most `limit` clocks.

    By `ix_clocks_alert`.
    """
    return list(dict.fromkeys(tx.scalars(DUE, {"now": now, "limit": limit})))


def count_due(tx: Tx, now: int) -> int:
    """Count the clocks whose alerts should have been fired by now. By `ix_clocks_alert`."""
    return tx.execute(COUNT_DUE, {"now": now}).scalar_one()
