"""Whatever happens to the ledger in whatever order, sums and classes are those of the ledger as it stands in the end.

The handlers of the customer service and the consumer of tiering are the real ones; the reference adds the final ledger
up as a person would.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial

import grpc
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis import names, wire
from chassis.database import Database
from chassis.workers import Worker
from services.customer.ledger.domain import CHAIN_SCOPE
from services.customer.ledger.tables import SPEND
from services.customer.server import PROGRAM as CUSTOMER
from services.customer.tests.builders import Shop, line, pence, receipt
from services.customer.tests.builders import refund as refund_of
from services.customer.tests.builders import sale as sale_of
from services.customer.tests.test_concurrency import at_once
from services.tiering.server import PROGRAM, build
from services.tiering.spend.domain import Day
from services.tiering.spend.tables import DAYS, SPENDERS
from services.tiering.tests.clients import FEED, Tiering, policy_of, wait_for
from services.tiering.tests.ladders import LOYALTY
from services.tiering.tests.owner import Owner
from services.tiering.tests.test_beside_customer import free_port
from shuke.customer.v1 import purchases_pb2 as pb
from shuke.event.v1 import event_pb2
from tests.running import Refusal, StartService

STORES = ("LEEDS", "YORK")
DATES = ("2026-02-26", "2026-02-27", "2026-02-28")
AS_OF = date(2026, 3, 1)
PEOPLE = 3
# What rules forbid, whatever comes later.
FORBIDDEN = ("PURCHASE_VOIDED", "PURCHASE_HAS_REFUNDS", "ORIGINAL_CUSTOMER_DIFFERS")


# ---------------------------------------------------------------------------------------------------------- commands


@dataclass(frozen=True)
class Sale:
    """A sale; whose it is, None for nobody's."""

    customer: int | None
    store: str
    on: str
    time: str
    amount: int
    contract: bool


@dataclass(frozen=True)
class Refund:
    """A refund of the sale with this number, or of one that never comes."""

    of: int
    customer: int | None
    store: str
    on: str
    amount: int


@dataclass(frozen=True)
class Command:
    """What a till or a desk does, by the numbers of sales and refunds, and of a customer."""

    verb: str  # SELL, REFUND, EXCHANGE, VOID, ATTACH
    sale: int = 0
    refund: int = 0
    customer: int = 0


@dataclass(frozen=True)
class Story:
    """What happens: records, and the commands in the order in which they are sent; some are sent in one batch."""

    sales: tuple[Sale, ...]
    refunds: tuple[Refund, ...]
    commands: tuple[Command, ...]
    pauses: frozenset[int]  # after which commands tiering reads what has been told by then


SALES = st.builds(
    Sale,
    customer=st.none() | st.integers(0, PEOPLE - 1),
    store=st.sampled_from(STORES),
    on=st.sampled_from(DATES),
    time=st.sampled_from(["09:00", "10:00", "11:00"]),
    amount=st.sampled_from([0, 100_00, 600_00, 1_900_00]),
    contract=st.booleans(),
)
REFUNDS = st.builds(
    Refund,
    of=st.integers(0, 4),
    customer=st.none() | st.integers(0, PEOPLE - 1),
    store=st.sampled_from(STORES),
    on=st.sampled_from(DATES),
    amount=st.sampled_from([0, 100_00, 700_00]),
)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Draw sales and refunds, what is done to them, each perhaps twice, and an order."""
    sales = draw(st.lists(SALES, min_size=2, max_size=4))
    refunds = draw(st.lists(REFUNDS, max_size=3))
    numbers = st.integers(0, len(sales) - 1)
    commands = [Command("SELL", sale) for sale in range(len(sales))]
    commands += [Command("REFUND", refund=refund) for refund in range(len(refunds))]
    if refunds:
        exchanges = st.builds(Command, st.just("EXCHANGE"), numbers, st.integers(0, len(refunds) - 1))
        commands += draw(st.lists(exchanges, max_size=1))
    commands += draw(st.lists(st.builds(Command, st.just("VOID"), numbers), max_size=2))
    people = st.integers(0, PEOPLE - 1)
    commands += draw(st.lists(st.builds(Command, st.just("ATTACH"), numbers, customer=people), max_size=3))
    commands += draw(st.lists(st.sampled_from(commands), max_size=3))
    order = tuple(draw(st.permutations(commands)))
    return Story(tuple(sales), tuple(refunds), order, draw(st.frozensets(st.integers(0, len(order)), max_size=3)))


@dataclass
class Till:
    """Sends the commands of one story to the customer service."""

    shop: Shop
    story: Story
    number: int
    people: Sequence[str]
    purchases: dict[int, str] = field(default_factory=dict)
    refunds: dict[int, str] = field(default_factory=dict)

    def do(self, command: Command) -> bool:
        """Do it; answer False for what has to wait for a sale, and do not insist on what a rule forbids."""
        if command.verb in ("VOID", "ATTACH") and command.sale not in self.purchases:
            return False
        try:
            getattr(self, command.verb.lower())(command)
        except Refusal as refusal:
            if refusal.reason not in FORBIDDEN:
                raise
        return True

    def ledger(self) -> Ledger:
        """Read what stands in the ledger."""
        purchases = [self.shop.purchase(name) for name in self.purchases.values()]
        return Ledger(purchases, [self.shop.refunded(name) for name in self.refunds.values()])

    def sell(self, command: Command) -> None:
        """Record a sale."""
        self.purchases[command.sale] = self.shop.record(self.sale(command.sale), settled=True).purchase.name

    def refund(self, command: Command) -> None:
        """Record a refund."""
        self.refunds[command.refund] = self.shop.refund(self.given(command.refund), settled=True).refund.name

    def exchange(self, command: Command) -> None:
        """Record both at once."""
        answer = self.shop.exchange(self.given(command.refund), self.sale(command.sale), settled=True)
        self.refunds[command.refund] = answer.refund.refund.name
        self.purchases[command.sale] = answer.purchase.purchase.name

    def void(self, command: Command) -> None:
        """Void a sale; sent twice it is one request."""
        self.shop.void(self.purchases[command.sale], settled=True, request_id=f"void-{self.number}-{command.sale}")

    def attach(self, command: Command) -> None:
        """Attach a sale to a customer."""
        self.shop.attach(self.purchases[command.sale], self.people[command.customer])

    def sale(self, number: int) -> pb.Purchase:
        """Write a sale, always with the same content."""
        told = self.story.sales[number]
        kind = pb.Purchase.CONTRACT if told.contract else pb.Purchase.SALE
        amount = line(1, told.amount, profit=told.amount // 4)
        customer = "" if told.customer is None else self.people[told.customer]
        return sale_of(
            f"{self.number}-{number}",
            amount,
            store=told.store,
            on=told.on,
            time=told.time,
            customer=customer,
            kind=kind,
        )

    def given(self, number: int) -> pb.Refund:
        """Write a refund, always with the same content."""
        told = self.story.refunds[number]
        store, on = STORES[0], DATES[0]
        if told.of < len(self.story.sales):
            store, on = self.story.sales[told.of].store, self.story.sales[told.of].on
        return refund_of(
            f"{self.number}-{number}",
            line(1, told.amount, profit=told.amount // 4),
            store=told.store,
            on=told.on,
            customer="" if told.customer is None else self.people[told.customer],
            original_receipt=receipt(f"{self.number}-{told.of}", store, on),
        )


# --------------------------------------------------------------------------------------------------------- reference


@dataclass(frozen=True)
class Ledger:
    """Every sale and every refund as the customer service answers them in the end."""

    purchases: Sequence[pb.Purchase]
    refunds: Sequence[pb.Refund]

    def sales_of(self, customer: str, store: str = CHAIN_SCOPE) -> list[pb.Purchase]:
        """List the sales that count for a customer."""
        return [
            one
            for one in self.purchases
            if one.customer == customer and one.state == pb.Purchase.RECORDED and store in ("", one.receipt.store)
        ]

    def refunds_of(self, customer: str, store: str = CHAIN_SCOPE) -> list[pb.Refund]:
        """List the refunds that count for a customer."""
        return [one for one in self.refunds if one.customer == customer and store in ("", one.receipt.store)]

    def spend(self, customer: str, store: str = CHAIN_SCOPE) -> tuple[object, ...]:
        """Add up what a customer spent, in the chain or in a store; None where there is no entry."""
        sales, refunds = self.sales_of(customer, store), self.refunds_of(customer, store)
        first = min(
            ((wire.instant(one.business_time), names.identity(one.name)) for one in sales), default=(None, None)
        )
        return (
            sum(pence(one.total) for one in sales),
            sum(pence(one.total) for one in refunds),
            sum(profit(one) for one in sales) - sum(profit(one) for one in refunds),
            len(sales),
            len(refunds),
            0,
            *first,
            max((wire.instant(one.business_time) for one in sales), default=None),
        )

    def days(self, customer: str) -> dict[tuple[date, str], Day]:
        """Add up a customer's days as tiering keeps them, those on which nothing counts aside."""
        days: dict[tuple[date, str], Day] = {}
        by_name = {one.name: one for one in self.purchases}

        def put(on: date, kind: pb.Purchase.Kind.ValueType, sums: Day) -> None:
            key = (on, pb.Purchase.Kind.Name(kind))
            days[key] = days.get(key, Day()) + sums

        for one in self.sales_of(customer):
            put(business_date(one), one.kind, Day(pence(one.total), profit(one), 1))
        for back in self.refunds_of(customer):
            original = by_name.get(back.original_purchase)
            kind = original.kind if original else pb.Purchase.SALE
            put(business_date(back), kind, Day(refunds=pence(back.total), refunds_profit=profit(back)))
            put(business_date(original or back), kind, Day(returns=pence(back.total), returns_profit=profit(back)))
        return {key: sums for key, sums in days.items() if sums != Day()}

    def beginning(self, customer: str) -> tuple[object, ...] | None:
        """Tell a customer's earliest dates and time; None for a customer without an entry."""
        sales, refunds = self.sales_of(customer), self.refunds_of(customer)
        dates = [*map(business_date, sales), *map(business_date, refunds)]
        first = [min(map(business_date, sales)), min(wire.instant(one.business_time) for one in sales)] if sales else []
        return (min(dates), *(first or (None, None))) if dates else None

    def first_class(self, customer: str) -> tuple[str, int | None]:
        """Tell the class of the first purchase and since when."""
        times = [wire.instant(one.business_time) for one in self.sales_of(customer)]
        return ("NEW", min(times)) if times else ("", None)

    def graded(self, customer: str) -> str:
        """Tell the class that an evaluation gives: by net spend, for whoever bought something."""
        net = sum(pence(one.total) for one in self.sales_of(customer))
        net -= sum(pence(one.total) for one in self.refunds_of(customer))
        if not self.sales_of(customer):
            return ""
        bounds = {"GOLD": 5_000_00, "SILVER": 2_000_00, "REGULAR": 500_00}
        return next((class_key for class_key, bound in bounds.items() if net >= bound), "NEW")


def business_date(record: pb.Purchase | pb.Refund) -> date:
    """Read a record's business date."""
    told = record.receipt.business_date
    return date(told.year, told.month, told.day)


def profit(record: pb.Purchase | pb.Refund) -> int:
    """Add up a record's profit."""
    return sum(pence(one.profit) for one in record.lines)


# -------------------------------------------------------------------------------------------------------------- world


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
        for worker in self.tiering.running.service.workers:
            if isinstance(worker, Worker):
                worker.wake()
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
    # The customer service has knocked at that port before anybody listened, and channels of a process wait together.
    grpc.channel_ready_future(running.channel).result(timeout=10)
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
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(story=stories())
def test_every_order_leaves_what_the_final_ledger_says(world: World, story: Story) -> None:
    """After any order of sales, refunds, voids, exchanges and attachments, each perhaps twice, nothing else is left."""
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
