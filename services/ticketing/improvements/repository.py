"""The queries of improvement actions."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from chassis.database import Tx
from chassis.vault import Vault
from services.ticketing.cases.tables import TICKETS
from services.ticketing.improvements.domain import ImprovementAction, ImprovementActionNotFound, State, Wanted
from services.ticketing.improvements.tables import IMPROVEMENTS

CONTENT = "improvement_actions.content"

# Fields that stand sealed, together.
_TEXTS = ("description", "result")
_PLAIN = [field.name for field in dataclasses.fields(ImprovementAction) if field.name not in _TEXTS]

# Written down once: building an expression takes longer than running it.
COLUMN = IMPROVEMENTS.c
SELECT = sa.select(IMPROVEMENTS)
BY_ID = SELECT.where(COLUMN.id == sa.bindparam("id"))
HAND_OVER = (
    sa.update(IMPROVEMENTS)
    .where(COLUMN.responsible == sa.bindparam("leaver"), COLUMN.state == State.OPEN)
    .values(responsible=sa.bindparam("superior"))
)


class Improvements:
    """Improvement actions, their texts sealed for whom the ticket is about."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault

    def get(self, tx: Tx, action_id: str, *, lock: bool = False) -> ImprovementAction:
        """Read an improvement action, or raise `ImprovementActionNotFound`; locked, nobody else changes it meanwhile.

        By the primary key.
        """
        row = tx.execute(BY_ID.with_for_update() if lock else BY_ID, {"id": action_id}).one_or_none()
        if row is None:
            raise ImprovementActionNotFound(name=f"improvementActions/{action_id}")
        return self._actions(tx, [row])[0]

    def add(self, tx: Tx, action: ImprovementAction) -> None:
        """Write a new improvement action."""
        tx.execute(sa.insert(IMPROVEMENTS).values(self._row(tx, action)))

    def save(self, tx: Tx, action: ImprovementAction) -> None:
        """Write an improvement action that was read locked. By the primary key."""
        tx.execute(sa.update(IMPROVEMENTS).where(COLUMN.id == action.id).values(self._row(tx, action)))

    def find(self, tx: Tx, wanted: Wanted, *, after: tuple[int, str] | None, limit: int) -> list[ImprovementAction]:
        """List improvement actions, the earliest due first, from behind a place on.

        By `ix_improvement_actions_ticket_id`, `ix_improvement_actions_responsible` or `ix_improvement_actions_state`;
        the stores are those of the tickets as they stand now, by their primary key.
        """
        query, order = SELECT.where(COLUMN.state.in_(wanted.states)), (COLUMN.due_time, COLUMN.id)
        if wanted.responsible:
            query = query.where(COLUMN.responsible == wanted.responsible)
        if wanted.ticket_id:
            query = query.where(COLUMN.ticket_id == wanted.ticket_id)
        if wanted.due_before is not None:
            query = query.where(COLUMN.due_time < wanted.due_before)
        if wanted.stores is not None:
            seen: list[sa.ColumnElement[bool]] = [TICKETS.c.store.in_(wanted.stores)]
            # Whoever is nobody owns nothing: a ticket without an assignee is not theirs.
            if wanted.seen_by:
                mine = (COLUMN.responsible, TICKETS.c.owner, TICKETS.c.assignee)
                seen += [column == wanted.seen_by for column in mine]
            query = query.join(TICKETS, TICKETS.c.id == COLUMN.ticket_id).where(sa.or_(*seen))
        if after is not None:
            query = query.where(sa.tuple_(*order) > sa.tuple_(*after))
        return self._actions(tx, tx.execute(query.order_by(*order).limit(limit)).all())

    def _actions(self, tx: Tx, rows: Sequence[sa.Row[Any]]) -> list[ImprovementAction]:
        opened = self.vault.open_many(tx, [(row.subject, row.content, CONTENT) for row in rows])
        # What was sealed for somebody whose key was destroyed reads as empty.
        contents = (json.loads(content) if content else dict.fromkeys(_TEXTS, "") for content in opened)
        return [_action(row, content) for row, content in zip(rows, contents, strict=True)]

    def _row(self, tx: Tx, action: ImprovementAction) -> dict[str, Any]:
        words = json.dumps({name: getattr(action, name) for name in _TEXTS}, ensure_ascii=False).encode()
        sealed = self.vault.seal(tx, action.subject, words, CONTENT)
        return {name: getattr(action, name) for name in _PLAIN} | {"content": sealed}


def hand_over(tx: Tx, *, leaver: str, superior: str) -> None:
    """Give what is open of a member of staff who has left to the superior. By `ix_improvement_actions_responsible`."""
    tx.execute(HAND_OVER, {"leaver": leaver, "superior": superior})


def _action(row: sa.Row[Any], content: dict[str, str]) -> ImprovementAction:
    plain = {name: getattr(row, name) for name in _PLAIN}
    return ImprovementAction(**plain | content | {"state": State(row.state)})
