"""Whatever happens to the ledger in whatever order, sums and classes are those of the ledger as it stands in the end.

The handlers of the customer service and the consumer of tiering are the real ones; the reference adds the final ledger
up as a person would.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings

from chassis import names, wire
from chassis.database import Database
from services.customer.ledger.domain import CHAIN_SCOPE
from services.customer.ledger.tables import SPEND
from services.customer.server import PROGRAM as CUSTOMER
from services.customer.tests.builders import Shop, pence
from services.customer.tests.test_concurrency import at_once
from services.tiering.server import PROGRAM, build
from services.tiering.spend.domain import Day
from services.tiering.spend.tables import DAYS, SPENDERS
from services.tiering.tests.clients import FEED, Tiering, policy_of, wait_for
from services.tiering.tests.ladders import LOYALTY
from services.tiering.tests.owner import Owner
from services.tiering.tests.stories import DATES, PEOPLE, STORES, Command, Ledger, Refund, Sale, Story, Till, stories
from services.tiering.tests.test_beside_customer import free_port
from shuke.customer.v1 import purchases_pb2 as pb
from shuke.event.v1 import event_pb2
from tests.running import Refusal, StartService

AS_OF = date(2026, 3, 1)


@dataclass
class Tap:
    """The customer service's feed over the wire, as many events at a time as `limit` says; none when it is zero."""

    shop: Shop
    limit: int = 0

    def read_events(self, cursors: Mapping[int, int], limit: int) -> event_pb2.ReadEventsResponse:
        """Read events behind cursors."""
        asked = [event_pb2.Cursor(partition=part, position=position) for part, position in cursors.items()]
        request = event_pb2.ReadEventsRequest(cursors=asked, limit=min(limit, self.limit) or 1)
        answer: event_pb2.ReadEventsResponse = self.shop.running.call(FEED, "ReadEvents", request)
        if not self.limit:
            answer.ClearField("events")
        return answer


@dataclass
class World:
    """Both services, and the tap between them."""

    shop: Shop
    tiering: Tiering
    tap: Tap
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def settle(self, limit: int) -> None:
        """Let tiering read all that was told, so many events at a time."""
        self.tap.limit = limit
        heads = {head.partition: head.position for head in self.tap.read_events(self.tiering.positions(), 1).heads}
        self.tiering.running.wake()
        wait_for(lambda: self.tiering.positions() == heads)
        self.tap.limit = 0

    def held(self, customer: str) -> tuple[str, int | None] | None:
        """Tell the class that a customer holds and since when; None for a customer without an entry."""
        try:
            member = self.tiering.member(names.identity(customer))
        except Refusal as refusal:
            if refusal.reason != "MEMBERSHIP_NOT_FOUND":
                raise
            return None
        return member.effective_class, wire.instant(member.since_time) if member.HasField("since_time") else None


@pytest.fixture
def world(start_service: StartService) -> World:
    """Start both services; the policy of the example is in force, and nobody is graded."""
    port = free_port()
    shop = Shop(start_service(CUSTOMER, tiering_address=f"127.0.0.1:{port}"))
    tap = Tap(shop)
    running = start_service(replace(PROGRAM, build=partial(build, customer=tap)), port=str(port))
    made = World(shop, Tiering(running, Owner()), tap)
    made.tiering.activate(policy_of(LOYALTY))
    return made


def kept_sums(database: Database, customer: str) -> dict[str, tuple[object, ...]]:
    """Read a customer's running sums, by scope, those of scopes in which nothing counts aside."""
    with database.read() as tx:
        rows = tx.execute(sa.select(SPEND).where(SPEND.c.customer_id == names.identity(customer))).all()
    return {row.scope: tuple(row)[2:] for row in rows if row.purchases or row.refunds}


def kept_days(database: Database, customer: str) -> dict[tuple[date, str], Day]:
    """Read a customer's days, those on which nothing counts aside."""
    with database.read() as tx:
        rows = tx.execute(sa.select(DAYS).where(DAYS.c.customer_id == names.identity(customer))).all()
    days = {(row.business_date, row.kind): Day(*tuple(row)[3:]) for row in rows}
    return {key: sums for key, sums in days.items() if sums != Day()}


def kept_beginning(database: Database, customer: str) -> tuple[object, ...] | None:
    """Read when a customer began."""
    with database.read() as tx:
        row = tx.execute(sa.select(SPENDERS).where(SPENDERS.c.customer_id == names.identity(customer))).one_or_none()
    return tuple(row)[1:] if row else None


def play(world: World, story: Story) -> tuple[Till, Ledger]:
    """Send a story's commands, those that have to wait again in the end; tiering reads in between and at last."""
    till = Till(world.shop, story, next(world.numbers), [world.shop.customer() for _ in range(PEOPLE)])
    later = []
    for number, command in enumerate(story.commands):
        if number in story.pauses:
            world.settle(limit=1)
        later += [] if till.do(command) else [command]
    assert all(till.do(command) for command in later)
    world.settle(limit=500)
    return till, till.ledger()


@pytest.mark.requirement("C-21", "C-22", "C-23", "C-24", "C-25", "T-01", "X-08", "X-29")
@pytest.mark.timeout(300)
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(story=stories())
def test_every_order_leaves_what_the_final_ledger_says(world: World, story: Story) -> None:
    """After any order of sales, refunds, exchanges, corrections and profits, some sent twice, nothing else is left."""
    till, ledger = play(world, story)
    check_links(till, ledger)
    check_sums(world, till, ledger)
    world.tiering.evaluate(AS_OF)
    for customer in till.people:
        found = world.held(customer)
        assert (found[0] if found else "") == ledger.graded(customer)


@pytest.mark.requirement("C-23", "X-08")
@pytest.mark.timeout(300)
def test_corrections_at_once_leave_what_the_final_ledger_says(world: World) -> None:
    """Tills and desks that work on the same customers at the same moment change sums and tell of it in one order."""
    sales = tuple(
        Sale(number % 2, "LEEDS", DATES[number % 3], f"{9 + number:02d}:00", 100_00, contract=False)
        for number in range(10)
    )
    refunds = tuple(Refund(number, number % 2, "YORK", DATES[0], 10_00) for number in range(2))
    till = Till(world.shop, Story(sales, refunds, (), frozenset()), 0, [world.shop.customer() for _ in range(2)])
    for number in range(0, 10, 2):
        till.do(Command("SELL", number))
    known = [
        *(Command("VOID", number) for number in (0, 2)),
        *(Command("ATTACH", number, customer=1) for number in (4, 6)),
        Command("ATTACH", 8, customer=1),
        *(Command("SELL", number) for number in (1, 3, 5, 7, 9)),
        *(Command("REFUND", refund=number) for number in (0, 1)),
        *(Command("VALUE", number, profit=number * 1_00) for number in (0, 4, 6, 8)),
    ]
    at_once(till.do, known)
    at_once(till.do, [Command("ATTACH", number, customer=number % 3 % 2) for number in range(3, 10)])
    world.settle(limit=500)
    ledger = till.ledger()
    check_links(till, ledger)
    check_sums(world, till, ledger)


def check_sums(world: World, till: Till, ledger: Ledger) -> None:
    """Both services keep of each customer what the final ledger adds up to, and the class that comes with it."""
    customers, tiering = world.shop.running.database, world.tiering.running.database
    for customer in till.people:
        expected = {scope: ledger.spend(customer, scope) for scope in (CHAIN_SCOPE, *STORES)}
        assert kept_sums(customers, customer) == {scope: sums for scope, sums in expected.items() if sums[3] or sums[4]}
        summary = world.shop.spend(customer)
        assert summary == world.shop.spend(customer, first="2000-01-01")
        assert (pence(summary.gross), pence(summary.refunded), pence(summary.profit)) == expected[CHAIN_SCOPE][:3]
        assert kept_days(tiering, customer) == ledger.days(customer)
        assert kept_beginning(tiering, customer) == ledger.beginning(customer)
        assert world.held(customer) == (ledger.first_class(customer) if ledger.beginning(customer) else None)


def check_links(till: Till, ledger: Ledger) -> None:
    """Every refund whose sale is there is linked to it, and belongs to whom it belongs to."""
    by_receipt = {str(one.receipt): one for one in ledger.purchases}
    for refund in ledger.refunds:
        original = by_receipt.get(str(refund.original_receipt))
        if original is None:
            assert (refund.state, refund.original_purchase) == (pb.Refund.AWAITING_SALE, "")
        else:
            assert (refund.state, refund.original_purchase) == (pb.Refund.LINKED, original.name)
            assert (refund.customer, refund.customer_state) == (original.customer, original.customer_state)
    assert {one.customer for one in ledger.purchases} <= {"", *till.people}
