"""The gRPC side of the gateway: a call of a public method goes to its service as bytes, and so does the answer back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from chassis.call import Call, Inner
from chassis.client import Headers, open_channel
from chassis.principals import Principal
from chassis.server import Server
from chassis.steps import parse
from gateway.keyring import OWN_API
from gateway.routes import Route, RouteTable
from gateway.upstream import AUTHORIZATION, DEADLINE, FORWARDED, operation_api, refusal_in

if TYPE_CHECKING:
    Method = grpc.UnaryUnaryMultiCallable[bytes, bytes]


class PassThrough:
    """The services behind the gateway, by their APIs; `token_for` signs for a caller at one of them."""

    def __init__(self, addresses: Mapping[str, str], token_for: Callable[[Principal, str], str]) -> None:
        self.token_for = token_for
        self._channels = {api: open_channel(address) for api, address in addresses.items()}

    def join(self, server: Server, services: Iterable[ServiceDescriptor], table: RouteTable) -> None:
        """Let a server relay the methods that clients have routes to; those of the gateway itself it serves already."""
        routes = {route.method: route for route in table.routes if route.api != OWN_API}
        for service in services:
            paths = {method.name: f"/{service.full_name}/{method.name}" for method in service.methods}
            relays = {name: self._relay(routes[path]) for name, path in paths.items() if path in routes}
            if relays:
                server.relay(service, relays)

    def _relay(self, route: Route) -> Inner:
        """Make the relay of a method; it waits as long as its caller does, and no longer than the DEADLINE."""
        apis = (route.api,) if route.api else self._channels
        methods: dict[str, Method] = {api: self._channels[api].unary_unary(route.method) for api in apis}

        def run(request: bytes, call: Call) -> bytes:
            api = route.api or operation_api(parse(call.method, request), methods)
            asked = methods[api].future(
                request, timeout=min(DEADLINE, call.rpc.time_remaining()), metadata=self._headers(call, api)
            )
            # Whoever gives up lets the service stop, too.
            call.rpc.add_callback(asked.cancel)  # type: ignore[arg-type]  # what it answers is of no use
            code = asked.code()  # waits
            # What is no text is a refusal's details, which come with the refusal.
            told = {name: value for name, value in asked.trailing_metadata() if isinstance(value, str)}
            call.headers = tuple({**dict(call.headers), **told}.items())
            if code is not grpc.StatusCode.OK:
                raise refusal_in(asked, route.method, call.request_id)
            call.rpc.set_trailing_metadata(call.headers)
            answer: bytes = asked.result()
            return answer

        return run

    def _headers(self, call: Call, api: str) -> Headers:
        """Answer what the service is told of the caller; who that is says our token."""
        given = ((name, call.header(name)) for name in FORWARDED)
        token = self.token_for(call.principal, api)
        return (
            *((name, value) for name, value in given if value),
            ("x-request-id", call.request_id),
            (AUTHORIZATION, f"Bearer {token}"),
        )
