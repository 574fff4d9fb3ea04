"""Databases for the two servers: on the same engine, each its own, as durable as production has them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.databases import admin_engine, find_postgres, text_of

ENGINES = ("sqlite", "postgresql")
SIDES = ("ours", "reference")


@contextmanager
def databases(engine: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Make an empty database for ours and one for the reference; answer their URLs."""
    if engine == "sqlite":
        yield f"sqlite:///{folder}/ours.db", f"sqlite:///{folder}/reference.db"
        return
    server = find_postgres()
    names = [f"shuke_bench_{secrets.token_hex(4)}_{side}" for side in SIDES]
    with admin_engine(server) as admin, admin.connect() as connection:
        try:
            for name in names:
                connection.exec_driver_sql(f"CREATE DATABASE {name}")
            ours, reference = (text_of(server.set(database=name)) for name in names)
            yield ours, reference
        finally:
            for name in names:
                connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
