"""Wrong calls of every public method, found by the contracts, against the real services: each is answered in form.

Whatever is sent, no answer is a fault of ours, and what is refused leaves nothing behind.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Any, Self

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2 as details
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from chassis.errors import Code, Invalid
from chassis.service import Program, Service
from chassis.texts import LANGUAGES, Texts
from chassis.validation import validate
from gateway.tests.door import ADMIN, Door, bearer, opened
from services.customer.server import PROGRAM as CUSTOMER
from services.customer.tests.builders import Shop, sale
from services.notify.server import PROGRAM as NOTIFY
from services.notify.tests.studio import Studio
from services.ticketing.server import PROGRAM as TICKETING
from services.ticketing.tests.clerk import Clerk
from services.tiering.server import PROGRAM as TIERING
from services.tiering.tests.clients import example
from shuke.options.v1 import options_pb2
from shuke.tiering.v1 import policies_pb2, policies_pb2_grpc
from tests.contract.descriptors import access, methods
from tests.contract.wrong_values import Maker
from tests.databases import Lender, lending
from tests.running import Clock, Running, starting

PUBLIC = [method for method in methods() if access(method).exposure == options_pb2.EXPOSURE_PUBLIC]
FORGED = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIqIn0.AAAA"
# Field 2047 of any message, which no contract has.
UNKNOWN_FIELD = b"\xf8\x7f\x01"
NO_MESSAGE = b"\xff\xff\xff"
LEAKS = re.compile(r"Traceback|File \"|\.py\b|SELECT |INSERT |UPDATE |sqlite|psycopg|sqlalchemy|127\.0\.0\.1|localhost|/tmp/")
# What is left of a sentence whose part was not given.
UNFILLED = re.compile(r"(?<!/)\{[a-z_]+\}|\((?!request\))[a-z_]+\)")
EXPECTED = {code.value for code in Code} - {Code.INTERNAL.value}


@dataclass(frozen=True)
class House:
    """The whole suite in this process, without background work: what is written, a call has written."""

    services: dict[str, Running]
    door: Door
    maker: Maker

    def headers(self, api: str, language: str, *, allowed: bool = True, **caller: Any) -> tuple[tuple[str, str], ...]:
        """Sign a caller in who may do everything, or nothing; the gateway knows callers by their keys."""
        if api == "gateway":
            token = ADMIN if allowed else self.door.key(kind="SYSTEM", roles=["till"], stores=["*"])
            return tuple(bearer(token, **{"accept-language": language}).items())
        caller = {"permissions": ("*",) if allowed else ("none",), "staff": "A01", "language": language, **caller}
        return self.services[api].headers(**caller)


@dataclass(frozen=True)
class Wrong:
    """What a refused call told; no code where it was answered."""

    status: Status
    reason: str = ""
    fields: frozenset[str] = frozenset()
    metadata: str = ""


def quiet(program: Program) -> Program:
    """Take a service's background work away."""

    def build(*settings: Any) -> Service:
        return replace(program.build(*settings), workers=())

    return replace(program, build=build)


@pytest.fixture(scope="module")
def house(sqlite_lender: Lender, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Start the suite, and enter a record of most kinds."""
    with lending(sqlite_lender) as make, starting(make, tmp_path_factory.mktemp("trust")) as start:
        clock = Clock()
        customer, tiering = start(quiet(CUSTOMER), clock), start(quiet(TIERING), clock)
        ticketing = start(quiet(TICKETING), clock, customer_address=customer.address)
        notify = start(quiet(NOTIFY), clock)
        services = {"customer": customer, "tiering": tiering, "ticketing": ticketing, "notify": notify}
        others = {f"{api}_address": running.address for api, running in services.items() if api != "customer"}
        with opened(start, clock, customer.address, **others) as door:
            door.store("LEEDS")
            door.member("A01")
            yield House({**services, "gateway": door.gateway}, door, Maker(records(services)))


def records(services: dict[str, Running]) -> tuple[str, ...]:
    """Enter a customer, a sale, a ticket and drafts; answer their names."""
    shop = Shop(services["customer"])
    anna = shop.customer()
    purchase = shop.record(sale("R1"), settled=True).purchase.name
    ticket = Clerk(services["ticketing"]).open(customer=anna).name
    template = Studio(services["notify"]).create().name
    draft = policies_pb2.DraftPolicyRequest(parent="policies/loyalty", policy=example())
    policy = services["tiering"].call(policies_pb2_grpc.PolicyServiceStub, "DraftPolicy", draft, staff="A01").name
    return (anna, purchase, ticket, template, policy, "stores/LEEDS", "staff/A01", "LEEDS")


@dataclass
class Walk:
    """Calls one method in wrong ways, and holds every answer to the contract."""

    house: House
    method: MethodDescriptor

    def __post_init__(self) -> None:
        """Find the service of the method."""
        self.api = self.method.full_name.split(".")[1]
        self.running = self.house.services[self.api]
        service = self.method.containing_service.full_name
        self.answer = GetMessageClass(self.method.output_type)
        self.send = self.running.channel.unary_unary(f"/{service}/{self.method.name}")
        self.languages = cycle(LANGUAGES)
        self.texts = self.running.service.foundation.texts

    def call(self, request: bytes, headers: tuple[tuple[str, str], ...] | None = None, **caller: Any) -> Wrong | Message:
        """Call with bytes; check the form of what comes back, and that a refusal wrote nothing."""
        language = next(self.languages)
        headers = self.house.headers(self.api, language, **caller) if headers is None else headers
        before = self.version()
        try:
            answer: Message = self.answer.FromString(self.send(request, metadata=headers, timeout=30))
        except grpc.RpcError as error:
            status = rpc_status.from_call(error)  # type: ignore[arg-type]
            assert status is not None, f"no status of the contract: {error.code()} {error.details()}"
            assert self.version() == before, f"refused, and yet something was written: {status}"
            return read(status, self.texts, dict(headers).get("accept-language", "zh-CN"))
        for result in getattr(answer, "results", ()):
            if "error" in result.DESCRIPTOR.fields_by_name and result.HasField("error"):
                read(result.error, self.texts, *LANGUAGES)  # a retry gets the first answer, whatever its language
        return answer

    def version(self) -> int:
        """Answer a number that changes with every commit of anybody else."""
        return int(self.watch.execute("PRAGMA data_version").fetchone()[0])

    def __enter__(self) -> Self:
        """Watch the service's database."""
        self.watch = sqlite3.connect(str(self.running.database.url.database))
        return self

    def __exit__(self, *_: object) -> None:
        """Watch no longer."""
        self.watch.close()


def read(status: Status, texts: Texts, *languages: str) -> Wrong:
    """Hold a status to the contract's form, in one of some languages, and tell what it says."""
    info, said, wrong = details.ErrorInfo(), details.LocalizedMessage(), details.BadRequest()
    for detail in status.details:
        for part in (info, said, wrong):
            detail.Unpack(part)
    assert status.code in EXPECTED, status
    sentence = texts.of(info.reason)
    assert sentence is not None, status
    assert info.domain == sentence.domain, status
    assert said.locale in languages, status
    sentences = [status.message, said.message]
    for violation in wrong.field_violations:
        assert violation.reason, status
        sentences += [violation.description, violation.localized_message.message]
    for each in sentences:
        assert each, status
        assert not LEAKS.search(each), each
        assert not UNFILLED.search(each), each
    fields = frozenset(violation.field for violation in wrong.field_violations)
    return Wrong(status, info.reason, fields, info.metadata.get("permission", info.metadata.get("store", "")))


def broken(message: Message) -> set[str]:
    """Name the fields that break the rules of the contract."""
    try:
        validate(message)
    except Invalid as invalid:
        return {violation.field for violation in invalid.violations}
    return set()


@pytest.fixture
def walk(house: House, request: pytest.FixtureRequest) -> Iterator[Walk]:
    """Walk along one method."""
    with Walk(house, request.param) as made:
        yield made


everywhere = pytest.mark.parametrize("walk", PUBLIC, indirect=True, ids=lambda method: method.full_name[6:])


@everywhere
def test_who_calls_is_asked_first(walk: Walk) -> None:
    """Whoever shows no token, a forged one or too little permission learns nothing else, not even what is wrong."""
    nothing = (("accept-language", "en"),)
    for sent in (b"", NO_MESSAGE, walk.house.maker.good(walk.method.input_type).SerializeToString()):
        assert walk.call(sent, nothing).reason == "TOKEN_MISSING"
        for token in (FORGED, "Bearer", "A" * 4000):
            forged = (*nothing, ("authorization", f"Bearer {token}"))
            assert walk.call(sent, forged).reason in {"TOKEN_INVALID", "TOKEN_MISSING"}
        refused = walk.call(sent, allowed=False)
        assert (refused.reason, refused.metadata) == ("PERMISSION_MISSING", access(walk.method).permission)


@pytest.mark.parametrize(
    "walk", [method for method in PUBLIC if access(method).store_field], indirect=True, ids=lambda method: method.name
)
def test_a_foreign_store_is_refused(walk: Walk) -> None:
    """Where a method is bound to a store, a key of another one is refused, item by item in a batch."""
    request = walk.house.maker.good(walk.method.input_type, full=True)
    refused = walk.call(request.SerializeToString(), stores=("ELSEWHERE",))
    if access(walk.method).store_field.startswith("requests."):
        refused = read(refused.results[0].error, walk.texts, *LANGUAGES)
    assert (refused.reason, refused.metadata) == ("STORE_FOREIGN", "LEEDS")


@everywhere
def test_no_request_is_too_wrong_for_an_answer(walk: Walk) -> None:
    """Each field at its limits and beyond is answered in form; what the rules of the contract forbid is refused."""
    maker, request = walk.house.maker, walk.method.input_type
    assert walk.call(NO_MESSAGE).reason == "FIELDS_INVALID"
    full = maker.good(request, full=True)
    for odd in (b"", UNKNOWN_FIELD, full.SerializeToString(), full.SerializeToString() + UNKNOWN_FIELD):
        walk.call(odd)
    for full_too in (False, True):
        for label, message in maker.wrong(request, full=full_too):
            answer = walk.call(message.SerializeToString())
            forbidden = broken(message)
            if forbidden:
                assert isinstance(answer, Wrong), f"{label}: taken, though {forbidden} break the rules"
                assert answer.status.code == Code.INVALID_ARGUMENT.value, label
                assert answer.fields & forbidden, label
