"""The ledger's queries."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any, Protocol, TypeVar

import orjson
import sqlalchemy as sa

from chassis.among import Among
from chassis.database import Tx
from chassis.errors import Refused
from chassis.rows import insert_rows
from services.customer.ledger.domain import (
    Anomaly,
    Content,
    CustomerState,
    Entry,
    Line,
    Link,
    Part,
    Pending,
    Query,
    Receipt,
    ReceiptConflict,
    Record,
    Void,
)
from services.customer.ledger.tables import ENTRIES, RECEIPTS, odd, within

# Written down once: building an expression takes longer than running it.
RECORD: sa.BindParameter[str] = sa.bindparam("record")
KNOWN = sa.select(RECEIPTS).where(
    RECEIPTS.c.record == RECORD,
    Among("keys", RECEIPTS.c.store, RECEIPTS.c.business_date, RECEIPTS.c.terminal, RECEIPTS.c.receipt_no),
)
BY_ID = sa.select(ENTRIES).where(Among("ids", ENTRIES.c.id), ENTRIES.c.record == RECORD)
REWRITE = sa.update(ENTRIES).where(
    ENTRIES.c.id == sa.bindparam("entry_id"), ENTRIES.c.record == sa.bindparam("entry_record")
)

DEFAULTS = {field.name: field.default for field in dataclasses.fields(Line)}


def known_receipts(tx: Tx, record: Record, receipts: Sequence[Receipt]) -> dict[Receipt, tuple[str, bytes]]:
    """Find which receipts are recorded, with entry id and payload hash. By the primary key of `receipts`."""
    keys = [(receipt.store, receipt.business_date, receipt.terminal, receipt.receipt_no) for receipt in receipts]
    rows = tx.execute(KNOWN, {"record": record, "keys": keys}).all()
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
T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Recorded:
    """An entry of the ledger, and whether it stood there before."""

    entry: Entry
    replayed: bool


def only(outcomes: Sequence[T | Refused]) -> T:
    """Answer the outcome of the one draft there was; raise its refusal."""
    [outcome] = outcomes
    if isinstance(outcome, Refused):
        raise outcome
    return outcome


def fresh(outcomes: Iterable[Recorded | Refused]) -> list[Entry]:
    """Answer the entries that were not in the ledger before."""
    return [each.entry for each in outcomes if isinstance(each, Recorded) and not each.replayed]


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
    """Write entries with their keys; `spend.repository.add` adds them to their customers' sums."""
    if not entries:
        return
    insert_rows(tx, RECEIPTS, [_key_row(entry) for entry in entries])
    insert_rows(tx, ENTRIES, [_row(entry) for entry in entries])


def rewrite(tx: Tx, entries: Sequence[Entry]) -> None:
    """Write entries anew as they stand after a correction. By the primary key."""
    if entries:
        tx.execute(REWRITE, [{"entry_id": entry.id, "entry_record": entry.record, **_row(entry)} for entry in entries])


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


def list_entries(
    tx: Tx, record: Record, query: Query, *, voided: bool | None = None, link: Link | None = None
) -> list[Entry]:
    """List records, the latest first; of sales those voided or not, of refunds those with a link, where that is given.

    By `ix_entries_customer` or `ix_entries_store`, those of a store with anomalies by `ix_entries_odd`.
    """
    select = sa.select(ENTRIES).where(ENTRIES.c.record == record, *within(query.first, query.last))
    if query.customer_id:
        select = select.where(ENTRIES.c.customer_id == query.customer_id)
    if query.store:
        select = select.where(ENTRIES.c.store == query.store)
    if voided is not None:
        select = select.where(ENTRIES.c.void_time.is_not(None) if voided else ENTRIES.c.void_time.is_(None))
    if link is not None:
        select = select.where(ENTRIES.c.link == link)
    if query.odd:
        select = select.where(odd)
    if query.after is not None:
        select = select.where(sa.tuple_(ENTRIES.c.business_date, ENTRIES.c.id) < sa.tuple_(*query.after))
    select = select.order_by(ENTRIES.c.business_date.desc(), ENTRIES.c.id.desc()).limit(query.limit)
    return [_entry(row) for row in tx.execute(select)]


def read_anomalies(column: str) -> tuple[Anomaly, ...]:
    """Read what was odd about an entry."""
    return tuple(map(Anomaly, column.split()))


def _receipt(row: sa.Row[Any]) -> Receipt:
    return Receipt(row.store, row.terminal, row.business_date, row.receipt_no)


def _key_row(entry: Entry) -> dict[str, Any]:
    return {
        "record": entry.record.value,
        **_receipt_row(entry.content.receipt),
        "entry_id": entry.id,
        "payload_hash": entry.payload_hash,
    }


def _receipt_row(receipt: Receipt) -> dict[str, Any]:
    return {
        "store": receipt.store,
        "terminal": receipt.terminal,
        "business_date": receipt.business_date,
        "receipt_no": receipt.receipt_no,
    }


def _row(entry: Entry) -> dict[str, Any]:
    content = entry.content
    return {
        "id": entry.id,
        # Plain texts: SQLite's driver asks at length what becomes of any other kind of value.
        "record": entry.record.value,
        "kind": entry.kind,
        **_receipt_row(content.receipt),
        "payload_hash": entry.payload_hash,
        "business_time": content.business_time,
        "customer_id": entry.customer_id,
        "customer_state": entry.customer_state.value,
        "total": content.total,
        "profit": content.profit,
        "profit_known": content.profit_known,
        "original_id": entry.original_id,
        "link": entry.link,
        "void_time": entry.void.time if entry.void else None,
        "anomalies": " ".join(entry.anomalies),
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
        "pending": [pending.kind, pending.digest.hex()] if pending else None,
        "original": [original.store, original.terminal, original.business_date.isoformat(), original.receipt_no]
        if original
        else None,
        "reason": entry.reason,
        "approver": entry.approver,
        "void": [entry.void.reason, entry.void.approver] if entry.void else None,
        "attach_reason": entry.attach_reason,
    }
    return orjson.dumps({name: value for name, value in body.items() if value}).decode()


def _line_row(line: Line) -> dict[str, Any]:
    return {name: value for name, default in DEFAULTS.items() if (value := getattr(line, name)) != default}


def _entry(row: sa.Row[Any]) -> Entry:
    body = orjson.loads(row.body)
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
        anomalies=read_anomalies(row.anomalies),
        pending=Pending(pending[0], bytes.fromhex(pending[1])) if pending else None,
        sales_staff=body.get("sales_staff", ""),
        group_order=body.get("group_order", ""),
        original=Receipt(original[0], original[1], date.fromisoformat(original[2]), original[3]) if original else None,
        original_id=row.original_id,
        link=Link(row.link) if row.link else None,
        reason=body.get("reason", ""),
        approver=body.get("approver", ""),
        void=Void(row.void_time, *body["void"]) if row.void_time is not None else None,
        attach_reason=body.get("attach_reason", ""),
    )
