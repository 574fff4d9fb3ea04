"""Databases that have no room when a test wants it so: SQLite files with a limit, PostgreSQL on a small disk."""

from __future__ import annotations

import errno
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest
from sqlalchemy.engine import Engine

from chassis.database import Database
from tests.databases import Create
from tests.faults.postgres import Postgres, own_postgres

# Enough for the databases of two services and what a test writes.
DISK_MIB = 64
# More pages than a test ever needs.
MANY = 1_000_000


class Disk(Protocol):
    """Where the databases of a test lie."""

    def make(self, create: Create, key: str) -> Database:
        """Make a database."""

    def fill(self, *databases: Database) -> None:
        """Leave no room."""

    def free(self, *databases: Database) -> None:
        """Make room."""


class LimitedFiles:
    """SQLite files, each of which may be told to grow no more."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self, create: Create, key: str) -> Database:
        """Make a file."""
        database = Database(f"sqlite:///{self.folder / key}.db")
        create(database)
        return database

    def fill(self, *databases: Database) -> None:
        """Let the files keep the size that they have: one page is less than any of them has."""
        for database in databases:
            self._limit(database.writer, 1)

    def free(self, *databases: Database) -> None:
        """Let the files grow."""
        for database in databases:
            self._limit(database.writer, MANY)

    def _limit(self, writer: Engine, pages: int) -> None:
        # The limit is one of the connection, and a file has one connection that writes.
        with writer.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")


class SmallTablespace:
    """PostgreSQL databases in a tablespace on a small disk, which a file of the test's own fills."""

    def __init__(self, server: Postgres, folder: Path) -> None:
        self.server = server
        self.filler = folder / "filler"
        place = folder / "tablespace"
        place.mkdir(mode=0o700)
        server.own(place)
        server.run(f"CREATE TABLESPACE small LOCATION '{place}'")

    def make(self, create: Create, key: str) -> Database:
        """Make a database in the tablespace."""
        database = Database(self.server.make(key, "TABLESPACE small"))
        create(database)
        return database

    def fill(self, *_databases: Database) -> None:
        """Take all the room that is left."""
        with self.filler.open("wb", buffering=0) as file:
            for size in (2**20, 2**12):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def free(self, *_databases: Database) -> None:
        """Give the room back."""
        self.filler.unlink()


@contextmanager
def small_disk(engine: str, folder: Path) -> Iterator[Disk]:
    """Offer a disk that can be filled, for databases of an engine."""
    if engine == "sqlite":
        yield LimitedFiles(folder)
        return
    with tempfile.TemporaryDirectory(prefix="shuke-disk-") as place:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=755", "tmpfs", place]
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
        if mounted.returncode:
            pytest.skip(f"a small disk can be mounted by root only: {mounted.stderr.strip()}")
        try:
            with own_postgres() as server:
                yield SmallTablespace(server, Path(place))
        finally:
            subprocess.run(["umount", place], check=True)  # noqa: S607  (as `mount` above)
