"""The queries of the communication log."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from chassis.database import Tx
from chassis.vault import Vault
from services.customer.interactions.domain import Direction, Interaction, Kind, Wanted
from services.customer.interactions.tables import INTERACTIONS

SUMMARY = "interactions.summary"

# Written down once: building an expression takes longer than running it.
BY_ID = sa.select(INTERACTIONS).where(INTERACTIONS.c.id == sa.bindparam("id"))
OF_MESSAGES = sa.select(INTERACTIONS.c.message_id).where(
    INTERACTIONS.c.message_id.in_(sa.bindparam("ids", expanding=True))
)


class Interactions:
    """Contacts with customers, what was said in them sealed."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault

    def add(self, tx: Tx, interactions: Sequence[Interaction]) -> None:
        """Write contacts; one whose message another transaction enters first is worked on again."""
        if not interactions:
            return
        worded = [each for each in interactions if each.summary]
        sealed = self.vault.seal_many(tx, [(each.customer, each.summary.encode(), SUMMARY) for each in worded])
        summaries = {each.id: summary for each, summary in zip(worded, sealed, strict=True)}
        rows = [
            {**dataclasses.asdict(each), "summary": summaries.get(each.id), "message_id": each.message_id or None}
            for each in interactions
        ]
        tx.execute(sa.insert(INTERACTIONS), rows)

    def get(self, tx: Tx, interaction_id: str) -> Interaction:
        """Read a contact that was entered. By the primary key."""
        [found] = self._read(tx, BY_ID, {"id": interaction_id})
        return found

    def find(self, tx: Tx, wanted: Wanted, *, limit: int, after: tuple[int, str] | None) -> list[Interaction]:
        """List contacts, the last one first, from behind a place on. By `ix_interactions_customer`."""
        column = INTERACTIONS.c
        query = sa.select(INTERACTIONS).where(column.customer_id == wanted.customer_id)
        if wanted.kind is not None:
            query = query.where(column.kind == wanted.kind)
        if wanted.start is not None:
            query = query.where(column.occur_time >= wanted.start)
        if wanted.end is not None:
            query = query.where(column.occur_time < wanted.end)
        if after is not None:
            query = query.where(sa.tuple_(column.occur_time, column.id) < sa.tuple_(*after))
        return self._read(tx, query.order_by(column.occur_time.desc(), column.id.desc()).limit(limit), {})

    def _read(self, tx: Tx, query: sa.Select[Any], values: dict[str, Any]) -> list[Interaction]:
        rows = tx.execute(query, values).mappings().all()
        worded = [row for row in rows if row["summary"]]
        subjects = [f"customers/{row['customer_id']}" for row in worded]
        items = [(subject, row["summary"], SUMMARY) for subject, row in zip(subjects, worded, strict=True)]
        opened = self.vault.open_many(tx, items)
        summaries = {row["id"]: summary for row, summary in zip(worded, opened, strict=True)}
        return [_interaction(row, summaries.get(row["id"])) for row in rows]


def entered(tx: Tx, message_ids: Iterable[str]) -> set[str]:
    """Tell which of notify's messages are in the log. By `uq_interactions_message_id`."""
    return set(tx.scalars(OF_MESSAGES, {"ids": sorted(message_ids)}))


def _interaction(row: sa.RowMapping, summary: bytes | None) -> Interaction:
    return Interaction(
        **{**row, "kind": Kind(row["kind"]), "direction": Direction(row["direction"])}
        # What was sealed for somebody whose key was destroyed reads as empty.
        | {"summary": (summary or b"").decode(), "message_id": row["message_id"] or ""}
    )
