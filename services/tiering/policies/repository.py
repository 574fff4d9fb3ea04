"""The policies of the schemes, as graders need them; their life cycle is the chassis's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from chassis import documents
from chassis.database import Tx
from chassis.documents import POLICIES, Document, State, Step
from services.tiering.policies.domain import CATALOGUE, Ladder, PolicyMissing, PolicyVersion, SchemeUnknown, Score

# More versions of one policy than a chain will ever write.
ALL = 10_000


class Policies:
    """The versions of all schemes; `read` turns a stored payload into rules."""

    def __init__(self, read: Callable[[bytes], Ladder | Score]) -> None:
        self.read = read

    def find(self, tx: Tx, scheme: str, day: date) -> PolicyVersion | None:
        """Find the version that covers a day."""
        document = documents.active_on(tx, POLICIES, scheme, day) if scheme != CATALOGUE else None
        return self._version(document) if document else None

    def in_force(self, tx: Tx, scheme: str, day: date) -> PolicyVersion:
        """Read the version that covers a day, or raise `PolicyMissing`."""
        found = self.find(tx, scheme, day)
        if found is None:
            raise PolicyMissing(scheme=scheme, as_of=day.isoformat())
        return found

    def known(self, tx: Tx, scheme: str, day: date) -> PolicyVersion:
        """Read the version that covers a day; a scheme that never was is `SchemeUnknown`."""
        found = self.find(tx, scheme, day)
        if found is None:
            self.require(tx, scheme)
            raise PolicyMissing(scheme=scheme, as_of=day.isoformat())
        return found

    def require(self, tx: Tx, scheme: str) -> None:
        """Raise `SchemeUnknown` unless some version was activated once, whatever became of it."""
        versions = documents.versions(tx, POLICIES, scheme, limit=ALL)
        if scheme == CATALOGUE or not any(_was_active(tx, version) for version in versions):
            raise SchemeUnknown(name=f"schemes/{scheme}")

    def version(self, tx: Tx, scheme: str, version: int) -> PolicyVersion:
        """Read a version, whatever its state."""
        return self._version(documents.get(tx, POLICIES, scheme, version))

    def active(self, tx: Tx) -> dict[str, list[PolicyVersion]]:
        """Read the active versions of every scheme."""
        return {
            scheme: [
                self._version(document)
                for document in documents.versions(tx, POLICIES, scheme, limit=ALL)
                if document.state is State.ACTIVE
            ]
            for scheme in documents.keys(tx, POLICIES)
            if scheme != CATALOGUE
        }

    def _version(self, document: Document) -> PolicyVersion:
        content = document.content
        return PolicyVersion(document.key, document.version, content.effective_date, self.read(content.payload))


def _was_active(tx: Tx, document: Document) -> bool:
    if document.state is not State.RETIRED:
        return document.state is State.ACTIVE
    return any(taken.step is Step.ACTIVATE for taken in documents.history(tx, document))
