"""Handlers of `shuke.customer.v1.PrivacyService`."""

from __future__ import annotations

from collections.abc import Callable

from chassis import names
from chassis.access import AccessLog
from chassis.call import Call
from chassis.database import Database, Tx
from chassis.paging import Pager, page_size
from services.customer.privacy import convert
from shuke.customer.v1 import privacy_pb2 as pb


class PrivacyService:
    """Answers who read personal data; `require` raises for a customer that there is not."""

    def __init__(
        self, database: Database, accesses: AccessLog, require: Callable[[Tx, str], None], pager: Pager
    ) -> None:
        self.database = database
        self.accesses = accesses
        self.require = require
        self.pager = pager

    def ListAccessRecords(self, request: pb.ListAccessRecordsRequest, _call: Call) -> pb.ListAccessRecordsResponse:
        """List who read a customer's data, the newest first."""
        size, cursor = page_size(request.page_size), self.pager.cursor(request)
        before = str(cursor[0]) if cursor else None
        with self.database.read() as tx:
            self.require(tx, names.identity(request.customer))
            found = self.accesses.of(tx, request.customer, limit=size + 1, before=before)
        page, more = self.pager.page(request, found, size, lambda access: [access.id])
        records = [convert.access_to_proto(access, request.customer) for access in page]
        return pb.ListAccessRecordsResponse(access_records=records, next_page_token=more)
