"""The rules of notices, as those need them who tell customers; their life cycle is the chassis's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from chassis import documents
from chassis.database import Tx
from chassis.documents import POLICIES
from services.notify.rules.domain import TierNotice


class Rules:
    """The rules of all schemes.

    `read` turns a version's name and stored payload into one; `day_of` tells the day of an instant in the chain's zone.
    """

    def __init__(self, read: Callable[[str, bytes], TierNotice], day_of: Callable[[int], date]) -> None:
        self.read = read
        self.day_of = day_of

    def covering(self, tx: Tx, scheme: str, effective_time: int) -> TierNotice | None:
        """Find the rule for grade results of a scheme, `schemes/{scheme}`, that take effect at an instant.

        It is the active one with the latest effective date up to that day (ix_documents_active).
        """
        key = scheme.removeprefix("schemes/")
        document = documents.active_on(tx, POLICIES, key, self.day_of(effective_time))
        return self.read(document.name, document.content.payload) if document else None
