"""Step 5 of the demonstration: who the valuable customers are, how customers moved, and how much few of them bring."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from cli.api import Api, Json
from cli.dates import asked, text_of
from cli.replay import NANOS_PER_PENNY, PENCE

NONE = "none"


def grade(evaluation: Json) -> dict[str, Any]:
    """Answer the figures of a run by score: customers per class from the highest, and where each class lies."""
    counts = {held["classKey"]: int(held["count"]) for held in reversed(evaluation["classes"])}
    return {
        "as_of": text_of(evaluation["asOf"]),
        "customers": sum(counts.values()),
        "classes": counts,
        "least_amounts": {one["classKey"]: pence(one["leastAmount"]) / PENCE for one in evaluation["classRanges"]},
    }


def matrix(api: Api, token: str, scheme: str, first: dt.date, last: dt.date) -> dict[str, dict[str, int]]:
    """Ask how customers moved: a row for each class held before the first day, a column for each held at the end."""
    answer = api.get(
        f"/v1/schemes/{scheme}:movementMatrix", token, **asked("firstDate", first), **asked("lastDate", last)
    )
    return {
        row["classKey"] or NONE: {count["classKey"] or NONE: int(count["count"]) for count in row["counts"]}
        for row in answer["rows"]
    }


def concentration(api: Api, token: str, as_of: dt.date, numbers: Mapping[str, str]) -> dict[str, Any]:
    """Ask what the top 20 % bring, and who the five largest are; `numbers` are the file's, by the customers' names."""
    answer = api.get("/v1/analytics:valueConcentration", token, **asked("asOf", as_of))
    return {
        "customers": int(answer["denominator"]),
        "top": int(answer["numerator"]),
        "share_percent": int(answer["netSpend"]["shareBasisPoints"]) / 100,
        "largest": {numbers[one["customer"]]: pence(one["netSpend"]) / PENCE for one in answer["largest"]},
    }


def show(console: Console, value: Json) -> None:
    """Show the step's figures."""
    graded, brought = value["score"], value["concentration"]
    table = Table(title=f"Value classes as of {graded['as_of']}: 40/40/20 of net, profit (generated) and purchases")
    for heading in ("class", "customers", "least net, GBP"):
        table.add_column(heading, justify="right")
    for name, number in graded["classes"].items():
        table.add_row(name, f"{number:,}", f"{graded['least_amounts'].get(name, 0):,.2f}")
    console.print(table)
    moved = Table(title="From class (rows: at the start of the last quarter) to class (columns: at its end)")
    rows = value["matrix"]
    for heading in ("", *rows):
        moved.add_column(heading, justify="right")
    for name, row in rows.items():
        moved.add_row(name, *(f"{row[other]:,}" for other in rows))
    console.print(moved)
    console.print(
        f"The top 20 % of the {brought['customers']:,} customers with a ledger entry, {brought['top']:,}, hold "
        f"{brought['share_percent']:.2f} % of net. The score placed {graded['customers']:,}: the other denominator, "
        "customers with a sale.",
        highlight=False,
    )
    for number, net in brought["largest"].items():
        console.print(f"  customer {number}: GBP {net:,.2f}", highlight=False)


def pence(money: Json) -> int:
    """Read an amount of an answer."""
    return int(money.get("units", 0)) * PENCE + int(money.get("nanos", 0)) // NANOS_PER_PENNY
