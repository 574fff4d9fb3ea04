"""What a second replica of the customer service brings: the same callers on one and on two, in turn."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from bench.calls import CALLERS, Following, Side, our_side
from bench.databases import database
from bench.figures import Figure
from bench.neighbours import quiet_feed
from bench.processes import Server, customer_service
from chassis.client import open_channel

METHOD = b"/RecordPurchase"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: rounds, the first of which are forgotten, calls a block, customers."""

    rounds: int = 5
    warm_up: int = 1
    calls: int = 1600
    customers: int = 1000


def measure(size: Size, folder: Path, following: Following) -> Iterator[tuple[str, Figure]]:
    """Record sales on one replica and on two; answer the ratio of calls per second by its name."""
    name, number = "replicas.postgresql", size.warm_up + size.rounds
    with ExitStack() as running:
        enter = running.enter_context
        service = enter(customer_service(enter(database("ours")), enter(quiet_feed()), folder, replicas=2))
        one = our_side(service, size.customers)
        channel = enter(open_channel(",".join(each.address for each in service.replicas)))
        two = replace(one, server=replace(service.server, channel=channel))
        pool, bar = enter(ThreadPoolExecutor(CALLERS)), enter(following(name, number))
        rates, shares = [], []
        for place in range(number):
            sides = (one, two) if place % 2 else (two, one)
            before = [recorded(each) for each in service.replicas]
            took = {id(side): _rate(side, size.calls, pool) for side in sides}
            rates.append((took[id(one)], took[id(two)]))
            # The first one answers all calls of one block, and of the other those that the second does not.
            shares.append((recorded(service.replicas[1]) - before[1]) / size.calls)
            bar.advance(1)
    counted = rates[size.warm_up :]
    second = median(shares[size.warm_up :])
    beside = {"one_per_s": median(one for one, _ in counted), "two_per_s": median(two for _, two in counted)}
    ratio = median(two / one for one, two in counted)
    yield name, Figure(ratio, "of one replica's calls per second", beside | {"share_1": 1 - second, "share_2": second})


def _rate(side: Side, calls: int, pool: ThreadPoolExecutor) -> float:
    began = time.monotonic()
    work = side.caller.record()
    for answer, _ in side.answers(work, calls, pool):
        work.done(answer)
    return calls / (time.monotonic() - began)


def recorded(server: Server) -> int:
    """Count the sales that a server has recorded, by its log lines."""
    return server.log.read_bytes().count(METHOD)
