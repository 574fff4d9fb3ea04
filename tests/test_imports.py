"""The import rules of the architecture, kept by reading every module.

The tables below are the rules; the code after them only applies them. A pattern names modules by their dotted start,
`*` stands for one part, `{service}` for the service that the module belongs to. Tests may import what they like.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

STANDARD = tuple(sorted(sys.stdlib_module_names))
# What the domain may use of the chassis; these parts know neither wire nor storage.
PURE_CHASSIS = (
    "chassis.errors",
    "chassis.money",
    "chassis.calendar",
    "chassis.names",
    "chassis.contacts",
    "chassis.wording",
)
OWN_DOMAINS = ("services.{service}.*.domain",)
# The contract of the service itself, and the messages that all share.
OWN_API = ("shuke.{service}", "shuke.event", "google.protobuf", "google.type")
# What acts on a call, on an event or on time.
ACTING = (
    *STANDARD,
    *OWN_DOMAINS,
    *OWN_API,
    "services.{service}.*.repository",
    "services.{service}.*.convert",
    "services.{service}.clients",
    "services.{service}.config",
    "chassis",
    "google.longrunning",
    "google.rpc",
    "grpc",
)
STORING = (
    *STANDARD,
    *OWN_DOMAINS,
    "services.{service}.tables",
    "services.{service}.*.tables",
    "sqlalchemy",
    "chassis.among",
    "chassis.database",
    "chassis.errors",
    "chassis.vault",
    "chassis.paging",
    "chassis.rows",
    "chassis.documents",
)

# Files of a noun: services/<service>/<noun>/<file>.py. A file that is not named here is not part of a noun.
NOUN_MAY_IMPORT = {
    "__init__": (),
    # JSON is what a record is hashed as, by the faster encoder.
    "domain": (*STANDARD, *OWN_DOMAINS, *PURE_CHASSIS, "orjson"),
    "tables": STORING,
    # What hangs on a record is read and written with it; what is read only with it may stand in its row as JSON.
    "repository": (*STORING, "services.{service}.*.repository", "orjson"),
    "convert": (
        *STANDARD,
        *OWN_DOMAINS,
        *OWN_API,
        "services.{service}.*.convert",
        *PURE_CHASSIS,
        "chassis.wire",
        "chassis.access.Access",
        "chassis.events.Change",
    ),
    # Handlers of several services of one API share the way that their calls go.
    "rpc": (*ACTING, "services.{service}.*.rpc"),
    # What a handler has begun and an operation carries out.
    "job": (*ACTING, "services.{service}.*.rpc"),
}
# Files of a service: services/<service>/<file>.py. `None` is anything of the service, the chassis and the libraries.
SERVICE_MAY_IMPORT = {
    "__init__": (),
    # No call log tells of what happens by itself.
    "consumers": (*ACTING, "structlog", "shuke.*.v1.events_pb2"),
    "schedule": (*ACTING, "structlog"),
    # How something leaves the suite.
    "channels": (*STANDARD, *OWN_DOMAINS, *PURE_CHASSIS),
    "clients": (
        *STANDARD,
        *OWN_DOMAINS,
        *PURE_CHASSIS,
        "services.{service}.config",
        "shuke",
        "google",
        "chassis.client",
    ),
    "migrations": (*STANDARD, "services.{service}.*.tables", "chassis", "alembic", "sqlalchemy"),
    # What the chassis keeps in the service's database.
    "tables": (*STANDARD, "chassis"),
    "server": None,
    "config": None,
    "__main__": None,
}
# Whatever is not forbidden to these is allowed: their own modules and libraries.
MAY_NOT_IMPORT = {
    "chassis": ("services", "gateway", "cli", "bench", "tests", "tools", "shuke"),
    "gateway": ("services", "cli", "bench", "tests", "tools"),
    "cli": ("services", "gateway", "bench", "tests", "tools"),
    # It measures from outside; of the tests it takes the way to a PostgreSQL.
    "bench": ("services", "gateway", "tests", "tools"),
    "service": ("gateway", "cli", "bench", "tests", "tools", "services", "shuke"),
}
# Exceptions to the table above.
BUT_MAY_IMPORT = {
    "chassis": ("shuke.options", "shuke.event"),
    "gateway": (),
    "cli": (),
    "bench": ("tests.databases",),
    "service": ("services.{service}", "shuke.{service}", "shuke.event", "shuke.options"),
}
# The pure parts of the chassis, and the package that holds them, stay free of these and of the impure parts.
IMPURE_LIBRARIES = ("grpc", "google", "shuke", "sqlalchemy")

# A rule gets time, ids and chance as arguments, and reaches nothing outside.
DOMAIN_MAY_NOT_IMPORT = (
    *("asyncio", "ftplib", "http", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "shutil"),
    *("signal", "smtplib", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "urllib"),
)
DOMAIN_MAY_NOT_CALL = ("now", "open", "print", "today", "utcnow", "uuid1", "uuid4", "uuid7")


@dataclass(frozen=True)
class Module:
    """One source file and where it stands."""

    path: str
    name: tuple[str, ...]
    tree: ast.Module

    @property
    def imports(self) -> list[str]:
        """Everything imported anywhere in the file, in full: `from a import b` is `a.b`."""
        package = self.name if self.path.endswith("__init__.py") else self.name[:-1]
        found: list[str] = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                start = package[: len(package) - node.level + 1] if node.level else ()
                base = ".".join([*start, *([node.module] if node.module else [])])
                found += [f"{base}.{alias.name}" for alias in node.names]
        return [name for name in found if not name.startswith("__future__")]


def modules(root: Path) -> list[Module]:
    """Read every module that the rules speak of; tests are exempt."""
    return [
        Module(path.relative_to(root).as_posix(), name_of(path.relative_to(root)), ast.parse(path.read_bytes()))
        for part in ("chassis", "services", "gateway", "cli", "bench")
        for path in sorted((root / part).rglob("*.py"))
        if "tests" not in path.parts and path.name != "conftest.py"
    ]


def name_of(path: Path) -> tuple[str, ...]:
    """Name a module as Python does."""
    parts = path.with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def matches(name: str, patterns: tuple[str, ...], service: str = "") -> bool:
    """Tell whether a module is, or lies in, what one of the patterns names."""
    parts = name.split(".")
    for pattern in patterns:
        wanted = pattern.replace("{service}", service).split(".")
        if len(parts) >= len(wanted) and all(map(fnmatchcase, parts, wanted)):
            return True
    return False


def violations(root: Path) -> list[str]:
    """List everything that breaks a rule, one line each."""
    found = modules(root)
    lines = [f"{module.path}: {line}" for module in found for line in broken_rules(module)]
    return lines + [f"services/{service}: nouns in a circle: {circle}" for service, circle in circles(found)]


def broken_rules(module: Module) -> Iterator[str]:
    """Apply to one module the rules of the place where it stands."""
    if module.name[0] != "services":
        yield from forbidden(module, module.name[0], "")
        if module.name[0] == "chassis" and (len(module.name) == 1 or matches(".".join(module.name), PURE_CHASSIS)):
            yield from impure_chassis(module)
    elif len(module.name) > 1:
        yield from broken_in_service(module)


def broken_in_service(module: Module) -> Iterator[str]:
    """Apply the table of a service's or a noun's files."""
    service = module.name[1]
    inside = (*module.name[2:], *(["__init__"] if module.path.endswith("__init__.py") else []))
    if inside[0] in SERVICE_MAY_IMPORT:
        allowed, role = SERVICE_MAY_IMPORT[inside[0]], inside[0]
    elif len(inside) > 1 and inside[1] in NOUN_MAY_IMPORT:
        allowed, role = NOUN_MAY_IMPORT[inside[1]], inside[1]
    else:
        yield f"a service has no such file; it has {', '.join(SERVICE_MAY_IMPORT)}, a noun {', '.join(NOUN_MAY_IMPORT)}"
        return
    if allowed is None:
        yield from forbidden(module, "service", service)
        return
    for name in module.imports:
        if not matches(name, allowed, service):
            yield f"{role} may not import {name}"
    if role == "domain":
        yield from impure_domain(module)


def forbidden(module: Module, part: str, service: str) -> Iterator[str]:
    """Apply the tables of what may not be imported."""
    for name in module.imports:
        if matches(name, MAY_NOT_IMPORT[part]) and not matches(name, BUT_MAY_IMPORT[part], service):
            yield f"{part} may not import {name}"


def impure_chassis(module: Module) -> Iterator[str]:
    """Keep what the domain uses free of wire and storage, at second hand too."""
    for name in module.imports:
        if matches(name, IMPURE_LIBRARIES) or (matches(name, ("chassis",)) and not matches(name, PURE_CHASSIS)):
            yield f"a pure part of the chassis may not import {name}"


def impure_domain(module: Module) -> Iterator[str]:
    """Keep the rules free of clocks, chance, network and changing objects."""
    for name in module.imports:
        if matches(name, DOMAIN_MAY_NOT_IMPORT):
            yield f"domain may not import {name}: pass in what it would answer"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in DOMAIN_MAY_NOT_CALL:
                yield f"domain may not call {ast.unparse(node.func)} (line {node.lineno}): pass in what it would answer"
        elif isinstance(node, ast.ClassDef):
            for decorator in node.decorator_list:
                written = ast.unparse(decorator)
                if "dataclass" in written and "frozen=True" not in written:
                    yield f"domain's dataclass {node.name} is not frozen"


def circles(found: list[Module]) -> Iterator[tuple[str, str]]:
    """Find, per service, nouns that import each other in a circle; one circle is told at a time."""
    graphs: dict[str, dict[str, set[str]]] = {}
    for module in found:
        if module.name[0] != "services" or len(module.name) < 3 or module.name[2] in SERVICE_MAY_IMPORT:
            continue
        _, service, noun = module.name[:3]
        parts = (name.split(".") for name in module.imports if matches(name, ("services.{service}.*",), service))
        others = {part[2] for part in parts} - {noun, *SERVICE_MAY_IMPORT}
        graphs.setdefault(service, {}).setdefault(noun, set()).update(others)
    for service, graph in graphs.items():
        circle = first_circle(graph)
        if circle:
            yield service, " -> ".join(circle)


def first_circle(graph: dict[str, set[str]]) -> list[str]:
    """Walk a graph depth first and return the first circle met, its start repeated at the end."""
    done: set[str] = set()

    def walk(node: str, trail: list[str]) -> list[str]:
        if node in trail:
            return [*trail[trail.index(node) :], node]
        if node in done:
            return []
        for following in sorted(graph.get(node, ())):
            circle = walk(following, [*trail, node])
            if circle:
                return circle
        done.add(node)
        return []

    return next((circle for node in sorted(graph) if (circle := walk(node, []))), [])


def test_every_module_keeps_the_import_rules() -> None:
    """No module of the suite imports what its place forbids."""
    assert violations(ROOT) == []


PLANTED = [
    # what is planted where, and what must be said about it
    ("services/a/n/domain.py", "import sqlalchemy", "domain may not import sqlalchemy"),
    ("services/a/n/domain.py", "import grpc", "domain may not import grpc"),
    ("services/a/n/domain.py", "from chassis.database import Tx", "domain may not import chassis.database.Tx"),
    ("services/a/n/domain.py", "from services.b.n.domain import X", "domain may not import services.b.n.domain.X"),
    ("services/a/n/domain.py", "from .repository import find", "domain may not import services.a.n.repository.find"),
    ("services/a/n/domain.py", "import random", "domain may not import random"),
    ("services/a/n/domain.py", "def f():\n    import socket", "domain may not import socket"),
    ("services/a/n/domain.py", "t = datetime.now(UTC)", "domain may not call datetime.now"),
    ("services/a/n/domain.py", "@dataclass\nclass X:\n    a: int", "dataclass X is not frozen"),
    ("services/a/n/tables.py", "from chassis import server", "tables may not import chassis.server"),
    ("services/a/n/repository.py", "from shuke.a.v1 import a_pb2", "repository may not import shuke.a.v1.a_pb2"),
    ("services/a/n/convert.py", "from shuke.b.v1 import b_pb2", "convert may not import shuke.b.v1.b_pb2"),
    (
        "services/a/n/convert.py",
        "from services.a.n import repository",
        "convert may not import services.a.n.repository",
    ),
    ("services/a/n/rpc.py", "import sqlalchemy as sa", "rpc may not import sqlalchemy"),
    ("services/a/n/rpc.py", "from shuke.b.v1 import b_pb2_grpc", "rpc may not import shuke.b.v1.b_pb2_grpc"),
    ("services/a/n/rpc.py", "from services.a import server", "rpc may not import services.a.server"),
    ("services/a/n/manager.py", "", "a service has no such file"),
    ("services/a/consumers.py", "from shuke.b.v1 import b_pb2", "consumers may not import shuke.b.v1.b_pb2"),
    ("services/a/schedule.py", "import sqlalchemy", "schedule may not import sqlalchemy"),
    ("services/a/clients.py", "from services.a.n import repository", "clients may not import services.a.n.repository"),
    ("services/a/server.py", "from services.b import server", "service may not import services.b.server"),
    ("services/a/server.py", "from shuke.b.v1 import b_pb2", "service may not import shuke.b.v1.b_pb2"),
    ("chassis/calls.py", "from shuke.a.v1 import a_pb2", "chassis may not import shuke.a.v1.a_pb2"),
    ("chassis/calls.py", "from services.a.n import domain", "chassis may not import services.a.n.domain"),
    ("chassis/money.py", "from google.type import money_pb2", "a pure part of the chassis may not import google.type"),
    ("chassis/names.py", "from chassis import database", "a pure part of the chassis may not import chassis.database"),
    ("chassis/__init__.py", "import grpc", "a pure part of the chassis may not import grpc"),
    ("gateway/auth.py", "from services.a import config", "gateway may not import services.a.config"),
    ("cli/up.py", "import services.a.server", "cli may not import services.a.server"),
    ("bench/run.py", "import services.a.server", "bench may not import services.a.server"),
    ("bench/run.py", "from tests import running", "bench may not import tests.running"),
]


ALLOWED = [
    ("chassis/money.py", "from decimal import Decimal"),
    ("chassis/calls.py", "import grpc, sqlalchemy; from shuke.options.v1 import options_pb2"),
    (
        "services/a/n/domain.py",
        "from datetime import date; import chassis.errors; import services.a.m.domain",
    ),
    ("services/a/n/tables.py", "import sqlalchemy as sa; from services.a.m.tables import stores"),
    ("services/a/n/repository.py", "from chassis.database import Tx; from . import tables; from .domain import X"),
    (
        "services/a/n/convert.py",
        "import google.type.money_pb2; import shuke.a.v1.a_pb2; import chassis.money",
    ),
    (
        "services/a/n/rpc.py",
        "import grpc; import chassis.calls; import services.a.config; from . import convert",
    ),
    ("services/a/clients.py", "from chassis.client import connect; from shuke.b.v1 import b_pb2_grpc"),
    ("services/a/consumers.py", "from shuke.b.v1 import events_pb2; from services.a.n import repository"),
    ("services/a/server.py", "import grpc; from services.a.n.rpc import Service; from shuke.a.v1 import a_pb2_grpc"),
    ("bench/run.py", "from tests.databases import find_postgres; import cli.progress"),
    ("services/a/n/tests/test_rpc.py", "import sqlalchemy; from services.b import server"),
]


@pytest.mark.parametrize(("path", "source", "said"), PLANTED)
def test_a_planted_violation_is_found(tmp_path: Path, path: str, source: str, said: str) -> None:
    """Each rule bites when a module breaks it."""
    plant(tmp_path, {path: source})
    assert [line for line in violations(tmp_path) if line.startswith(path) and said in line]


def test_nouns_in_a_circle_are_found(tmp_path: Path) -> None:
    """Three nouns that import one another round are told as a circle."""
    plant(
        tmp_path,
        {
            "services/a/one/rpc.py": "from services.a.two import domain",
            "services/a/two/domain.py": "from services.a.three.domain import X",
            "services/a/three/domain.py": "from services.a.one.domain import Y",
        },
    )
    assert [line for line in violations(tmp_path) if "circle" in line] == [
        "services/a: nouns in a circle: one -> two -> three -> one"
    ]


def test_what_the_table_allows_passes(tmp_path: Path) -> None:
    """The imports of a service as the architecture draws it break no rule."""
    for path, source in ALLOWED:
        plant(tmp_path, {path: source})
    assert violations(tmp_path) == []


def plant(root: Path, files: dict[str, str]) -> None:
    """Write modules into an empty tree."""
    for path, source in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source, encoding="utf-8")
