"""Handlers of `shuke.gateway.v1.TillService`."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf.message import Message

from chassis import names, wire
from chassis.call import Call
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
        # Both services are asked before either is waited for.
        asked: tuple[tuple[pb.TillBootstrap.Part.ValueType, Message, grpc.Future[Any]], ...] = (
            (pb.TillBootstrap.NOTICE, told.notice, self.offer.notice(self.keyring.headers(call, "customer"))),
            (pb.TillBootstrap.BENEFITS, told.benefits, self.offer.benefits(self.keyring.headers(call, "tiering"))),
        )
        for part, field, answer in asked:
            try:
                field.CopyFrom(answer.result())
            except grpc.RpcError as error:
                told.missing.add(part=part, reason=reason_in(error))
        return told
