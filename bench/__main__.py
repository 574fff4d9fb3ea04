"""`python -m bench [PART...]`: measure, show a table, write build/bench.json; exit code 1 when a target is missed."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import calls, evaluation, replicas, suite
from bench.databases import ENGINES
from bench.figures import Figure
from bench.freshness import Size
from bench.processes import ROOT
from bench.targets import MOST, Verdict, verdict
from cli.progress import Bar

RESULT = ROOT / "build" / "bench.json"
PLACES = 3
WIDTH = 180

Part = Callable[[Path, calls.Following], Iterator[tuple[str, Figure]]]
PARTS: dict[str, Part] = {
    **{f"calls.{engine}": partial(calls.measure, engine, calls.Size()) for engine in ENGINES},
    "start": suite.start,
    **{f"freshness.{transport}": partial(suite.measure, transport, Size()) for transport in suite.TRANSPORTS},
    "replicas": partial(replicas.measure, replicas.Size()),
    "evaluation": partial(evaluation.measure, evaluation.Size()),
}


def run(parts: Mapping[str, Part], result: Path, console: Console) -> list[str]:
    """Measure each part in turn, keep and show the figures; answer which of them miss their targets."""
    figures: dict[str, Figure] = {}
    for part in parts.values():
        with tempfile.TemporaryDirectory() as folder:
            figures |= part(Path(folder), partial(Bar, console))
    result.parent.mkdir(exist_ok=True)
    result.write_text(json.dumps(written(figures), indent=2) + "\n")
    console.print(table(figures))
    console.print(f"written to {result}", highlight=False)
    return [name for name, each in figures.items() if verdict(each.value, MOST.get(name)) is Verdict.MISSED]


def written(figures: Mapping[str, Figure]) -> dict[str, dict[str, float | str]]:
    """Write figures down with their targets, without digits that mean nothing."""
    return {
        name: {
            "value": round(each.value, PLACES),
            "unit": each.unit,
            **({"most": MOST[name]} if name in MOST else {}),
            **{beside: round(value, PLACES) for beside, value in each.beside.items()},
        }
        for name, each in figures.items()
    }


def table(figures: Mapping[str, Figure]) -> Table:
    """Lay figures out for people, against their targets."""
    shown = Table("", "value", "most", "", "unit", "beside", box=None)
    shown.columns[0].no_wrap = shown.columns[4].no_wrap = True
    for name, each in figures.items():
        most = MOST.get(name)
        beside = ", ".join(f"{what} {value:,.4g}" for what, value in each.beside.items())
        shown.add_row(name, f"{each.value:,.3g}", f"{most or ''}", verdict(each.value, most), each.unit, beside)
    return shown


def main(names: list[str]) -> int:
    """Measure the parts whose names begin so, or all."""
    chosen = {name: part for name, part in PARTS.items() if not names or name.startswith(tuple(names))}
    if not chosen:
        print(f"nothing is called so; there are: {', '.join(PARTS)}", file=sys.stderr)  # noqa: T201
        return 2
    # What is not a terminal does not say how wide it is.
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    missed = run(chosen, RESULT, console)
    if missed:
        console.print(f"more than 25 % beyond the target: {', '.join(missed)}", highlight=False)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
