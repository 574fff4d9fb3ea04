"""The queries of refunds that wait for their sale."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from chassis.among import Among
from chassis.database import Tx
from services.customer.ledger.domain import Entry, Link, Receipt, Record
from services.customer.ledger.tables import RECEIPTS
from services.customer.refunds.tables import WAITING

KEY = ("store", "business_date", "terminal", "receipt_no")
# Written down once: building an expression takes longer than running it.
OF_RECEIPTS = Among("keys", *(WAITING.c[name] for name in KEY))
WAITING_FOR = sa.select(WAITING).where(OF_RECEIPTS).order_by(WAITING.c.refund_id)
# No entry has this id.
NOBODY = ""
GONE = sa.delete(RECEIPTS).where(
    RECEIPTS.c.record == Record.SALE,
    Among("keys", *(RECEIPTS.c[name] for name in KEY)),
    RECEIPTS.c.entry_id == NOBODY,
)
FOUND = sa.delete(WAITING).where(OF_RECEIPTS)


def wait(tx: Tx, refunds: Iterable[Entry]) -> None:
    """Let those of the refunds wait that name a receipt not seen yet.

    Another transaction may record a sale under that receipt at the same moment, and neither would see the other. So the
    sale's key is taken for a moment: the sale is recorded only after this transaction and finds the refund, or was
    recorded before it, and then this transaction runs again and finds the sale.
    """
    waiting = {entry.id: entry.original for entry in refunds if entry.link is Link.AWAITING_SALE and entry.original}
    if not waiting:
        return
    keys = sorted({_key(receipt) for receipt in waiting.values()})
    taken = [{**dict(zip(KEY, key, strict=True)), "record": Record.SALE} for key in keys]
    tx.execute(sa.insert(RECEIPTS).values(entry_id=NOBODY, payload_hash=b""), taken)
    tx.execute(GONE, {"keys": keys})
    rows = [
        {**dict(zip(KEY, _key(receipt), strict=True)), "refund_id": refund_id} for refund_id, receipt in waiting.items()
    ]
    tx.execute(sa.insert(WAITING), rows)


def waiting_for(tx: Tx, receipts: Iterable[Receipt]) -> dict[Receipt, list[str]]:
    """Find the ids of refunds that wait for sales, the oldest first. By the primary key of `waiting_refunds`."""
    ids: dict[Receipt, list[str]] = {}
    for row in tx.execute(WAITING_FOR, {"keys": [_key(receipt) for receipt in receipts]}):
        receipt = Receipt(row.store, row.terminal, row.business_date, row.receipt_no)
        ids.setdefault(receipt, []).append(row.refund_id)
    return ids


def found(tx: Tx, receipts: Iterable[Receipt]) -> None:
    """Let nobody wait for these sales any more. By the primary key of `waiting_refunds`."""
    tx.execute(FOUND, {"keys": [_key(receipt) for receipt in receipts]})


def _key(receipt: Receipt) -> tuple[object, ...]:
    return (receipt.store, receipt.business_date, receipt.terminal, receipt.receipt_no)
