"""Run every check that needs no run of the suite, and say of each failure what to do about it."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tools.gen import GENERATED, IMAGE, PROTOS, ROOT

RELEASED = PROTOS / "released.binpb"
IMAGE_PATH = str((GENERATED / IMAGE).relative_to(ROOT))
BUF_CONFIG = str((PROTOS / "buf.yaml").relative_to(ROOT))


@dataclass(frozen=True)
class Check:
    """One command that must succeed, and the way out when it does not."""

    name: str
    command: tuple[str, ...]
    way_out: str


def main(folders: list[str]) -> int:
    """Run all checks on the given folders, so that one round of work can answer all that they find."""
    failed = [check for check in checks(folders) if not passes(check)]
    if not RELEASED.exists():
        print("note  no released contracts yet, nothing to break; `make release-image` keeps the first")
    for check in failed:
        print(f"\n{check.name}: {check.way_out}", file=sys.stderr)
    return 1 if failed else 0


def checks(folders: list[str]) -> list[Check]:
    """List what is checked; generated code comes first, because types and contracts are read from it."""
    planned = [
        Check("generated", (sys.executable, "-m", "tools.gen", "--check"), "run `make gen` and commit protos/gen"),
        Check(
            "settings",
            (sys.executable, "-m", "tools.settings", "--check"),
            "run `make gen` and commit docs/operations.md",
        ),
        Check("lint", (tool("ruff"), "check", "--quiet", "."), "`.venv/bin/ruff check --fix .` mends what it can"),
        Check("format", (tool("ruff"), "format", "--quiet", "--check", "."), "run `.venv/bin/ruff format .`"),
        Check("types", (tool("mypy"), "--strict", "--no-error-summary", *folders), "mend the types named above"),
        Check(
            "contracts",
            (tool("buf"), "lint", IMAGE_PATH, "--config", BUF_CONFIG, "--path", "shuke"),
            "mend protos/shuke, then `make gen`; the rules are in protos/buf.yaml",
        ),
        Check(
            "contract format",
            (tool("buf"), "format", "protos", "--diff", "--exit-code"),
            "run `.venv/bin/buf format -w protos`",
        ),
    ]
    if RELEASED.exists():
        released = str(RELEASED.relative_to(ROOT))
        planned.append(
            Check(
                "compatibility",
                (tool("buf"), "breaking", IMAGE_PATH, "--against", released, "--config", BUF_CONFIG, "--path", "shuke"),
                "a released contract only grows: keep the field, mark it deprecated, add another beside it",
            )
        )
    return planned


def passes(check: Check) -> bool:
    """Run one check in the repository's root and print its line."""
    started = time.monotonic()
    finished = subprocess.run(check.command, cwd=ROOT, check=False)
    good = finished.returncode == 0
    print(f"{'ok  ' if good else 'FAIL'}  {check.name} ({time.monotonic() - started:.1f} s)", flush=True)
    return good


def tool(name: str) -> str:
    """Find a tool that was installed beside this Python."""
    return str(Path(sys.executable).parent / name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
