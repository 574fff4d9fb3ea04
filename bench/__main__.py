"""`python -m bench`: measure, show a table, write build/bench.json."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.databases import ENGINES
from bench.figures import Figure
from bench.measure import Size, measure
from bench.processes import ROOT
from cli.progress import Bar

RESULT = ROOT / "build" / "bench.json"
PLACES = 3


def run(engines: Iterable[str], size: Size, result: Path, console: Console) -> None:
    """Measure on each engine in turn, and keep and show the figures."""
    figures: dict[str, Figure] = {}
    for engine in engines:
        with tempfile.TemporaryDirectory() as folder:
            figures |= measure(engine, size, Path(folder), partial(Bar, console))
    result.parent.mkdir(exist_ok=True)
    result.write_text(json.dumps(written(figures), indent=2) + "\n")
    console.print(table(figures))
    console.print(f"written to {result}", highlight=False)


def written(figures: Mapping[str, Figure]) -> dict[str, dict[str, float | str]]:
    """Write figures down, without digits that mean nothing."""
    return {
        name: {
            field: round(value, PLACES) if isinstance(value, float) else value for field, value in asdict(each).items()
        }
        for name, each in figures.items()
    }


def table(figures: Mapping[str, Figure]) -> Table:
    """Lay out for people what the server's CPU took."""
    shown = Table("", "ratio", "spread", "ours us", "bare us", "per", box=None)
    for name, each in figures.items():
        costs = (f"{each.ratio:.2f}", f"{each.spread:.2f}", f"{each.ours:.0f}", f"{each.reference:.0f}")
        shown.add_row(name, *costs, each.unit.rpartition(" ")[2])
    return shown


if __name__ == "__main__":
    run(ENGINES, Size(), RESULT, Console())
