"""What our own code says about reasons, read from its syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Where the code of each part lies; the chassis speaks for all of them.
FOLDERS = {
    "chassis": ROOT / "chassis",
    "customer": ROOT / "services" / "customer",
    "tiering": ROOT / "services" / "tiering",
    "ticketing": ROOT / "services" / "ticketing",
    "notify": ROOT / "services" / "notify",
    "gateway": ROOT / "gateway",
}


@dataclass
class Sources:
    """The reasons of some code: what it says, and with which metadata."""

    # Every text of the code that may be a reason, as it stands.
    words: set[str] = field(default_factory=set)
    # Reason -> where it is given.
    given: dict[str, str] = field(default_factory=dict)
    # Classes of refusals, and every name that is used.
    classes: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    # (reason, where, names of the metadata), one per place where a refusal is raised or a problem noted.
    raised: list[tuple[str, str, frozenset[str]]] = field(default_factory=list)


def modules(folder: Path) -> Iterator[tuple[str, ast.Module]]:
    """Parse the modules of a folder, without its tests."""
    for path in sorted(folder.rglob("*.py")):
        if "tests" not in path.relative_to(folder).parts and "migrations" not in path.parts:
            yield str(path), ast.parse(path.read_text(encoding="utf-8"))


def read(*folders: Path) -> Sources:
    """Read what the modules of folders say about reasons."""
    found = Sources()
    parsed = [module for folder in folders for module in modules(folder)]
    refusals = {name: reason for _, tree in parsed for name, reason in _refusals(tree)}
    found.classes = refusals
    for path, tree in parsed:
        for node in ast.walk(tree):
            where = f"{path}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.words.add(node.value)
            elif isinstance(node, ast.Name):
                found.used.add(node.id)
            elif isinstance(node, ast.Attribute):
                found.used.add(node.attr)
            elif isinstance(node, ast.Assign) and _names(node.targets) == ["reason"]:
                found.given |= dict.fromkeys(_texts(node.value), where)
            elif isinstance(node, ast.Call):
                _read_call(found, node, where, refusals)
    return found


def _read_call(found: Sources, call: ast.Call, where: str, refusals: dict[str, str]) -> None:
    called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    names = [word.arg for word in call.keywords]
    metadata = frozenset(name for name in names if name is not None)
    spread = len(metadata) != len(names)
    if called in refusals and not spread:
        found.raised.append((refusals[called], where, metadata))
    elif called in {"add", "Violation"} and len(call.args) > 1:
        for reason in _texts(call.args[1]):
            if reason.isupper():
                found.given[reason] = where
                if called == "add" and not spread:
                    found.raised.append((reason, where, metadata | {"field"}))


def _refusals(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Find classes that carry a reason and take any metadata; what has an `__init__` of its own fills it there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and not any(
            isinstance(part, ast.FunctionDef) and part.name == "__init__" for part in node.body
        ):
            for part in node.body:
                if isinstance(part, ast.Assign) and _names(part.targets) == ["reason"]:
                    for reason in _texts(part.value):
                        yield node.name, reason


def _names(targets: list[ast.expr]) -> list[str]:
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _texts(node: ast.expr) -> list[str]:
    return [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]
