"""Tell which requirements are proved by which tests.

The ids are the bold bullets of `docs/requirements.md`; tests name them with `@pytest.mark.requirement("K-73")`. The
tests are read, not run, so that this is quick and works while some of them fail.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "docs" / "requirements.md"
TEST_FOLDERS = ("tests", "services", "chassis", "gateway", "cli")
RESULT = ROOT / "build" / "trace.json"

REQUIREMENT = re.compile(r"^- \*\*([A-Z]+-\d+)\*\*", re.MULTILINE)


class TraceError(Exception):
    """The requirements or the marks cannot be read as meant."""


@dataclass(frozen=True)
class Claim:
    """A test says that it proves a requirement."""

    requirement: str
    test: str


def main() -> int:
    """Print what is proved and what is not, and write the whole of it to `build/trace.json`."""
    try:
        ids = requirement_ids(REQUIREMENTS.read_text(encoding="utf-8"))
        proofs = trace(ids, [claim for folder in TEST_FOLDERS for claim in claims_under(ROOT / folder, ROOT)])
    except TraceError as error:
        print(f"trace: {error}", file=sys.stderr)
        return 1
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(proofs, indent=1) + "\n", encoding="utf-8")
    print(summary(proofs))
    return 0


def requirement_ids(text: str) -> list[str]:
    """Read the ids in the order of the page; each may stand there once."""
    ids = REQUIREMENT.findall(text)
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        raise TraceError(f"ids that stand twice in the requirements: {', '.join(twice)}")
    return ids


def trace(ids: list[str], claims: list[Claim]) -> dict[str, list[str]]:
    """Map every requirement to the tests that prove it; a claim on an unknown one is an error."""
    proofs: dict[str, list[str]] = {name: [] for name in ids}
    unknown = [claim for claim in claims if claim.requirement not in proofs]
    if unknown:
        lines = "\n".join(f"  {claim.requirement} in {claim.test}" for claim in unknown)
        raise TraceError(f"tests name requirements that do not exist:\n{lines}")
    for claim in claims:
        proofs[claim.requirement].append(claim.test)
    return {name: sorted(set(tests)) for name, tests in proofs.items()}


def claims_under(folder: Path, root: Path) -> Iterator[Claim]:
    """Read the claims of every test module under a folder."""
    for path in sorted(folder.rglob("test_*.py")):
        module = path.relative_to(root).as_posix()
        yield from claims_in(ast.parse(path.read_text(encoding="utf-8"), module), module, ())


def claims_in(node: ast.Module | ast.ClassDef, name: str, inherited: tuple[str, ...]) -> Iterator[Claim]:
    """Read the claims of a module or a class; marks of the whole hold for every test inside."""
    outer = (*inherited, *(mark for item in node.body if sets_pytestmark(item) for mark in marks(item, name)))
    for item in node.body:
        if isinstance(item, ast.ClassDef):
            own = tuple(mark for decorator in item.decorator_list for mark in marks(decorator, name))
            yield from claims_in(item, f"{name}::{item.name}", outer + own)
        elif isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
            own = tuple(mark for decorator in item.decorator_list for mark in marks(decorator, name))
            if item.name.startswith("test"):
                yield from (Claim(mark, f"{name}::{item.name}") for mark in outer + own)
            elif own:
                raise TraceError(f"{name}::{item.name} is no test and proves nothing")


def sets_pytestmark(item: ast.stmt) -> bool:
    """Tell whether a statement marks the whole module or class."""
    targets = item.targets if isinstance(item, ast.Assign) else [item.target] if isinstance(item, ast.AnnAssign) else []
    return any(isinstance(target, ast.Name) and target.id == "pytestmark" for target in targets)


def marks(node: ast.AST, where: str) -> Iterator[str]:
    """Find the ids of every requirement mark inside an expression, in `pytest.param(..., marks=...)` too."""
    for call in ast.walk(node):
        if not isinstance(call, ast.Call) or not ast.unparse(call.func).endswith("mark.requirement"):
            continue
        for argument in call.args:
            if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
                raise TraceError(
                    f"{where}:{call.lineno}: requirement ids must be plain strings; they are read, not run"
                )
            yield argument.value


def summary(proofs: dict[str, list[str]]) -> str:
    """Write what is proved and what is not, a paragraph per prefix."""
    lines = []
    for prefix, group in groupby(sorted(proofs, key=prefix_of), key=prefix_of):
        names = list(group)
        open_ones = [name for name in names if not proofs[name]]
        lines.append(f"{prefix}: {len(names) - len(open_ones)} of {len(names)} proved")
        lines += [f"  {name}  {test}" for name in names for test in proofs[name]]
        if open_ones:
            lines.append(f"  not proved: {' '.join(open_ones)}")
    proved = sum(1 for tests in proofs.values() if tests)
    return "\n".join([*lines, f"all: {proved} of {len(proofs)} proved"])


def prefix_of(requirement: str) -> str:
    """Name the group that a requirement belongs to."""
    return requirement.split("-", maxsplit=1)[0]


if __name__ == "__main__":
    sys.exit(main())
