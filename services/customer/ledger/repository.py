"""The ledger's queries."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa

from chassis.database import Tx, upsert_into
from chassis.errors import Refused
from services.customer.ledger.domain import (
    CHAIN_SCOPE,
    Anomaly,
    Content,
    CustomerState,
    Entry,
    First,
    Line,
    Link,
    Part,
    Pending,
    Receipt,
    ReceiptConflict,
    Record,
    Spend,
    tally,
)
from services.customer.ledger.tables import ENTRIES, RECEIPTS, SPEND

# Written down once: building an expression takes longer than running it.
RECORD: sa.BindParameter[str] = sa.bindparam("record")
IDS: sa.BindParameter[str] = sa.bindparam("ids", expanding=True)
KNOWN = sa.select(RECEIPTS).where(
    RECEIPTS.c.record == RECORD,
    sa.tuple_(RECEIPTS.c.store, RECEIPTS.c.business_date, RECEIPTS.c.terminal, RECEIPTS.c.receipt_no).in_(
        sa.bindparam("keys", expanding=True)
    ),
)
BY_ID = sa.select(ENTRIES).where(ENTRIES.c.id.in_(IDS), ENTRIES.c.record == RECORD)
SPEND_OF = sa.select(SPEND).where(
    SPEND.c.customer_id.in_(IDS), SPEND.c.scope.in_(sa.bindparam("scopes", expanding=True))
)

DEFAULTS = {field.name: field.default for field in dataclasses.fields(Line)}


def known_receipts(tx: Tx, record: Record, receipts: Sequence[Receipt]) -> dict[Receipt, tuple[str, bytes]]:
    """Find which receipts are recorded, with entry id and payload hash. By the primary key of `receipts`."""
    keys = [(receipt.store, receipt.business_date, receipt.terminal, receipt.receipt_no) for receipt in receipts]
    rows = tx.execute(KNOWN, {"record": record, "keys": keys})
    return {_receipt(row): (row.entry_id, row.payload_hash) for row in rows}


class Draft(Protocol):
    """A record that is not in the ledger yet."""

    @property
    def content(self) -> Content:
        """What the till told."""

    @property
    def payload_hash(self) -> bytes:
        """What makes two records the same."""


D = TypeVar("D", bound=Draft)


@dataclasses.dataclass(frozen=True, slots=True)
class Recorded:
    """An entry of the ledger, and whether it stood there before."""

    entry: Entry
    replayed: bool


def record(tx: Tx, kind: Record, drafts: Sequence[D | Refused], rule: Callable[[D], Entry]) -> list[Recorded | Refused]:
    """Record each draft once: a known receipt answers its entry when the content is the same, and is refused otherwise.

    What was refused already, and what the rule refuses, stays refused in its place; the others are kept.
    """
    known = known_receipts(tx, kind, [draft.content.receipt for draft in drafts if not isinstance(draft, Refused)])
    fresh: dict[str, Entry] = {}
    placed: list[str | Refused] = []
    for draft in drafts:
        if isinstance(draft, Refused):
            placed.append(draft)
            continue
        try:
            placed.append(_place(draft, kind, known, fresh, rule))
        except Refused as refused:
            placed.append(refused)
    add(tx, list(fresh.values()))
    replayed = {place for place in placed if isinstance(place, str) and place not in fresh}
    old = find(tx, kind, replayed) if replayed else {}
    answered: set[str] = set()
    outcomes: list[Recorded | Refused] = []
    for place in placed:
        if isinstance(place, Refused):
            outcomes.append(place)
        else:
            outcomes.append(Recorded(fresh.get(place) or old[place], place in old or place in answered))
            answered.add(place)
    return outcomes


def _place(
    draft: D, kind: Record, known: dict[Receipt, tuple[str, bytes]], fresh: dict[str, Entry], rule: Callable[[D], Entry]
) -> str:
    """Answer the id of a draft's entry: the one that is known, or a new one made by the rule."""
    receipt = draft.content.receipt
    if receipt in known:
        entry_id, payload_hash = known[receipt]
        if payload_hash != draft.payload_hash:
            collection = "purchases" if kind is Record.SALE else "refunds"
            raise ReceiptConflict(receipt=str(receipt), name=f"{collection}/{entry_id}")
        return entry_id
    entry = rule(draft)
    fresh[entry.id] = entry
    known[receipt] = (entry.id, entry.payload_hash)
    return entry.id


def add(tx: Tx, entries: Sequence[Entry]) -> None:
    """Write entries with their keys, and add them to their customers' spend."""
    if not entries:
        return
    tx.execute(sa.insert(RECEIPTS), [{"record": entry.record, **_key_row(entry)} for entry in entries])
    tx.execute(sa.insert(ENTRIES), [_row(entry) for entry in entries])
    sums = tally(entries)
    if sums:
        _add_spend(tx, sums)


def _add_spend(tx: Tx, sums: dict[tuple[str, str], Spend]) -> None:
    """Add to running sums; always in the same order, so that two batches do not wait for each other in a circle."""
    rows = [_spend_row(customer_id, scope, spend) for (customer_id, scope), spend in sorted(sums.items())]
    tx.execute(_spend_upsert(tx.dialect.name), rows)


@functools.cache
def _spend_upsert(dialect: str) -> sa.Insert:
    statement = upsert_into(SPEND, dialect)
    new, old = statement.excluded, SPEND.c
    sooner = sa.or_(
        old.first_time.is_(None),
        new.first_time < old.first_time,
        sa.and_(new.first_time == old.first_time, new.first_id < old.first_id),
    )
    earlier = sa.and_(new.first_time.is_not(None), sooner)
    later = sa.and_(new.last_time.is_not(None), sa.or_(old.last_time.is_(None), new.last_time > old.last_time))
    added = ("gross", "refunded", "profit", "purchases", "refunds", "profit_unknown")
    changed = {name: old[name] + new[name] for name in added}
    changed |= {
        "first_time": sa.case((earlier, new.first_time), else_=old.first_time),
        "first_id": sa.case((earlier, new.first_id), else_=old.first_id),
        "last_time": sa.case((later, new.last_time), else_=old.last_time),
    }
    return statement.on_conflict_do_update(index_elements=["customer_id", "scope"], set_=changed)


def spends(tx: Tx, customer_ids: Iterable[str], scopes: Iterable[str] = ()) -> dict[tuple[str, str], Spend]:
    """Read running sums of customers, in the chain and in the given stores. By the primary key of `customer_spend`."""
    wanted = {"ids": sorted(set(customer_ids)), "scopes": sorted({CHAIN_SCOPE, *scopes})}
    return {(row.customer_id, row.scope): _spend(row) for row in tx.execute(SPEND_OF, wanted)}


def _sum(expression: sa.ColumnElement[Any], name: str) -> sa.Label[int]:
    return sa.cast(sa.func.coalesce(sa.func.sum(expression), 0), sa.BigInteger).label(name)


_SALE = ENTRIES.c.record == Record.SALE
# Made once: writing these expressions down takes longer than running them.
_SUMS = (
    _sum(sa.case((_SALE, ENTRIES.c.total), else_=0), "gross"),
    _sum(sa.case((_SALE, 0), else_=ENTRIES.c.total), "refunded"),
    _sum(sa.case((_SALE, ENTRIES.c.profit), else_=-ENTRIES.c.profit), "profit"),
    _sum(sa.case((_SALE, 1), else_=0), "purchases"),
    _sum(sa.case((_SALE, 0), else_=1), "refunds"),
    _sum(sa.case((ENTRIES.c.profit_known, 0), else_=1), "profit_unknown"),
    sa.func.min(sa.case((_SALE, ENTRIES.c.business_time))).label("first_time"),
    sa.func.max(sa.case((_SALE, ENTRIES.c.business_time))).label("last_time"),
    sa.literal("").label("first_id"),
)


def spend_between(tx: Tx, customer_id: str, first: date | None, last: date | None) -> Spend:
    """Sum up a customer's entries within business dates, both included. By `ix_entries_customer`."""
    query = sa.select(*_SUMS).where(ENTRIES.c.customer_id == customer_id, *_window(first, last))
    return _spend(tx.execute(query).one())


def _window(first: date | None, last: date | None) -> list[sa.ColumnElement[bool]]:
    bounds = []
    if first is not None:
        bounds.append(ENTRIES.c.business_date >= first)
    if last is not None:
        bounds.append(ENTRIES.c.business_date <= last)
    return bounds


def find(tx: Tx, record: Record, ids: Iterable[str]) -> dict[str, Entry]:
    """Read entries by id. By the primary key."""
    rows = tx.execute(BY_ID, {"record": record, "ids": sorted(set(ids))})
    return {row.id: _entry(row) for row in rows}


def lock(tx: Tx, ids: Iterable[str]) -> None:
    """Hold entries until the transaction ends, so that two refunds of one sale see each other."""
    tx.execute(
        sa.select(ENTRIES.c.id).where(ENTRIES.c.id.in_(sorted(set(ids)))).order_by(ENTRIES.c.id).with_for_update()
    )


def refunds_of(tx: Tx, ids: Iterable[str]) -> list[Entry]:
    """Read the refunds of sales. By `ix_entries_original`."""
    query = sa.select(ENTRIES).where(ENTRIES.c.original_id.in_(sorted(set(ids)))).order_by(ENTRIES.c.id)
    return [_entry(row) for row in tx.execute(query)]


def list_sales(
    tx: Tx,
    *,
    customer_id: str,
    store: str,
    first: date | None,
    last: date | None,
    after: tuple[date, str] | None,
    limit: int,
) -> list[Entry]:
    """List sales of a customer or a store, the latest first. By `ix_entries_customer` or `ix_entries_store`."""
    query = sa.select(ENTRIES).where(ENTRIES.c.record == Record.SALE, *_window(first, last))
    if customer_id:
        query = query.where(ENTRIES.c.customer_id == customer_id)
    if store:
        query = query.where(ENTRIES.c.store == store)
    if after is not None:
        query = query.where(sa.tuple_(ENTRIES.c.business_date, ENTRIES.c.id) < sa.tuple_(*after))
    query = query.order_by(ENTRIES.c.business_date.desc(), ENTRIES.c.id.desc()).limit(limit)
    return [_entry(row) for row in tx.execute(query)]


def _receipt(row: sa.Row[Any]) -> Receipt:
    return Receipt(row.store, row.terminal, row.business_date, row.receipt_no)


def _key_row(entry: Entry) -> dict[str, Any]:
    receipt = entry.content.receipt
    return {
        "store": receipt.store,
        "terminal": receipt.terminal,
        "business_date": receipt.business_date,
        "receipt_no": receipt.receipt_no,
        "entry_id": entry.id,
        "payload_hash": entry.payload_hash,
    }


def _row(entry: Entry) -> dict[str, Any]:
    row = _key_row(entry)
    row["id"] = row.pop("entry_id")
    return row | {
        "record": entry.record,
        "kind": entry.kind,
        "business_time": entry.content.business_time,
        "customer_id": entry.customer_id,
        "customer_state": entry.customer_state,
        "total": entry.content.total,
        "profit": entry.content.profit,
        "profit_known": entry.content.profit_known,
        "original_id": entry.original_id,
        "link": entry.link,
        "body": _body(entry),
        "create_time": entry.create_time,
    }


def _body(entry: Entry) -> str:
    content, original, pending = entry.content, entry.original, entry.pending
    body = {
        "lines": [_line_row(line) for line in content.lines],
        "adjustments": [[part.kind, part.amount] for part in content.adjustments],
        "tenders": [[part.kind, part.amount] for part in content.tenders],
        "operator": content.operator,
        "sales_staff": entry.sales_staff,
        "group_order": entry.group_order,
        "anomalies": entry.anomalies,
        "pending": [pending.kind, pending.digest.hex()] if pending else None,
        "original": [original.store, original.terminal, original.business_date.isoformat(), original.receipt_no]
        if original
        else None,
        "reason": entry.reason,
        "approver": entry.approver,
    }
    return json.dumps({name: value for name, value in body.items() if value}, ensure_ascii=False, separators=(",", ":"))


def _line_row(line: Line) -> dict[str, Any]:
    return {name: value for name, default in DEFAULTS.items() if (value := getattr(line, name)) != default}


def _entry(row: sa.Row[Any]) -> Entry:
    body = json.loads(row.body)
    pending, original = body.get("pending"), body.get("original")
    content = Content(
        receipt=_receipt(row),
        business_time=row.business_time,
        lines=tuple(Line(**line) for line in body["lines"]),
        total=row.total,
        adjustments=tuple(Part(kind, amount) for kind, amount in body.get("adjustments", ())),
        tenders=tuple(Part(kind, amount) for kind, amount in body.get("tenders", ())),
        operator=body.get("operator", ""),
    )
    return Entry(
        id=row.id,
        record=Record(row.record),
        kind=row.kind,
        content=content,
        payload_hash=row.payload_hash,
        customer_id=row.customer_id,
        customer_state=CustomerState(row.customer_state),
        create_time=row.create_time,
        anomalies=tuple(map(Anomaly, body.get("anomalies", ()))),
        pending=Pending(pending[0], bytes.fromhex(pending[1])) if pending else None,
        sales_staff=body.get("sales_staff", ""),
        group_order=body.get("group_order", ""),
        original=Receipt(original[0], original[1], date.fromisoformat(original[2]), original[3]) if original else None,
        original_id=row.original_id,
        link=Link(row.link) if row.link else None,
        reason=body.get("reason", ""),
        approver=body.get("approver", ""),
    )


def _spend_row(customer_id: str, scope: str, spend: Spend) -> dict[str, Any]:
    return {
        "customer_id": customer_id,
        "scope": scope,
        "gross": spend.gross,
        "refunded": spend.refunded,
        "profit": spend.profit,
        "purchases": spend.purchases,
        "refunds": spend.refunds,
        "profit_unknown": spend.profit_unknown,
        "first_time": spend.first.business_time if spend.first else None,
        "first_id": spend.first.id if spend.first else None,
        "last_time": spend.last_time,
    }


def _spend(row: sa.Row[Any]) -> Spend:
    return Spend(
        gross=row.gross,
        refunded=row.refunded,
        profit=row.profit,
        purchases=row.purchases,
        refunds=row.refunds,
        profit_unknown=row.profit_unknown,
        first=None if row.first_time is None else First(row.first_time, row.first_id),
        last_time=row.last_time,
    )
