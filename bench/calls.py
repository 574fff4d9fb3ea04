"""What calls cost: a block of ours and a block of the reference's, in turn, on servers that serve nobody else."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from bench.neighbours import quiet_feed
from bench.processes import Customer, Process, Server, customer_service, reference
from bench.requests import Caller, Work, enrol, name_of, read_events
from chassis.client import Credentials, FeedClient, Headers
from chassis.clock import system_clock
from chassis.events import PARTITIONS
from chassis.principals import ALL_STORES, Principal
from chassis.tokens import Signer
from cli.progress import Bar

TIMEOUT = 30.0
MICRO = 1_000_000
MILLI = 1000
# How many callers there are at the same time: as many as a server has threads.
CALLERS = 16
# Who calls: a till that may enrol and read events too.
TILL = Principal(
    "apiKeys/bench",
    ("customer.customers.enrol", "customer.customers.lookup", "customer.purchases.record", "events.read"),
    ALL_STORES,
    purpose="CHECKOUT",
)
Following = Callable[[str, int], Bar]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: rounds, the first of which are forgotten, calls or batches a block, sales a batch."""

    rounds: int = 9
    warm_up: int = 1
    calls: int = 320
    batches: int = 4
    batch: int = 1000
    customers: int = 1000
    idle_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Side:
    """A server with what it takes to call it, and to wait until the events that it was told are numbered.

    `worker` does the server's background work, where the server itself does not or has none.
    """

    server: Server
    caller: Caller
    headers: Callable[[], Headers] = tuple
    settle: Callable[[], None] = lambda: None
    worker: Process | None = None

    def answers(self, work: Work, calls: int, pool: ThreadPoolExecutor) -> list[tuple[Any, float]]:
        """Call; answer each answer with the seconds that it took."""
        requests, headers = [each.SerializeToString() for each in work.requests(calls)], self.headers()
        method: grpc.UnaryUnaryMultiCallable[bytes, Any]
        method = self.server.channel.unary_unary(work.method, response_deserializer=work.answer.FromString)

        def call(request: bytes) -> tuple[Any, float]:
            started = time.perf_counter()
            answer = method(request, metadata=headers, timeout=TIMEOUT)
            return answer, time.perf_counter() - started

        return list(pool.map(call, requests))

    def cost(self, work: Work, calls: int, pool: ThreadPoolExecutor) -> Cost:
        """Measure one block of calls; beside it, up to the last event's number, the background work that it gives."""
        # What works in the background is asked outside of what is counted, for asking costs something, too.
        background, before = self.background(), self.server.cpu()
        done = self.answers(work, calls, pool)
        cpu = self.server.cpu() - before
        if work.tells:
            self.settle()
        in_all = self.server.cpu() - before
        behind = self.background() - background
        if self.worker is None:
            # In one process with it, some of it is done before the last answer and some behind that.
            cpu = in_all - behind
        items = sum(work.done(answer) for answer, _ in done)
        latency = median(took for _, took in done) * MILLI
        return Cost(cpu * MICRO / items, latency, behind * MICRO / items if self.works else None)

    @property
    def works(self) -> bool:
        """Whether there is background work."""
        return self.worker is not None or self.server.metrics_port > 0

    def background(self) -> float:
        """Answer the seconds that background work has computed so far, in a process of its own or in the server's."""
        if self.worker is not None:
            return self.worker.cpu()
        return self.server.background() if self.works else 0.0


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What is held against what: our work and the reference's, with the calls in a block and the callers of each."""

    name: str
    ours: Work
    reference: Work
    calls: tuple[int, int]
    callers: tuple[int, int]
    item: str


def measure(engine: str, size: Size, folder: Path, following: Following) -> Iterator[tuple[str, Figure]]:
    """Measure every call on one engine; answer each figure by its name.

    `following` shows the progress of so many rounds under a name.
    """
    with both(engine, size, folder) as sides:
        yield f"idle.{engine}", idle(sides[0], size.idle_seconds)
        for benchmark in benchmarks(sides, size):
            name, number = f"{benchmark.name}.{engine}", size.warm_up + size.rounds
            with following(name, number) as bar, ExitStack() as callers:
                pools = [callers.enter_context(ThreadPoolExecutor(each)) for each in benchmark.callers]
                rounds = []
                for place in range(number):
                    rounds.append(_round(sides, benchmark, pools, place))
                    bar.advance(1)
            yield name, figure(rounds[size.warm_up :], benchmark.item)


def benchmarks(sides: tuple[Side, Side], size: Size) -> list[Benchmark]:
    """List what is measured, in the order in which it is: events are read when there are many."""
    mine, theirs = (side.caller for side in sides)
    many, together = (size.calls, size.calls), (CALLERS, CALLERS)
    batches = mine.record_batches(size.batch)
    return [
        Benchmark("record_purchase", mine.record(), theirs.record(), many, together, "call"),
        Benchmark("lookup_customer", mine.look_up(), theirs.look_up(), many, together, "call"),
        Benchmark(
            "batch_record_purchases", batches, theirs.record(), (size.batches, size.calls), (1, CALLERS), "purchase"
        ),
        Benchmark("read_events", read_events(), read_events(), (10, 10), (1, 1), "event"),
    ]


def idle(side: Side, seconds: float) -> Figure:
    """Measure what our processes take while nobody calls: milliseconds of CPU per second, of all and of each."""
    parts: Mapping[str, Process] = {"serve": side.server} | ({"work": side.worker} if side.worker else {})
    before = {name: process.cpu() for name, process in parts.items()}
    time.sleep(seconds)
    took = {name: (process.cpu() - before[name]) * MILLI / seconds for name, process in parts.items()}
    return Figure(sum(took.values()), "ms of CPU per second", took)


def _round(sides: tuple[Side, Side], benchmark: Benchmark, pools: Sequence[ThreadPoolExecutor], place: int) -> Round:
    works = (benchmark.ours, benchmark.reference)
    ours, theirs = (
        partial(side.cost, work, calls, pool)
        for side, work, calls, pool in zip(sides, works, benchmark.calls, pools, strict=True)
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
        mine, theirs = enter(databases(engine, folder, ("ours", "bare")))
        ours = our_side(enter(customer_service(mine, enter(quiet_feed()), folder)), size.customers)
        bare = enter(reference(theirs, size.customers, folder))
        known = [name_of(number) for number in range(size.customers)]
        yield ours, Side(bare, Caller(known, Random(1)))


def headers_of(keys: Mapping[str, str]) -> Callable[[], Headers]:
    """Make what signs a till in with the customer service, call by call."""
    signed_in, ids = Credentials(Signer("gateway", keys["gateway"], system_clock), TILL), itertools.count()
    return lambda: (*signed_in.headers("customer"), ("accept-language", "zh-CN"), ("x-request-id", f"b{next(ids)}"))


def our_side(customer: Customer, customers: int) -> Side:
    """Enrol customers in a service that runs, and answer how it is called."""
    signed_in = Credentials(Signer("gateway", customer.keys["gateway"], system_clock), TILL)
    feed = FeedClient("customer", customer.server.channel, signed_in)
    headers = headers_of(customer.keys)

    def settle() -> None:
        # The feed answers when all is numbered that had committed before.
        feed.read_events(dict.fromkeys(range(PARTITIONS), 0), 1)

    side = partial(Side, customer.server, headers=headers, settle=settle, worker=customer.worker)
    with ThreadPoolExecutor(CALLERS) as pool:
        found = side(Caller((), Random(1))).answers(enrol(customers), 1, pool)
    return side(Caller([answer.customer.name for answer, _ in found], Random(1)))
