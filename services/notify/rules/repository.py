"""The rules of notices, as those need them who tell customers and staff; their life cycle is the chassis's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from chassis import documents
from chassis.database import Tx
from chassis.documents import POLICIES
from services.notify.rules.domain import Rule


class Rules:
    """The rules of all schemes, and that of tickets.

    `read` turns a version's name and stored payload into one; `day_of` tells the day of an instant in the chain's zone.
    """

    def __init__(self, read: Callable[[str, bytes], Rule], day_of: Callable[[int], date]) -> None:
        self.read = read
        self.day_of = day_of

    def covering(self, tx: Tx, key: str, time: int) -> Rule | None:
        """Find the rule under a key for what takes effect at an instant.

        It is the active one with the latest effective date up to that day (ix_documents_active).
        """
        document = documents.active_on(tx, POLICIES, key, self.day_of(time))
        return self.read(document.name, document.content.payload) if document else None
