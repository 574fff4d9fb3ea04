"""The policies in force, as those need them who handle tickets; their life cycle is the chassis's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

from chassis import documents
from chassis.database import Tx
from chassis.documents import POLICIES
from services.ticketing.policies.domain import Rules


class Policies:
    """The versions of all policies; `read` turns the stored payloads of those in force, by name, into rules."""

    def __init__(self, read: Callable[[Mapping[str, bytes]], Rules]) -> None:
        self.read = read

    def in_force(self, tx: Tx, day: date) -> Rules:
        """Read what is in force on a day, in one statement (ix_documents_active)."""
        found = documents.all_active_on(tx, POLICIES, day)
        return self.read({document.name: document.content.payload for document in found})
