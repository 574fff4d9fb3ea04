"""The composition root of the gateway: the only file that knows every part."""

from __future__ import annotations

import asyncio
import secrets
import socket
import threading
from functools import partial
from pathlib import Path

import uvicorn
from google.longrunning import operations_pb2

from chassis.calls import Calls, Pruning
from chassis.clock import Clock
from chassis.service import Foundation, Program, Service
from chassis.settings import Chain, Suite
from chassis.tokens import Signer
from chassis.workers import Worker
from gateway.apikeys.domain import PREFIX
from gateway.apikeys.rpc import ApiKeyService
from gateway.clients import PERMISSIONS, CustomerBook, Offer, StaffBook
from gateway.config import GatewaySettings
from gateway.connections import Connection, Limits
from gateway.customers.rpc import CustomerViewService
from gateway.http import Front, build_app
from gateway.keyring import FRESH_SECONDS, OWN_API, Keyring
from gateway.labels.convert import labels_of
from gateway.labels.rpc import LabelService
from gateway.limits.buckets import Buckets
from gateway.limits.domain import Limit
from gateway.openapi.pages import pages
from gateway.passthrough import PassThrough
from gateway.routes import RouteTable
from gateway.tables import CHAIN, LOG, METADATA, REQUESTS
from gateway.tills.rpc import TillService
from gateway.upstream import Upstream
from shuke.customer.v1 import (
    consents_pb2,
    customer_pb2,
    directory_pb2,
    interactions_pb2,
    privacy_pb2,
    purchases_pb2,
)
from shuke.customer.v1 import errors_pb2 as customer_errors_pb2
from shuke.customer.v1 import policies_pb2 as customer_policies_pb2
from shuke.gateway.v1 import customers_pb2, errors_pb2, gateway_pb2, labels_pb2, tills_pb2
from shuke.notify.v1 import errors_pb2 as notify_errors_pb2
from shuke.notify.v1 import messages_pb2, templates_pb2
from shuke.notify.v1 import policies_pb2 as notify_policies_pb2
from shuke.options.v1 import errors_pb2 as suite_errors_pb2
from shuke.ticketing.v1 import clocks_pb2, complaints_pb2, followups_pb2, tickets_pb2
from shuke.ticketing.v1 import errors_pb2 as ticketing_errors_pb2
from shuke.ticketing.v1 import policies_pb2 as ticketing_policies_pb2
from shuke.tiering.v1 import benefits_pb2, policies_pb2, tiering_pb2
from shuke.tiering.v1 import errors_pb2 as tiering_errors_pb2

CONTRACTS = (
    *(customer_pb2, consents_pb2, customer_policies_pb2, directory_pb2, interactions_pb2, privacy_pb2, purchases_pb2),
    *(benefits_pb2, policies_pb2, tiering_pb2),
    *(clocks_pb2, complaints_pb2, followups_pb2, ticketing_policies_pb2, tickets_pb2),
    *(messages_pb2, templates_pb2, notify_policies_pb2),
    *(gateway_pb2, customers_pb2, labels_pb2, tills_pb2, operations_pb2),
)
REASONS = (
    *(suite_errors_pb2, errors_pb2),
    *(customer_errors_pb2, tiering_errors_pb2, ticketing_errors_pb2, notify_errors_pb2),
)
SERVICES = tuple(service for file in CONTRACTS for service in file.DESCRIPTOR.services_by_name.values())
TOKEN_BYTES = 32


def new_token() -> str:
    """Make a token: 256 random bits behind a prefix that secret scanners can look for."""
    return PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def addresses(config: GatewaySettings) -> dict[str, str]:
    """Answer where each service behind the gateway is, by its API."""
    return {
        "customer": config.customer_address,
        "tiering": config.tiering_address,
        "ticketing": config.ticketing_address,
        "notify": config.notify_address,
    }


class HttpServer:
    """Serves HTTP on an event loop in a thread of its own, so that the process runs like every other service's."""

    def __init__(self, base: Foundation, config: GatewaySettings, table: RouteTable, keyring: Keyring) -> None:
        self.base = base
        self.config = config
        self.keyring = keyring
        self.table = table
        self.pages = pages(table.routes, base.chain.currency)
        self.port = 0
        self._server: uvicorn.Server | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="http")
        self._started = threading.Event()

    def start(self) -> None:
        """Take the port and serve; raise OSError when it is taken."""
        self._socket = socket.create_server((self.config.host, self.config.http_port))
        # Accepted connections inherit it. An answer is written in two parts, and the second would wait 40 ms for the
        # client's acknowledgement of the first; asyncio sees to it only for sockets that it has made itself.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = self._socket.getsockname()[1]
        self._thread.start()
        self._started.wait()

    def stop(self) -> None:
        """Take no new requests, and let those in flight finish."""
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join()

    async def _serve(self) -> None:
        own = f"{self.config.host}:{self.base.server.port}"
        upstream = Upstream({**addresses(self.config), OWN_API: own}, self.keyring.token_for)
        front = Front(
            self.table,
            upstream,
            self.keyring.admit,
            self.base.texts,
            self.base.clock,
            self.base.metrics,
            self.config.receive_seconds,
        )
        app = build_app(front, upstream.ready, self.pages)
        grace = int(self.config.drain_seconds)
        limits = Limits(self.config.receive_seconds, self.config.idle_seconds, self.config.http_connections)
        settings = uvicorn.Config(
            app,
            http=partial(Connection, limits=limits),  # type: ignore[arg-type]  # whatever makes one will do
            log_config=None,
            access_log=False,
            ws="none",
            lifespan="off",
            timeout_graceful_shutdown=grace,
        )
        self._server = uvicorn.Server(settings)
        connections = self._server.server_state.connections
        self.base.metrics.gauge("shuke_http_connections", "Open HTTP connections", lambda: len(connections))
        self._started.set()
        await self._server.serve([self._socket])
        await upstream.close()


def build(config: GatewaySettings, suite: Suite, chain: Chain, clock: Clock) -> Service:
    """Build the gateway from its settings; nothing runs yet."""
    base = Foundation(OWN_API, config, suite, chain, errors_pb2.ErrorReason.DESCRIPTOR, clock, PERMISSIONS)
    signer = Signer(OWN_API, config.signing_key.get_secret_value(), clock)
    staff = StaffBook(config.customer_address, base.credentials, clock, FRESH_SECONDS)
    buckets = Buckets(Limit(config.rate_per_second, config.rate_burst), clock, base.metrics)
    keyring = Keyring(base.database, staff, signer, chain.zone_info, buckets, clock)
    # Callers of the gateway's own API show their key itself, for it is the gateway that knows the keys.
    base.authenticate_with(lambda call: keyring.principal(call.token, call.header("x-operator")))
    calls = Calls(base.database, REQUESTS, clock, base.new_id)
    keys = ApiKeyService(calls, chain, base.pager, new_token)
    base.server.add(gateway_pb2.DESCRIPTOR.services_by_name["ApiKeyService"], keys)
    labels = labels_of(module.DESCRIPTOR for module in (*CONTRACTS, *REASONS))
    base.server.add(labels_pb2.DESCRIPTOR.services_by_name["LabelService"], LabelService(labels, base.pager))
    offer = Offer(config.customer_address, config.tiering_address)
    tills = TillService(base.database, keyring, offer, chain, clock)
    base.server.add(tills_pb2.DESCRIPTOR.services_by_name["TillService"], tills)
    views = CustomerViewService(keyring, CustomerBook(addresses(config)), clock)
    base.server.add(customers_pb2.DESCRIPTOR.services_by_name["CustomerViewService"], views)
    table = RouteTable.of(SERVICES)
    PassThrough(addresses(config), keyring.token).join(base.server, SERVICES, table)
    pruning = Worker("old answers", Pruning(base.database, REQUESTS, clock, config.request_days).step)
    return Service(base, (pruning,), fronts=(HttpServer(base, config, table, keyring),))


PROGRAM = Program(OWN_API, GatewaySettings, build, METADATA, Path(__file__).parent / "migrations", CHAIN, LOG)
