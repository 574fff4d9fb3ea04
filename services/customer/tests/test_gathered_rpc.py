"""Calls that come at the same time share their work, and none of them notices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from chassis.tests.events import until
from services.customer.customers.domain import CustomerClass
from services.customer.customers.repository import put_classes
from services.customer.customers.tables import CUSTOMERS
from services.customer.ledger.tables import SPEND
from services.customer.tables import ACCESSES
from services.customer.tests.builders import NOBODY, Shop, by_phone, gbp, line, mobile, sale
from shuke.customer.v1 import purchases_pb2 as pb
from tests.running import Refusal

Outcome = pb.RecordPurchaseResponse | Refusal


@contextmanager
def held(shop: Shop, customer: str) -> Iterator[None]:
    """Hold a customer's sums in a transaction, so that a sale to her must wait."""
    with shop.running.database.write() as tx:
        mine = SPEND.c.customer_id == customer.rpartition("/")[2]
        tx.execute(sa.update(SPEND).where(mine).values(gross=SPEND.c.gross))
        yield


def together(shop: Shop, anna: str, *acts: Callable[[], Any]) -> list[Any]:
    """Do it all while a sale of Anna's waits for the database; answer the results or refusals of the others."""
    pool = shop.running.service.foundation.server.pool
    with ThreadPoolExecutor(1 + len(acts)) as threads:
        with held(shop, anna):
            running: list[Future[Any]] = []
            first: Callable[[], Any] = partial(shop.record, sale("FIRST", customer=anna))
            for act in (first, *acts):
                running.append(threads.submit(act))
                until(lambda: pool.pending == len(running))
        return [each.exception(20) or each.result() for each in running[1:]]


@pytest.fixture
def anna(shop: Shop) -> str:
    """Enrol Anna, who has bought before."""
    name = shop.customer()
    shop.record(sale("R0", customer=name))
    return name


@pytest.mark.requirement("C-23")
def test_gathered_sales_are_what_they_would_be_alone(shop: Shop, anna: str) -> None:
    """Of sales recorded together each is answered, replayed or refused by itself, and the sums hold what was taken."""
    ben = shop.customer()
    answers = together(
        shop,
        anna,
        partial(shop.record, sale("R1", customer=ben)),
        partial(shop.record, sale("R1", customer=ben)),
        partial(shop.record, sale("R0", line(1, 99_00), customer=anna)),
        partial(shop.record, sale("R2", customer=NOBODY)),
        partial(shop.record, sale("R2", line(1, 5_00), customer=anna), settled=True),
        partial(shop.record, sale("R0", customer=anna)),
    )
    names = [each.purchase.name if isinstance(each, pb.RecordPurchaseResponse) else each.reason for each in answers]
    assert names[2:4] == ["RECEIPT_CONFLICT", "CUSTOMER_UNKNOWN"]
    assert len(set(names)) == 5
    assert names[0] == names[1]
    assert [answers[place].replayed for place in (4, 5)] == [False, True]
    assert sorted(answers[place].replayed for place in (0, 1)) == [False, True]
    assert all(answers[place].first_in_chain for place in (0, 1))
    assert (shop.spend(ben).gross, shop.spend(ben).purchase_count) == (gbp(10_00), 1)
    assert (shop.spend(anna).gross, shop.spend(anna).purchase_count) == (gbp(25_00), 3)
    assert len([event for event in shop.feed() if event.type.endswith("PurchaseRecorded")]) == 4


def test_gathered_calls_keep_their_own(shop: Shop, anna: str) -> None:
    """Each answer is in its caller's language, and each sale names its caller's operator."""
    held_class = CustomerClass("loyalty", "GOLD", "金卡", "Gold", 0)
    customer = anna.rpartition("/")[2]
    shop.running.database.transact(lambda tx: put_classes(tx, [(customer, held_class)]))
    answers: Sequence[pb.RecordPurchaseResponse] = together(
        shop,
        anna,
        partial(shop.record, sale("R1", customer=anna), language="zh-CN", operator="O1"),
        partial(shop.record, sale("R2", customer=anna), language="en", operator="O2"),
    )
    assert [answer.customer_classes[0].display_name for answer in answers] == ["金卡", "Gold"]
    assert [answer.purchase.operator for answer in answers] == ["O1", "O2"]


def test_lookups_at_once_find_each_their_own(shop: Shop) -> None:
    """Whoever looks up at the same time finds whom the own key leads to, and that is recorded once for each.

    A file that does not open fails alone.
    """
    phones = [f"+4477009001{number:02d}" for number in range(8)]
    names = [shop.customer(contact_points=[mobile(phone)]) for phone in phones]
    wanted = [*phones, "+447700900999"] * 3
    with ThreadPoolExecutor(len(wanted)) as pool:
        found = list(pool.map(lambda phone: [each.customer for each in shop.look_up(by_phone(phone))], wanted))
    assert found == [*([name] for name in names), []] * 3
    with shop.running.database.read() as tx:
        assert [len(ACCESSES.of(tx, name, limit=10)) for name in names] == [3] * len(names)

    broken = sa.update(CUSTOMERS).where(CUSTOMERS.c.id == names[3].rpartition("/")[2])
    shop.running.database.transact(lambda tx: tx.execute(broken.values(personal=b"\x01" + bytes(40))))

    def look_up(phone: str) -> list[str] | Refusal:
        try:
            return [each.customer for each in shop.look_up(by_phone(phone))]
        except Refusal as refusal:
            return refusal

    with ThreadPoolExecutor(len(wanted)) as pool:
        outcomes = list(pool.map(look_up, wanted))
    for phone, outcome, before in zip(wanted, outcomes, found, strict=True):
        if phone == phones[3]:
            assert isinstance(outcome, Refusal)
            assert outcome.code == "INTERNAL"
        else:
            assert outcome == before
