"""The two servers that are measured, each in a process of its own, and the operating system's account of their CPU."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import grpc
import httpx2
from prometheus_client.parser import text_string_to_metric_families

from chassis.client import open_channel
from cli.suite import free_port, prepare

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0
LOOK_SECONDS = 0.2
KIB = 1024
CHAIN = {"SHUKE_CHAIN_ZONE": "Europe/London", "SHUKE_CHAIN_CURRENCY": "GBP", "SHUKE_CHAIN_REGION": "GB"}
SEALED = ("vault", "index")
COMPUTED = "shuke_worker_cpu_seconds_total"


class BenchError(Exception):
    """It cannot be measured; the text says why."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process that runs."""

    process: subprocess.Popen[bytes]

    def cpu(self) -> float:
        """Answer the seconds that the process has computed so far, in all its threads, for itself or in the kernel."""
        clock = ctypes.c_int()
        # The account that `ps` shows counts in hundredths of a second, which is as long as dozens of calls.
        if ctypes.CDLL(None).clock_getcpuclockid(self.process.pid, ctypes.byref(clock)):
            raise BenchError(f"no account of process {self.process.pid}")
        return time.clock_gettime(clock.value)

    def peak_memory(self) -> float:
        """Answer the most memory that the process has had so far, in MiB."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / KIB


@dataclass(frozen=True, slots=True)
class Server(Process):
    """A server that runs, where it answers, a channel to it, the file of its log lines, and its metrics' port or 0."""

    address: str
    channel: grpc.Channel
    log: Path
    metrics_port: int = 0

    def background(self) -> float:
        """Answer the seconds that the process's own background work has computed so far, by its metrics."""
        told = httpx2.get(f"http://127.0.0.1:{self.metrics_port}/metrics").raise_for_status().text
        samples = (sample for family in text_string_to_metric_families(told) for sample in family.samples)
        return sum(sample.value for sample in samples if sample.name == COMPUTED)


@dataclass(frozen=True, slots=True)
class Customer:
    """The customer service as it runs: who answers, who works in the background if not the same, and all keys."""

    replicas: Sequence[Server]
    worker: Process | None
    keys: Mapping[str, str]

    @property
    def server(self) -> Server:
        """The first replica."""
        return self.replicas[0]


@contextmanager
def running(command: list[str], environ: Mapping[str, str], log: Path) -> Iterator[Process]:
    """Start a module, and stop it at the end."""
    path = os.pathsep.join((str(ROOT), str(ROOT / "protos" / "gen")))
    with log.open("wb") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env={**os.environ, **environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=told,
        )
        try:
            yield Process(process)
        finally:
            process.terminate()
            process.wait()


@contextmanager
def serving(command: list[str], environ: Mapping[str, str], port: int, log: Path) -> Iterator[Server]:
    """Start a server, wait until it answers on its port, and stop it at the end."""
    address = f"127.0.0.1:{port}"
    with open_channel(address) as channel, running(command, environ, log) as started:
        _await(started.process, channel, log)
        yield Server(started.process, address, channel, log)


def _await(process: subprocess.Popen[bytes], channel: grpc.Channel, log: Path) -> None:
    ready = grpc.channel_ready_future(channel)
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            ready.result(LOOK_SECONDS)
        except grpc.FutureTimeoutError:
            continue
        return
    raise BenchError(f"{process.args!r} does not answer: {log.read_text().strip()[-500:]}")


@contextmanager
def customer_service(database_url: str, neighbours: str, folder: Path, replicas: int = 1) -> Iterator[Customer]:
    """Run the customer service as a deployment does, with keys of its own.

    On PostgreSQL background work is a process of its own; on SQLite, which takes one process only, metrics tell of it.
    `neighbours` is where tiering and notify answer.
    """
    keys = make_keys(folder)
    apart = not database_url.startswith("sqlite")
    environ = {f"SHUKE_CUSTOMER_{key.upper()}_KEY_FILE": str(folder / "keys" / f"customer.{key}") for key in SEALED}
    environ |= {f"SHUKE_CUSTOMER_{name}_ADDRESS": neighbours for name in ("TIERING", "NOTIFY")}
    serve = ["services.customer", "serve", "--migrate", *(["--no-work"] if apart else [])]
    with ExitStack() as processes:
        servers = []
        for number in range(replicas):
            port, metrics_port = free_port(), 0 if apart else free_port()
            own = settings("customer", database_url, port, folder) | environ
            telling = {"SHUKE_CUSTOMER_METRICS_PORT": str(metrics_port)} if metrics_port else {}
            started = serving(serve, own | telling, port, folder / f"customer-{number}.log")
            servers.append(replace(processes.enter_context(started), metrics_port=metrics_port))
        work = running(["services.customer", "work"], own, folder / "customer-work.log")
        worker = processes.enter_context(work) if apart else None
        yield Customer(servers, worker, keys)


@contextmanager
def tiering_service(database_url: str, customer: str, folder: Path) -> Iterator[tuple[Server, Mapping[str, str]]]:
    """Run the tiering service in one process, beside a customer service; answer all keys too."""
    keys, port = make_keys(folder), free_port()
    environ = settings("tiering", database_url, port, folder) | {
        "SHUKE_TIERING_CUSTOMER_ADDRESS": customer,
        "SHUKE_TIERING_APPROVAL_PEOPLE": "1",
    }
    with serving(["services.tiering", "serve", "--migrate"], environ, port, folder / "tiering.log") as server:
        yield server, keys


def make_keys(folder: Path) -> dict[str, str]:
    """Make the keys of a suite in a folder, where there are none; answer the parts' signing keys."""
    prepare(folder, {})
    return {path.stem: path.read_text() for path in (folder / "keys").glob("*.signing")}


def settings(service: str, database_url: str, port: int, folder: Path) -> dict[str, str]:
    """Write the settings that every service needs."""
    return {
        **CHAIN,
        "SHUKE_TRUST": str(folder / "trust.json"),
        f"SHUKE_{service.upper()}_PORT": str(port),
        f"SHUKE_{service.upper()}_DATABASE_URL": database_url,
        f"SHUKE_{service.upper()}_SIGNING_KEY_FILE": str(folder / "keys" / f"{service}.signing"),
    }


@contextmanager
def reference(database_url: str, customers: int, folder: Path) -> Iterator[Server]:
    """Run the reference, which knows so many customers."""
    port = free_port()
    command = ["bench.reference", database_url, str(port), str(customers)]
    with serving(command, {}, port, folder / "reference.log") as server:
        yield server
