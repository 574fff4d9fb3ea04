"""A slice of the Online Retail data for journeys: the plan of a few days, and what the suite must arrive at."""

from __future__ import annotations

import datetime as dt
import lzma
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cli.demo import SCHEME, Demo, run_figures
from cli.online_retail import Plan, Refund, Sale, plan
from cli.online_retail_file import FILE
from cli.replay import Outcome

LAST_DAY = dt.date(2010, 12, 5)
# The bounds of the example policy, in pence; nobody has ninety days of loyalty in the first week.
BOUNDS = (("GOLD", 500_000), ("SILVER", 200_000), ("REGULAR", 50_000))


def slice_of(folder: Path, last: dt.date = LAST_DAY) -> Plan:
    """Plan the replay of the file's first days."""
    small = folder / "slice.csv.xz"
    with (
        lzma.open(FILE, "rt", encoding="utf-8", newline="") as whole,
        lzma.open(small, "wt", preset=0, newline="") as kept,
    ):
        kept.write(next(whole))
        for line in whole:
            # The file is sorted by time; the fourth field from the end is the date.
            if line.rsplit(",", 4)[1][:10] > last.isoformat():
                break
            kept.write(line)
    return plan(small)


def receipts(retail: Plan) -> Iterator[Sale | Refund]:
    """List every receipt of a plan."""
    for day in retail.days:
        for store_day in day.stores:
            yield from store_day.sales
            yield from store_day.refunds


def nets(retail: Plan) -> dict[str, int]:
    """Add up, slowly and obviously, each customer's net in pence."""
    sums: dict[str, int] = defaultdict(int)
    for receipt in receipts(retail):
        if receipt.customer:
            sums[receipt.customer] += receipt.total if isinstance(receipt, Sale) else -receipt.total
    return dict(sums)


def ladder(retail: Plan) -> dict[str, int]:
    """Grade, slowly and obviously, by the example policy."""
    bought = {receipt.customer for receipt in receipts(retail) if isinstance(receipt, Sale)}
    classes = Counter(dict.fromkeys(("NEW", "REGULAR", "SILVER", "GOLD", "DIAMOND"), 0))
    for customer, net in nets(retail).items():
        if customer in bought:
            classes[next((name for name, bound in BOUNDS if net >= bound), "NEW")] += 1
    return dict(classes)


def as_of(demo: Demo, token: str) -> dict[str, Any]:
    """Grade everybody at the end of the slice; answer the figures."""
    figures = run_figures(LAST_DAY, demo.grade(SCHEME, LAST_DAY, token))
    return {name: figures[name] for name in ("denominator", "ladder", "none")}


def spent(demo: Demo, outcome: Outcome, token: str) -> dict[str, int]:
    """Ask the ledger for each customer's net, in pence."""
    found = {}
    for reference, name in outcome.customers.items():
        net = demo.api.get(f"/v1/{name}:spendSummary", token)["net"]
        found[reference] = int(net["units"]) * 100 + net["nanos"] // 10_000_000
    return found
