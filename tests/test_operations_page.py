"""The run book tells what the code tells."""

from __future__ import annotations

import re

from tools.gen import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
LOGGED = re.compile(r"log\.(?:warning|error|exception)\(\s*\"([^\"]+)\"")


def test_every_warning_is_explained() -> None:
    """Whatever the suite logs beside its calls has a row that says what it is, and no row is of another time."""
    folders = (ROOT / name for name in ("chassis", "gateway", "services"))
    files = (path for folder in folders for path in folder.rglob("*.py") if "tests" not in path.parts)
    written = {line for path in files for line in LOGGED.findall(path.read_text(encoding="utf-8"))}
    told = set(re.findall(r"^\| `([a-z ]+)` \|", PAGE.partition("| line |")[2].partition("##")[0], re.MULTILINE))
    assert told - {"vault keys"} == written
