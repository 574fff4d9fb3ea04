"""What the gateway itself asks of the services behind it."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import grpc
import structlog

from chassis import names
from chassis.calendar import SECOND
from chassis.client import Credentials, Headers, open_channel
from chassis.clock import Clock
from chassis.errors import Unavailable
from chassis.paging import LARGEST_SIZE
from chassis.status import reason_of
from gateway.staff.domain import Member
from gateway.upstream import status_in
from shuke.customer.v1 import consents_pb2, consents_pb2_grpc, directory_pb2_grpc
from shuke.customer.v1 import directory_pb2 as pb
from shuke.tiering.v1 import benefits_pb2, benefits_pb2_grpc

log = structlog.get_logger("staff")

# What the signed token of the gateway itself claims.
PERMISSIONS = ("customer.operators.check",)
# A till waits for it, so it is short.
DEADLINE_SECONDS = 2.0
CACHE_SIZE = 10_000


class StaffBook:
    """Asks the customer service who staff codes stand for, and keeps each answer for some seconds.

    Safe for threads and for the event loop: nothing in it waits.
    """

    def __init__(self, address: str, credentials: Credentials, clock: Clock, fresh_seconds: int) -> None:
        self.credentials = credentials
        self.clock = clock
        self.fresh_for = fresh_seconds * SECOND
        self.stub = directory_pb2_grpc.DirectoryServiceStub(open_channel(address))
        self._never: Future[Member | None] = Future()
        self._never.set_result(None)
        # By code, what was asked last at the end: when, and what comes or came of it.
        self._asked: dict[str, tuple[int, Future[Member | None]]] = {}
        self._lock = threading.Lock()

    def member(self, code: str) -> Future[Member | None]:
        """Answer what the directory tells of a staff code, now or soon; calls that come together ask once.

        While the customer service does not answer it is what it told last, however long ago, and None without that.
        """
        with self._lock:
            now = self.clock()
            time, last = self._asked.get(code, (now, self._never))
            if not last.done() or (last.result() is not None and now - time <= self.fresh_for):
                return last
            answer: Future[Member | None] = Future()
            asked = self.stub.CheckStaff.future(
                pb.CheckStaffRequest(name=names.name("staff", code)),
                timeout=DEADLINE_SECONDS,
                metadata=self.credentials.headers("customer"),
            )
            self._asked.pop(code, None)
            self._asked[code] = (now, answer)
            if len(self._asked) > CACHE_SIZE:
                del self._asked[next(iter(self._asked))]
        asked.add_done_callback(lambda done: answer.set_result(_told(done) or last.result()))
        return answer


class Offer:
    """Asks, in the name of whoever the headers stand for, what is read and offered to customers today."""

    def __init__(self, customer_address: str, tiering_address: str) -> None:
        self.consents = consents_pb2_grpc.ConsentServiceStub(open_channel(customer_address))
        self.catalogue = benefits_pb2_grpc.BenefitServiceStub(open_channel(tiering_address))

    def notice(self, headers: Headers) -> grpc.Future[consents_pb2.GetNoticeResponse]:
        """Ask for the notice in force."""
        request = consents_pb2.GetNoticeRequest()
        return self.consents.GetNotice.future(request, timeout=DEADLINE_SECONDS, metadata=headers)

    def benefits(self, headers: Headers) -> grpc.Future[benefits_pb2.ListBenefitsResponse]:
        """Ask for the catalogue in force; one page holds all that a catalogue can."""
        request = benefits_pb2.ListBenefitsRequest(page_size=LARGEST_SIZE)
        return self.catalogue.ListBenefits.future(request, timeout=DEADLINE_SECONDS, metadata=headers)


def reason_in(error: grpc.RpcError) -> str:
    """Answer the reason for which a service refused; one that did not answer is unavailable."""
    status = status_in(error)
    return (reason_of(status) if status else "") or Unavailable.reason


def _told(asked: grpc.Future[pb.CheckStaffResponse]) -> Member | None:
    """Read an answer; whatever else came of the question is as good as none, and what it was is for the log."""
    try:
        told = asked.result()
    except grpc.RpcError as error:
        log.warning("staff not checked", code=error.code().name)
        return None
    return Member(told.known, told.active, told.chain_wide, frozenset(map(names.identity, told.stores)))
