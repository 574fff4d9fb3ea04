"""What tills and desks do to the ledger in whatever order, and what a person then reads off the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from hypothesis import strategies as st

from chassis import names, wire
from services.customer.ledger.domain import CHAIN_SCOPE
from services.customer.tests.builders import Shop, line, pence, profits, receipt
from services.customer.tests.builders import refund as refund_of
from services.customer.tests.builders import sale as sale_of
from services.tiering.spend.domain import Day
from shuke.customer.v1 import purchases_pb2 as pb
from tests.running import Refusal

STORES = ("LEEDS", "YORK")
DATES = ("2026-02-26", "2026-02-27", "2026-02-28")
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

    verb: str  # SELL, REFUND, EXCHANGE, VOID, ATTACH, VALUE
    sale: int = 0
    refund: int = 0
    customer: int = 0
    profit: int | None = None  # of a VALUE; None when it is not known


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
    worth = st.sampled_from([None, -5_00, 0, 20_00])
    commands += draw(st.lists(st.builds(Command, st.just("VALUE"), numbers, profit=worth), max_size=3))
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
        if command.verb in ("VOID", "ATTACH", "VALUE") and command.sale not in self.purchases:
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

    def value(self, command: Command) -> None:
        """Tell the profit of a sale."""
        [result] = self.shop.set_profits(profits(self.purchases[command.sale], {1: command.profit}))
        if result.HasField("error"):
            raise Refusal.of(result.error)

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
            sum(not profit_known(one) for one in sales) + sum(not profit_known(one) for one in refunds),
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
    """Add up what is known of a record's profit."""
    return sum(pence(one.profit) for one in record.lines if one.HasField("profit"))


def profit_known(record: pb.Purchase | pb.Refund) -> bool:
    """Tell whether the profit of every line of a record is known."""
    return all(one.HasField("profit") for one in record.lines)
