"""Services for tests: the real thing, in this process, on a loopback port, called over a real channel."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from chassis.calendar import to_micros
from chassis.client import open_channel
from chassis.database import Database
from chassis.migrations import upgrade
from chassis.principals import Principal
from chassis.service import Program, Service, prepare
from chassis.settings import Chain, Suite
from chassis.tokens import Signer, generate_key
from chassis.vault import generate_key as generate_vault_key
from chassis.workers import Worker
from tests.databases import MakeDatabase, text_of

START = to_micros(datetime(2026, 3, 2, 4, 0, tzinfo=UTC))


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: int = START) -> None:
        self.now = now

    def __call__(self) -> int:
        """Tell the time."""
        return self.now


@dataclass
class Refusal(Exception):
    """What a client reads out of an error."""

    code: str
    reason: str
    message: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    localized: str = ""

    @classmethod
    def of(cls, status: Status) -> Refusal:
        """Read a status; it must have the contract's form."""
        info, wrong, said = details.ErrorInfo(), details.BadRequest(), details.LocalizedMessage()
        for detail in status.details:
            for part in (info, wrong, said):
                detail.Unpack(part)
        code = next(code.name for code in grpc.StatusCode if code.value[0] == status.code)
        fields = {violation.field: violation.reason for violation in wrong.field_violations}
        return cls(code, info.reason, status.message, dict(info.metadata), fields, said.message)


@dataclass
class Running:
    """A service that runs, and a client of it."""

    service: Service
    channel: grpc.Channel
    signer: Signer
    clock: Clock

    @property
    def address(self) -> str:
        """Where the service answers gRPC."""
        return f"127.0.0.1:{self.service.foundation.server.port}"

    @property
    def database(self) -> Database:
        """The service's own database."""
        return self.service.foundation.database

    def wake(self) -> None:
        """Let whatever works in the background look now, so that a test need not wait for its pauses."""
        for worker in self.service.workers:
            if isinstance(worker, Worker):
                worker.wake()

    def call(self, stub: Callable[[grpc.Channel], Any], method: str, request: Message, **caller: Any) -> Any:
        """Call a method as somebody; raise `Refusal` for an error of the contract's form."""
        return self.raw(stub, method, request, headers=self.headers(**caller))

    def raw(
        self,
        stub: Callable[[grpc.Channel], Any],
        method: str,
        request: Message,
        headers: tuple[tuple[str, str], ...],
    ) -> Any:
        """Call a method with given headers."""
        try:
            return getattr(stub(self.channel), method)(request, metadata=headers, timeout=30)
        except grpc.RpcError as error:
            status = rpc_status.from_call(error)  # type: ignore[arg-type]
            if status is None:
                raise
            raise Refusal.of(status) from error

    def headers(
        self,
        *,
        permissions: tuple[str, ...] = ("*",),
        stores: tuple[str, ...] = ("*",),
        staff: str = "",
        operator: str = "",
        language: str = "en",
        purpose: str = "",
        key_purpose: str = "",
    ) -> tuple[tuple[str, str], ...]:
        """Sign a caller in, as the gateway does."""
        principal = Principal("apiKeys/test", permissions, stores, staff, operator, key_purpose)
        token = self.signer.sign(principal, self.service.foundation.api)
        headers = (("authorization", f"Bearer {token}"), ("accept-language", language))
        return (*headers, ("x-purpose", purpose)) if purpose else headers


class StartService(Protocol):
    """Starts a service for one test."""

    def __call__(self, program: Program, clock: Clock | None = None, **settings: str) -> Running:
        """Start it on a database of its own, with further settings of that service."""


@cache
def keys() -> tuple[str, str]:
    """Make one key pair for all tests; the key of every part is the same here."""
    return generate_key()


NO_SETTINGS = MappingProxyType[str, str]({})


def trusted() -> dict[str, dict[str, object]]:
    """Say that every part may claim anything, as the file says whose name `SHUKE_TRUST` is."""
    public = json.loads(keys()[1])
    issuers = ("gateway", "customer", "tiering", "ticketing", "notify")
    return {name: {"public_key": public, "may_claim": ["*"]} for name in issuers}


CHAIN = {"SHUKE_CHAIN_ZONE": "Europe/London", "SHUKE_CHAIN_CURRENCY": "GBP", "SHUKE_CHAIN_REGION": "GB"}
SECRETS = {"vault_key": generate_vault_key(), "index_key": generate_vault_key()}


@pytest.fixture
def start_service(make_database: MakeDatabase, tmp_path: Path, transport: dict[str, str]) -> Iterator[StartService]:
    """Start services, on each engine in turn, and stop them after the test."""
    with starting(make_database, tmp_path, transport) as start:
        yield start


@contextmanager
def starting(
    make_database: MakeDatabase, folder: Path, transport: Mapping[str, str] = NO_SETTINGS
) -> Iterator[StartService]:
    """Start services that trust each other, and stop them at the end; `transport` is what the suite is told of NATS."""
    private, _ = keys()
    trust = folder / "trust.json"
    trust.write_text(json.dumps(trusted()))
    with ExitStack() as running:

        def start(program: Program, clock: Clock | None = None, **settings: str) -> Running:
            database = make_database(lambda new: upgrade(new, program.revisions, program.metadata), program.name)
            time = clock or Clock()
            fields = program.settings.model_fields
            port_name = fields["port"].alias or "port"
            given = {name: value for name, value in SECRETS.items() if name in fields}
            given |= {"database_url": text_of(database.url), "signing_key": private, port_name: "0"}
            # What works in the background at the start would open a connection each, which takes longer than a turn.
            given |= {"pool_size": "4", **settings}
            prefix = program.settings.prefix
            config = program.settings.read({f"{prefix}{name.upper()}": value for name, value in given.items()})
            suite, chain = Suite.read({"SHUKE_TRUST": str(trust), **transport}), Chain.read(CHAIN)
            service = program.build(config, suite, chain, time)
            prepare(service, program)
            port = service.start()
            running.callback(service.stop)
            channel = open_channel(f"127.0.0.1:{port}")
            running.callback(channel.close)
            return Running(service, channel, Signer("gateway", private, time), time)

        yield start
