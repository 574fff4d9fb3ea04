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
from cli.engines import Engines, named
from cli.failures import Problem

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0
# How far the ports of one replica lie above those of the one before.
NEXT_REPLICA = 100
STOP_SECONDS = 30.0
ABORT_SECONDS = 5.0
PAUSE = 0.05
SAMPLE_SECONDS = 0.5
# What the processes of a suite were told when it was started.
SETTINGS = "settings.json"
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


@dataclass(frozen=True, slots=True)
class Replica:
    """One process of a part: its name among all processes, and its ports by their settings."""

    name: str
    part: Part
    ports: Mapping[str, int]

    @property
    def address(self) -> str:
        """Where it answers gRPC."""
        return f"127.0.0.1:{self.ports[self.part.grpc_setting]}"


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
    """The suite on one folder: each part as so many replicas, on PostgreSQL and NATS where `production` asks for them.

    A part's first process goes by its name, such as `customer`, the others by `customer-2` and so on.
    """

    home: Path
    environ: Mapping[str, str]
    chain: Mapping[str, str] = field(default_factory=dict)
    free_ports: bool = False
    replicas: int = 1
    production: bool = False
    members: list[Replica] = field(default_factory=list)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    peak_rss: dict[str, int] = field(default_factory=dict)
    engines: Engines = field(init=False)
    _sampling: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.engines = Engines(self.home)

    @property
    def urls(self) -> list[str]:
        """Where each gateway answers HTTP."""
        ports = (member.ports.get("SHUKE_GATEWAY_HTTP_PORT") for member in self.members)
        return [f"http://127.0.0.1:{port}" for port in ports if port]

    @property
    def url(self) -> str:
        """Where the first gateway answers HTTP."""
        return self.urls[0]

    @property
    def addresses(self) -> dict[str, str]:
        """Where the replicas of each part answer gRPC, with commas between them."""
        return {part.name: ",".join(each.address for each in self.members if each.part is part) for part in PARTS}

    @property
    def admin_token(self) -> str:
        """The first administrator's key."""
        return (self.home / "admin.token").read_text().strip()

    def start(self) -> None:
        """Prepare the folder, start every process and wait until all serve."""
        prepare(self.home, self.chain)
        self._choose_ports()
        (self.home / "logs").mkdir(exist_ok=True)
        if self.production:
            self.engines.start([part.name for part in PARTS], self.environ, free_port())
        _write_secret(self.home / SETTINGS, json.dumps(self._settings()))
        environ = self._environment()
        self._refuse_sqlite(environ)
        for member in self.members:
            self._spawn(member, environ)
        for member in self.members:
            self._await(member)
        self._bootstrap(environ)
        threading.Thread(target=self._sample, name="memory", daemon=True).start()

    def stop(self) -> None:
        """Ask every process to drain, and wait; the gateways first, for they take the calls, what all need last."""
        self._sampling.set()
        for member in reversed(self.members):
            process = self.processes.get(member.name)
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGTERM)
        late = []
        try:
            for name, process in self.processes.items():
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    late.append(name)
                    _end(process)
        finally:
            self.engines.stop()
        if late:
            raise SuiteError(
                f"did not stop in {STOP_SECONDS:.0f} s and were ended: {', '.join(late)}; "
                f"the logs in {self.home / 'logs'} tell where they hung"
            )

    def restart(self, name: str) -> None:
        """Start a process again that has ended."""
        member = next(member for member in self.members if member.name == name)
        self._spawn(member, self._environment())
        self._await(member)

    def ended(self) -> str | None:
        """Name a process that has ended by itself."""
        running = {**self.engines.processes, **self.processes}
        return next((name for name, process in running.items() if process.poll() is not None), None)

    def _choose_ports(self) -> None:
        for part in PARTS:
            for number in range(self.replicas):
                ports = {}
                for port, usual in part.ports.items():
                    name = f"SHUKE_{part.name.upper()}_{port}"
                    first = int(self.environ.get(name, 0)) or (0 if self.free_ports else usual)
                    ports[name] = first + number * NEXT_REPLICA if first else free_port()
                self.members.append(Replica(f"{part.name}-{number + 1}" if number else part.name, part, ports))

    def _refuse_sqlite(self, environ: Mapping[str, str]) -> None:
        """Refuse replicas of a part on SQLite, before any of them does."""
        urls = (environ.get(f"SHUKE_{part.name.upper()}_DATABASE_URL", "") for part in PARTS)
        if self.replicas > 1 and any(url.startswith("sqlite") for url in urls):
            raise SuiteError(
                "replicas need PostgreSQL, for SQLite takes one process: add --engine production, or name a database "
                "for each service and the gateway in SHUKE_<SERVICE>_DATABASE_URL"
            )

    def _environment(self) -> dict[str, str]:
        """Tell every process its settings; what the caller's environment says comes first."""
        return joined(self._settings(), self.environ)

    def _settings(self) -> dict[str, str]:
        ours = {**json.loads((self.home / "chain.json").read_text()), **self.engines.settings}
        ours["SHUKE_TRUST"] = str(self.home / "trust.json")
        for part in PARTS:
            prefix = f"SHUKE_{part.name.upper()}"
            if not named(self.environ, f"{prefix}_DATABASE_URL"):
                ours.setdefault(f"{prefix}_DATABASE_URL", f"sqlite:///{self.home / part.name}.db")
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
            ours[f"SHUKE_{asking}_{asked}_ADDRESS"] = self.addresses[asked.lower()]
        return ours

    def _bootstrap(self, environ: Mapping[str, str]) -> None:
        """Give the first administrator's key the token that stands in admin.token; the second start finds it done."""
        command = [sys.executable, "-m", "gateway", "bootstrap-admin", "--token-file", str(self.home / "admin.token")]
        finished = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        if finished.returncode:
            raise SuiteError(finished.stderr.strip())

    def _spawn(self, member: Replica, environ: Mapping[str, str]) -> None:
        own = {name: str(port) for name, port in member.ports.items()}
        with (self.home / "logs" / f"{member.name}.log").open("ab") as log:
            command = [sys.executable, "-m", member.part.module, "serve", "--migrate"]
            # A session of its own, so that Ctrl-C reaches only us and the suite is drained in order.
            self.processes[member.name] = subprocess.Popen(
                command,
                env={**environ, **own},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _await(self, member: Replica) -> None:
        """Wait until a process says that it serves."""
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if self.processes[member.name].poll() is not None:
                tail = (self.home / "logs" / f"{member.name}.log").read_text().strip().splitlines()[-3:]
                raise SuiteError(f"{member.name} did not start: " + " ".join(tail))
            if _serves(member.address):
                return
            time.sleep(PAUSE)
        raise SuiteError(f"{member.name} does not answer on {member.address}; see {self.home / 'logs'}")

    def _sample(self) -> None:
        """Note the most memory that each process ever took."""
        while not self._sampling.wait(SAMPLE_SECONDS):
            for name, process in list(self.processes.items()):
                try:
                    rss = psutil.Process(process.pid).memory_info().rss
                except psutil.Error:
                    continue
                self.peak_rss[name] = max(self.peak_rss.get(name, 0), rss)


def joined(ours: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Join what the suite tells its processes and what the caller's environment says, which comes first."""
    given = {name: value for name, value in environ.items() if name != "SHUKE_HOME"}
    path = os.pathsep.join((str(ROOT), str(ROOT / "protos" / "gen")))
    return {**ours, **given, "PYTHONPATH": path}


def environment_of(home: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Answer what a process of the suite on a folder is told; without such a suite, what the environment says."""
    written = home / SETTINGS
    return joined(json.loads(written.read_text()) if written.exists() else {}, environ)


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


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process that hangs; it writes into its log where, unless it cannot even do that."""
    process.send_signal(signal.SIGABRT)
    try:
        process.wait(ABORT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """Ask the system for a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _serves(address: str) -> bool:
    with open_channel(address) as channel:
        try:
            check: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(HEALTH_CHECK)
            answer = check(b"", timeout=1)
        except grpc.RpcError:
            return False
    return health_pb2.HealthCheckResponse.FromString(answer).status == health_pb2.HealthCheckResponse.SERVING
