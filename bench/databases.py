"""Databases for the servers that are measured: on the same engine, each its own, as durable as production has them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

from tests.databases import admin_engine, find_postgres, text_of

ENGINES = ("sqlite", "postgresql")


@contextmanager
def databases(engine: str, folder: Path, parts: Sequence[str]) -> Iterator[list[str]]:
    """Make an empty database for each part; answer their URLs."""
    if engine == "sqlite":
        yield [f"sqlite:///{folder}/{part}.db" for part in parts]
        return
    with ExitStack() as made:
        yield [made.enter_context(database(part)) for part in parts]


@contextmanager
def database(part: str, template: str | None = None) -> Iterator[str]:
    """Make a database on PostgreSQL, empty or as another one is that nobody uses; answer its URL."""
    server, name = find_postgres(), f"shuke_bench_{secrets.token_hex(4)}_{part}"
    like = f" TEMPLATE {make_url(template).database} STRATEGY file_copy" if template else ""
    with admin_engine(server) as admin, admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}{like}")
        try:
            yield text_of(server.set(database=name))
        finally:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
