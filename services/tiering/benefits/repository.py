"""The versions of the catalogue of benefits; their life cycle is the chassis's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from chassis import documents
from chassis.database import Tx
from chassis.documents import POLICIES
from services.tiering.benefits.domain import Catalogue, CatalogueVersion
from services.tiering.policies.domain import CATALOGUE


class Catalogues:
    """The versions of the catalogue; `read` turns a stored payload into one."""

    def __init__(self, read: Callable[[bytes], Catalogue]) -> None:
        self.read = read

    def in_force(self, tx: Tx, today: date) -> CatalogueVersion:
        """Read the version that covers a day; a chain without one offers nothing."""
        document = documents.active_on(tx, POLICIES, CATALOGUE, today)
        if document is None:
            return CatalogueVersion("", Catalogue())
        return CatalogueVersion(document.name, self.read(document.content.payload))
