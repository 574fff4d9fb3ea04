"""The rules of an exchange: a refund and a sale, both or neither, of one customer."""

from __future__ import annotations

import dataclasses

from chassis.errors import Problems
from services.customer.customers.domain import Buyer
from services.customer.ledger.domain import Entry, Link
from services.customer.purchases.domain import Draft
from services.customer.refunds.domain import Draft as RefundDraft
from services.customer.refunds.domain import ReceiptNotFound


def check(problems: Problems, refund: RefundDraft) -> None:
    """Note that the refund of an exchange names no original."""
    if not (refund.original_id or refund.original_receipt):
        problems.add("refund.original_purchase", "EXCHANGE_ORIGINAL_MISSING")


def sold_for(refund: Entry, sale: Draft) -> Draft:
    """Answer the sale that goes with a refund as recorded: it is the original's customer's, where it names none.

    Raises `ReceiptNotFound` for an original that is not recorded, unless the exchange is settled.
    """
    if refund.link is Link.AWAITING_SALE and not sale.settled:
        raise ReceiptNotFound(receipt=str(refund.original))
    if sale.buyer.customer_id or sale.buyer.key:
        return sale
    return dataclasses.replace(sale, buyer=Buyer(refund.customer_id or ""))
