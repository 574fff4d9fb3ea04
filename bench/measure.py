"""The rounds: a block of our calls and a block of the reference's, in turn, on servers that serve nobody else."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import grpc

from bench.databases import databases
from bench.figures import Cost, Figure, Round, figure
from bench.neighbours import listeners, quiet_feed
from bench.processes import Server, customer_service, reference
from bench.requests import Caller, Work, enrol, name_of, read_events
from chassis.client import Credentials, Headers
from chassis.clock import system_clock
from chassis.principals import ALL_STORES, Principal
from chassis.tokens import Signer
from cli.progress import Bar

TIMEOUT = 30.0
MICRO = 1_000_000
MILLI = 1000
# How many callers there are where calls come at the same time.
CALLERS = 4
# Who calls: a till that may enrol and read events too.
TILL = Principal(
    "apiKeys/bench",
    ("customer.customers.enrol", "customer.customers.lookup", "customer.purchases.record", "events.read"),
    ALL_STORES,
    purpose="CHECKOUT",
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: rounds, the first of which are forgotten, calls a block, sales a batch, customers."""

    rounds: int = 15
    warm_up: int = 2
    calls: int = 100
    batch: int = 1000
    customers: int = 1000


@dataclass(frozen=True, slots=True)
class Side:
    """A server with what it takes to call it, and to wait until it has dealt with what it was told."""

    server: Server
    caller: Caller
    headers: Callable[[], Headers]
    settle: Callable[[int], None]

    def answers(self, work: Work, calls: int, pool: ThreadPoolExecutor) -> list[tuple[Any, float]]:
        """Call, and wait until all that follows is done; answer each answer with the seconds that it took."""
        requests, headers = [each.SerializeToString() for each in work.requests(calls)], self.headers()
        method: grpc.UnaryUnaryMultiCallable[bytes, Any]
        method = self.server.channel.unary_unary(work.method, response_deserializer=work.answer.FromString)

        def call(request: bytes) -> tuple[Any, float]:
            started = time.perf_counter()
            answer = method(request, metadata=headers, timeout=TIMEOUT)
            return answer, time.perf_counter() - started

        done = list(pool.map(call, requests))
        self.settle(work.told * sum(work.done(answer) for answer, _ in done))
        return done

    def cost(self, work: Work, calls: int, pool: ThreadPoolExecutor) -> Cost:
        """Measure one block of calls."""
        before = self.server.cpu()
        done = self.answers(work, calls, pool)
        cpu = self.server.cpu() - before
        items = sum(work.done(answer) for answer, _ in done)
        return Cost(cpu * MICRO / items, median(took for _, took in done) * MILLI)


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What is held against what: our work and the reference's, the calls in a block of each, and how many callers."""

    name: str
    ours: Work
    reference: Work
    calls: tuple[int, int]
    callers: int
    unit: str


def measure(
    engine: str, size: Size, folder: Path, following: Callable[[str, int], Bar]
) -> Iterator[tuple[str, Figure]]:
    """Measure everything on one engine; answer each figure by its name.

    `following` shows the progress of so many rounds under a name.
    """
    with both(engine, size, folder) as sides:
        for benchmark in benchmarks(sides, size):
            name, number = f"{benchmark.name}.{engine}", size.warm_up + size.rounds
            with following(name, number) as bar, ThreadPoolExecutor(benchmark.callers) as pool:
                rounds = []
                for place in range(number):
                    rounds.append(_round(sides, benchmark, pool, place))
                    bar.advance(1)
            yield name, figure(rounds[size.warm_up :], benchmark.unit)


def benchmarks(sides: tuple[Side, Side], size: Size) -> list[Benchmark]:
    """List what is measured, in the order in which it is: events are read when there are many."""
    mine, theirs = (side.caller for side in sides)
    many, call = (size.calls, size.calls), "us of CPU per call"
    record = partial(Benchmark, ours=mine.record(), reference=theirs.record(), calls=many, unit=call)
    look_up = partial(Benchmark, ours=mine.look_up(), reference=theirs.look_up(), calls=many, unit=call)
    return [
        record("record_purchase", callers=1),
        record(f"record_purchase_by_{CALLERS}", callers=CALLERS),
        look_up("lookup_customer", callers=1),
        look_up(f"lookup_customer_by_{CALLERS}", callers=CALLERS),
        Benchmark(
            "batch_record_purchases",
            mine.record_batches(size.batch),
            theirs.record(),
            (1, size.calls),
            callers=1,
            unit="us of CPU per purchase",
        ),
        Benchmark("read_events", read_events(), read_events(), (10, 10), callers=1, unit="us of CPU per event"),
    ]


def _round(sides: tuple[Side, Side], benchmark: Benchmark, pool: ThreadPoolExecutor, place: int) -> Round:
    ours, theirs = (
        partial(side.cost, work, calls, pool)
        for side, work, calls in zip(sides, (benchmark.ours, benchmark.reference), benchmark.calls, strict=True)
    )
    # What drifts with time, such as the speed of a warm processor, favours neither.
    if place % 2:
        later = theirs()
        return Round(ours(), later)
    return Round(ours(), theirs())


@contextmanager
def both(engine: str, size: Size, folder: Path) -> Iterator[tuple[Side, Side]]:
    """Run the customer service with its neighbours, and the reference, each with the same customers."""
    with ExitStack() as running:
        enter = running.enter_context
        mine, theirs = enter(databases(engine, folder))
        server, keys = enter(customer_service(mine, enter(quiet_feed()), folder))
        audience = listeners(server.channel, keys)
        signed_in = Credentials(Signer("gateway", keys["gateway"], system_clock), TILL)
        ids = itertools.count()

        def told(events: int) -> None:
            for listener in audience:
                listener.hear(events)

        def headers() -> Headers:
            return (*signed_in.headers("customer"), ("accept-language", "zh-CN"), ("x-request-id", f"b{next(ids)}"))

        ours = Side(server, Caller((), Random(1)), headers, told)
        with ThreadPoolExecutor(CALLERS) as pool:
            found = ours.answers(enrol(size.customers), 1, pool)
        names = [answer.customer.name for answer, _ in found]
        bare = enter(reference(theirs, size.customers, folder))
        known = [name_of(number) for number in range(size.customers)]
        yield (
            Side(server, Caller(names, Random(1)), headers, told),
            Side(bare, Caller(known, Random(1)), lambda: (), lambda _: None),
        )
