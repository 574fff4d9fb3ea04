"""Calls to the services behind the gateway: bytes in, bytes out, a channel per API."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Container, Mapping
from typing import TYPE_CHECKING

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2
from grpc_status import rpc_status

from chassis.client import CONNECTING, SERVICE_CONFIG, target
from chassis.errors import BodyTooLarge, MethodUnknown, Overloaded, Refused, Unavailable
from chassis.operations import OperationNotFound
from chassis.status import InternalFault, Relayed
from chassis.steps import MAX_MESSAGE
from gateway.errors import Late
from gateway.routes import Route

if TYPE_CHECKING:
    MultiCallable = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]

# Headers of a call, by their names in small letters.
Metadata = Mapping[str, str]
# Whoever answers a request: bytes of the route's request message to bytes of its answer. It raises `Refused`, which is
# `Relayed` where the service itself refused.
Caller = Callable[[Route, bytes, Metadata], Awaitable[bytes]]
# Whoever turns what a caller showed into the token for the service of an API; it refuses callers that are not known.
TokenSource = Callable[[Metadata, str], Awaitable[str]]

OPERATION = re.compile(r"operations/(?P<api>[a-z]+)-.+")
AUTHORIZATION = "authorization"
# What else of a caller's headers goes on to the service.
FORWARDED = ("accept-language", "x-operator", "x-purpose")
DEADLINE = 30.0
GRACE = 5.0
HEALTH_CHECK = "/grpc.health.v1.Health/Check"
HEALTH_DEADLINE = 2.0

OPTIONS = (
    ("grpc.service_config", SERVICE_CONFIG),
    # Above what services take, so that a message that is too large gets our reason and not the library's.
    ("grpc.max_receive_message_length", 2 * MAX_MESSAGE),
    ("grpc.max_send_message_length", 2 * MAX_MESSAGE),
    *CONNECTING,
)


class Upstream:
    """The services by their APIs. It belongs to the event loop that runs when it is made."""

    def __init__(
        self,
        addresses: Mapping[str, str],
        token_for: TokenSource,
        *,
        deadline: float = DEADLINE,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self.token_for = token_for
        self.deadline = deadline
        self._channels = {api: _channel(address, credentials) for api, address in addresses.items()}
        self._methods: dict[tuple[str, str], MultiCallable] = {}

    async def __call__(self, route: Route, request: bytes, metadata: Metadata) -> bytes:
        """Call the service that serves a route, with a token of ours in place of the caller's."""
        if len(request) > MAX_MESSAGE:
            raise BodyTooLarge(MAX_MESSAGE)
        api = route.api or operation_api(route.request.FromString(request), self._channels)
        token = await self.token_for(metadata, api)
        sent = [(name, value) for name, value in metadata.items() if name != AUTHORIZATION]
        try:
            return await self._method(api, route.method)(
                request, timeout=self.deadline, metadata=(*sent, (AUTHORIZATION, f"Bearer {token}"))
            )
        except grpc.aio.AioRpcError as error:
            raise refusal_in(error, route.method, metadata.get("x-request-id", "")) from error

    async def ready(self) -> bool:
        """Tell whether every service says that it serves."""
        answers = await asyncio.gather(*map(_serves, self._channels.values()))
        return all(answers)

    async def close(self) -> None:
        """Let calls in flight finish, then close the channels."""
        for channel in self._channels.values():
            await channel.close(GRACE)

    def _method(self, api: str, method: str) -> MultiCallable:
        key = (api, method)
        if key not in self._methods:
            self._methods[key] = self._channels[api].unary_unary(method)
        return self._methods[key]


async def _serves(channel: grpc.aio.Channel) -> bool:
    try:
        check: MultiCallable = channel.unary_unary(HEALTH_CHECK)
        answer = await check(b"", timeout=HEALTH_DEADLINE)
    except grpc.aio.AioRpcError:
        return False
    return health_pb2.HealthCheckResponse.FromString(answer).status == health_pb2.HealthCheckResponse.SERVING


def _channel(address: str, credentials: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
    if credentials is None:
        return grpc.aio.insecure_channel(target(address), options=OPTIONS)
    return grpc.aio.secure_channel(target(address), credentials, options=OPTIONS)


def operation_api(request: Message, apis: Container[str]) -> str:
    """Answer the API that runs the operation which a request names; raise `OperationNotFound` when none does."""
    name: str = getattr(request, "name", "")
    named = OPERATION.fullmatch(name)
    if named is None or named["api"] not in apis:
        raise OperationNotFound(name=name)
    return named["api"]


def status_in(failed: grpc.RpcError | grpc.Call) -> Status | None:
    """Answer the status that a service sent; a foreign or broken one counts as none."""
    try:
        status: Status | None = rpc_status.from_call(failed)  # type: ignore[arg-type]  # it answers all that is asked
    except (ValueError, DecodeError):
        return None
    return status


def refusal_in(failed: grpc.RpcError | grpc.Call, method: str, request_id: str) -> Refused:
    """Answer what a service refused with; where that is nothing of the contract, what comes closest.

    The library's own words are not told: they may name hosts and ports.
    """
    status = status_in(failed)
    if status is not None:
        return Relayed(status)
    code = failed.code()
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        return Unavailable()
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Late()
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return Overloaded()
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return MethodUnknown(method=method)
    return InternalFault(request_id=request_id)
