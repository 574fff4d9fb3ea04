"""What tiering keeps of sales and refunds: sums per customer and business date, and when each customer began.

Amounts are minor units of the chain's currency, instants microseconds. Every part is a sum or a smallest value, so that
entries may arrive in any order and lead to the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Entry:
    """A sale or a refund of a customer, as the customer service told it; amounts are positive, profits aside."""

    customer: str
    business_date: date
    business_time: int
    is_sale: bool
    total: int
    profit: int  # of what is known


@dataclass(frozen=True, slots=True)
class Day:
    """What one customer's entries of one business date add up to."""

    sales: int = 0
    refunds: int = 0
    profit: int = 0
    purchase_count: int = 0

    def __add__(self, other: "Day") -> "Day":
        return Day(
            self.sales + other.sales,
            self.refunds + other.refunds,
            self.profit + other.profit,
            self.purchase_count + other.purchase_count,
        )


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


def day_of_entry(entry: Entry) -> Day:
    """Answer what an entry adds to its day: a refund counts on its own business date."""
    if entry.is_sale:
        return Day(sales=entry.total, profit=entry.profit, purchase_count=1)
    return Day(refunds=entry.total, profit=-entry.profit)


def spender_of_entry(entry: Entry) -> Spender:
    """Answer when a customer with this entry alone began."""
    if entry.is_sale:
        return Spender(entry.business_date, FirstSale(entry.business_date, entry.business_time))
    return Spender(entry.business_date)


def tally(entries: Iterable[Entry]) -> tuple[dict[tuple[str, date], Day], dict[str, Spender]]:
    """Sum entries up per customer and business date, and find when each customer began."""
    days: dict[tuple[str, date], Day] = {}
    spenders: dict[str, Spender] = {}
    for entry in entries:
        key, began = (entry.customer, entry.business_date), spender_of_entry(entry)
        days[key] = days.get(key, Day()) + day_of_entry(entry)
        spenders[entry.customer] = began | spenders.get(entry.customer, began)
    return days, spenders
