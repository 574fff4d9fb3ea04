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


def test_every_metric_that_is_watched_is_one_of_ours() -> None:
    """What operators are told to watch is measured, by that name."""
    watched = set(re.findall(r"`(?:time\(\) - )?(shuke_[a-z_]+)`", PAGE))
    files = (path for name in ("chassis", "gateway", "services") for path in (ROOT / name).rglob("*.py"))
    source = "".join(path.read_text(encoding="utf-8") for path in files if "tests" not in path.parts)
    measured = {name.removesuffix("_count").removesuffix("_total") for name in watched}
    assert measured
    assert [name for name in measured if f'"{name}"' not in source] == []
