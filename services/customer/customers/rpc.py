"""Handlers of `shuke.customer.v1.CustomerService`."""

from __future__ import annotations

from collections.abc import Sequence

from chassis import names
from chassis.calendar import day_of
from chassis.call import Call
from chassis.calls import Calls
from chassis.database import Database, Tx
from chassis.errors import Problems
from chassis.events import EventLog
from chassis.ids import NewId
from chassis.settings import Chain
from services.customer.consents.convert import consent_changed
from services.customer.consents.domain import Decision, Source, Word, require_told
from services.customer.consents.repository import append
from services.customer.customers import convert, repository
from services.customer.customers.domain import (
    Customer,
    CustomerNotFound,
    EnrolmentConflict,
    FilePolicy,
    contact_keys,
    enrol,
)
from services.customer.customers.repository import Customers
from services.customer.ledger.domain import CHAIN_SCOPE, Spend
from services.customer.policies.repository import Notices
from services.customer.spend.repository import spends
from shuke.customer.v1 import customer_pb2 as pb


class CustomerService:
    """Opens, reads and finds customer files."""

    def __init__(
        self,
        calls: Calls,
        database: Database,
        customers: Customers,
        notices: Notices,
        log: EventLog,
        chain: Chain,
        policy: FilePolicy,
    ) -> None:
        self.calls = calls
        self.database = database
        self.customers = customers
        self.notices = notices
        self.log = log
        self.chain = chain
        self.policy = policy

    def EnrolCustomer(self, request: pb.EnrolCustomerRequest, call: Call) -> pb.EnrolCustomerResponse:
        """Open a file, answer the one that this enrolment opened before, or list who is known already."""
        enrolment = convert.enrolment_from_proto(request, self.chain.region)
        digest = self.customers.enrolment_digest(enrolment)
        operator = call.principal.operator or call.principal.staff
        word = Word(Decision.GRANTED, Source.TILL, operator, call.principal.name, enrolment.notice_version)

        def work(tx: Tx, now: int, new_id: NewId) -> pb.EnrolCustomerResponse:
            self.customers.hold(tx, enrolment)
            known = self.customers.enrolled(tx, enrolment.store, enrolment.enrolment_ref)
            if known is not None:
                if known.enrolment_hash != digest:
                    name = names.name("customers", known.id)
                    raise EnrolmentConflict(enrolment_ref=enrolment.enrolment_ref, store=enrolment.store, name=name)
                return pb.EnrolCustomerResponse(customer=self._files(tx, [known], call)[0], replayed=True)
            today = day_of(now, self.chain.zone_info)
            if enrolment.notice_version:
                notice = self.notices.shown(tx, enrolment.notice_version, "notice_version", today)
                require_told(notice, enrolment.uses, "consents")
            matches = self.customers.by_keys(tx, contact_keys(enrolment.personal))
            if matches and not enrolment.accept_duplicates:
                return pb.EnrolCustomerResponse(matches=self._matches(tx, matches, call, desk=False))
            customer = enrol(
                enrolment, self.policy, digest=digest, operator=operator, now=now, today=today, new_id=new_id()
            )
            self.customers.add(tx, customer)
            records = append(tx, customer.id, enrolment.uses, word, now)
            changes = [convert.customer_created(customer), *map(consent_changed, records)]
            self.log.add(tx, changes, now, new_id)
            # A new customer has neither classes nor purchases yet.
            return pb.EnrolCustomerResponse(
                customer=convert.customer_to_proto(customer, (), (None, None), call.language)
            )

        return self.calls.transact(work)

    def GetCustomer(self, request: pb.GetCustomerRequest, call: Call) -> pb.Customer:
        """Answer one file."""
        customer_id = names.identity(request.name)
        with self.database.read() as tx:
            found = self.customers.find(tx, [customer_id])
            if customer_id not in found:
                raise CustomerNotFound(name=request.name)
            return self._files(tx, [found[customer_id]], call)[0]

    def LookupCustomer(self, request: pb.LookupCustomerRequest, call: Call) -> pb.LookupCustomerResponse:
        """Find files by a key."""
        desk = request.view == pb.LookupCustomerRequest.DESK
        if desk:
            call.principal.require("customer.customers.get")
        problems = Problems()
        key = convert.key_from_proto(problems, "lookup", request.lookup, self.chain.region)
        problems.refuse()
        with self.database.read() as tx:
            found = self.customers.by_keys(tx, [key] if key else [])
            return pb.LookupCustomerResponse(matches=self._matches(tx, found, call, desk=desk))

    def _files(self, tx: Tx, customers: Sequence[Customer], call: Call) -> list[pb.Customer]:
        ids = [customer.id for customer in customers]
        held, sums = repository.classes(tx, ids), spends(tx, ids)
        return [
            convert.customer_to_proto(
                customer, held.get(customer.id, ()), _times(sums.get((customer.id, CHAIN_SCOPE))), call.language
            )
            for customer in customers
        ]

    def _matches(self, tx: Tx, customers: Sequence[Customer], call: Call, *, desk: bool) -> list[pb.CustomerMatch]:
        ids = [customer.id for customer in customers]
        held, sums = repository.classes(tx, ids), spends(tx, ids)
        profiles = self._files(tx, customers, call) if desk else [None] * len(customers)
        return [
            convert.match_to_proto(
                customer,
                held.get(customer.id, ()),
                first_purchase_due=_times(sums.get((customer.id, CHAIN_SCOPE)))[0] is None,
                language=call.language,
                profile=profile,
            )
            for customer, profile in zip(customers, profiles, strict=True)
        ]


def _times(spend: Spend | None) -> tuple[int | None, int | None]:
    if spend is None or spend.first is None:
        return None, None
    return spend.first.business_time, spend.last_time
