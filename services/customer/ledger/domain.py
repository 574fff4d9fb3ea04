"""The ledger's rules: what a receipt is, that its sums hold, and what receipts add up to (C-21 to C-26).

Amounts are minor units of the chain's currency and never negative, profits aside: the direction is the record's.
Quantities are thousandths.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import orjson

from chassis.errors import AlreadyExists, FailedPrecondition, Problems, Refused
from chassis.money import LARGEST, Currency

HASH_VERSION = 1


class ReceiptConflict(AlreadyExists):
    """The receipt is recorded already, with other content."""

    reason = "RECEIPT_CONFLICT"


class TimeInFuture(FailedPrecondition):
    """The business time or date lies in the future."""

    reason = "TIME_IN_FUTURE"


class SaleVoided(FailedPrecondition):
    """The sale was voided."""

    reason = "PURCHASE_VOIDED"


class Record(StrEnum):
    """The two kinds of record; each has receipts of its own."""

    SALE = "SALE"
    REFUND = "REFUND"


class Anomaly(StrEnum):
    """What was odd about a settled record."""

    CUSTOMER_UNKNOWN = "CUSTOMER_UNKNOWN"
    CUSTOMER_AMBIGUOUS = "CUSTOMER_AMBIGUOUS"
    CUSTOMER_BLOCKED = "CUSTOMER_BLOCKED"
    TIME_IN_FUTURE = "TIME_IN_FUTURE"
    OVER_REFUND = "OVER_REFUND"
    PURCHASE_VOIDED = "PURCHASE_VOIDED"


class CustomerState(StrEnum):
    """Whether a record belongs to a customer."""

    RESOLVED = "RESOLVED"
    PENDING = "PENDING"
    ANONYMOUS = "ANONYMOUS"


class Link(StrEnum):
    """How a refund hangs together with a sale."""

    LINKED = "LINKED"
    STANDALONE = "STANDALONE"
    AWAITING_SALE = "AWAITING_SALE"


@dataclass(frozen=True, slots=True, order=True)
class Receipt:
    """The key of a record, as the till printed it."""

    store: str
    terminal: str
    business_date: date
    receipt_no: str

    def __str__(self) -> str:
        return "/".join(filter(None, (self.store, self.terminal, self.business_date.isoformat(), self.receipt_no)))


@dataclass(frozen=True, slots=True)
class Line:
    """One line: what, how many, for how much. Amounts that the till does not know are None."""

    line_no: int
    kind: str
    sku: str
    quantity: int
    amount: int
    product_name: str = ""
    category: str = ""
    model: str = ""
    specification: str = ""
    serial_no: str = ""
    list_amount: int | None = None
    tax: int | None = None
    profit: int | None = None
    original_line_no: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """An adjustment of the total, or a tender that paid some of it."""

    kind: str
    amount: int


@dataclass(frozen=True, slots=True)
class Content:
    """What a sale and a refund have in common: everything that the till tells."""

    receipt: Receipt
    business_time: int
    lines: tuple[Line, ...]
    total: int
    adjustments: tuple[Part, ...] = ()
    tenders: tuple[Part, ...] = ()
    operator: str = ""

    @property
    def profit(self) -> int:
        """Sum of the profits that are known."""
        return sum([line.profit or 0 for line in self.lines])

    @property
    def profit_known(self) -> bool:
        """Whether every line's profit is known."""
        return None not in [line.profit for line in self.lines]


@dataclass(frozen=True, slots=True)
class Pending:
    """What was told of a customer that could not be found: the kind of key and its blind digest."""

    kind: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Void:
    """That a sale was taken back as never made: when (microseconds), why, and who approved it."""

    time: int
    reason: str
    approver: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A record in the ledger."""

    id: str
    record: Record
    kind: str
    content: Content
    payload_hash: bytes
    customer_id: str | None
    customer_state: CustomerState
    create_time: int
    anomalies: tuple[Anomaly, ...] = ()
    pending: Pending | None = None
    sales_staff: str = ""
    group_order: str = ""
    original: Receipt | None = None
    original_id: str | None = None
    link: Link | None = None
    reason: str = ""
    approver: str = ""
    void: Void | None = None
    attach_reason: str = ""

    @property
    def counts_for(self) -> str | None:
        """The id of the customer in whose sums the record counts, if any."""
        return None if self.void else self.customer_id


def check(problems: Problems, at: str, content: Content, currency: Currency) -> None:
    """Note what is wrong with a record in itself: negative amounts, repeated lines, sums that do not add up."""
    _check_lines(problems, at, content.lines)
    for index, tender in enumerate(content.tenders):
        if tender.amount < 0:
            problems.add(f"{at}.tenders[{index}].amount", "AMOUNT_NEGATIVE")
    if content.total < 0:
        problems.add(f"{at}.total", "AMOUNT_NEGATIVE")
    if abs(content.profit) >= LARGEST:
        # Every profit is in range, but it is their sum that is stored.
        problems.add(f"{at}.lines", "MONEY_MALFORMED")
    total = content.total
    added = sum([line.amount for line in content.lines]) + sum([part.amount for part in content.adjustments])
    paid = sum([tender.amount for tender in content.tenders])
    if added != total:
        problems.add(f"{at}.total", "TOTAL_MISMATCH", total=currency.text(total), sum=currency.text(added))
    if content.tenders and paid != total:
        problems.add(f"{at}.tenders", "TENDER_MISMATCH", total=currency.text(total), sum=currency.text(paid))


def _check_lines(problems: Problems, at: str, lines: Iterable[Line]) -> None:
    seen: set[int] = set()
    for index, line in enumerate(lines):
        if line.line_no in seen:
            problems.add(f"{at}.lines[{index}].line_no", "LINE_NUMBER_REPEATED", line_no=str(line.line_no))
        seen.add(line.line_no)
        if line.quantity == 0:
            problems.add(f"{at}.lines[{index}].quantity", "QUANTITY_ZERO")
        if line.amount < 0:
            problems.add(f"{at}.lines[{index}].amount", "AMOUNT_NEGATIVE")
        if line.list_amount is not None and line.list_amount < 0:
            problems.add(f"{at}.lines[{index}].list_amount", "AMOUNT_NEGATIVE")
        if line.tax is not None and line.tax < 0:
            problems.add(f"{at}.lines[{index}].tax", "AMOUNT_NEGATIVE")


def payload_hash(content: Content, original: Receipt | None = None) -> bytes:
    """Hash what makes two records the same: receipt, total, lines, adjustments and original receipt, nothing else."""
    covered = [
        _key(content.receipt),
        content.total,
        [[line.line_no, line.sku, line.quantity, line.amount] for line in content.lines],
        [[part.kind, part.amount] for part in content.adjustments],
        _key(original) if original else None,
    ]
    digest = hashlib.sha256(orjson.dumps(covered)).digest()
    return bytes([HASH_VERSION]) + digest


def _key(receipt: Receipt) -> list[str]:
    return [receipt.store, receipt.terminal, receipt.business_date.isoformat(), receipt.receipt_no]


@dataclass(frozen=True, slots=True)
class Moment:
    """The instant and the day against which a till's time is held."""

    now: int
    today: date
    tolerance: int


def time_odd(content: Content, moment: Moment, at: str) -> tuple[Refused, ...]:
    """Tell whether a record lies in the future, allowing for a till's clock that runs a little ahead."""
    if content.business_time > moment.now + moment.tolerance:
        return (TimeInFuture(field=f"{at}.business_time"),)
    if content.receipt.business_date > moment.today:
        return (TimeInFuture(field=f"{at}.receipt.business_date"),)
    return ()


def accept(odd: Sequence[Refused], *, settled: bool) -> tuple[Anomaly, ...]:
    """Turn oddities into anomalies of a settled record; refuse one that is not settled for the first of them."""
    if odd and not settled:
        raise odd[0]
    return tuple(Anomaly(refused.reason) for refused in odd)


@dataclass(frozen=True, slots=True)
class First:
    """A sale as a candidate for a customer's first: the earlier business time wins, then the smaller id."""

    business_time: int
    id: str

    def __lt__(self, other: First) -> bool:
        return (self.business_time, self.id) < (other.business_time, other.id)


@dataclass(frozen=True, slots=True)
class Spend:
    """What a customer's records add up to, in the chain or in a store (C-23, C-24)."""

    gross: int = 0
    refunded: int = 0
    profit: int = 0
    purchases: int = 0
    refunds: int = 0
    profit_unknown: int = 0
    first: First | None = None
    last_time: int | None = None

    @property
    def net(self) -> int:
        """Sales less refunds."""
        return self.gross - self.refunded

    def __add__(self, other: Spend) -> Spend:
        firsts = [first for first in (self.first, other.first) if first]
        lasts = [last for last in (self.last_time, other.last_time) if last is not None]
        return Spend(
            self.gross + other.gross,
            self.refunded + other.refunded,
            self.profit + other.profit,
            self.purchases + other.purchases,
            self.refunds + other.refunds,
            self.profit_unknown + other.profit_unknown,
            min(firsts, default=None),
            max(lasts, default=None),
        )


def spend_of(entry: Entry) -> Spend:
    """Answer what one record adds to its customer's spend."""
    content, unknown = entry.content, 0 if entry.content.profit_known else 1
    if entry.record is Record.REFUND:
        return Spend(refunded=content.total, profit=-content.profit, refunds=1, profit_unknown=unknown)
    return Spend(
        gross=content.total,
        profit=content.profit,
        purchases=1,
        profit_unknown=unknown,
        first=First(content.business_time, entry.id),
        last_time=content.business_time,
    )


# Scope of a customer's spend in the whole chain; any other scope is a store's code.
CHAIN_SCOPE = ""


def tally(entries: Iterable[Entry]) -> dict[tuple[str, str], Spend]:
    """Sum up the entries that count for each customer, in the chain and in each store."""
    return _sums((entry, spend_of(entry)) for entry in entries)


def _sums(parts: Iterable[tuple[Entry, Spend]]) -> dict[tuple[str, str], Spend]:
    in_stores: dict[tuple[str, str], Spend] = {}
    for entry, spend in parts:
        if entry.counts_for is not None:
            _add(in_stores, (entry.counts_for, entry.content.receipt.store), spend)
    sums = in_stores.copy()
    for (customer_id, _), spend in in_stores.items():
        _add(sums, (customer_id, CHAIN_SCOPE), spend)
    return sums


def _add(sums: dict[tuple[str, str], Spend], key: tuple[str, str], spend: Spend) -> None:
    sums[key] = sums[key] + spend if key in sums else spend


@dataclass(frozen=True, slots=True)
class Beginning:
    """When a customer began: earliest business dates and earliest business time of what counts; None without any."""

    first_entry_date: date | None = None
    first_sale_date: date | None = None
    first_sale_time: int | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """Which records of a customer, of a store or of both are listed, the latest first; None is without bound."""

    customer_id: str
    store: str
    first: date | None
    last: date | None
    after: tuple[date, str] | None  # business date and id of the last one listed before
    limit: int
    odd: bool = False  # only those with anomalies


@dataclass(frozen=True, slots=True)
class Correction:
    """An entry that was corrected, as it stood and as it stands."""

    before: Entry
    after: Entry


def tally_profit(corrections: Iterable[Correction]) -> dict[tuple[str, str], Spend]:
    """Sum up by how much sales whose profit was corrected, and nothing else, now bring their customers more (C-24)."""
    return _sums((one.after, _profit_gained(one.before.content, one.after.content)) for one in corrections)


def _profit_gained(before: Content, after: Content) -> Spend:
    return Spend(profit=after.profit - before.profit, profit_unknown=before.profit_known - after.profit_known)
