"""The whole suite in this process, for tests that call whatever the contracts offer."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chassis.service import Program, Service
from gateway.apikeys import repository as keys
from gateway.apikeys.domain import Draft, Kind, issue
from gateway.tests.door import ADMIN, Door, bearer, opened
from services.customer.server import PROGRAM as CUSTOMER
from services.customer.tests.builders import Shop, sale
from services.notify.server import PROGRAM as NOTIFY
from services.notify.tests.studio import Studio
from services.ticketing.server import PROGRAM as TICKETING
from services.ticketing.tests.clerk import Clerk
from services.tiering.server import PROGRAM as TIERING
from services.tiering.tests.clients import example
from shuke.tiering.v1 import policies_pb2, policies_pb2_grpc
from tests.contract.wrong_values import ABSENT, Maker
from tests.databases import Lender, lending
from tests.running import Clock, Running, starting

# The key of a caller who may do nothing.
NOBODY = "shk_nobody"
ROLELESS = Draft(Kind.SYSTEM, "", (), ("*",), "", None)


@dataclass(frozen=True)
class House:
    """The whole suite in this process, without background work: what is written, a call has written."""

    services: dict[str, Running]
    door: Door
    maker: Maker

    def headers(self, api: str, language: str, *, allowed: bool = True, **caller: Any) -> tuple[tuple[str, str], ...]:
        """Sign a caller in who may do everything, or nothing; the gateway knows callers by their keys."""
        if api == "gateway":
            return tuple(bearer(ADMIN if allowed else NOBODY, **{"accept-language": language}).items())
        caller = {"permissions": ("*",) if allowed else ("none",), "staff": "A01", "language": language, **caller}
        return self.services[api].headers(**caller)

    @contextmanager
    def watched(self, api: str) -> Iterator[Callable[[], int]]:
        """Lend a function that answers a number of a service's database; it changes with every commit."""
        with closing(sqlite3.connect(str(self.services[api].database.url.database))) as watch:
            yield lambda: int(watch.execute("PRAGMA data_version").fetchone()[0])


def quiet(program: Program) -> Program:
    """Take a service's background work away."""

    def build(*settings: Any) -> Service:
        return replace(program.build(*settings), workers=())

    return replace(program, build=build)


@contextmanager
def opened_house(lender: Lender, folder: Path) -> Iterator[House]:
    """Start the suite, and enter a record of most kinds."""
    with lending(lender) as make, starting(make, folder) as start:
        clock = Clock()
        customer, tiering = start(quiet(CUSTOMER), clock), start(quiet(TIERING), clock)
        ticketing = start(quiet(TICKETING), clock, customer_address=customer.address)
        notify = start(quiet(NOTIFY), clock)
        services = {"customer": customer, "tiering": tiering, "ticketing": ticketing, "notify": notify}
        others = {f"{api}_address": running.address for api, running in services.items() if api != "customer"}
        # The clock stands still, so that no bucket of calls fills up again.
        with opened(start, clock, customer.address, rate_burst="1000000", **others) as door:
            door.store("LEEDS")
            door.member("A01")
            door.gateway.database.transact(
                lambda tx: keys.add(tx, issue(ROLELESS, NOBODY, now=clock.now, new_id=ABSENT))
            )
            names = records(services)
            yield House({**services, "gateway": door.gateway}, door, Maker(names, texts_by(names)))


def records(services: dict[str, Running]) -> tuple[str, ...]:
    """Enter a customer, a sale, a ticket and drafts; answer their names."""
    shop = Shop(services["customer"])
    anna = shop.customer()
    purchase = shop.record(sale("R1"), settled=True).purchase.name
    ticket = Clerk(services["ticketing"]).open(customer=anna).name
    template = Studio(services["notify"]).create().name
    draft = policies_pb2.DraftPolicyRequest(parent="policies/loyalty", policy=example())
    policy = services["tiering"].call(policies_pb2_grpc.PolicyServiceStub, "DraftPolicy", draft, staff="A01").name
    return (anna, purchase, ticket, template, policy, "stores/LEEDS", "staff/A01", "LEEDS")


def texts_by(names: tuple[str, ...]) -> dict[str, str]:
    """Write texts that the rules of the contract leave open, by field."""
    anna, _, ticket, template, policy, store, staff, _ = names
    return {
        "shuke.customer.v1.Customer.name": anna,
        "shuke.customer.v1.Store.name": store,
        "shuke.customer.v1.Staff.name": staff,
        "shuke.ticketing.v1.Ticket.name": ticket,
        "shuke.notify.v1.Template.name": template,
        **{f"shuke.{api}.v1.Policy.name": policy for api in ("customer", "tiering", "ticketing", "notify")},
        "shuke.customer.v1.DraftPolicyRequest.parent": "policies/notice",
        "shuke.ticketing.v1.DraftPolicyRequest.parent": "policies/sla",
        "shuke.customer.v1.ContactPoint.value": "+447700900199",
        "shuke.customer.v1.CustomerLookup.phone": "+447700900199",
        "shuke.customer.v1.Store.time_zone": "Europe/London",
        "shuke.customer.v1.Customer.time_zone": "Europe/London",
        "shuke.customer.v1.Staff.email": "a@example.com",
    }
