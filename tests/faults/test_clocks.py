"""Machines whose clocks lie hours apart and jump: what they do together stays right, and they refuse each other."""

from __future__ import annotations

from functools import partial

import pytest

from chassis.events import PARTITIONS
from chassis.tests.events import at_once, until
from cli.suite import free_port
from services.customer.server import PROGRAM as CUSTOMER
from services.customer.tests.builders import CUSTOMERS, Shop, line, pence, sale
from services.tiering.server import PROGRAM as TIERING
from shuke.customer.v1.customer_pb2 import GetCustomerRequest
from tests.databases import text_of
from tests.faults.clocks import Wrong
from tests.faults.reading import heard, holders, numbered, shares, sold
from tests.faults.telling import Tell
from tests.running import Refusal, Running, StartService

HOUR = 3600
PEOPLE = 3


def refused(there: Running, caller: Running) -> str:
    """Call a replica with a token that another machine's clock has dated; answer why that is refused."""
    with pytest.raises(Refusal) as refusal:
        there.raw(CUSTOMERS, "GetCustomer", GetCustomerRequest(name="customers/0"), headers=caller.headers())
    assert refusal.value.code == "UNAUTHENTICATED"
    return refusal.value.reason


@pytest.mark.requirement("C-15", "C-23")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
@pytest.mark.parametrize("sales", [40, pytest.param(2000, marks=pytest.mark.whole)])
def test_clocks_an_hour_apart(start_service: StartService, tell: Tell, sales: int) -> None:
    """Two machines an hour fast and an hour slow, which change over midway, record, number and hear each sale once."""
    clocks = Wrong(HOUR), Wrong(-HOUR)
    ports = [str(free_port()) for _ in clocks]
    shops: list[Shop] = []
    tierings: list[Running] = []
    for clock, port in zip(clocks, ports, strict=True):
        shared = {"database_url": text_of(shops[0].running.database.url)} if shops else {}
        shops.append(Shop(start_service(CUSTOMER, clock, tiering_address=f"127.0.0.1:{port}", **shared)))
        shared = {"database_url": text_of(tierings[0].database.url)} if tierings else {}
        asked = shops[-1].running.address
        tierings.append(start_service(TIERING, clock, port=port, customer_address=asked, **shared))
    fast, slow = (shop.running for shop in shops)
    half = [PARTITIONS // 2] * 2
    for heard_of in ("tiering events", "notify events"):
        until(lambda heard_of=heard_of: shares(fast.database, CUSTOMER, heard_of) == half)  # type: ignore[misc]
    until(lambda: shares(tierings[0].database, TIERING, "customer events") == half)
    for running, program in ((fast, CUSTOMER), (tierings[0], TIERING)):
        until(lambda running=running, program=program: "sequencer" in holders(running.database, program))  # type: ignore[misc]
    held = holders(fast.database, CUSTOMER), holders(tierings[0].database, TIERING)
    people = [shops[0].customer() for _ in range(PEOPLE)]

    names, replayed = set(), 0
    for number in range(sales):
        if number == sales // 2:
            assert (refused(there=fast, caller=slow), refused(there=slow, caller=fast)) == (
                *("TOKEN_EXPIRED", "TOKEN_INVALID"),
            )
            clocks[0].seconds, clocks[1].seconds = clocks[1].seconds, clocks[0].seconds
            assert (refused(there=fast, caller=slow), refused(there=slow, caller=fast)) == (
                *("TOKEN_INVALID", "TOKEN_EXPIRED"),
            )
        receipt = sale(f"R{number}", line(amount=number + 1), customer=people[number % PEOPLE])
        answers = at_once(*(partial(shop.record, receipt, settled=True) for shop in shops))
        names |= {answer.purchase.name for answer in answers}
        replayed += sum(answer.replayed for answer in answers)

    until(lambda: heard(fast.database, tierings[0].database))
    told = numbered(fast.database)
    amount = sum(range(1, sales + 1))
    tell(
        injected="two machines an hour fast and an hour slow that change over, every sale sent to both",
        acknowledged=f"{sales} sales, {replayed} replayed",
        found=f"{len(told)} sales numbered once, tiering's sums of {sold(tierings[0].database)}",
    )
    assert (len(names), replayed) == (sales, sales)
    assert told == dict.fromkeys(names, 1)
    assert sum(pence(shops[1].spend(who).net) for who in people) == amount
    assert sold(tierings[0].database) == (sales, amount)
    assert held[0].items() <= holders(fast.database, CUSTOMER).items()
    assert held[1].items() <= holders(tierings[0].database, TIERING).items()
