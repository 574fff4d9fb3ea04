"""Refunds that arrive before their sale: they wait for it, and are linked when it comes."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from services.customer.refunds.tables import WAITING
from services.customer.tests.builders import (
    LEEDS,
    YESTERDAY,
    YORK,
    Shop,
    at,
    day,
    gbp,
    line,
    receipt,
    refund,
    refused,
    sale,
)
from shuke.customer.v1 import events_pb2
from shuke.customer.v1 import purchases_pb2 as pb


def early(number: str, *lines: pb.Line, of: str = "R1", **more: Any) -> pb.Refund:  # noqa: ANN401  (as `refund`)
    """Write a refund of a receipt that is on its way."""
    return refund(number, *lines, original_receipt=receipt(of), **more)


def waiting(shop: Shop) -> int:
    """Count the refunds that wait."""
    with shop.running.database.read() as tx:
        return tx.scalar(sa.select(sa.func.count()).select_from(WAITING)) or 0


@pytest.mark.requirement("C-23", "X-29")
@pytest.mark.parametrize("batch", [False, True])
def test_a_refund_is_linked_when_its_sale_arrives(shop: Shop, batch: bool) -> None:  # noqa: FBT001
    """It becomes the sale's customer's and of its kind; whom it counted for before has it no longer."""
    anna, ben = shop.customer(), shop.customer()
    name = shop.refund(early("F1", line(1, 4_00), customer=ben, store=YORK)).refund.name
    assert shop.spend(ben).refunded == gbp(4_00)
    late = sale("R1", customer=anna, kind=pb.Purchase.CONTRACT)
    if batch:
        [result, _] = shop.record_all(late, sale("R2", customer=ben))
        sold = result.response.purchase
    else:
        sold = shop.record(late).purchase
        shop.record(sale("R2", customer=ben))
    linked = shop.refunded(name)
    assert (linked.state, linked.original_purchase) == (pb.Refund.LINKED, sold.name)
    assert (linked.customer, linked.customer_state, list(linked.anomalies)) == (anna, pb.Purchase.RESOLVED, [])
    assert (shop.spend(anna).net, shop.spend(ben).net) == (gbp(6_00), gbp(10_00))
    for customer in (anna, ben):
        assert shop.spend(customer) == shop.spend(customer, first="2000-01-01")
    assert waiting(shop) == 0
    again = shop.refund(early("F1", line(1, 4_00), customer=ben, store=YORK))
    assert (again.replayed, again.refund) == (True, linked)


def test_no_more_is_given_back_than_was_sold(shop: Shop) -> None:
    """Of two that waited one exceeds what is left and says so; a third that comes later is refused."""
    names = [
        shop.refund(early(f"F{number}", line(1, 6_00, "0.6", original_line_no=1))).refund.name for number in (1, 2)
    ]
    sold = shop.record(sale("R1")).purchase.name
    assert sorted(list(shop.refunded(name).anomalies) for name in names) == [[], [pb.Purchase.OVER_REFUND]]
    assert refused(shop.refund, refund("F3", line(1, 1), original_purchase=sold)).metadata["left"] == "GBP 0.00"
    assert refused(shop.void, sold).reason == "PURCHASE_HAS_REFUNDS"


def test_a_refund_of_an_anonymous_sale_is_nobodys(shop: Shop) -> None:
    """Whoever was named by the refund alone has it no longer, as if the sale had come first."""
    anna = shop.customer()
    name = shop.refund(early("F1", customer=anna)).refund.name
    shop.record(sale("R1"))
    linked = shop.refunded(name)
    assert (linked.customer, linked.customer_state) == ("", pb.Purchase.ANONYMOUS)
    assert (shop.spend(anna).refund_count, shop.spend(anna).refunded) == (0, gbp(0))
    [lost] = [one for one in shop.all_told(name) if isinstance(one, events_pb2.RefundLinked)]
    assert (lost.side, lost.customer, lost.remaining) == (events_pb2.LOST, anna, events_pb2.Beginning())


def test_looking_for_refunds_that_wait_costs_one_select(shop: Shop) -> None:
    """A sale, and a batch of a hundred, ask once by the receipts' keys, and write no more when nobody waits."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.extend([statement] if "waiting_refunds" in statement else [])

    sa.event.listen(shop.running.database.writer, "before_cursor_execute", note)
    shop.record(sale("R1"))
    shop.record_all(*(sale(f"B{number}") for number in range(100)))
    sa.event.remove(shop.running.database.writer, "before_cursor_execute", note)
    assert [statement.split()[0] for statement in asked] == ["SELECT", "SELECT"]


@pytest.mark.requirement("X-29")
def test_both_sides_of_a_link_are_told(shop: Shop) -> None:
    """LOST as it counted before, GAINED with kind and day of its sale, also where both name one customer."""
    anna, ben = shop.customer(), shop.customer()
    names = [shop.refund(early(f"F{number}", customer=who)).refund.name for number, who in enumerate((anna, ben))]
    sold = shop.record(sale("R1", line(1, 50_00), customer=anna, kind=pb.Purchase.CONTRACT)).purchase.name
    for name, loser in zip(names, (anna, ben), strict=True):
        lost, gained = sorted(
            (one for one in shop.all_told(name) if isinstance(one, events_pb2.RefundLinked)), key=lambda one: -one.side
        )
        common = events_pb2.RefundLinked(
            refund=name,
            original_purchase=sold,
            store=LEEDS,
            business_date=day(YESTERDAY),
            business_time=at(f"{YESTERDAY} 15:00"),
            total=gbp(10_00),
            profit=gbp(0),
        )
        left = events_pb2.Beginning()
        if loser == anna:
            left = events_pb2.Beginning(
                first_entry_date=day(YESTERDAY),
                first_sale_date=day(YESTERDAY),
                first_sale_time=at(f"{YESTERDAY} 10:00"),
            )
        before = events_pb2.RefundLinked(customer=loser, side=events_pb2.LOST, kind=pb.Purchase.SALE, remaining=left)
        after = events_pb2.RefundLinked(
            customer=anna, side=events_pb2.GAINED, kind=pb.Purchase.CONTRACT, original_business_date=day(YESTERDAY)
        )
        for one in (before, after):
            one.MergeFrom(common)
        assert (lost, gained) == (before, after)
