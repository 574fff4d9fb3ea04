"""How fresh classes are while tills sell: from the answer to a first purchase until tiering tells of the class."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

import grpc
from google.protobuf.message import Message

from bench.calls import CALLERS, TIMEOUT, headers_of
from bench.evaluation import MANAGER, activate
from bench.processes import BenchError, make_keys
from bench.requests import Caller, enrol
from chassis.client import Credentials, FeedClient, open_channel
from chassis.clock import system_clock
from chassis.events import PARTITIONS
from chassis.tokens import Signer
from cli.suite import Suite
from shuke.tiering.v1 import events_pb2

LOOK_SECONDS = 0.02
PATIENCE = 60.0
LISTED = 500


@dataclass(frozen=True, slots=True)
class Size:
    """How much is sold: sales a second, customers who buy for the first time, and every how many sales one does."""

    rate: int = 300
    customers: int = 1000
    every: int = 6


@dataclass(slots=True)
class Sightings:
    """When a customer's first sale was answered, and when tiering told of the customer's class, in seconds."""

    answered: dict[str, float] = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)
    refused: int = 0

    def answer(self, customer: str, call: grpc.Future[Message]) -> None:
        """Note that a sale was answered, or refused."""
        if call.exception():
            self.refused += 1
        elif customer not in self.answered:
            self.answered[customer] = time.monotonic()


def freshness(suite: Suite, size: Size, advance: Callable[[int], None]) -> tuple[list[float], dict[str, float]]:
    """Sell at a steady rate; answer each new customer's wait for a class in seconds, and how the selling went."""
    keys = make_keys(suite.home)
    sightings, done = Sightings(), threading.Event()
    with open_channel(suite.addresses["tiering"]) as tiering, open_channel(suite.addresses["customer"]) as customer:
        activate(tiering, keys)
        names = enrolled(customer, keys, size.customers)
        watching = threading.Thread(target=watch, args=(tiering, keys, sightings.seen, done))
        watching.start()
        try:
            seconds = sell(customer, keys, names, size, sightings, advance)
            until = time.monotonic() + PATIENCE
            while (missing := sightings.answered.keys() - sightings.seen.keys()) and time.monotonic() < until:
                time.sleep(LOOK_SECONDS)
        finally:
            done.set()
            watching.join()
    if missing:
        raise BenchError(f"{len(missing)} of {size.customers} customers who bought have no class")
    waits = [max(0.0, sightings.seen[name] - when) for name, when in sightings.answered.items()]
    sales = size.customers * size.every
    return waits, {"sales_per_s": (sales - sightings.refused) / seconds, "refused": sightings.refused}


def enrolled(channel: grpc.Channel, keys: Mapping[str, str], customers: int) -> list[str]:
    """Open files of so many customers; answer their names."""
    work, headers = enrol(customers), headers_of(keys)
    method: grpc.UnaryUnaryMultiCallable[Message, Any]
    method = channel.unary_unary(work.method, lambda request: request.SerializeToString(), work.answer.FromString)
    with ThreadPoolExecutor(CALLERS) as pool:
        answers = pool.map(lambda request: method(request, metadata=headers(), timeout=TIMEOUT), work.requests(1))
        return [answer.customer.name for answer in answers if work.done(answer)]


def sell(
    channel: grpc.Channel,
    keys: Mapping[str, str],
    names: Sequence[str],
    size: Size,
    sightings: Sightings,
    advance: Callable[[int], None],
) -> float:
    """Sell at the rate, whatever the answers take; answer how many seconds passed until the last one."""
    chance, headers = Random(1), headers_of(keys)
    caller = Caller(names, chance)
    work = caller.record()
    method: grpc.UnaryUnaryMultiCallable[Message, Message]
    method = channel.unary_unary(work.method, lambda request: request.SerializeToString(), work.answer.FromString)
    calls, began = [], time.monotonic()
    for number in range(len(names) * size.every):
        first, place = number % size.every == 0, number // size.every
        # Who buys again has bought a second ago at least, so that nobody's first purchase comes second.
        known = max(1, place - size.rate // size.every)
        customer = names[place] if first else names[chance.randrange(known)]
        time.sleep(max(0.0, began + number / size.rate - time.monotonic()))
        call = method.future(caller.sale(customer), metadata=headers(), timeout=TIMEOUT)
        call.add_done_callback(partial(sightings.answer, customer))
        calls.append(call)
        advance(first)
    for call in calls:
        call.exception()
    return time.monotonic() - began


def watch(channel: grpc.Channel, keys: Mapping[str, str], seen: dict[str, float], done: threading.Event) -> None:
    """Read what tiering tells until all is done, and note when it first told of each customer's class."""
    feed = FeedClient("tiering", channel, Credentials(Signer("gateway", keys["gateway"], system_clock), MANAGER))
    cursors = dict.fromkeys(range(PARTITIONS), 0)
    while not done.wait(LOOK_SECONDS):
        news = feed.read_events(cursors, LISTED).events
        now = time.monotonic()
        cursors |= {event.partition: event.position for event in news}
        for event in news:
            changed = events_pb2.MembershipChanged()
            if event.data.Unpack(changed):
                seen.setdefault(changed.customer, now)
