"""Cases in the database: a row per ticket, its clocks and its timeline beside it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa

from chassis.database import Tx, upsert
from chassis.vault import Vault
from services.ticketing.cases.domain import (
    Case,
    Commitment,
    Offer,
    Product,
    Promise,
    Solution,
    Ticket,
    TicketNotFound,
    Wanted,
)
from services.ticketing.cases.tables import TICKET_COUNTS, TICKETS
from services.ticketing.clocks import repository as clocks
from services.ticketing.priorities.domain import Priority
from services.ticketing.states.domain import State

CONTENT = "tickets.content"

# Fields that stand sealed, or in columns of other names.
_APART = {"subject", "description", "product", "priority", "classes", "state"}
_PLAIN = [field.name for field in dataclasses.fields(Ticket) if field.name not in _APART]

# Written down once: building an expression takes longer than running it.
BY_ID = sa.select(TICKETS).where(TICKETS.c.id == sa.bindparam("id"))
SIMILAR = (
    sa.select(TICKETS.c.id)
    .where(
        TICKETS.c.customer_id == sa.bindparam("customer_id"),
        TICKETS.c.closed == sa.false(),
        TICKETS.c.type == sa.bindparam("type"),
    )
    .order_by(TICKETS.c.id.desc())
    .limit(10)
)


class Cases:
    """Tickets and what hangs on them, their words sealed for whom they are about."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault

    def get(self, tx: Tx, ticket_id: str, *, lock: bool = False) -> Case:
        """Read a case, or raise `TicketNotFound`; locked, nobody else works on it before this transaction ends.

        By the primary keys.
        """
        row = tx.execute(BY_ID.with_for_update() if lock else BY_ID, {"id": ticket_id}).one_or_none()
        if row is None:
            raise TicketNotFound(name=f"tickets/{ticket_id}")
        return self._cases(tx, [row])[0]

    def add(self, tx: Tx, case: Case) -> None:
        """Write a new case."""
        tx.execute(sa.insert(TICKETS).values(self._row(tx, case)))
        clocks.save(tx, case.ticket.id, case.clock_events, case.clocks)

    def save(self, tx: Tx, case: Case) -> None:
        """Write a case that was read locked. By the primary keys."""
        tx.execute(sa.update(TICKETS).where(TICKETS.c.id == case.ticket.id).values(self._row(tx, case)))
        clocks.save(tx, case.ticket.id, case.clock_events, case.clocks)

    def save_alerts(self, tx: Tx, case: Case) -> None:
        """Write what alerts have changed; the words stay as they are, for their key may be destroyed by now.

        By the primary keys.
        """
        ticket = case.ticket
        changed = {"entries": ticket.entries, "update_time": ticket.update_time}
        tx.execute(sa.update(TICKETS).where(TICKETS.c.id == ticket.id).values(changed))
        clocks.save(tx, ticket.id, case.clock_events, case.clocks)

    def find(self, tx: Tx, wanted: Wanted, *, after: Sequence[str | int] | None, limit: int) -> list[Case]:
        """List cases from behind a place on: the most pressing first, or in the order of their changes.

        By `ix_tickets_owner`, `ix_tickets_assignee`, `ix_tickets_queue`, `ix_tickets_store`, `ix_tickets_customer`,
        `uq_tickets_number`, `ix_tickets_changed`, or else `ix_tickets_pressing`; their clocks by the primary key.
        """
        column = TICKETS.c
        query = sa.select(TICKETS)
        for name in ("customer_id", "owner", "assignee", "queue", "store", "type", "number"):
            value = getattr(wanted, name)
            if value:
                query = query.where(column[name] == value)
        if wanted.mine:
            query = query.where(sa.or_(column.owner == wanted.mine, column.assignee == wanted.mine))
        if wanted.stores is not None:
            seen: list[sa.ColumnElement[bool]] = [column.store.in_(wanted.stores)]
            if wanted.seen_by:
                seen += [column.owner == wanted.seen_by, column.assignee == wanted.seen_by]
            query = query.where(sa.or_(*seen))
        if wanted.states:
            query = query.where(column.state.in_(wanted.states))
            ended = {not state.open for state in wanted.states}
            if len(ended) == 1:
                query = query.where(column.closed == ended.pop())
        order: tuple[sa.Column[Any], ...] = (column.rank, column.order_time, column.id)
        if wanted.changed_since is not None:
            query, order = query.where(column.update_time >= wanted.changed_since), (column.update_time, column.id)
        if after is not None:
            query = query.where(sa.tuple_(*order) > sa.tuple_(*after))
        return self._cases(tx, tx.execute(query.order_by(*order).limit(limit)).all())

    def _cases(self, tx: Tx, rows: Sequence[sa.Row[Any]]) -> list[Case]:
        sealed = [(_subject(row), row.content, CONTENT) for row in rows]
        opened = self.vault.open_many(tx, sealed)
        running = clocks.of(tx, [row.id for row in rows])
        return [
            _case(row, json.loads(content) if content else {}, running.get(row.id, []))
            for row, content in zip(rows, opened, strict=True)
        ]

    def _row(self, tx: Tx, case: Case) -> dict[str, Any]:
        ticket = case.ticket
        content = {
            "subject": ticket.subject,
            "description": ticket.description,
            "product": ticket.product and dataclasses.asdict(ticket.product),
            "solutions": [dataclasses.asdict(solution) for solution in case.solutions],
        }
        words = json.dumps(content, ensure_ascii=False, default=date.isoformat).encode()
        priority = ticket.priority
        return {name: getattr(ticket, name) for name in _PLAIN} | {
            "state": ticket.state,
            "closed": not ticket.state.open,
            "classes": " ".join(ticket.classes),
            "rank": priority.rank,
            "order_time": priority.order_time,
            "deadline": priority.deadline,
            "class_bonus": priority.class_bonus,
            "bonus_class": priority.bonus_class,
            "priority_policy": priority.policy,
            "content": self.vault.seal(tx, ticket.subject_name, words, CONTENT),
            "commitments": json.dumps([dataclasses.asdict(one) for one in case.commitments]),
        }


def next_number(tx: Tx, day: date) -> str:
    """Answer the next number for people of a day, such as "261122-0007". By the primary key."""
    key = day.strftime("%y%m%d")
    row = upsert(tx, TICKET_COUNTS).values(day=key, last=1)
    counting = row.on_conflict_do_update(index_elements=["day"], set_={"last": TICKET_COUNTS.c.last + 1})
    count = tx.execute(counting.returning(TICKET_COUNTS.c.last)).scalar_one()
    return f"{key}-{count:04d}"


def similar(tx: Tx, customer_id: str, ticket_type: str) -> list[str]:
    """List the newest open tickets of a customer and a type, at most 10, by id. By `ix_tickets_customer`."""
    if not customer_id:
        return []
    return list(tx.scalars(SIMILAR, {"customer_id": customer_id, "type": ticket_type}))


def _subject(row: sa.Row[Any]) -> str:
    return f"customers/{row.customer_id}" if row.customer_id else f"staff/{row.reporter}"


def _case(row: sa.Row[Any], content: dict[str, Any], running: Iterable[Any]) -> Case:
    # What was sealed for somebody whose key was destroyed reads as empty.
    plain = {name: getattr(row, name) for name in _PLAIN}
    ticket = Ticket(
        **plain,
        subject=content.get("subject", ""),
        description=content.get("description", ""),
        product=_product(content.get("product")),
        state=State(row.state),
        classes=tuple(row.classes.split()),
        priority=Priority(
            row.severity, row.deadline, row.class_bonus, row.bonus_class, row.order_time, row.priority_policy
        ),
    )
    commitments = (Commitment(**one | {"state": Promise(one["state"])}) for one in json.loads(row.commitments))
    solutions = (Solution(**one | {"state": Offer(one["state"])}) for one in content.get("solutions", ()))
    return Case(ticket, tuple(running), tuple(commitments), tuple(solutions))


def _product(told: dict[str, Any] | None) -> Product | None:
    if told is None:
        return None
    day = told.pop("purchase_date")
    return Product(**told, purchase_date=date.fromisoformat(day) if day else None)
