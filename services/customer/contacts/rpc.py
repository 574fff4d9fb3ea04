"""Handlers of `shuke.customer.v1.ContactService`."""

from __future__ import annotations

from chassis import names
from chassis.call import Call
from chassis.database import Database
from services.customer.consents.domain import bases
from services.customer.consents.repository import latest
from services.customer.contacts import convert
from services.customer.contacts.domain import choose
from services.customer.customers.repository import Customers
from services.customer.directory.repository import StaffEntries
from shuke.customer.v1 import contacts_pb2 as pb


class ContactService:
    """Tells other services how customers may be addressed, and where staff are reached."""

    def __init__(
        self,
        database: Database,
        customers: Customers,
        entries: StaffEntries,
        chain_zone: str,
        *,
        service_opt_in: bool,
    ) -> None:
        self.database = database
        self.customers = customers
        self.entries = entries
        self.chain_zone = chain_zone
        self.service_opt_in = service_opt_in

    def BatchGetContacts(self, request: pb.BatchGetContactsRequest, call: Call) -> pb.BatchGetContactsResponse:
        """Choose one contact for each customer, or none."""
        purpose, channels = convert.purpose_from_proto(request), convert.channels_from_proto(request)
        ids = [names.identity(name) for name in request.customers]
        with self.database.read() as tx:
            files = self.customers.find(tx, ids)
            # Words after files: a withdrawal that is recorded meanwhile counts.
            words = latest(tx, ids, purpose)
        call.read(request.customers, purpose)
        contacts = []
        for name, customer_id in zip(request.customers, ids, strict=True):
            customer = files.get(customer_id)
            allowed = bases(purpose, words.get(customer_id, ()), channels, service_opt_in=self.service_opt_in)
            choice = choose(customer, allowed, channels)
            contacts.append(convert.contact_to_proto(name, customer, choice, self.chain_zone))
        return pb.BatchGetContactsResponse(contacts=contacts)

    def BatchGetStaffContacts(
        self, request: pb.BatchGetStaffContactsRequest, call: Call
    ) -> pb.BatchGetStaffContactsResponse:
        """Tell of each member of staff where the member is reached."""
        with self.database.read() as tx:
            members = self.entries.named(tx, map(names.identity, request.staff))
        call.read(request.staff)
        contacts = [convert.staff_contact_to_proto(name, members.get(names.identity(name))) for name in request.staff]
        return pb.BatchGetStaffContactsResponse(contacts=contacts)
