"""Handlers of `shuke.customer.v1.ConsentService`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from chassis import names, wire
from chassis.calendar import SECOND, day_of
from chassis.call import Call
from chassis.calls import Calls
from chassis.database import Database, Tx
from chassis.errors import Problems
from chassis.events import EventLog
from chassis.ids import NewId
from chassis.paging import Pager, page_size
from chassis.settings import Chain
from services.customer.config import CustomerSettings
from services.customer.consents import convert, repository
from services.customer.consents.domain import Decision, Record, Source, Use, Word, decide, read_together, require_told
from services.customer.ledger.domain import TimeInFuture
from services.customer.policies.repository import Notices
from shuke.customer.v1 import consents_pb2 as pb


class ConsentService:
    """Records what customers allow, and decides by it; `require` raises for a customer that there is not."""

    def __init__(
        self,
        calls: Calls,
        database: Database,
        notices: Notices,
        require: Callable[[Tx, str], None],
        log: EventLog,
        chain: Chain,
        pager: Pager,
        config: CustomerSettings,
    ) -> None:
        self.calls = calls
        self.database = database
        self.notices = notices
        self.require = require
        self.log = log
        self.chain = chain
        self.pager = pager
        self.service_opt_in = config.service_opt_in
        self.tolerance = config.clock_tolerance_seconds * SECOND

    def GetNotice(self, _request: pb.GetNoticeRequest, _call: Call) -> pb.GetNoticeResponse:
        """Answer the notice in force today."""
        today = day_of(self.calls.clock(), self.chain.zone_info)
        with self.database.read() as tx:
            return convert.notice_to_proto(self.notices.in_force(tx, today))

    def GrantConsent(self, request: pb.GrantConsentRequest, call: Call) -> pb.GrantConsentResponse:
        """Record what a customer allows."""
        uses, customer_id = _uses(request.consents), names.identity(request.customer)
        word = _word(request, Decision.GRANTED, call, request.notice_version)

        def work(tx: Tx, now: int, new_id: NewId) -> pb.GrantConsentResponse:
            self.require(tx, customer_id)
            today = day_of(now, self.chain.zone_info)
            require_told(self.notices.shown(tx, request.notice_version, "notice_version", today), uses, "consents")
            records = self._append(tx, customer_id, uses, word, now, new_id)
            return pb.GrantConsentResponse(records=map(convert.record_to_proto, records))

        return self.calls.once(call, request, pb.GrantConsentResponse, work)

    def WithdrawConsent(self, request: pb.WithdrawConsentRequest, call: Call) -> pb.WithdrawConsentResponse:
        """Record what a customer no longer allows; nothing but the customer is needed for that."""
        uses, customer_id = _uses(request.consents), names.identity(request.customer)
        word = _word(request, Decision.WITHDRAWN, call)

        def work(tx: Tx, now: int, new_id: NewId) -> pb.WithdrawConsentResponse:
            self.require(tx, customer_id)
            records = self._append(tx, customer_id, uses, word, now, new_id)
            return pb.WithdrawConsentResponse(records=map(convert.record_to_proto, records))

        return self.calls.once(call, request, pb.WithdrawConsentResponse, work)

    def CheckConsent(self, request: pb.CheckConsentRequest, _call: Call) -> pb.CheckConsentResponse:
        """Decide whether a use is or was allowed."""
        now, customer_id = self.calls.clock(), names.identity(request.customer)
        time = wire.instant(request.time) if request.HasField("time") else now
        if time > now + self.tolerance:
            raise TimeInFuture(field="time")
        use = convert.use_from_proto(request)
        # A decision for now rests on all that is recorded: a withdrawal holds at once, whatever another clock says.
        until = max(time, 0) if time < now else None
        with self.database.read() as tx:
            self.require(tx, customer_id)
            record = repository.deciding(tx, customer_id, use, until)
        basis = decide(use.purpose, record, service_opt_in=self.service_opt_in)
        return pb.CheckConsentResponse(
            allowed=basis.allows,
            basis=pb.CheckConsentResponse.Basis.Value(basis.value),
            record=convert.record_to_proto(record) if record else None,
            time=request.time if request.HasField("time") else wire.timestamp(now),
        )

    def ListConsentRecords(self, request: pb.ListConsentRecordsRequest, call: Call) -> pb.ListConsentRecordsResponse:
        """List what a customer said, the newest first."""
        size, cursor = page_size(request.page_size), self.pager.cursor(request)
        customer_id, before = names.identity(request.customer), int(cursor[0]) if cursor else None
        with self.database.read() as tx:
            self.require(tx, customer_id)
            found = repository.records(tx, customer_id, limit=size + 1, before=before)
        call.read([request.customer])
        page, more = self.pager.page(request, found, size, lambda record: [record.sequence])
        return pb.ListConsentRecordsResponse(consent_records=map(convert.record_to_proto, page), next_page_token=more)

    def _append(
        self, tx: Tx, customer_id: str, uses: tuple[Use, ...], word: Word, now: int, new_id: NewId
    ) -> list[Record]:
        records = repository.append(tx, customer_id, uses, word, now)
        self.log.add(tx, map(convert.consent_changed, records), now, new_id)
        return records


def _uses(consents: Iterable[pb.Consent]) -> tuple[Use, ...]:
    uses, problems = convert.uses_from_proto(consents), Problems()
    read_together(problems, uses, "consents")
    problems.refuse()
    return uses


def _word(
    request: pb.GrantConsentRequest | pb.WithdrawConsentRequest, decision: Decision, call: Call, notice: str = ""
) -> Word:
    source = Source(pb.ConsentRecord.Source.Name(request.source))
    return Word(decision, source, call.principal.operator or call.principal.staff, call.principal.name, notice)
