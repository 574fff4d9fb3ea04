"""Calls to another service: a channel that retries what is safe to retry, deadlines, and a signed token."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import TypeVar

import grpc

from chassis.calendar import SECOND
from chassis.errors import Unavailable
from chassis.principals import Principal
from chassis.steps import MAX_MESSAGE
from chassis.tokens import Signer
from shuke.event.v1 import event_pb2, event_pb2_grpc

Q = TypeVar("Q")
A = TypeVar("A")
Headers = tuple[tuple[str, str], ...]

REUSE_SECONDS = 30
DEADLINE_SECONDS = 10.0
# Only UNAVAILABLE says that nothing was done, so only that is tried again.
RETRY_POLICY = {
    "maxAttempts": 4,
    "initialBackoff": "0.05s",
    "maxBackoff": "1s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
SERVICE_CONFIG = json.dumps(
    {"loadBalancingConfig": [{"round_robin": {}}], "methodConfig": [{"name": [{}], "retryPolicy": RETRY_POLICY}]}
)
# The library cancels calls that reach a server in the very moment in which it ceases to take any.
UNANSWERED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
CONNECTING = (
    # A service that comes back is found soon; the library would wait up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # Channels of one process share connections to an address, and with them how long to wait after a failure: whoever
    # comes to a service that has just begun would wait for what others met there before.
    ("grpc.use_local_subchannel_pool", 1),
)
CHANNEL_OPTIONS = (
    ("grpc.service_config", SERVICE_CONFIG),
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    *CONNECTING,
)


def target(address: str) -> str:
    """Write the address of a service's replicas, as settings give it, in the way of the library."""
    return f"ipv4:{address}" if "," in address else address


def open_channel(address: str) -> grpc.Channel:
    """Open a channel to a service's replicas; it connects when it is first used and reconnects by itself."""
    return grpc.insecure_channel(target(address), options=CHANNEL_OPTIONS)


def ask(method: grpc.UnaryUnaryMultiCallable[Q, A], request: Q, headers: Headers) -> A:
    """Call a method of another service; raise `Unavailable` when it does not answer."""
    try:
        return method(request, timeout=DEADLINE_SECONDS, metadata=headers)
    except grpc.RpcError as error:
        if error.code() in UNANSWERED:
            raise Unavailable from error
        raise


def find(method: grpc.UnaryUnaryMultiCallable[Q, A], request: Q, headers: Headers) -> A | None:
    """Call a method that looks something up: None where there is none such, or can be none.

    Raises `Unavailable` when the service does not answer.
    """
    try:
        return ask(method, request, headers)
    except grpc.RpcError as error:
        if error.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT):
            return None
        raise


class Credentials:
    """The headers under which a service calls another one; a token is used again for half of its life."""

    def __init__(self, signer: Signer, principal: Principal) -> None:
        self.signer = signer
        self.principal = principal
        self._tokens: dict[str, tuple[int, str]] = {}
        self._lock = threading.Lock()

    def headers(self, audience: str) -> Headers:
        """Answer the headers for a call to one service."""
        now = self.signer.clock()
        with self._lock:
            made, token = self._tokens.get(audience, (0, ""))
            # A clock that was set back makes it one of the future, which others refuse.
            if not 0 <= now - made <= REUSE_SECONDS * SECOND:
                token = self.signer.sign(self.principal, audience)
                self._tokens[audience] = (now, token)
        return (("authorization", f"Bearer {token}"),)


class FeedClient:
    """Reads the event feed of another service."""

    def __init__(self, audience: str, channel: grpc.Channel, credentials: Credentials) -> None:
        self.audience = audience
        self.credentials = credentials
        self.stub = event_pb2_grpc.EventFeedServiceStub(channel)

    def read_events(self, cursors: Mapping[int, int], limit: int) -> event_pb2.ReadEventsResponse:
        """Read events behind cursors; raise `Unavailable` when the owner does not answer."""
        request = event_pb2.ReadEventsRequest(
            cursors=[
                event_pb2.Cursor(partition=partition, position=position) for partition, position in cursors.items()
            ],
            limit=limit,
        )
        return ask(self.stub.ReadEvents, request, self.credentials.headers(self.audience))
