"""What the gateway learns of staff codes, over real gRPC: how often it asks, and what counts when nobody answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.rpc.code_pb2 import Code
from google.rpc.status_pb2 import Status

from chassis.calendar import SECOND
from chassis.client import Credentials
from chassis.principals import Principal
from chassis.tokens import Signer
from gateway import clients
from gateway.clients import PERMISSIONS, StaffBook
from gateway.staff.domain import Member
from gateway.tests.stub import Stub, refuse, serve
from shuke.customer.v1.directory_pb2 import CheckStaffRequest, CheckStaffResponse
from tests.running import Clock, keys

FRESH = 4
WAIT = 30
ANN = CheckStaffResponse(known=True, active=True, stores=["stores/LEEDS", "stores/YORK"], roles=["clerk"])
TOLD = Member(known=True, active=True, stores=frozenset({"LEEDS", "YORK"}))
GONE = Member(known=True, stores=frozenset({"LEEDS", "YORK"}))


class Book:
    """A staff book before a stub of the customer service, whose answers a test chooses."""

    def __init__(self, stub: Stub) -> None:
        self.stub = stub
        self.clock = Clock()
        signer = Signer("gateway", keys()[0], self.clock)
        credentials = Credentials(signer, Principal("services/gateway", PERMISSIONS))
        self.staff = StaffBook(stub.address, credentials, self.clock, FRESH)
        self.tell(ANN)

    def tell(self, answer: CheckStaffResponse) -> None:
        """Let the customer service answer so from now on."""
        self.stub.behave = lambda _request, _context: answer.SerializeToString()

    def fall(self, code: int) -> None:
        """Let the customer service refuse from now on."""
        self.stub.behave = lambda _request, context: refuse(context, Status(code=code, message="not now"))

    def member(self, code: str = "E-7") -> Member | None:
        """Ask, and wait for what comes of it."""
        return self.staff.member(code).result(WAIT)

    @property
    def asked(self) -> list[str]:
        """Whom the customer service was asked about."""
        return [CheckStaffRequest.FromString(request).name for _, request, _ in self.stub.calls]


@pytest.fixture
def book() -> Iterator[Book]:
    """Open a staff book before a stub of its own."""
    with serve() as stub:
        yield Book(stub)


def test_an_answer_counts_for_some_seconds(book: Book) -> None:
    """Within four seconds nobody is asked again; afterwards, or by a clock set back, what has changed is learnt."""
    assert book.member() == TOLD
    book.tell(CheckStaffResponse(known=True, stores=ANN.stores))
    book.clock.now += FRESH * SECOND
    assert (book.member(), book.asked) == (TOLD, ["staff/E-7"])
    book.clock.now += 1
    assert (book.member(), book.asked) == (GONE, ["staff/E-7"] * 2)
    book.tell(ANN)
    book.clock.now -= 1
    assert (book.member(), book.asked) == (TOLD, ["staff/E-7"] * 3)


def test_nobody_is_an_answer_too(book: Book) -> None:
    """That a code is nobody's is kept as long as any other answer."""
    book.tell(CheckStaffResponse())
    assert book.member() == book.member() == Member(known=False)
    assert book.asked == ["staff/E-7"]


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.INTERNAL, Code.UNIMPLEMENTED, Code.PERMISSION_DENIED])
def test_the_last_answer_counts_while_nobody_answers(book: Book, code: int) -> None:
    """However old it is; the question is asked again every few seconds, and not at every call."""
    assert book.member() == TOLD
    book.fall(code)
    book.clock.now += 365 * 86_400 * SECOND
    assert book.member() == TOLD
    tried = len(book.asked)
    assert (book.member(), len(book.asked)) == (TOLD, tried)
    book.tell(CheckStaffResponse(known=True, stores=ANN.stores))
    book.clock.now += FRESH * SECOND + 1
    assert book.member() == GONE


def test_without_any_answer_nothing_is_kept(book: Book) -> None:
    """Of whom nothing was ever told, nothing is known, and the next call asks again."""
    book.fall(Code.INTERNAL)
    assert book.member() is None
    book.tell(ANN)
    assert book.member() == TOLD


def test_calls_that_come_together_ask_once(book: Book) -> None:
    """Eight threads wait for one question; another code has a question of its own."""
    go, together = threading.Event(), threading.Barrier(8)

    def behave(_request: bytes, _context: grpc.ServicerContext) -> bytes:
        assert go.wait(WAIT)
        return ANN.SerializeToString()

    def ask(_number: int) -> Member | None:
        together.wait(WAIT)
        answer = book.staff.member("E-7")
        together.wait(WAIT)
        go.set()
        return answer.result(WAIT)

    book.stub.behave = behave
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [TOLD] * 8
    assert book.asked == ["staff/E-7"]
    assert book.member("E-8") == TOLD
    assert book.asked == ["staff/E-7", "staff/E-8"]


def test_a_question_that_hangs_is_given_up(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """A till does not wait for a customer service that says nothing."""
    monkeypatch.setattr(clients, "DEADLINE_SECONDS", 0.1)
    go = threading.Event()

    def behave(_request: bytes, _context: grpc.ServicerContext) -> bytes:
        go.wait(WAIT)
        return b""

    book.stub.behave = behave
    assert book.member() is None
    go.set()


def test_the_code_asked_longest_ago_is_forgotten_first(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory has a bound, and codes that somebody makes up do not push out those that are asked again and again."""
    monkeypatch.setattr(clients, "CACHE_SIZE", 2)
    for code in ("E-1", "E-2"):
        assert book.member(code) == TOLD
    book.clock.now += FRESH * SECOND + 1
    for code in ("E-1", "E-3", "E-1"):
        assert book.member(code) == TOLD
    assert book.asked == ["staff/E-1", "staff/E-2", "staff/E-1", "staff/E-3"]
    book.fall(Code.INTERNAL)
    assert book.member("E-2") is None
