"""The queries of follow-ups."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from chassis.database import Tx
from services.ticketing.followups.domain import OPEN, FollowUp, FollowUpNotFound, Outcome, State, Wanted
from services.ticketing.followups.tables import FOLLOW_UPS

# Written down once: building an expression takes longer than running it.
COLUMN = FOLLOW_UPS.c
SELECT = sa.select(FOLLOW_UPS)
BY_ID = SELECT.where(COLUMN.id == sa.bindparam("id"))
FALLING_DUE = sa.and_(COLUMN.state == State.PLANNED, COLUMN.due_time <= sa.bindparam("now"))
ANY_DUE = sa.select(COLUMN.id).where(FALLING_DUE).limit(1)
# Each worker takes rows that no other one holds.
DUE = (
    SELECT.where(FALLING_DUE)
    .order_by(COLUMN.due_time, COLUMN.id)
    .limit(sa.bindparam("limit", type_=sa.Integer))
    .with_for_update(skip_locked=True)
)
MARK_DUE = sa.update(FOLLOW_UPS).where(COLUMN.id.in_(sa.bindparam("ids", expanding=True))).values(state=State.DUE)
_TRIED = ("state", "outcome", "tries", "complete_time", "satisfied")
SAVE = (
    sa.update(FOLLOW_UPS)
    .where(COLUMN.id == sa.bindparam("the_id"))
    .values({name: sa.bindparam(name) for name in _TRIED})
)
DROP_OPEN = (
    sa.update(FOLLOW_UPS)
    .where(COLUMN.ticket_id == sa.bindparam("of_ticket"), COLUMN.state.in_(OPEN))
    .values(state=State.DROPPED, complete_time=sa.bindparam("now"))
)
HAND_OVER = (
    sa.update(FOLLOW_UPS)
    .where(COLUMN.owner == sa.bindparam("leaver"), COLUMN.state.in_(OPEN))
    .values(owner=sa.bindparam("superior"))
)


def add(tx: Tx, follow_ups: Sequence[FollowUp]) -> None:
    """Write new follow-ups."""
    if follow_ups:
        tx.execute(sa.insert(FOLLOW_UPS), [dataclasses.asdict(one) for one in follow_ups])


def get(tx: Tx, follow_up_id: str, *, lock: bool = False) -> FollowUp:
    """Read a follow-up, or raise `FollowUpNotFound`; locked, nobody else changes it before this transaction ends.

    By the primary key.
    """
    row = tx.execute(BY_ID.with_for_update() if lock else BY_ID, {"id": follow_up_id}).one_or_none()
    if row is None:
        raise FollowUpNotFound(name=f"followUps/{follow_up_id}")
    return _follow_up(row)


def save(tx: Tx, follow_up: FollowUp) -> None:
    """Write what a try came to. By the primary key."""
    tx.execute(SAVE, {name: getattr(follow_up, name) for name in _TRIED} | {"the_id": follow_up.id})


def drop_open(tx: Tx, ticket_id: str, now: int) -> None:
    """Drop what is open of a ticket that is taken up again. By `ix_follow_ups_ticket_id`."""
    tx.execute(DROP_OPEN, {"of_ticket": ticket_id, "now": now})


def hand_over(tx: Tx, *, leaver: str, superior: str) -> None:
    """Give what is open of a member of staff who has left to the superior. By `ix_follow_ups_owner`."""
    tx.execute(HAND_OVER, {"leaver": leaver, "superior": superior})


def any_due(tx: Tx, now: int) -> bool:
    """Tell whether the time of any planned follow-up has come. By `ix_follow_ups_state`."""
    return tx.execute(ANY_DUE, {"now": now}).first() is not None


def due(tx: Tx, now: int, limit: int) -> list[FollowUp]:
    """Lock planned follow-ups whose time has come, the longest due first. By `ix_follow_ups_state`."""
    return [_follow_up(row) for row in tx.execute(DUE, {"now": now, "limit": limit})]


def mark_due(tx: Tx, follow_ups: Iterable[FollowUp]) -> None:
    """Let follow-ups that are locked be due. By the primary key."""
    tx.execute(MARK_DUE, {"ids": [one.id for one in follow_ups]})


def list_follow_ups(tx: Tx, wanted: Wanted, *, after: tuple[int, str] | None, limit: int) -> list[FollowUp]:
    """List follow-ups, the earliest due first, from behind a place on.

    By `ix_follow_ups_ticket_id`, `ix_follow_ups_owner` or `ix_follow_ups_state`.
    """
    query, order = SELECT.where(COLUMN.state.in_(wanted.states)), (COLUMN.due_time, COLUMN.id)
    if wanted.owner:
        query = query.where(COLUMN.owner == wanted.owner)
    if wanted.ticket_id:
        query = query.where(COLUMN.ticket_id == wanted.ticket_id)
    if wanted.due_before is not None:
        query = query.where(COLUMN.due_time < wanted.due_before)
    if wanted.stores is not None:
        query = query.where(sa.or_(COLUMN.store.in_(wanted.stores), COLUMN.owner == wanted.seen_by))
    if after is not None:
        query = query.where(sa.tuple_(*order) > sa.tuple_(*after))
    return [_follow_up(row) for row in tx.execute(query.order_by(*order).limit(limit))]


def _follow_up(row: sa.Row[Any]) -> FollowUp:
    read = {"state": State(row.state), "outcome": Outcome(row.outcome) if row.outcome else None}
    return FollowUp(**{**row._mapping, **read})  # noqa: SLF001  (the public view of a row as a mapping)
