"""The whole suite: how long it takes to start, what memory it takes, and how fresh classes are while tills sell."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles

import psutil

from bench.calls import Following
from bench.databases import databases
from bench.figures import Figure
from bench.freshness import Size, freshness
from bench.processes import CHAIN
from cli.suite import PARTS, Suite

MEBI = 1024 * 1024
TRANSPORTS = ("feed", "nats")


def start(folder: Path, _following: Following) -> Iterator[tuple[str, Figure]]:
    """Start the suite as it comes, on SQLite."""
    with _running(folder, {}, nats=False) as (suite, seconds):
        yield "start.sqlite", Figure(seconds, "s until all serve", memory(suite))


def measure(transport: str, size: Size, folder: Path, following: Following) -> Iterator[tuple[str, Figure]]:
    """Start the suite on PostgreSQL, with events over feeds or NATS, and let tills sell."""
    with databases("postgresql", folder, [part.name for part in PARTS]) as urls:
        environ = {f"SHUKE_{part.name.upper()}_DATABASE_URL": url for part, url in zip(PARTS, urls, strict=True)}
        with _running(folder, environ, nats=transport == "nats") as (suite, seconds):
            yield f"start.{transport}", Figure(seconds, "s until all serve", memory(suite))
            name = f"freshness.{transport}"
            with following(name, size.customers) as bar:
                waits, beside = freshness(suite, size, bar.advance)
            p99 = quantiles(waits, n=100, method="inclusive")[98]
            beside = {"median_s": median(waits), "most_s": max(waits), **beside}
            yield name, Figure(p99, "s from answer to class, 99 of 100", beside)
            peaks = memory(suite)
            yield f"memory.{transport}", Figure(sum(peaks.values()), "MiB of all processes", peaks)


@contextmanager
def _running(folder: Path, environ: Mapping[str, str], *, nats: bool) -> Iterator[tuple[Suite, float]]:
    """Run the suite; answer it with the seconds that its start took."""
    own = {"SHUKE_TIERING_APPROVAL_PEOPLE": "1", "SHUKE_NATS_URL": ""}
    suite = Suite(folder / "suite", {**os.environ, **CHAIN, **own, **environ}, free_ports=True, production=nats)
    began = time.monotonic()
    try:
        suite.start()
        yield suite, time.monotonic() - began
    finally:
        suite.stop()


def memory(suite: Suite) -> dict[str, float]:
    """Answer what memory each process takes at present, in MiB."""
    running = {**suite.engines.processes, **suite.processes}
    return {name: psutil.Process(process.pid).memory_info().rss / MEBI for name, process in running.items()}
