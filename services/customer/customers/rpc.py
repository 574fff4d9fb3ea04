"""Handlers of `shuke.customer.v1.CustomerService`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from chassis import names
from chassis.calendar import day_of
from chassis.call import Call
from chassis.calls import Calls
from chassis.database import Database, Tx
from chassis.errors import Problems
from chassis.events import EventLog
from chassis.gathering import Gathering
from chassis.ids import NewId
from chassis.settings import Chain
from services.customer.consents.convert import consent_changed
from services.customer.consents.domain import Decision, Source, Word, require_told
from services.customer.consents.repository import append
from services.customer.customers import convert, repository
from services.customer.customers.domain import (
    Customer,
    CustomerClass,
    Enrolment,
    EnrolmentConflict,
    FilePolicy,
    Key,
    contact_keys,
    enrol,
    refuse_known,
    update,
)
from services.customer.customers.repository import Customers
from services.customer.ledger.domain import CHAIN_SCOPE, Spend
from services.customer.personal.domain import SEE_PERSONAL
from services.customer.policies.repository import Notices
from services.customer.spend.repository import spends
from shuke.customer.v1 import customer_pb2 as pb


@dataclass(frozen=True, slots=True)
class File:
    """A customer's file, with the classes that the customer holds, and the times of the first and the last sale."""

    customer: Customer
    held: Sequence[CustomerClass]
    first_time: int | None
    last_time: int | None


class CustomerService:
    """Opens, changes, reads and finds customer files."""

    def __init__(
        self,
        calls: Calls,
        database: Database,
        customers: Customers,
        notices: Notices,
        log: EventLog,
        chain: Chain,
        policy: FilePolicy,
        record: Callable[[Sequence[Call]], None],
    ) -> None:
        self.calls = calls
        self.database = database
        self.customers = customers
        self.notices = notices
        self.log = log
        self.chain = chain
        self.policy = policy
        self.record = record
        self.lookups = Gathering(self._look_up)

    def EnrolCustomer(self, request: pb.EnrolCustomerRequest, call: Call) -> pb.EnrolCustomerResponse:
        """Open a file, answer the one that this enrolment opened before, or list who is known already."""
        enrolment = convert.enrolment_from_proto(request, self.chain.region)
        digests = self.customers.enrolment_digests(enrolment)
        word = _word(Source.TILL, call, enrolment)

        def work(tx: Tx, now: int, new_id: NewId) -> pb.EnrolCustomerResponse:
            self.customers.hold(tx, enrolment)
            known = self.customers.enrolled(tx, enrolment.store, request.enrolment_ref)
            if known is not None:
                if known.enrolment_hash not in digests:
                    raise EnrolmentConflict(enrolment_ref=request.enrolment_ref, store=enrolment.store, name=known.name)
                return pb.EnrolCustomerResponse(customer=_profiles(_files(tx, [known]), call)[0], replayed=True)
            self._require_told(tx, enrolment, now)
            matches = self._rivals(tx, enrolment)
            if matches:
                return pb.EnrolCustomerResponse(matches=_matches(_files(tx, matches), call, desk=False))
            customer = self._open(tx, enrolment, word, digests[0], now, new_id)
            # A new customer has neither classes nor purchases yet, and the till has just told what is answered.
            return pb.EnrolCustomerResponse(
                customer=convert.customer_to_proto(customer, (), (None, None), call.language, veiled=False)
            )

        return self.calls.transact(work)

    def CreateCustomer(self, request: pb.CreateCustomerRequest, call: Call) -> pb.Customer:
        """Open a file for whom nobody is known yet."""
        creation = convert.creation_from_proto(request, self.chain.region, self._today(self.calls.clock()))
        word = _word(Source.DESK, call, creation)

        def work(tx: Tx, now: int, new_id: NewId) -> pb.Customer:
            self.customers.hold(tx, creation)
            self._require_told(tx, creation, now)
            refuse_known(self._rivals(tx, creation))
            return pb.Customer(name=self._open(tx, creation, word, None, now, new_id).name)

        # What is kept under the request id is a name; the file is read anew, so that nothing personal stands there.
        return self._file(self.calls.once(call, request, pb.Customer, work).name, call)

    def UpdateCustomer(self, request: pb.UpdateCustomerRequest, call: Call) -> pb.Customer:
        """Change fields of a file."""
        told = convert.update_from_proto(request, self.chain.region, self._today(self.calls.clock()))

        def work(tx: Tx, now: int, new_id: NewId) -> pb.Customer:
            [before] = self.customers.get(tx, [told.customer_id])
            after = update(before, told.changes, self.policy, etag=told.etag, now=now, today=self._today(now))
            self.customers.save(tx, before, after)
            self.log.add(tx, convert.customer_updated(before, after), now, new_id)
            return pb.Customer(name=after.name)

        return self._file(self.calls.once(call, request, pb.Customer, work).name, call)

    def GetCustomer(self, request: pb.GetCustomerRequest, call: Call) -> pb.Customer:
        """Answer one file."""
        return self._file(request.name, call)

    def BatchGetCustomers(self, request: pb.BatchGetCustomersRequest, call: Call) -> pb.BatchGetCustomersResponse:
        """Answer many files, all or none."""
        with self.database.read() as tx:
            found = self.customers.get(tx, list(map(names.identity, request.names)))
            return pb.BatchGetCustomersResponse(customers=_profiles(_files(tx, found), call))

    def LookupCustomer(self, request: pb.LookupCustomerRequest, call: Call) -> pb.LookupCustomerResponse:
        """Find files by a key."""
        desk = request.view == pb.LookupCustomerRequest.DESK
        if desk:
            call.principal.require("customer.customers.get")
        problems = Problems()
        key = convert.key_from_proto(problems, "lookup", request.lookup, self.chain.region)
        problems.refuse()
        files = self.lookups.run(call, (call, key)) if key else []
        return pb.LookupCustomerResponse(matches=_matches(files, call, desk=desk))

    def _look_up(self, lookups: Sequence[tuple[Call, Key]]) -> list[list[File]]:
        """Find the files of each key, and record who read them."""
        with self.database.read() as tx:
            found = self.customers.by_each_key(tx, [key for _, key in lookups])
            files = iter(_files(tx, [customer for customers in found for customer in customers]))
        for (call, _), customers in zip(lookups, found, strict=True):
            call.read(customer.name for customer in customers)
        self.record([call for call, _ in lookups])
        return [list(itertools.islice(files, len(customers))) for customers in found]

    def _today(self, now: int) -> date:
        return day_of(now, self.chain.zone_info)

    def _require_told(self, tx: Tx, enrolment: Enrolment, now: int) -> None:
        """Refuse consents that the notice does not tell, and a notice that is not in force."""
        if enrolment.notice_version:
            notice = self.notices.shown(tx, enrolment.notice_version, "notice_version", self._today(now))
            require_told(notice, enrolment.uses, "consents")

    def _rivals(self, tx: Tx, enrolment: Enrolment) -> list[Customer]:
        """Find who is known by a contact point already, unless the customer says that this is another person."""
        return [] if enrolment.accept_duplicates else self.customers.by_keys(tx, contact_keys(enrolment.personal))

    def _open(
        self, tx: Tx, enrolment: Enrolment, word: Word, digest: bytes | None, now: int, new_id: NewId
    ) -> Customer:
        """Write a new file with its consents, and tell of both."""
        customer = enrol(
            enrolment,
            self.policy,
            digest=digest,
            operator=word.recorded_by,
            now=now,
            today=self._today(now),
            new_id=new_id(),
        )
        self.customers.add(tx, customer)
        records = append(tx, customer.id, enrolment.uses, word, now)
        self.log.add(tx, [convert.customer_created(customer), *map(consent_changed, records)], now, new_id)
        return customer

    def _file(self, name: str, call: Call) -> pb.Customer:
        with self.database.read() as tx:
            return _profiles(_files(tx, self.customers.get(tx, [names.identity(name)])), call)[0]


def _files(tx: Tx, customers: Sequence[Customer]) -> list[File]:
    """Read what customers hold and when they bought, which is answered with their files."""
    ids = {customer.id for customer in customers}
    held, sums = (repository.classes(tx, ids), spends(tx, ids)) if ids else ({}, {})
    return [
        File(customer, held.get(customer.id, ()), *_times(sums.get((customer.id, CHAIN_SCOPE))))
        for customer in customers
    ]


def _profiles(files: Sequence[File], call: Call) -> list[pb.Customer]:
    call.read(file.customer.name for file in files)
    veiled = not call.principal.may(SEE_PERSONAL)
    return [
        convert.customer_to_proto(
            file.customer, file.held, (file.first_time, file.last_time), call.language, veiled=veiled
        )
        for file in files
    ]


def _matches(files: Sequence[File], call: Call, *, desk: bool) -> list[pb.CustomerMatch]:
    call.read(file.customer.name for file in files)
    profiles = _profiles(files, call) if desk else [None] * len(files)
    return [
        convert.match_to_proto(
            file.customer,
            file.held,
            first_purchase_due=file.first_time is None,
            language=call.language,
            profile=profile,
        )
        for file, profile in zip(files, profiles, strict=True)
    ]


def _word(source: Source, call: Call, enrolment: Enrolment) -> Word:
    operator = call.principal.operator or call.principal.staff
    return Word(Decision.GRANTED, source, operator, call.principal.name, enrolment.notice_version)


def _times(spend: Spend | None) -> tuple[int | None, int | None]:
    if spend is None or spend.first is None:
        return None, None
    return spend.first.business_time, spend.last_time
