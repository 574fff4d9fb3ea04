"""Handlers of `shuke.gateway.v1.ApiKeyService`."""

from __future__ import annotations

from collections.abc import Callable

from chassis.calendar import day_of
from chassis.call import Call
from chassis.calls import Calls
from chassis.database import Tx
from chassis.errors import Problems
from chassis.ids import NewId
from chassis.settings import Chain
from gateway.apikeys import repository
from gateway.apikeys.convert import draft_from_proto, key_to_proto
from gateway.apikeys.domain import check, check_grant, issue
from gateway.roles.repository import roles_on
from shuke.gateway.v1 import gateway_pb2 as pb


class ApiKeyService:
    """Issues API keys."""

    def __init__(self, calls: Calls, chain: Chain, new_token: Callable[[], str]) -> None:
        self.calls = calls
        self.chain = chain
        self.new_token = new_token

    def CreateApiKey(self, request: pb.CreateApiKeyRequest, call: Call) -> pb.CreateApiKeyResponse:
        """Issue a key and show its token this once."""
        draft = draft_from_proto(request.api_key)

        def work(tx: Tx, now: int, new_id: NewId) -> pb.CreateApiKeyResponse:
            roles = roles_on(tx, day_of(now, self.chain.zone_info))
            problems = Problems()
            check(problems, draft, roles, now)
            problems.refuse()
            check_grant(draft, roles, call.principal)
            token = self.new_token()
            key = issue(draft, token, now=now, new_id=new_id())
            repository.add(tx, key)
            return pb.CreateApiKeyResponse(api_key=key_to_proto(key), token=token)

        return self.calls.transact(work)
