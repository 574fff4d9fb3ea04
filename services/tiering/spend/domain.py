"""What tiering keeps of sales and refunds: sums per customer, business date and kind, and when each customer began.

Amounts are minor units of the chain's currency, instants microseconds. Every part is a sum or a smallest value, so that
entries may arrive in any order and lead to the same. Single entries are not kept: whoever takes some away tells when
the customer began by what remains.
"""

import operator
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from datetime import date
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Entry:
    """A sale or a refund of a customer, as the customer service told it; amounts are positive, profits aside."""

    customer: str
    business_date: date
    business_time: int
    is_sale: bool
    total: int
    profit: int  # of what is known
    kind: str = "SALE"  # of the sale, also for its refund
    sale_date: date | None = None  # of a refund: business date of the sale that it gives back, where that is known

    @property
    def takes_away(self) -> bool:
        """Whether the customer has less by it."""
        return not self.is_sale


class DayKey(NamedTuple):
    """What entries are summed up by."""

    customer: str
    business_date: date
    kind: str


@dataclass(frozen=True, slots=True)
class Day:
    """What the entries of one customer, business date and kind add up to.

    A refund stands here twice: among the refunds of its own day, and among the returns of the day of its sale. A policy
    says which of the two counts (X-29).
    """

    sales: int = 0
    sales_profit: int = 0
    purchase_count: int = 0
    refunds: int = 0
    refunds_profit: int = 0
    returns: int = 0
    returns_profit: int = 0

    def __add__(self, other: "Day") -> "Day":
        return Day(*map(operator.add, astuple(self), astuple(other)))

    def __neg__(self) -> "Day":
        return Day(*map(operator.neg, astuple(self)))


@dataclass(frozen=True, slots=True)
class FirstSale:
    """When a customer began to buy, each part by itself the earliest of all sales.

    The first purchase is the sale with the earliest business time, and its class holds from then. Tenure counts days,
    from the earliest business date: with a till whose clock is wrong that may be another sale's.
    """

    business_date: date
    business_time: int


@dataclass(frozen=True, slots=True)
class Spender:
    """A customer with an entry: the earliest business date of any, and the first sale, if there is one."""

    first_entry_date: date
    first_sale: FirstSale | None = None

    def __or__(self, other: "Spender") -> "Spender":
        sales = [sale for sale in (self.first_sale, other.first_sale) if sale]
        return Spender(
            min(self.first_entry_date, other.first_entry_date),
            FirstSale(min(sale.business_date for sale in sales), min(sale.business_time for sale in sales))
            if sales
            else None,
        )


@dataclass(frozen=True, slots=True)
class Loss:
    """Entries of one customer that no longer count, and when the customer began by what remains; None for nothing."""

    entries: tuple[Entry, ...]  # a sale with its refunds, or a refund by itself
    remaining: Spender | None

    @property
    def customer(self) -> str:
        """The customer who loses them."""
        return self.entries[0].customer

    @property
    def takes_away(self) -> bool:
        """Whether the customer has less by it: who loses a refund alone has more."""
        return self.entries[0].is_sale


@dataclass(frozen=True, slots=True)
class Revaluation:
    """A sale whose profit turned out to be another; nothing else of it changed (C-24)."""

    customer: str
    business_date: date
    kind: str
    profit: int  # more than before, of what is known

    @property
    def takes_away(self) -> bool:
        """Whether the customer has less by it: nothing was given back, so a lower profit waits for the next run."""
        return False


Change = Entry | Loss | Revaluation


def days_of_change(change: Change) -> list[tuple[DayKey, Day]]:
    """Answer what a change adds to which days."""
    match change:
        case Entry():
            return list(days_of_entry(change))
        case Loss():
            return [(key, -sums) for entry in change.entries for key, sums in days_of_entry(entry)]
        case Revaluation():
            return [(DayKey(change.customer, change.business_date, change.kind), Day(sales_profit=change.profit))]


def days_of_entry(entry: Entry) -> tuple[tuple[DayKey, Day], ...]:
    """Answer what an entry adds to which days: a refund to its own, and to that of the sale that it gives back."""
    key = DayKey(entry.customer, entry.business_date, entry.kind)
    if entry.is_sale:
        return ((key, Day(sales=entry.total, sales_profit=entry.profit, purchase_count=1)),)
    of_sale = key._replace(business_date=entry.sale_date or entry.business_date)
    return (
        (key, Day(refunds=entry.total, refunds_profit=entry.profit)),
        (of_sale, Day(returns=entry.total, returns_profit=entry.profit)),
    )


def spender_of_entry(entry: Entry) -> Spender:
    """Answer when a customer with this entry alone began."""
    if entry.is_sale:
        return Spender(entry.business_date, FirstSale(entry.business_date, entry.business_time))
    return Spender(entry.business_date)


def tally(
    changes: Iterable[Change], known: Mapping[str, Spender] | None = None
) -> tuple[dict[DayKey, Day], dict[str, Spender | None]]:
    """Sum changes up per customer, business date and kind, and find when each customer now began.

    `known` says when customers began before. The changes of one customer stand in the order in which they were told.
    """
    days: dict[DayKey, Day] = {}
    spenders: dict[str, Spender | None] = dict(known or {})
    for change in changes:
        match change:
            case Entry():
                began = spender_of_entry(change)
                spenders[change.customer] = began | (spenders.get(change.customer) or began)
            case Loss():
                spenders[change.customer] = change.remaining
        for key, sums in days_of_change(change):
            days[key] = days.get(key, Day()) + sums
    return days, spenders
