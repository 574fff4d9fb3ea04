"""Handlers of `shuke.gateway.v1.ApiKeyService`."""

from __future__ import annotations

from collections.abc import Callable

from chassis import names
from chassis.calendar import day_of
from chassis.call import Call
from chassis.calls import Calls
from chassis.database import Tx
from chassis.errors import Problems
from chassis.ids import NewId
from chassis.paging import Pager, page_size
from chassis.settings import Chain
from gateway.apikeys import repository
from gateway.apikeys.convert import draft_from_proto, filter_from_proto, key_to_proto
from gateway.apikeys.domain import State, check, check_grant, issue, revoke
from gateway.roles.repository import roles_on
from shuke.gateway.v1 import gateway_pb2 as pb


class ApiKeyService:
    """Issues API keys, lists them and takes them away."""

    def __init__(self, calls: Calls, chain: Chain, pager: Pager, new_token: Callable[[], str]) -> None:
        self.calls = calls
        self.chain = chain
        self.pager = pager
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
            return pb.CreateApiKeyResponse(api_key=key_to_proto(key, now), token=token)

        return self.calls.transact(work)

    def ListApiKeys(self, request: pb.ListApiKeysRequest, _call: Call) -> pb.ListApiKeysResponse:
        """List keys in the order in which they were issued."""
        kind, state = filter_from_proto(request)
        size, cursor = page_size(request.page_size), self.pager.cursor(request)
        after, now = str(cursor[0]) if cursor else "", self.calls.clock()
        with self.calls.database.read() as tx:
            found = repository.find(tx, kind, state, now, limit=size + 1, after=after)
        page, more = self.pager.page(request, found, size, lambda key: [key.id])
        return pb.ListApiKeysResponse(api_keys=[key_to_proto(key, now) for key in page], next_page_token=more)

    def RevokeApiKey(self, request: pb.RevokeApiKeyRequest, call: Call) -> pb.ApiKey:
        """Take a key away."""

        def work(tx: Tx, now: int, _new_id: NewId) -> pb.ApiKey:
            repository.hold_all(tx)
            key = repository.get(tx, names.identity(request.name))
            for store in key.stores:
                call.principal.require_store(store)
            active = repository.find(tx, None, State.ACTIVE, now)
            revoked = revoke(key, active, roles_on(tx, day_of(now, self.chain.zone_info)), now)
            repository.end(tx, revoked)
            return key_to_proto(revoked, now)

        return self.calls.once(call, request, pb.ApiKey, work)
