"""The queries of the timeline."""

from __future__ import annotations

import json

import sqlalchemy as sa

from chassis.database import Tx
from chassis.vault import Vault
from services.ticketing.cases.domain import Case, Entry, Ticket
from services.ticketing.states.domain import State, Verb
from services.ticketing.timeline.tables import ENTRIES

TEXT = "ticket_entries.text"


class Timeline:
    """The entries of tickets, their texts sealed for whom the ticket is about."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault

    def add(self, tx: Tx, case: Case) -> None:
        """Write what is new in a case."""
        if not case.entries:
            return
        ticket = case.ticket
        written = [entry for entry in case.entries if entry.text]
        sealed = self.vault.seal_many(tx, [(ticket.subject_name, entry.text.encode(), TEXT) for entry in written])
        texts = {entry.number: text for entry, text in zip(written, sealed, strict=True)}
        rows = [
            {
                "ticket_id": ticket.id,
                "number": entry.number,
                "time": entry.time,
                "actor": entry.actor,
                "verb": entry.verb,
                "from_state": entry.from_state,
                "to_state": entry.to_state,
                "text": texts.get(entry.number),
                "details": json.dumps(dict(entry.details)),
            }
            for entry in case.entries
        ]
        tx.execute(sa.insert(ENTRIES), rows)

    def find(self, tx: Tx, ticket: Ticket, *, after: int, limit: int) -> list[Entry]:
        """List entries from behind a number on, the first one first. By the primary key."""
        query = sa.select(ENTRIES).where(ENTRIES.c.ticket_id == ticket.id, ENTRIES.c.number > after)
        rows = tx.execute(query.order_by(ENTRIES.c.number).limit(limit)).all()
        written = [row for row in rows if row.text is not None]
        opened = self.vault.open_many(tx, [(ticket.subject_name, row.text, TEXT) for row in written])
        texts = {row.number: (text or b"").decode() for row, text in zip(written, opened, strict=True)}
        return [
            Entry(
                number=row.number,
                time=row.time,
                actor=row.actor,
                verb=Verb(row.verb),
                from_state=State(row.from_state) if row.from_state else None,
                to_state=State(row.to_state),
                text=texts.get(row.number, ""),
                details=json.loads(row.details),
            )
            for row in rows
        ]
