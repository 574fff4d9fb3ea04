"""The versions of the notice, as those need them who show it; their life cycle is the chassis's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from chassis import documents
from chassis.database import Tx
from chassis.documents import POLICIES, Document, State
from services.customer.policies.domain import NOTICE, Notice, NoticeMissing, NoticeVersion, shown


class Notices:
    """The versions of the notice; `read` turns a stored payload into one."""

    def __init__(self, read: Callable[[bytes], Notice]) -> None:
        self.read = read

    def in_force(self, tx: Tx, today: date) -> NoticeVersion:
        """Read the version in force on a day."""
        document = documents.active_on(tx, POLICIES, NOTICE, today)
        if document is None:
            raise NoticeMissing
        return self._version(document)

    def shown(self, tx: Tx, name: str, field: str, today: date) -> NoticeVersion:
        """Read the version that a customer was shown, if it may be relied on."""
        collection, key, _, number = name.split("/")
        document = documents.find(tx, collection, key, int(number)) if key == NOTICE else None
        return shown(self._version(document) if document else None, name, field, today)

    def _version(self, document: Document) -> NoticeVersion:
        content = document.content
        return NoticeVersion(
            name=document.name,
            effective_date=content.effective_date,
            example=content.example,
            active=document.state is State.ACTIVE,
            notice=self.read(content.payload),
        )
