"""The two servers that are measured, each in a process of its own, and the operating system's account of their CPU."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from chassis.client import open_channel
from cli.suite import free_port, prepare

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0
LOOK_SECONDS = 0.2
CHAIN = {"SHUKE_CHAIN_ZONE": "Europe/London", "SHUKE_CHAIN_CURRENCY": "GBP", "SHUKE_CHAIN_REGION": "GB"}


class BenchError(Exception):
    """It cannot be measured; the text says why."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs, and a channel to it."""

    process: subprocess.Popen[bytes]
    channel: grpc.Channel

    def cpu(self) -> float:
        """Answer the seconds that the process has computed so far, in all its threads, for itself or in the kernel."""
        clock = ctypes.c_int()
        # The account that `ps` shows counts in hundredths of a second, which is as long as dozens of calls.
        if ctypes.CDLL(None).clock_getcpuclockid(self.process.pid, ctypes.byref(clock)):
            raise BenchError(f"no account of process {self.process.pid}")
        return time.clock_gettime(clock.value)


@contextmanager
def serving(command: list[str], environ: Mapping[str, str], port: int, log: Path) -> Iterator[Server]:
    """Start a server, wait until it answers on its port, and stop it at the end."""
    path = os.pathsep.join((str(ROOT), str(ROOT / "protos" / "gen")))
    with log.open("wb") as told, open_channel(f"127.0.0.1:{port}") as channel:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env={**os.environ, **environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=told,
        )
        try:
            _await(process, channel, log)
            yield Server(process, channel)
        finally:
            process.terminate()
            process.wait()


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
def customer_service(database_url: str, neighbours: str, folder: Path) -> Iterator[tuple[Server, Mapping[str, str]]]:
    """Run the customer service as a deployment does, with keys of its own; answer the parts' signing keys too.

    `neighbours` is where tiering and notify answer.
    """
    prepare(folder, {})
    keys = folder / "keys"
    port = free_port()
    environ = {
        **CHAIN,
        "SHUKE_TRUST": str(folder / "trust.json"),
        "SHUKE_CUSTOMER_PORT": str(port),
        "SHUKE_CUSTOMER_DATABASE_URL": database_url,
        "SHUKE_CUSTOMER_SIGNING_KEY_FILE": str(keys / "customer.signing"),
        "SHUKE_CUSTOMER_VAULT_KEY_FILE": str(keys / "customer.vault"),
        "SHUKE_CUSTOMER_INDEX_KEY_FILE": str(keys / "customer.index"),
        "SHUKE_CUSTOMER_TIERING_ADDRESS": neighbours,
        "SHUKE_CUSTOMER_NOTIFY_ADDRESS": neighbours,
    }
    with serving(["services.customer", "serve", "--migrate"], environ, port, folder / "customer.log") as server:
        yield server, {path.stem: path.read_text() for path in keys.glob("*.signing")}


@contextmanager
def reference(database_url: str, customers: int, folder: Path) -> Iterator[Server]:
    """Run the reference, which knows so many customers."""
    port = free_port()
    command = ["bench.reference", database_url, str(port), str(customers)]
    with serving(command, {}, port, folder / "reference.log") as server:
        yield server
