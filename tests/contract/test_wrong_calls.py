"""Wrong calls of every public method, found by the contracts, against the real services: each is answered in form.

Whatever is sent, no answer is a fault of ours, and what is refused leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from chassis.errors import Code, Invalid
from chassis.texts import LANGUAGES, Texts
from chassis.validation import validate
from shuke.options.v1 import options_pb2
from tests.contract.answers import Wrong, read
from tests.contract.descriptors import access, methods
from tests.contract.house import House

PUBLIC = [method for method in methods() if access(method).exposure == options_pb2.EXPOSURE_PUBLIC]
FORGED = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIqIn0.AAAA"
# Field 2047 of any message, which no contract has.
UNKNOWN_FIELD = b"\xf8\x7f\x01"
NO_MESSAGE = b"\xff\xff\xff"


@dataclass
class Walk:
    """Calls one method in wrong ways, and holds every answer to the contract."""

    house: House
    method: MethodDescriptor
    version: Callable[[], int]

    def __post_init__(self) -> None:
        """Find the service of the method."""
        self.api = api_of(self.method)
        self.running = self.house.services[self.api]
        service = self.method.containing_service.full_name
        self.answer = GetMessageClass(self.method.output_type)
        self.send: Callable[..., bytes] = self.running.channel.unary_unary(f"/{service}/{self.method.name}")
        self.languages = cycle(LANGUAGES)
        self.texts = self.running.service.foundation.texts
        self.signed_in = {language: self.house.headers(self.api, language) for language in LANGUAGES}

    def call(
        self, request: bytes, headers: tuple[tuple[str, str], ...] | None = None, **caller: Any
    ) -> Wrong | Message:
        """Call with bytes; check the form of what comes back, and that a refusal wrote nothing."""
        language = next(self.languages)
        if headers is None:
            headers = self.house.headers(self.api, language, **caller) if caller else self.signed_in[language]
        before = self.version()
        try:
            answer: Message = self.answer.FromString(self.send(request, metadata=headers, timeout=30))
        except grpc.RpcError as error:
            status = rpc_status.from_call(error)  # type: ignore[arg-type]
        else:
            for result in getattr(answer, "results", ()):
                if "error" in result.DESCRIPTOR.fields_by_name and result.HasField("error"):
                    read(result.error, self.texts, *LANGUAGES)  # a retry gets the first answer, whatever its language
            return answer
        assert status is not None, "no status of the contract"
        assert self.version() == before, f"refused, and yet something was written: {status}"
        return read(status, self._texts_of(status), dict(headers).get("accept-language", "zh-CN"))

    def _texts_of(self, status: Status) -> Texts:
        """Answer whose sentence a refusal gives: the gateway passes on what the services that it asks refuse."""
        info = ErrorInfo()
        api = next((info.domain for detail in status.details if detail.Unpack(info)), "").partition(".")[0]
        relayed = self.api == "gateway" and api in self.house.services
        return self.house.services[api].service.foundation.texts if relayed else self.texts

    def refused(self, request: bytes, headers: tuple[tuple[str, str], ...] | None = None, **caller: Any) -> Wrong:
        """Call with bytes that are refused; the first item of a batch speaks for it."""
        answer: Any = self.call(request, headers, **caller)
        if isinstance(answer, Wrong):
            return answer
        return read(answer.results[0].error, self.texts, *LANGUAGES)


def api_of(method: MethodDescriptor) -> str:
    """Name the API of a method."""
    return method.full_name.split(".")[1]


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
    method: MethodDescriptor = request.param
    with house.watched(api_of(method)) as version:
        yield Walk(house, method, version)


everywhere = pytest.mark.parametrize("walk", PUBLIC, indirect=True, ids=lambda method: method.full_name[6:])


@everywhere
def test_who_calls_is_asked_first(walk: Walk) -> None:
    """Whoever shows no token, a forged one or too little permission learns nothing else, not even what is wrong."""
    nothing = (("accept-language", "en"),)
    for sent in (b"", NO_MESSAGE, walk.house.maker.good(walk.method.input_type).SerializeToString()):
        assert walk.refused(sent, nothing).reason == "TOKEN_MISSING"
        for token in (FORGED, "Bearer", "A" * 4000):
            forged = (*nothing, ("authorization", f"Bearer {token}"))
            assert walk.refused(sent, forged).reason in {"TOKEN_INVALID", "TOKEN_MISSING"}
        refused = walk.refused(sent, allowed=False)
        assert (refused.reason, refused.metadata) == ("PERMISSION_MISSING", access(walk.method).permission)


@pytest.mark.parametrize(
    "walk", [method for method in PUBLIC if access(method).store_field], indirect=True, ids=lambda method: method.name
)
def test_a_foreign_store_is_refused(walk: Walk) -> None:
    """Where a method is bound to a store, a key of another one is refused, item by item in a batch."""
    request = walk.house.maker.good(walk.method.input_type, full=True)
    refused = walk.refused(request.SerializeToString(), stores=("ELSEWHERE",))
    assert (refused.reason, refused.metadata) == ("STORE_FOREIGN", "LEEDS")


@everywhere
def test_no_request_is_too_wrong_for_an_answer(walk: Walk) -> None:
    """Each field at its limits and beyond is answered in form; what the rules of the contract forbid is refused."""
    maker, request = walk.house.maker, walk.method.input_type
    assert walk.refused(NO_MESSAGE).reason == "FIELDS_INVALID"
    full = maker.good(request, full=True)
    for odd in (b"", UNKNOWN_FIELD, full.SerializeToString(), full.SerializeToString() + UNKNOWN_FIELD):
        walk.call(odd)
    for full_too in (False, True):
        for label, message in maker.wrong(request, full=full_too):
            forbidden = broken(message)
            if forbidden and full_too:
                continue  # a forbidden field was refused by itself already
            answer = walk.call(message.SerializeToString())
            if forbidden:
                assert isinstance(answer, Wrong), f"{label}: taken, though {forbidden} break the rules"
                assert answer.status.code == Code.INVALID_ARGUMENT.value, label
                assert answer.fields & forbidden, label
