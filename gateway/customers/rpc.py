"""Handlers of `shuke.gateway.v1.CustomerViewService`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc

from chassis.calendar import DAY
from chassis.call import Call
from chassis.clock import Clock
from chassis.principals import ALL_STORES, Principal
from gateway.clients import CustomerBook, reason_in
from gateway.errors import CustomerAmbiguous, CustomerNotFound, CustomerUnmatched
from gateway.keyring import Keyring
from gateway.upstream import refusal_in
from shuke.gateway.v1 import customers_pb2 as pb
from shuke.gateway.v1.customers_pb2 import CustomerView

YEAR = 365 * DAY

if TYPE_CHECKING:
    # A part of the view, what takes it in, and the answer that comes.
    Asked = tuple[CustomerView.Part.ValueType, Callable[[Any], object], grpc.Future[Any]]


class CustomerViewService:
    """Gathers what the services know of a customer; each is asked in the caller's own name."""

    def __init__(self, keyring: Keyring, book: CustomerBook, clock: Clock) -> None:
        self.keyring = keyring
        self.book = book
        self.clock = clock

    def GetCustomerView(self, request: pb.GetCustomerViewRequest, call: Call) -> CustomerView:
        """Answer what is known of a customer, and name what cannot be had."""
        return self._view(request.name, call)

    def LookupCustomerView(self, request: pb.LookupCustomerViewRequest, call: Call) -> CustomerView:
        """Answer what is known of the one customer who is found by a key."""
        asked = self.book.matches(request.lookup, self.keyring.headers(call, "customer"))
        try:
            matches = asked.result().matches
        except grpc.RpcError as error:
            raise refusal_in(error, call.method.full_name, call.request_id) from error
        if not matches:
            raise CustomerUnmatched(field="lookup")
        if len(matches) > 1:
            raise CustomerAmbiguous(field="lookup", matches=str(len(matches)))
        return self._view(matches[0].customer, call)

    def _view(self, name: str, call: Call) -> CustomerView:
        book, view = self.book, CustomerView(customer=name)
        customer, tiering, ticketing, notify = (
            self.keyring.headers(call, api) for api in ("customer", "tiering", "ticketing", "notify")
        )
        store = _only_store(call.principal)
        # All are asked before any is waited for; only the schemes are not known before the profile is here.
        profile = book.profile(name, customer)
        others: tuple[Asked, ...] = (
            (CustomerView.ENTITLEMENTS, view.entitlements.CopyFrom, book.entitlements(name, tiering)),
            (CustomerView.PURCHASES, view.purchases.CopyFrom, book.purchases(name, store, customer)),
            (CustomerView.INTERACTIONS, view.interactions.CopyFrom, book.interactions(name, customer)),
            (CustomerView.TICKETS, view.tickets.CopyFrom, book.tickets(name, self.clock() - YEAR, ticketing)),
            (CustomerView.MESSAGES, view.messages.CopyFrom, book.messages(name, notify)),
        )
        try:
            view.profile.CopyFrom(profile.result())
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                raise CustomerNotFound(name=name) from error
            for part in (CustomerView.PROFILE, CustomerView.MEMBERSHIPS):
                view.missing.add(part=part, reason=reason_in(error))
        members: list[Asked] = [
            (CustomerView.MEMBERSHIPS, view.memberships.append, book.membership(name, held.scheme, tiering))
            for held in view.profile.classes
        ]
        for part, take, answer in (*members, *others):
            try:
                take(answer.result())
            except grpc.RpcError as error:
                view.missing.add(part=part, reason=reason_in(error))
        return view


def _only_store(caller: Principal) -> str:
    """Answer the store of a caller who has one alone: a store's key must name the store whose purchases it lists."""
    return caller.stores[0] if len(caller.stores) == 1 and caller.stores != ALL_STORES else ""
