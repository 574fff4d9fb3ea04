"""The versions of templates, as those need them who write messages; their life cycle is the chassis's."""

from __future__ import annotations

from collections.abc import Callable

from chassis import documents
from chassis.database import Tx
from chassis.documents import Document, State
from services.notify.templates.domain import TEMPLATES, Template, TemplateNotApproved


class Templates:
    """The versions of all templates; `read` turns a version's name and stored payload into one."""

    def __init__(self, read: Callable[[str, bytes], Template]) -> None:
        self.read = read

    def find(self, tx: Tx, code: str) -> Template | None:
        """Find the version in force: the newest that is approved (by the primary key of the documents)."""
        document = documents.newest(tx, TEMPLATES, code, State.APPROVED)
        return self._template(document) if document else None

    def in_force(self, tx: Tx, code: str) -> Template:
        """Read the version in force, or raise `TemplateNotApproved`."""
        template = self.find(tx, code)
        if template is None:
            raise TemplateNotApproved(template=code)
        return template

    def version(self, tx: Tx, name: str) -> Template:
        """Read a version by its name, whatever its state, or raise `DocumentNotFound`."""
        collection, code, _, number = name.split("/")
        return self._template(documents.get(tx, collection, code, int(number)))

    def _template(self, document: Document) -> Template:
        return self.read(document.name, document.content.payload)
