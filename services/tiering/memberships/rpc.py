"""Handlers of `shuke.tiering.v1.MembershipService`."""

from __future__ import annotations

from chassis import names
from chassis.calendar import day_of
from chassis.call import Call
from chassis.clock import Clock
from chassis.database import Database
from chassis.paging import Pager, page_size
from chassis.settings import Chain
from services.tiering.grading.repository import metrics
from services.tiering.memberships import convert, repository
from services.tiering.memberships.domain import MembershipNotFound, membership
from services.tiering.policies.repository import Policies
from services.tiering.spend.repository import spenders
from shuke.tiering.v1 import tiering_pb2 as pb


class MembershipService:
    """Tells which class a customer holds, and who holds a class."""

    def __init__(self, database: Database, policies: Policies, chain: Chain, pager: Pager, clock: Clock) -> None:
        self.database = database
        self.policies = policies
        self.money = chain.money
        self.zone = chain.zone_info
        self.pager = pager
        self.clock = clock

    def GetMembership(self, request: pb.GetMembershipRequest, call: Call) -> pb.Membership:
        """Answer a customer's place by the policy in force today and by all that is known now."""
        scheme, customer = names.parts(request.name)
        now = self.clock()
        today = day_of(now, self.zone)
        with self.database.read() as tx:
            policy = self.policies.known(tx, scheme, today)
            figures = metrics(tx, customer, policy.rules, today)
            if figures is None:
                raise MembershipNotFound(name=request.name)
            moved = repository.movements(tx, scheme, customer)
        member = membership(scheme, customer, moved, policy.rules, figures, today, now)
        return convert.membership_to_proto(member, policy, self.money, call.language)

    def ListMembers(self, request: pb.ListMembersRequest, call: Call) -> pb.ListMembersResponse:
        """List who holds a class at present, or any class."""
        size, cursor = page_size(request.page_size), self.pager.cursor(request)
        scheme, after = names.identity(request.parent), str(cursor[0]) if cursor else ""
        now = self.clock()
        with self.database.read() as tx:
            policy = self.policies.known(tx, scheme, day_of(now, self.zone))
            found = repository.list_members(tx, scheme, request.class_key, now, after=after, limit=size + 1)
        page, more = self.pager.page(request, found, size, lambda member: [member[0]])
        members = [
            convert.member_to_proto(scheme, customer, standing, policy.rules, call.language)
            for customer, standing in page
        ]
        return pb.ListMembersResponse(members=members, next_page_token=more)

    def ListHistory(self, request: pb.ListHistoryRequest, call: Call) -> pb.ListHistoryResponse:
        """List a member's movements, the latest effective time first."""
        size, cursor = page_size(request.page_size), self.pager.cursor(request)
        scheme, customer = names.parts(request.parent)
        before = (int(cursor[0]), int(cursor[1]), str(cursor[2])) if cursor else None
        with self.database.read() as tx:
            self.policies.require(tx, scheme)
            if not spenders(tx, [customer]):
                raise MembershipNotFound(name=request.parent)
            found = repository.list_history(tx, scheme, customer, before=before, limit=size + 1)
        page, more = self.pager.page(request, found, size, lambda one: [*repository.place_in_history(one)])
        return pb.ListHistoryResponse(movements=map(convert.movement_to_proto, page), next_page_token=more)
