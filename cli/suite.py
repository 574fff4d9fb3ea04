"""Running the suite on one machine: its folder, its keys, its processes."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import psutil
from grpc_health.v1 import health_pb2

from chassis.client import open_channel
from chassis.tokens import generate_key
from chassis.vault import generate_key as generate_vault_key
from cli.failures import Problem

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0
STOP_SECONDS = 30.0
PAUSE = 0.05
SAMPLE_SECONDS = 0.5
HEALTH_CHECK = "/grpc.health.v1.Health/Check"
TOKEN_PREFIX = "shk_"  # noqa: S105  (what a token begins with, no token)


class SuiteError(Problem):
    """The suite cannot run; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """A process of the suite: its name, its module, the ports that it listens on, and which of them speaks gRPC."""

    name: str
    module: str
    ports: Mapping[str, int]
    grpc_port: str = "PORT"

    @property
    def grpc_setting(self) -> str:
        """The variable of the port that speaks gRPC."""
        return f"SHUKE_{self.name.upper()}_{self.grpc_port}"


PARTS = (
    Part("customer", "services.customer", {"PORT": 50051, "METRICS_PORT": 50061}),
    Part("tiering", "services.tiering", {"PORT": 50052, "METRICS_PORT": 50062}),
    Part("ticketing", "services.ticketing", {"PORT": 50053, "METRICS_PORT": 50063}),
    Part("notify", "services.notify", {"PORT": 50054, "METRICS_PORT": 50064}),
    Part("gateway", "gateway", {"GRPC_PORT": 9090, "HTTP_PORT": 8080}, "GRPC_PORT"),
)
# Who signs tokens, and what each may claim: services read each other's events, ticketing asks who a customer is, notify
# how one is reached, and the gateway speaks for callers.
MAY_CLAIM = {
    "gateway": ["*"],
    "customer": ["events.read"],
    "tiering": ["events.read"],
    "ticketing": ["events.read", "customer.customers.get", "customer.customers.lookup"],
    "notify": ["events.read", "customer.contacts.get"],
}
# Who seals personal data, with keys of its own.
SEALING = ("customer", "ticketing", "notify")


@dataclass(slots=True)
class Suite:
    """The suite on one folder."""

    home: Path
    environ: Mapping[str, str]
    chain: Mapping[str, str] = field(default_factory=dict)
    free_ports: bool = False
    ports: dict[str, int] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    peak_rss: dict[str, int] = field(default_factory=dict)
    _sampling: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Where the gateway answers HTTP."""
        return f"http://127.0.0.1:{self.ports['SHUKE_GATEWAY_HTTP_PORT']}"

    @property
    def addresses(self) -> dict[str, str]:
        """Where each part answers gRPC."""
        return {part.name: f"127.0.0.1:{self.ports[part.grpc_setting]}" for part in PARTS}

    @property
    def admin_token(self) -> str:
        """The first administrator's key."""
        return (self.home / "admin.token").read_text().strip()

    def start(self) -> None:
        """Prepare the folder, start every process and wait until all serve."""
        prepare(self.home, self.chain)
        self._choose_ports()
        environ = self._environment()
        (self.home / "logs").mkdir(exist_ok=True)
        for part in PARTS:
            self._spawn(part, environ)
        for part in PARTS:
            self._await(part)
        self._bootstrap(environ)
        threading.Thread(target=self._sample, name="memory", daemon=True).start()

    def stop(self) -> None:
        """Ask every process to drain, and wait; the gateway first, for it takes the calls."""
        self._sampling.set()
        for part in reversed(PARTS):
            process = self.processes.get(part.name)
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for name, process in self.processes.items():
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise SuiteError(f"{name} did not stop in {STOP_SECONDS:.0f} s and was ended") from None

    def restart(self, name: str) -> None:
        """Start a process again that has ended."""
        part = next(part for part in PARTS if part.name == name)
        self._spawn(part, self._environment())
        self._await(part)

    def ended(self) -> str | None:
        """Name a process that has ended by itself."""
        return next((name for name, process in self.processes.items() if process.poll() is not None), None)

    def _choose_ports(self) -> None:
        for part in PARTS:
            for port, usual in part.ports.items():
                name = f"SHUKE_{part.name.upper()}_{port}"
                self.ports[name] = int(self.environ.get(name, 0)) or (free_port() if self.free_ports else usual)

    def _environment(self) -> dict[str, str]:
        """Tell every process its settings; what the caller's environment says comes first."""
        ours = dict(json.loads((self.home / "chain.json").read_text()))
        ours["SHUKE_TRUST"] = str(self.home / "trust.json")
        for part in PARTS:
            prefix = f"SHUKE_{part.name.upper()}"
            ours[f"{prefix}_DATABASE_URL"] = f"sqlite:///{self.home / part.name}.db"
            ours[f"{prefix}_SIGNING_KEY_FILE"] = str(self.home / "keys" / f"{part.name}.signing")
        for service in SEALING:
            for key in ("vault", "index"):
                ours[f"SHUKE_{service.upper()}_{key.upper()}_KEY_FILE"] = str(self.home / "keys" / f"{service}.{key}")
        for asking, asked in (
            ("GATEWAY", "CUSTOMER"),
            ("GATEWAY", "TIERING"),
            ("GATEWAY", "TICKETING"),
            ("GATEWAY", "NOTIFY"),
            ("CUSTOMER", "TIERING"),
            ("CUSTOMER", "NOTIFY"),
            ("TIERING", "CUSTOMER"),
            ("TICKETING", "CUSTOMER"),
            ("TICKETING", "TIERING"),
            ("NOTIFY", "CUSTOMER"),
            ("NOTIFY", "TIERING"),
            ("NOTIFY", "TICKETING"),
        ):
            ours[f"SHUKE_{asking}_{asked}_ADDRESS"] = f"127.0.0.1:{self.ports[f'SHUKE_{asked}_PORT']}"
        given = {name: value for name, value in self.environ.items() if name != "SHUKE_HOME"}
        path = os.pathsep.join((str(ROOT), str(ROOT / "protos" / "gen")))
        return {**ours, **given, **{name: str(port) for name, port in self.ports.items()}, "PYTHONPATH": path}

    def _bootstrap(self, environ: Mapping[str, str]) -> None:
        """Give the first administrator's key the token that stands in admin.token; the second start finds it done."""
        command = [sys.executable, "-m", "gateway", "bootstrap-admin", "--token-file", str(self.home / "admin.token")]
        finished = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        if finished.returncode:
            raise SuiteError(finished.stderr.strip())

    def _spawn(self, part: Part, environ: Mapping[str, str]) -> None:
        with (self.home / "logs" / f"{part.name}.log").open("ab") as log:
            command = [sys.executable, "-m", part.module, "serve", "--migrate"]
            # A session of its own, so that Ctrl-C reaches only us and the suite is drained in order.
            self.processes[part.name] = subprocess.Popen(
                command, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _await(self, part: Part) -> None:
        """Wait until a process says that it serves."""
        port = self.ports[part.grpc_setting]
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if self.processes[part.name].poll() is not None:
                tail = (self.home / "logs" / f"{part.name}.log").read_text().strip().splitlines()[-3:]
                raise SuiteError(f"{part.name} did not start: " + " ".join(tail))
            if _serves(port):
                return
            time.sleep(PAUSE)
        raise SuiteError(f"{part.name} does not answer on port {port}; see {self.home / 'logs'}")

    def _sample(self) -> None:
        """Note the most memory that each process ever took."""
        while not self._sampling.wait(SAMPLE_SECONDS):
            for name, process in list(self.processes.items()):
                try:
                    rss = psutil.Process(process.pid).memory_info().rss
                except psutil.Error:
                    continue
                self.peak_rss[name] = max(self.peak_rss.get(name, 0), rss)


def prepare(home: Path, chain: Mapping[str, str]) -> None:
    """Make a folder with the keys of a suite, once: what is there is kept."""
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    if (home / "trust.json").exists():
        return
    keys = home / "keys"
    keys.mkdir(exist_ok=True)
    trust = {}
    for name, may_claim in MAY_CLAIM.items():
        private, public = generate_key()
        _write_secret(keys / f"{name}.signing", private)
        trust[name] = {"public_key": json.loads(public), "may_claim": may_claim}
    for name in (f"{service}.{key}" for service in SEALING for key in ("vault", "index")):
        _write_secret(keys / name, generate_vault_key())
    _write_secret(home / "admin.token", TOKEN_PREFIX + secrets.token_urlsafe(32))
    (home / "chain.json").write_text(json.dumps(dict(chain)))
    # Last, for its presence says that all the others are there.
    (home / "trust.json").write_text(json.dumps(trust))


def _write_secret(path: Path, content: str) -> None:
    """Write a file that only its owner may read, from its first byte on."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(content)


def free_port() -> int:
    """Ask the system for a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _serves(port: int) -> bool:
    with open_channel(f"127.0.0.1:{port}") as channel:
        try:
            check: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(HEALTH_CHECK)
            answer = check(b"", timeout=1)
        except grpc.RpcError:
            return False
    return health_pb2.HealthCheckResponse.FromString(answer).status == health_pb2.HealthCheckResponse.SERVING
