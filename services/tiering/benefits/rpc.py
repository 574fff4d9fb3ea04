"""Handlers of `shuke.tiering.v1.BenefitService`, and what PolicyService knows of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from chassis import names
from chassis.calendar import day_of
from chassis.call import Call
from chassis.clock import Clock
from chassis.database import Database, Tx
from chassis.documents.rpc import Payloads
from chassis.errors import Problems
from chassis.money import Currency
from chassis.paging import Pager, page_size
from chassis.settings import Chain
from services.tiering.benefits import convert
from services.tiering.benefits.domain import Catalogue, Entitlement, check, entitled, listed
from services.tiering.benefits.repository import Catalogues
from services.tiering.memberships.repository import classes_held
from services.tiering.policies.domain import CATALOGUE, Rules
from services.tiering.policies.repository import Policies
from services.tiering.spend.repository import spenders
from shuke.tiering.v1 import benefits_pb2 as pb
from shuke.tiering.v1 import policies_pb2


def catalogue_beside(schemes: Payloads, money: Currency) -> Payloads:
    """Read and check the catalogue of benefits under its own key, and under every other one what schemes have."""

    def read(problems: Problems, key: str, policy: policies_pb2.Policy) -> None:
        is_catalogue = policy.HasField("benefits")
        if key and is_catalogue != (key == CATALOGUE):
            problems.add("policy.name" if policy.name else "parent", "POLICY_KIND_WRONG")
        if is_catalogue:
            convert.catalogue_from_proto(problems, money, policy.benefits, "policy.benefits")
        else:
            schemes.read(problems, key, policy)

    def fit(problems: Problems, policy: policies_pb2.Policy) -> None:
        if policy.HasField("benefits"):
            check(problems, convert.catalogue_from_proto(Problems(), money, policy.benefits))
        else:
            schemes.check(problems, policy)

    return Payloads(read, fit)


class BenefitService:
    """Tells what classes offer, and what a customer is entitled to."""

    def __init__(
        self, database: Database, catalogues: Catalogues, policies: Policies, chain: Chain, pager: Pager, clock: Clock
    ) -> None:
        self.database = database
        self.catalogues = catalogues
        self.policies = policies
        self.money = chain.money
        self.zone = chain.zone_info
        self.pager = pager
        self.clock = clock

    def ListBenefits(self, request: pb.ListBenefitsRequest, call: Call) -> pb.ListBenefitsResponse:
        """List the catalogue in force."""
        today = day_of(self.clock(), self.zone)
        with self.database.read() as tx:
            version = self.catalogues.in_force(tx, today)
            rules = self._rules(tx, version.catalogue, today)
        page, more = self._page(request, listed(version.catalogue), rules, call)
        return pb.ListBenefitsResponse(benefits=page, next_page_token=more, policy=version.name)

    def ListEntitlements(self, request: pb.ListEntitlementsRequest, call: Call) -> pb.ListEntitlementsResponse:
        """List what a customer is entitled to at present, by all schemes that have a policy in force."""
        customer, now = names.identity(request.parent), self.clock()
        today = day_of(now, self.zone)
        with self.database.read() as tx:
            catalogue = self.catalogues.in_force(tx, today).catalogue
            rules = self._rules(tx, catalogue, today)
            held = classes_held(tx, rules, customer, now)
            known = spenders(tx, [customer]).get(customer)
        has_bought = known is not None and known.first_sale is not None
        page, more = self._page(request, entitled(catalogue, rules, held, has_bought=has_bought), rules, call)
        return pb.ListEntitlementsResponse(entitlements=page, next_page_token=more)

    def _rules(self, tx: Tx, catalogue: Catalogue, today: date) -> dict[str, Rules]:
        """Read, by scheme of the catalogue, the rules in force."""
        schemes = {one.scheme for one in catalogue.classes}
        found = {scheme: self.policies.find(tx, scheme, today) for scheme in schemes}
        return {scheme: policy.rules for scheme, policy in found.items() if policy}

    def _page(
        self,
        request: pb.ListBenefitsRequest | pb.ListEntitlementsRequest,
        found: Sequence[Entitlement],
        rules: Mapping[str, Rules],
        call: Call,
    ) -> tuple[list[pb.Entitlement], str]:
        size, cursor = page_size(request.page_size), self.pager.cursor(request)
        after = str(cursor[0]) if cursor else ""
        rest = [one for one in found if one.benefit.code > after]
        page, more = self.pager.page(request, rest, size, lambda one: [one.benefit.code])
        return [convert.entitlement_to_proto(one, rules, self.money, call.language) for one in page], more
