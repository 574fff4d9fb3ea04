"""Handlers of `shuke.gateway.v1.TillService`."""

from __future__ import annotations

import grpc

from chassis import names, wire
from chassis.call import Call
from chassis.client import Headers
from chassis.clock import Clock
from chassis.database import Database
from chassis.settings import Chain
from gateway.apikeys import repository
from gateway.apikeys.convert import key_to_proto
from gateway.clients import Offer, reason_in
from gateway.keyring import Keyring
from shuke.gateway.v1 import tills_pb2 as pb


class TillService:
    """Gathers what a till needs; what another service answers is asked in the till's own name."""

    def __init__(self, database: Database, keyring: Keyring, offer: Offer, chain: Chain, clock: Clock) -> None:
        self.database = database
        self.keyring = keyring
        self.offer = offer
        self.chain = chain
        self.clock = clock

    def GetTillBootstrap(self, _request: pb.GetTillBootstrapRequest, call: Call) -> pb.TillBootstrap:
        """Answer what the calling till needs, and name what cannot be had."""
        # Both services are asked before either is waited for.
        notice = self.offer.notice(self._headers(call, "customer"))
        benefits = self.offer.benefits(self._headers(call, "tiering"))
        now = self.clock()
        with self.database.read() as tx:
            key = repository.get(tx, names.identity(call.principal.name))
        told = pb.TillBootstrap(
            api_key=key_to_proto(key, now),
            permissions=call.principal.permissions,
            server_time=wire.timestamp(now),
            time_zone=self.chain.zone,
            currency_code=self.chain.currency,
            region_code=self.chain.region,
        )
        try:
            told.notice.CopyFrom(notice.result())
        except grpc.RpcError as error:
            told.missing.add(part=pb.TillBootstrap.NOTICE, reason=reason_in(error))
        try:
            told.benefits.CopyFrom(benefits.result())
        except grpc.RpcError as error:
            told.missing.add(part=pb.TillBootstrap.BENEFITS, reason=reason_in(error))
        return told

    def _headers(self, call: Call, api: str) -> Headers:
        return (
            ("authorization", f"Bearer {self.keyring.token(call.principal, api)}"),
            ("accept-language", call.language),
            ("x-request-id", call.request_id),
        )
