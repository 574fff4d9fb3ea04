"""The rules of the day close: a store's journal is held against the ledger, and what differs is named (C-21).

Totals are minor units of the chain's currency, those of refunds positive too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from services.customer.ledger.domain import Anomaly, Record, TimeInFuture


class Verdict(StrEnum):
    """How journal and ledger compare under one key."""

    EQUAL = "EQUAL"
    MISSING = "MISSING"
    EXTRA = "EXTRA"
    AMOUNT = "AMOUNT"


class State(StrEnum):
    """Whether a day is closed."""

    OPEN = "OPEN"
    BALANCED = "BALANCED"
    DIFFERENT = "DIFFERENT"
    CHANGED = "CHANGED"


@dataclass(frozen=True, slots=True)
class Figures:
    """How many records there are, and what they add up to."""

    count: int = 0
    total: int = 0

    def __add__(self, other: Figures) -> Figures:
        return Figures(self.count + other.count, self.total + other.total)


NOTHING = Figures()


@dataclass(frozen=True, slots=True)
class Sums:
    """The sales and the refunds of a day."""

    sales: Figures = NOTHING
    refunds: Figures = NOTHING


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What is compared: a receipt, or without its number all sales or all refunds of a terminal."""

    terminal: str
    record: Record
    receipt_no: str = ""


# A store's day as one side has it.
Side = Mapping[Key, Figures]


@dataclass(frozen=True, slots=True)
class Item:
    """What both sides have under one key."""

    key: Key
    journal: Figures
    held: Figures

    @property
    def verdict(self) -> Verdict:
        """How they compare: by their number first, then by their amount."""
        if self.journal.count != self.held.count:
            return Verdict.MISSING if self.journal.count > self.held.count else Verdict.EXTRA
        return Verdict.EQUAL if self.journal.total == self.held.total else Verdict.AMOUNT


def compare(journal: Side, held: Side) -> tuple[Item, ...]:
    """Hold a store's journal against what the ledger holds, in the order of the keys."""
    keys = sorted(journal.keys() | held.keys())
    return tuple(Item(key, journal.get(key, NOTHING), held.get(key, NOTHING)) for key in keys)


@dataclass(frozen=True, slots=True)
class Held:
    """What the ledger holds of one record that counts."""

    terminal: str
    record: Record
    receipt_no: str
    total: int
    anomalies: tuple[Anomaly, ...] = ()


def side_of(held: Iterable[Held], *, receipts: bool) -> Side:
    """Answer the ledger's side of a comparison, receipt by receipt or added up per terminal."""
    side: dict[Key, Figures] = {}
    for each in held:
        key = Key(each.terminal, each.record, each.receipt_no if receipts else "")
        side[key] = side.get(key, NOTHING) + Figures(1, each.total)
    return side


def sum_up(side: Side) -> Sums:
    """Add up one side."""
    sales = [figures for key, figures in side.items() if key.record is Record.SALE]
    refunds = [figures for key, figures in side.items() if key.record is Record.REFUND]
    return Sums(sum(sales, NOTHING), sum(refunds, NOTHING))


def odd(held: Iterable[Held]) -> Counter[Anomaly]:
    """Count the anomalies of what the ledger holds."""
    return Counter(anomaly for each in held for anomaly in each.anomalies)


@dataclass(frozen=True, slots=True)
class Close:
    """One attempt at closing a store's day: what both sides added up to, who closed it and when (microseconds)."""

    store: str
    business_date: date
    attempt: int
    balanced: bool
    journal: Sums
    held: Sums
    closed_by: str
    api_key: str
    close_time: int


@dataclass(frozen=True, slots=True)
class StoreDay:
    """A store's business date: what the ledger holds of it now, and its last close."""

    store: str
    business_date: date
    held: Sums
    last_close: Close | None

    @property
    def state(self) -> State:
        """Whether it is closed, and still as it was then."""
        if self.last_close is None:
            return State.OPEN
        if not self.last_close.balanced:
            return State.DIFFERENT
        return State.BALANCED if self.last_close.held == self.held else State.CHANGED


def require_begun(business_date: date, today: date) -> None:
    """Raise `TimeInFuture` for a day that is still to come."""
    if business_date > today:
        raise TimeInFuture(field="business_date")


def days_back(first: date, last: date, most: int) -> list[date]:
    """Answer the days of a window, both ends included, the latest first and at most so many."""
    return [last - timedelta(days=number) for number in range(min((last - first).days + 1, most))]
